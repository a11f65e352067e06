/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one place where secrets become clear text again, on their way to a runner. What is stored, and what
 * the bus carries, has markers in their places; the clear text lives from the claim to the end of its
 * reply.
 *
 * Each secret is also collected, for the worker's mask: once as a whole, and where it is JSON (a service
 * account's key, a whole configuration) also string by string, since a connector that logs an error shows
 * only the part. json-c frees its strings without overwriting them, so that the tree that is resolved
 * here isn't erased; what leaves this file, the list and the reply's buffer, is.
 *
 * The state is not put into the tree but written behind it: it is an array of the source's messages,
 * whose bytes (numbers above all) must come back to it as they were. */

#include "basic/json-write.h"
#include "workload/claim-input.h"

/* A string inside a secret that is JSON is masked by itself from this length on: below it are ordinary words
 * (a service account's "type", a region). */
#define INNER_SECRET_MIN 8U

typedef struct Resolve {
        const ClaimResolver *resolver;
        const char *owner; /* the actor whose configuration is looked into */
        char **secrets;
} Resolve;

void claim_secrets_erase(char ***secrets) {
        STRV_FOREACH(s, *secrets)
                explicit_bzero(*s, strlen(*s));
        *secrets = strv_free(*secrets);
}

void claim_buffer_erase(Buffer *b) {
        if (b->data)
                explicit_bzero(b->data, b->allocated);
        buffer_done(b);
}

static void erase_string(char **s) {
        if (*s)
                explicit_bzero(*s, strlen(*s));
        free(*s);
}

static int add_secret(Resolve *v, const char *s) {
        return *s && !strv_contains(v->secrets, s) ? strv_extend(&v->secrets, s) : 0;
}

/* The strings that a secret of several parts consists of: a log shows them one by one. */
static int add_inner_secrets(Resolve *v, JsonObject *o) {
        int r = 0;

        switch (json_object_get_type(o)) {
        case json_type_string:
                return json_object_get_string_len(o) >= (int) INNER_SECRET_MIN ?
                       add_secret(v, json_object_get_string(o)) : 0;
        case json_type_array:
                for (size_t i = 0; r >= 0 && i < json_object_array_length(o); i++)
                        r = add_inner_secrets(v, json_object_array_get_idx(o, i));
                return r;
        case json_type_object: {
                json_object_object_foreach(o, key, value) {
                        (void) key;
                        r = add_inner_secrets(v, value);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        default:
                return 0;
        }
}

/* A secret that begins like an object or array and is one was an object or array in the configuration only if it
 * stands in a marker that says so; strings that hold JSON (a service account's key) stay strings. */
static int make_value(Resolve *v, JsonObject *marker, const char *text, JsonObject **ret) {
        _cleanup_json_ JsonObject *parsed = NULL;
        JsonObject *json = json_member(marker, "json");
        int r;

        r = add_secret(v, text);
        if (r < 0)
                return r;
        if ((*text == '{' || *text == '[') && json_parse(text, strlen(text), &parsed, NULL) >= 0) {
                r = add_inner_secrets(v, parsed);
                if (r < 0)
                        return r;
                if (json_object_is_type(json, json_type_boolean) && json_object_get_boolean(json)) {
                        *ret = TAKE_PTR(parsed);
                        return 0;
                }
        }
        *ret = json_object_new_string(text);
        return *ret ? 0 : -ENOMEM;
}

/* 1 and the clear value when `o` stands for a secret, 0 when it is anything else. */
static int resolve_marker(Resolve *v, JsonObject *o, JsonObject **ret, Error **reterr_error) {
        _cleanup_(erase_string) char *text = NULL;
        const ClaimResolver *resolver = v->resolver;
        JsonObject *id, *sealed;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return 0;
        id = json_member(o, "_secret");
        sealed = json_member(o, "_sealed");
        if (json_object_is_type(id, json_type_string))
                r = resolver->secret(json_object_get_string(id), v->owner, &text, reterr_error, resolver->userdata);
        else if (json_object_is_type(sealed, json_type_string))
                r = resolver->sealed(json_object_get_string(sealed), &text, reterr_error, resolver->userdata);
        else
                return 0;
        if (r < 0)
                return r;
        r = make_value(v, o, text, ret);
        return r < 0 ? r : 1;
}

/* What a marker became is not looked into again: a secret whose text looks like a marker stays a text. */
static int resolve_children(Resolve *v, JsonObject *o, Error **reterr_error);

/* Recursion is bounded by JSON_DEPTH_MAX, which the parser has checked. */
static int resolve_child(Resolve *v, JsonObject *child, JsonObject **ret_new, Error **reterr_error) {
        int r;

        *ret_new = NULL;
        r = resolve_marker(v, child, ret_new, reterr_error);
        return r != 0 ? r : resolve_children(v, child, reterr_error);
}

static int resolve_members(Resolve *v, JsonObject *o, Error **reterr_error) {
        json_object_object_foreach(o, key, child) {
                JsonObject *new;
                int r;

                r = resolve_child(v, child, &new, reterr_error);
                /* An existing key: the table isn't moved under the iteration. */
                if (r > 0 && json_object_object_add(o, key, new) < 0) {
                        json_object_put(new);
                        r = -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int resolve_children(Resolve *v, JsonObject *o, Error **reterr_error) {
        if (json_object_is_type(o, json_type_object))
                return resolve_members(v, o, reterr_error);
        if (!json_object_is_type(o, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(o); i++) {
                JsonObject *new;
                int r;

                r = resolve_child(v, json_object_array_get_idx(o, i), &new, reterr_error);
                if (r > 0 && json_object_array_put_idx(o, i, new) < 0) {
                        json_object_put(new);
                        r = -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

/* A configuration may be sealed as a whole; then it is an object's text. */
static int resolve_configuration(Resolve *v, JsonObject *actor, Error **reterr_error) {
        _cleanup_json_ JsonObject *clear = NULL, *parsed = NULL;
        JsonObject *id = json_member(actor, "id");
        const char *text;
        int r;

        v->owner = json_object_is_type(id, json_type_string) ? json_object_get_string(id) : NULL;
        r = resolve_child(v, json_member(actor, "configuration"), &clear, reterr_error);
        if (r <= 0 || json_object_is_type(clear, json_type_object))
                return r <= 0 ? r : json_add(actor, "configuration", TAKE_PTR(clear));
        text = json_object_get_string(clear);
        r = json_parse(text, strlen(text), &parsed, NULL);
        if (r < 0 || !json_object_is_type(parsed, json_type_object))
                return error_set(reterr_error, -EBADMSG, "What was sealed is not a configuration");
        return json_add(actor, "configuration", TAKE_PTR(parsed));
}

/* The keys of mappers. */
static int resolve_mappers(Resolve *v, JsonObject *input, Error **reterr_error) {
        JsonObject *streams = json_member(input, "streams");
        size_t n = json_object_is_type(streams, json_type_array) ? json_object_array_length(streams) : 0;
        int r = 0;

        v->owner = NULL;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = resolve_children(v, json_member(json_object_array_get_idx(streams, i), "mappers"), reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "A mapper") : 0;
}

int claim_input_resolve(JsonObject *input, const ClaimResolver *resolver, char ***ret_secrets,
                        Error **reterr_error) {
        static const char *const roles[] = { "actor", "source", "destination" };
        Resolve v = { .resolver = resolver };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(roles); i++) {
                JsonObject *actor = json_member(input, roles[i]);

                if (!json_object_is_type(actor, json_type_object))
                        continue;
                r = resolve_configuration(&v, actor, reterr_error);
                if (r < 0)
                        (void) error_prefix(reterr_error, r, "The configuration of the %s", roles[i]);
        }
        if (r >= 0)
                r = resolve_mappers(&v, input, reterr_error);
        if (r < 0) {
                claim_secrets_erase(&v.secrets);
                return r;
        }
        *ret_secrets = v.secrets;
        return 0;
}

int claim_input_write(Buffer *b, JsonObject *input, const char *state, size_t n_state, char *const *secrets) {
        int r;

        r = json_append(b, input);
        if (r < 0)
                return r;
        /* In the place of the closing brace. */
        assert(b->len > 0 && buffer_bytes(b)[b->len - 1] == '}');
        b->len--;
        if ((r = json_write_key(b, "state")) < 0 || (r = buffer_append(b, state, n_state)) < 0 ||
            (r = json_write_key(b, "secrets")) < 0 || (r = buffer_append_char(b, '[')) < 0)
                return r;
        STRV_FOREACH(s, secrets)
                if ((s != secrets && (r = buffer_append_char(b, ',')) < 0) ||
                    (r = json_write_cstring(b, *s)) < 0)
                        return r;
        return buffer_append_string(b, "]}");
}
