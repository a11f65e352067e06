/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done to a configuration between the person's text and the connector: texts become the types
 * that the specification wants (only for references, where all is text), and references to secrets become
 * the secrets.
 *
 * Both walk the tree with a worklist instead of recursion, because its depth is the person's choice.
 * Secrets are resolved as late as possible and into this copy only: what is stored, hashed or shown is
 * the reference. */

#include <stdio.h>

#include "basic/file-util.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "basic/utf8.h"
#include "runtime/connector-config.h"

/* systemd's own limit for a credential. */
#define SECRET_MAX (1024U * 1024U)
/* Values to visit; a configuration has dozens. */
#define CONFIG_VALUES_MAX 100000U

/* ---- A worklist in place of recursion: pairs of a container and the schema for it. ---- */

typedef struct Item {
        JsonObject *value;  /* an object or array, borrowed from the configuration */
        JsonObject *schema; /* borrowed, may be NULL */
        char *pointer;      /* where it stands, for messages */
} Item;

typedef struct Worklist {
        Item *items;
        size_t n, allocated;
} Worklist;

/* The values are borrowed from the configuration. */
static void worklist_done(Worklist *w) {
        for (size_t i = 0; i < w->n; i++)
                free(w->items[i].pointer);
        free(w->items);
}

/* Takes `pointer` over, even on failure; NULL for it is a failed allocation of the caller's. */
static int worklist_push(Worklist *w, JsonObject *value, JsonObject *schema, char *pointer) {
        if (!pointer || w->n >= CONFIG_VALUES_MAX) {
                free(pointer);
                return w->n >= CONFIG_VALUES_MAX ? -E2BIG : -ENOMEM;
        }
        if (w->n == w->allocated) {
                size_t size = MAX(w->allocated * 2, 16U);
                Item *items = reallocarray(w->items, size, sizeof(*items));

                if (!items) {
                        free(pointer);
                        return -ENOMEM;
                }
                w->items = items;
                w->allocated = size;
        }
        w->items[w->n++] = (Item) { .value = value, .schema = schema, .pointer = pointer };
        return 0;
}

static bool is_container(JsonObject *o) {
        return json_object_is_type(o, json_type_object) || json_object_is_type(o, json_type_array);
}

/* ---- Coercion ---- */

/* "type" is a word or a list of words. */
static bool schema_wants(JsonObject *schema, const char *type) {
        JsonObject *t = json_member(schema, "type");

        if (json_object_is_type(t, json_type_string))
                return streq(json_object_get_string(t), type);
        if (!json_object_is_type(t, json_type_array))
                return false;
        for (size_t i = 0; i < json_object_array_length(t); i++) {
                JsonObject *one = json_object_array_get_idx(t, i);

                if (json_object_is_type(one, json_type_string) && streq(json_object_get_string(one), type))
                        return true;
        }
        return false;
}

/* Whether every constant that the branch fixes and the value names agree, and at least one does. */
static bool branch_fits(JsonObject *branch, JsonObject *value) {
        JsonObject *properties = json_member(branch, "properties");
        bool agreed = false;

        if (!json_object_is_type(properties, json_type_object))
                return false;
        json_object_object_foreach(properties, key, property) {
                JsonObject *constant = json_member(property, "const"), *have = json_member(value, key);

                if (!constant || !have)
                        continue;
                if (!json_equal(constant, have))
                        return false;
                agreed = true;
        }
        return agreed;
}

/* The schema of member `key` of `value`, looked up in the schema itself and then in the fitting branch of
 * its oneOf. */
static JsonObject *member_schema(JsonObject *schema, JsonObject *value, const char *key) {
        JsonObject *found = json_member(json_member(schema, "properties"), key);
        JsonObject *branches = json_member(schema, "oneOf");

        if (found || !json_object_is_type(branches, json_type_array))
                return found;
        for (size_t i = 0; i < json_object_array_length(branches); i++) {
                JsonObject *branch = json_object_array_get_idx(branches, i);

                if (branch_fits(branch, value))
                        return json_member(json_member(branch, "properties"), key);
        }
        return NULL;
}

/* Through the one JSON parser, so that a number here is what a number is in a file. */
static JsonObject *parse_as(const char *s, json_type type) {
        _cleanup_json_ JsonObject *o = NULL;

        if (json_parse(s, strlen(s), &o, NULL) < 0 || !json_object_is_type(o, type))
                return NULL;
        return TAKE_PTR(o);
}

/* What a string says as the type that the schema wants; NULL to leave it. */
static JsonObject *coerce_string(JsonObject *schema, JsonObject *string) {
        const char *s = json_object_get_string(string);
        JsonObject *o = NULL;
        bool yes;

        if (schema_wants(schema, "string"))
                return NULL;
        if (schema_wants(schema, "integer") || schema_wants(schema, "number")) {
                o = parse_as(s, json_type_int);
                if (!o && schema_wants(schema, "number"))
                        o = parse_as(s, json_type_double);
        }
        if (!o && schema_wants(schema, "boolean") && parse_boolean(s, &yes) >= 0)
                o = json_object_new_boolean(yes);
        if (!o && schema_wants(schema, "object"))
                o = parse_as(s, json_type_object);
        if (!o && schema_wants(schema, "array")) {
                o = parse_as(s, json_type_array);
                /* One value of a list may be given without brackets. */
                if (!o && s[0] != '[') {
                        o = json_object_new_array();
                        if (o && json_object_array_add(o, json_object_get(string)) < 0) {
                                json_object_put(string);
                                json_object_put(o);
                                return NULL;
                        }
                }
        }
        return o;
}

/* Coerces one member or element; the (new) value is pushed when it is a container. `index` counts for
 * arrays. */
static int coerce_child(Worklist *w, JsonObject *parent, const char *key, size_t index, JsonObject *child,
                        JsonObject *schema) {
        JsonObject *changed;
        int r;

        if (json_object_is_type(child, json_type_string)) {
                changed = coerce_string(schema, child);
                if (changed) {
                        r = key ? json_add(parent, key, changed)
                                : json_object_array_put_idx(parent, index, changed) < 0 ? -ENOMEM : 0;
                        if (r < 0)
                                return r;
                        child = changed;
                }
        }
        return is_container(child) ? worklist_push(w, child, schema, strdup("")) : 0;
}

/* The keys of an object, so that members may be replaced while walking. */
static int object_keys(JsonObject *o, char ***ret) {
        _cleanup_strv_ char **keys = NULL;
        int r;

        json_object_object_foreach(o, key, value) {
                (void) value;
                r = strv_extend(&keys, key);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(keys);
        return 0;
}

int connector_config_coerce(const ConnectorSpec *spec, JsonObject *config) {
        _cleanup_(worklist_done) Worklist w = {};
        int r;

        if (!is_container(config))
                return 0;
        r = worklist_push(&w, config, spec->connection_specification, strdup(""));
        for (size_t i = 0; r >= 0 && i < w.n; i++) {
                JsonObject *value = w.items[i].value, *schema = w.items[i].schema;
                _cleanup_strv_ char **keys = NULL;

                if (json_object_is_type(value, json_type_array)) {
                        for (size_t k = 0; r >= 0 && k < json_object_array_length(value); k++)
                                r = coerce_child(&w, value, NULL, k, json_object_array_get_idx(value, k),
                                                 json_member(schema, "items"));
                        continue;
                }
                r = object_keys(value, &keys);
                STRV_FOREACH(key, keys)
                        if (r >= 0)
                                r = coerce_child(&w, value, *key, 0, json_member(value, *key),
                                                 member_schema(schema, value, *key));
        }
        return r;
}

/* ---- References to secrets ---- */

/* A file made with an editor ends in a newline that is not part of the secret; more than one is. */
static int text_object(const char *p, size_t n, const char *where, JsonObject **ret, Error **reterr_error) {
        if (n > 0 && p[n - 1] == '\n')
                n--;
        if (memchr(p, 0, n) || !utf8_is_valid(p, n))
                return error_set(reterr_error, -EINVAL, "%s: the text is not UTF-8 without NUL bytes", where);
        *ret = json_object_new_string_len(p, (int) n);
        return *ret ? 0 : -ENOMEM;
}

/* An empty variable is a value; one that is not set is a mistake. */
static int resolve_env(const char *name, const char *where, JsonObject **ret, Error **reterr_error) {
        const char *value = getenv(name);

        if (!value)
                return error_set(reterr_error, -ENOENT, "%s: the environment variable '%s' is not set",
                                 where, name);
        return text_object(value, strlen(value), where, ret, reterr_error);
}

/* The copy on the heap is wiped; that of the tree lives as long as the connector's configuration. */
static int resolve_file(const char *path, const char *where, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = read_file(path, SECRET_MAX, &text, &n, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "%s", where);
        r = text_object(text, n, where, ret, reterr_error);
        explicit_bzero(text, n);
        return r;
}

/* systemd's credentials: files in a directory that only this unit can read. */
static int resolve_credential(const char *name, const char *where, JsonObject **ret, Error **reterr_error) {
        const char *dir = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_free_ char *path = NULL;

        if (name[0] == 0 || name[0] == '.' || strchr(name, '/'))
                return error_set(reterr_error, -EINVAL, "%s: '%s' is no name of a credential", where, name);
        if (!dir)
                return error_set(reterr_error, -ENOENT,
                                 "%s: there are no credentials here ($CREDENTIALS_DIRECTORY is "
                                 "not set); systemd-run -p LoadCredential=%s:FILE gives one", where, name);
        path = path_join(dir, name);
        return path ? resolve_file(path, where, ret, reterr_error) : -ENOMEM;
}

/* 1 and the text when `o` is a reference, 0 when it is an ordinary value. */
static int resolve_one(JsonObject *o, const char *where, JsonObject **ret, Error **reterr_error) {
        static const struct {
                const char *key;
                int (*resolve)(const char *name, const char *where, JsonObject **ret, Error **reterr_error);
        } kinds[] = {
                { "$env",        resolve_env        },
                { "$file",       resolve_file       },
                { "$credential", resolve_credential },
        };
        int r;

        if (!json_object_is_type(o, json_type_object) || json_object_object_length(o) != 1)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                JsonObject *name;

                if (!json_object_object_get_ex(o, kinds[i].key, &name))
                        continue;
                if (!json_object_is_type(name, json_type_string))
                        return error_set(reterr_error, -EINVAL, "%s: '%s' must be a string", where,
                                         kinds[i].key);
                r = kinds[i].resolve(json_object_get_string(name), where, ret, reterr_error);
                return r < 0 ? r : 1;
        }
        return 0;
}

/* What a reference gave is not looked into again: a secret that reads {"$file": …} is a text. */
static int resolve_child(Worklist *w, const Item *at, const char *key, size_t index, JsonObject *child,
                         Error **reterr_error) {
        JsonObject *parent = at->value, *text = NULL;
        _cleanup_free_ char *pointer = NULL;
        int r;

        if ((key ? asprintf(&pointer, "%s/%s", at->pointer, key)
                 : asprintf(&pointer, "%s/%zu", at->pointer, index)) < 0)
                return -ENOMEM;
        r = resolve_one(child, pointer, &text, reterr_error);
        if (r < 0)
                return r;
        if (r > 0)
                return key ? json_add(parent, key, text)
                           : json_object_array_put_idx(parent, index, text) < 0 ? -ENOMEM : 0;
        return is_container(child) ? worklist_push(w, child, NULL, TAKE_PTR(pointer)) : 0;
}

int connector_config_resolve(JsonObject *config, Error **reterr_error) {
        _cleanup_(worklist_done) Worklist w = {};
        int r;

        if (!is_container(config))
                return 0;
        r = worklist_push(&w, config, NULL, strdup(""));
        for (size_t i = 0; r >= 0 && i < w.n; i++) {
                const Item at = w.items[i]; /* the list may move while children are added */
                _cleanup_strv_ char **keys = NULL;

                if (json_object_is_type(at.value, json_type_array)) {
                        for (size_t k = 0; r >= 0 && k < json_object_array_length(at.value); k++)
                                r = resolve_child(&w, &at, NULL, k, json_object_array_get_idx(at.value, k),
                                                  reterr_error);
                        continue;
                }
                r = object_keys(at.value, &keys);
                STRV_FOREACH(key, keys)
                        if (r >= 0)
                                r = resolve_child(&w, &at, *key, 0, json_member(at.value, *key),
                                                  reterr_error);
        }
        return r;
}
