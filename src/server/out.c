/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first failure sticks in `r`, and out_take() tells of it: an answer of twenty members needs one
 * check. A value that is handed over belongs to the object from then on, whether or not it could be
 * added. */

#include "server/out.h"

Out out_object(void) {
        JsonObject *o = json_object_new_object();

        return (Out) { .o = o, .r = o ? 0 : -ENOMEM };
}

void out_done(Out *out) {
        json_object_put(out->o);
        out->o = NULL;
}

void out_value(Out *out, const char *key, JsonObject *value) {
        if (out->r < 0)
                json_object_put(value);
        else
                out->r = json_add(out->o, key, value);
}

/* Of a value that can't be NULL but when memory is short. */
static void add(Out *out, const char *key, JsonObject *value) {
        if (!value && out->r >= 0)
                out->r = -ENOMEM;
        out_value(out, key, value);
}

void out_string(Out *out, const char *key, const char *value) {
        if (value)
                add(out, key, json_object_new_string(value));
}

void out_i64(Out *out, const char *key, int64_t value) {
        add(out, key, json_object_new_int64(value));
}

void out_bool(Out *out, const char *key, bool value) {
        add(out, key, json_object_new_boolean(value));
}

void out_json(Out *out, const char *key, const char *text) {
        JsonObject *value = NULL;
        int r;

        if (!text)
                return;
        r = json_parse(text, strlen(text), &value, NULL);
        if (r < 0 && out->r >= 0)
                out->r = r;
        out_value(out, key, value);
}

void out_seconds(Out *out, const char *key, usec_t t) {
        if (t > 0)
                out_i64(out, key, (int64_t) (t / USEC_PER_SEC));
}

void out_rfc3339(Out *out, const char *key, usec_t t) {
        char text[RFC3339_MAX];

        if (t == 0)
                return;
        /* Airbyte's clients know whole seconds. */
        (void) format_rfc3339(t / USEC_PER_SEC * USEC_PER_SEC, text);
        memcpy(text + STRLEN("2026-11-23T05:26:53"), "Z", 2);
        out_string(out, key, text);
}

int out_take(Out *out, JsonObject **ret) {
        if (out->r < 0) {
                out_done(out);
                return out->r;
        }
        *ret = TAKE_PTR(out->o);
        return 0;
}

int out_append(JsonObject *array, JsonObject *value) {
        if (value && json_object_array_add(array, value) == 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}
