/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/utf8.h"
#include "server/body.h"

#define PAGE_SIZE_DEFAULT 200

#define WHAT "The body"

int body_string(Call *c, JsonObject *body, const char *key, const char **ret) {
        return json_get_string(body, key, ret, WHAT, &c->error);
}

int body_object(Call *c, JsonObject *body, const char *key, JsonObject **ret) {
        return json_get_object(body, key, ret, WHAT, &c->error);
}

int body_array(Call *c, JsonObject *body, const char *key, JsonObject **ret) {
        return json_get_array(body, key, ret, WHAT, &c->error);
}

int body_bool(Call *c, JsonObject *body, const char *key, bool *ret) {
        return json_get_bool(body, key, ret, WHAT, &c->error);
}

int body_i64(Call *c, JsonObject *body, const char *key, int64_t *ret) {
        return json_get_i64(body, key, ret, WHAT, &c->error);
}

int body_strv(Call *c, JsonObject *body, const char *key, char ***ret) {
        return json_get_strv(body, key, ret, WHAT, &c->error);
}

static int need(Call *c, int r, const char *key) {
        if (r == 0)
                return call_fail(c, -EINVAL, NULL, "The body must have '%s'", key);
        return r < 0 ? r : 0;
}

int body_need_string(Call *c, JsonObject *body, const char *key, const char **ret) {
        return need(c, body_string(c, body, key, ret), key);
}

int body_need_object(Call *c, JsonObject *body, const char *key, JsonObject **ret) {
        return need(c, body_object(c, body, key, ret), key);
}

static int replace_text(char **field, char *text) {
        if (!text)
                return -ENOMEM;
        free(*field);
        *field = text;
        return 1;
}

int body_name(Call *c, JsonObject *body, char **name) {
        const char *s = NULL;
        int r = body_string(c, body, "name", &s);

        if (r <= 0)
                return r;
        if (!*s || strlen(s) > NAME_LENGTH_MAX)
                return call_fail(c, -EINVAL, NULL, "'name' must have from 1 to %u bytes", NAME_LENGTH_MAX);
        if (strspn(s, " ") == strlen(s))
                return call_fail(c, -EINVAL, NULL, "'name' must not be blank");
        if (utf8_has_controls(s))
                return call_fail(c, -EINVAL, NULL, "'name' must not have control characters");
        return replace_text(name, strdup(s));
}

int body_replace_string(Call *c, JsonObject *body, const char *key, char **field) {
        const char *s = NULL;
        int r = body_string(c, body, key, &s);

        return r <= 0 ? r : replace_text(field, strdup(s));
}

int body_replace_json(Call *c, JsonObject *body, const char *key, json_type type, char **field) {
        JsonObject *value = json_member(body, key);

        if (!value)
                return 0;
        if (!json_object_is_type(value, type))
                return call_fail(c, -EINVAL, NULL, "'%s' must be an %s", key,
                                 type == json_type_array ? "array" : "object");
        return replace_text(field, json_to_string(value));
}

int body_page(Call *c, JsonObject *body, ListOptions *ret) {
        JsonObject *pagination = NULL;
        int64_t size = PAGE_SIZE_DEFAULT, offset = 0;
        int r = body_object(c, body, "pagination", &pagination);

        if (r > 0)
                r = body_i64(c, pagination, "pageSize", &size);
        if (r >= 0 && pagination)
                r = body_i64(c, pagination, "rowOffset", &offset);
        if (r < 0)
                return r;
        if (size < 1 || offset < 0)
                return call_fail(c, -EINVAL, NULL, "'pagination' has a number that is too small");
        ret->limit = MIN((size_t) size, (size_t) LIST_LIMIT_MAX);
        ret->offset = (uint64_t) offset;
        return 0;
}
