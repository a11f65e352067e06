/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Members of what a client sent. Each function: 1 there, 0 absent or null, -EINVAL with a sentence that
 * names the member (400). */

#include "db/list-options.h"
#include "server/call.h"

/* Of names: long enough for people, short enough for a page. */
#define NAME_LENGTH_MAX 512U

/* Borrowed from `body`. */
int body_string(Call *c, JsonObject *body, const char *key, const char **ret);
int body_object(Call *c, JsonObject *body, const char *key, JsonObject **ret);
int body_array(Call *c, JsonObject *body, const char *key, JsonObject **ret);
int body_bool(Call *c, JsonObject *body, const char *key, bool *ret);
int body_i64(Call *c, JsonObject *body, const char *key, int64_t *ret);
/* An array of strings, to be freed. */
int body_strv(Call *c, JsonObject *body, const char *key, char ***ret);
/* Must be there: 0 or -EINVAL. */
int body_need_string(Call *c, JsonObject *body, const char *key, const char **ret);
int body_need_object(Call *c, JsonObject *body, const char *key, JsonObject **ret);

/* {"pagination": {"pageSize", "rowOffset"}}, the config API's; the size is 200 where none is said. */
int body_page(Call *c, JsonObject *body, ListOptions *ret);

/* A name replaces `*name`, which is owned: neither empty nor too long, no control characters. 1: it was
 * there. */
int body_name(Call *c, JsonObject *body, char **name);
/* A text replaces `*field`. 1: it was there. */
int body_replace_string(Call *c, JsonObject *body, const char *key, char **field);
/* An object or array as JSON text replaces `*field`. 1: it was there. */
int body_replace_json(Call *c, JsonObject *body, const char *key, json_type type, char **field);
