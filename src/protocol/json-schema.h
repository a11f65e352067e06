/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON-Schema draft-7: compile once, validate many. Remote references are refused by name; "$ref" inside
 * the document, "$id" scopes and "definitions" work. Regular expressions run in PCRE2 with a match limit
 * (threat T39). */

#include "shared/json-util.h"

typedef struct JsonSchema JsonSchema;

/* `schema` is kept alive by reference. Errors: not a schema, unresolvable or remote $ref, bad pattern,
 * $ref loop. */
int json_schema_compile(JsonObject *schema, JsonSchema **ret, Error **reterr_error);

/* The same, with "format" as an annotation, which draft-7 leaves open. */
int json_schema_compile_without_formats(JsonObject *schema, JsonSchema **ret, Error **reterr_error);

JsonSchema *json_schema_free(JsonSchema *s);
DEFINE_CLEANUP(JsonSchema, json_schema_free);

typedef struct JsonSchemaProblem {
        char *path;    /* JSON pointer into the instance, "" = the whole */
        char *message; /* a sentence without the value, which may be a secret */
} JsonSchemaProblem;

/* 1 valid, 0 not, negative errno when it could not be decided (regex limit, memory). Up to `max` problems
 * are stored in `ret_problems`, an array that ends with path == NULL; free with
 * json_schema_problems_free(). May be NULL. */
int json_schema_validate(const JsonSchema *s, JsonObject *instance, size_t max,
                         JsonSchemaProblem **ret_problems);
JsonSchemaProblem *json_schema_problems_free(JsonSchemaProblem *p);
