/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of a schema over a value: what the keywords' files share. */

#include "protocol/json-schema-internal.h"

struct Validation {
        Buffer path; /* JSON pointer of what is looked at; kept only while problems are collected */
        JsonSchemaProblem *problems;
        size_t n_problems, max;
        unsigned quiet; /* > 0: only the answer counts, as below "not" and for the branches of "anyOf" */
        uint64_t steps;
        unsigned depth;
};

/* 1 fits, 0 not, negative errno undecided. A check that fails stops early unless problems are collected. */
int validation_check(Validation *v, const SchemaNode *node, JsonObject *instance);
int validation_check_quietly(Validation *v, const SchemaNode *node, JsonObject *instance);

/* Stores a problem of the current place, or of a member of it, where they are collected. 0 or -ENOMEM, so
 * that a check may return it. */
int validation_problem(Validation *v, const char *format, ...) _printf_(2, 3);
int validation_problem_at(Validation *v, const char *key, const char *message);

/* Keywords that compare values (json-schema-compare.c). */
int validation_check_type(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance);
int validation_check_const(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                           JsonObject *instance);
int validation_check_enum(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance);
int validation_check_unique(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                            JsonObject *instance);

/* Why no branch of an "anyOf" or "oneOf" fits (json-schema-explain.c): the problems of the one that was
 * meant. */
int validation_explain_branches(Validation *v, const SchemaKeyword *k, JsonObject *instance);
