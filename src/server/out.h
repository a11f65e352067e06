/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Building an answer: an object whose first failure sticks, so that members are added without a check
 * after each. */

#include "basic/time-util.h"
#include "shared/json-util.h"

typedef struct Out {
        JsonObject *o;
        int r;
} Out;

Out out_object(void);
/* A NULL string is left out. */
void out_string(Out *out, const char *key, const char *value);
void out_i64(Out *out, const char *key, int64_t value);
void out_bool(Out *out, const char *key, bool value);
/* Takes the value over; NULL = JSON null. */
void out_value(Out *out, const char *key, JsonObject *value);
/* A stored JSON text; NULL is left out. */
void out_json(Out *out, const char *key, const char *text);
/* Seconds since 1970, as Airbyte's API has times; 0 is left out. */
void out_seconds(Out *out, const char *key, usec_t t);
/* "2026-11-23T05:26:53Z"; 0 is left out. */
void out_rfc3339(Out *out, const char *key, usec_t t);

/* Hands the object over; frees it when something had failed. */
int out_take(Out *out, JsonObject **ret);
void out_done(Out *out);
#define _cleanup_out_ _cleanup_(out_done)

/* Appends to an array, taking `value` over even on failure. */
int out_append(JsonObject *array, JsonObject *value);
