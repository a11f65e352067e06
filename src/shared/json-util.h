/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* json-c with our rules: the control plane's way to read and write JSON. One grammar everywhere: a text
 * is first judged by basic/json-scan.h, so that what the record path refuses is refused here too. Numbers
 * keep their text (json-c stores a double's source; integers beyond 64 bits are kept as doubles with
 * their text). */

#include <json-c/json.h>

#include "basic/buffer.h"
#include "basic/error.h"
#include "basic/strv.h"

typedef struct json_object JsonObject;

static inline void json_putp(JsonObject **o) {
        if (*o)
                json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)

/* Parses one JSON text. Errors name the place as "byte N". The result may be NULL with return 0: that is
 * JSON null. */
int json_parse(const char *p, size_t n, JsonObject **ret, Error **reterr_error);
int json_parse_file(const char *path, size_t max, JsonObject **ret, Error **reterr_error);

/* Compact text, appended. */
int json_append(Buffer *b, JsonObject *o);
/* From now on it is written as it is now, without a walk: for what is large and changes no more. Its parts
 * are still there to be read. */
int json_freeze(JsonObject *o);
/* Compact text, allocated; NULL when out of memory. */
char *json_to_string(JsonObject *o);

/* Members by name. Each returns 1 found and of that type, 0 absent or null, -EINVAL of another type
 * (message names `what` and the key). Strings are borrowed from `o`; one with a NUL character in it is
 * -EINVAL. */
int json_get_string(JsonObject *o, const char *key, const char **ret, const char *what,
                    Error **reterr_error);
int json_get_bool(JsonObject *o, const char *key, bool *ret, const char *what, Error **reterr_error);
int json_get_i64(JsonObject *o, const char *key, int64_t *ret, const char *what, Error **reterr_error);
int json_get_double(JsonObject *o, const char *key, double *ret, const char *what, Error **reterr_error);
int json_get_object(JsonObject *o, const char *key, JsonObject **ret, const char *what,
                    Error **reterr_error);
int json_get_array(JsonObject *o, const char *key, JsonObject **ret, const char *what, Error **reterr_error);
/* An array of strings as a strv; 0 and NULL when absent. */
int json_get_strv(JsonObject *o, const char *key, char ***ret, const char *what, Error **reterr_error);

/* The member or NULL, whatever its type. `o` may be NULL or not an object. */
JsonObject *json_member(JsonObject *o, const char *key);

/* Adds a member, taking `value` over even on failure (NULL value = JSON null). */
int json_add(JsonObject *o, const char *key, JsonObject *value);
/* A value of NULL is JSON null. */
int json_add_string(JsonObject *o, const char *key, const char *value);

/* Deep equality that ignores the order of members and compares numbers by value, exactly. */
bool json_equal(JsonObject *a, JsonObject *b);

/* An independent copy; NULL for NULL or when out of memory. */
JsonObject *json_clone(JsonObject *o);
