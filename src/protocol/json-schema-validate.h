/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One run of a schema over a value: what the keywords' files share. */

#include "protocol/json-schema-compile.h"

struct Validation {
        Buffer path; /* JSON pointer of what is looked at; kept only while problems are collected */
        JsonSchemaProblem *problems;
        size_t n_problems, max;
        unsigned quiet; /* > 0: only the answer counts, as below "not" and for the branches of "anyOf" */
        uint64_t steps;
        HashKey hash_key; /* of this run; made when the first array is searched for doubles */
        unsigned depth;
};

/* The keywords of draft 7, each with the shape of its value and its check. */
extern const KeywordType schema_keyword_types[];
const KeywordType *schema_keyword_type_find(const char *name);

/* The instance type of a value; integers are numbers here. */
unsigned schema_instance_type(JsonObject *o);
/* Of a number of json-c: its exact value. The text is written to `buf` where json-c keeps none. -EINVAL
 * for NaN. */
int schema_number(JsonObject *o, char buf[static 24], Decimal *ret);

/* 1 fits, 0 not, negative errno undecided. A check that fails stops early unless problems are collected. */
int validation_check(Validation *v, const SchemaNode *node, JsonObject *instance);
int validation_check_quietly(Validation *v, const SchemaNode *node, JsonObject *instance);

/* Counts what a keyword does beyond the look at its node. -ETIME: that was too much. */
int validation_take_steps(Validation *v, uint64_t n);

/* Stores a problem of the current place, or of a member of it, where they are collected. 0 or -ENOMEM, so
 * that a check may return it. */
int validation_problem(Validation *v, const char *format, ...) _printf_(2, 3);
int validation_problem_at(Validation *v, const char *key, const char *message);
