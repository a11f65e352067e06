/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way in, in the order of judge() and configuration_prepare(). Markers that come from outside are
 * refused: they would name somebody else's secret. The specification says which values are secret. Masks
 * in their places become the markers of what is stored; a mask where nothing is stored is an error of the
 * field. Then, on a copy with all secrets in clear, the whole is held against the schema, paths against
 * gantry.conf, and a secret that stays against a place that changes: who may edit but not read must not
 * have a password sent to a host of his own. Only what has passed is sealed, each secret under an id of
 * its own.
 *
 * Invariants: what is stored has a marker at each place that the specification marks; a marker's secret
 * belongs to this actor (the seal is bound to its owner, so that another's doesn't open); a value that
 * comes in clear gets a new id, one that stays keeps its id. Clear text leaves this file by
 * configuration_try() and configuration_unseal() only.
 *
 * All that is wrong is collected field by field before anything is refused, so that a form can show it at
 * once. Trees are walked by replace(), which carries the JSON pointer along; pointers are the names under
 * which specification, masks and errors meet. */

#include <stdio.h>

#include "basic/strv.h"
#include "basic/uuid.h"
#include "db/secret-store.h"
#include "protocol/connector-spec.h"
#include "server/configuration-path.h"
#include "server/configuration.h"

void configuration_done(Configuration *c) {
        free(c->text);
        secret_array_done(&c->secrets);
        strv_free(c->keep);
        *c = (Configuration) {};
}

/* Walks a tree and gives each value's replacement: NULL keeps it. `pointer` is the JSON pointer of the
 * value. */
typedef int (*ReplaceFunction)(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata);

static int replace_children(Buffer *pointer, JsonObject *o, ReplaceFunction f, void *userdata);

static int replace_one(Buffer *pointer, JsonObject *value, JsonObject **ret, ReplaceFunction f,
                       void *userdata) {
        int r;

        *ret = NULL;
        if (!buffer_string(pointer))
                return -ENOMEM;
        r = f(buffer_string(pointer), value, ret, userdata);
        if (r < 0 || *ret)
                return r;
        return replace_children(pointer, value, f, userdata);
}

/* Appends "/key", escaped as RFC 6901 has it, and gives the length before it. */
static int push(Buffer *pointer, const char *key, size_t *ret_length) {
        int r = buffer_append_char(pointer, '/');

        *ret_length = pointer->len - (r < 0 ? 0 : 1);
        for (; r >= 0 && *key; key++)
                r = *key == '~' ? buffer_append_string(pointer, "~0") :
                    *key == '/' ? buffer_append_string(pointer, "~1") : buffer_append_char(pointer, *key);
        return r;
}

/* Depth is bounded by the parser's JSON_DEPTH_MAX. */
static int replace_children(Buffer *pointer, JsonObject *o, ReplaceFunction f, void *userdata) {
        JsonObject *new;
        size_t length;
        int r;

        if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o); i++) {
                        char index[24];

                        (void) snprintf(index, sizeof(index), "%zu", i);
                        r = push(pointer, index, &length);
                        if (r >= 0)
                                r = replace_one(pointer, json_object_array_get_idx(o, i), &new, f, userdata);
                        if (r < 0)
                                return r;
                        if (new && json_object_array_put_idx(o, i, new) < 0)
                                return -ENOMEM;
                        pointer->len = length;
                }
                return 0;
        }
        if (!json_object_is_type(o, json_type_object))
                return 0;
        json_object_object_foreach(o, key, value) {
                r = push(pointer, key, &length);
                if (r >= 0)
                        r = replace_one(pointer, value, &new, f, userdata);
                if (r < 0)
                        return r;
                /* An existing key: the table isn't moved under the iteration. */
                if (new && json_object_object_add(o, key, new) < 0)
                        return -ENOMEM;
                pointer->len = length;
        }
        return 0;
}

static int replace(JsonObject *o, ReplaceFunction f, void *userdata) {
        _cleanup_buffer_ Buffer pointer = {};
        JsonObject *new = NULL;
        int r = replace_one(&pointer, o, &new, f, userdata);

        /* The whole can't be replaced. */
        json_object_put(new);
        return r;
}

static const char *secret_id(JsonObject *value) {
        JsonObject *id = json_member(value, "_secret");

        return json_object_is_type(id, json_type_string) ? json_object_get_string(id) : NULL;
}

static bool is_mask(JsonObject *value) {
        return json_object_is_type(value, json_type_string) && streq(json_object_get_string(value),
                                                                     SECRET_MASK);
}

static int mask_one(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata) {
        if (!secret_id(value))
                return 0;
        *ret = json_object_new_string(SECRET_MASK);
        return *ret ? 0 : -ENOMEM;
}

int configuration_mask(const char *stored, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        int r = json_parse(stored, strlen(stored), &o, NULL);

        if (r >= 0)
                r = replace(o, mask_one, NULL);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

typedef struct Work {
        Call *call;
        const Definition *definition;
        const char *workspace_id, *actor_id;
        JsonObject *old;       /* as stored, or NULL */
        Configuration *result;
        char **secrets;        /* pointers of what the spec marks as secret */
        bool keeps_secret;     /* one of them stays as it was */
        bool refused;          /* a field error has been told */
} Work;

static int unseal_one(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata) {
        Work *w = userdata;
        const char *id = secret_id(value);
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_wipe_ char *text = NULL;
        size_t n;
        int r;

        if (!id)
                return 0;
        r = secret_store_get(w->call->server->db, id, &secret, &w->call->error);
        if (r >= 0 && !streq(secret->owner_id, w->actor_id))
                r = error_set(&w->call->error, -EBADMSG, "A secret belongs to somebody else");
        if (r >= 0)
                r = sealing_open(w->call->server->keys, &(SealingPlace) { "secret", id, w->actor_id },
                                 secret->sealed.p, secret->sealed.n, &text, &n, &w->call->error);
        if (r < 0)
                return r;
        if (json_member(value, "json"))
                return json_parse(text, n, ret, NULL);
        *ret = json_object_new_string_len(text, (int) n);
        return *ret ? 0 : -ENOMEM;
}

int configuration_unseal(Call *c, const char *actor_id, const char *stored, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        Work w = { .call = c, .actor_id = actor_id };
        int r = json_parse(stored, strlen(stored), &o, NULL);

        if (r >= 0)
                r = replace(o, unseal_one, &w);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int configuration_merge(JsonObject *target, JsonObject *patch) {
        json_object_object_foreach(patch, key, value) {
                JsonObject *there = json_member(target, key);
                int r = 0;

                if (!value)
                        json_object_object_del(target, key);
                else if (json_object_is_type(value, json_type_object) && json_object_is_type(there,
                                                                                             json_type_object) &&
                         !secret_id(there))
                        r = configuration_merge(there, value);
                else
                        r = json_add(target, key, json_object_get(value));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int refuse(Work *w, const char *pointer, const char *why) {
        w->refused = true;
        return call_add_field_error(w->call, *pointer ? pointer : "/", why);
}

/* Markers are ours: one that comes from outside would name somebody else's secret. */
static int refuse_marker(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata) {
        Work *w = userdata;

        if (json_object_is_type(value, json_type_object) &&
            (json_object_object_get_ex(value, "_secret", NULL) || json_object_object_get_ex(value, "_sealed",
                                                                                            NULL)))
                return refuse(w, pointer, "has a member of a reserved name");
        return 0;
}

/* The value at a JSON pointer, or NULL. */
static JsonObject *at(JsonObject *o, const char *pointer) {
        JsonObject *found = NULL;

        return o && json_pointer_get(o, pointer, &found) == 0 ? found : NULL;
}

/* A mask becomes the marker of the secret that is there. */
static int keep_one(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata) {
        Work *w = userdata;
        JsonObject *old;

        if (!is_mask(value))
                return 0;
        old = at(w->old, pointer);
        if (!secret_id(old))
                return strv_contains(w->secrets, pointer) ?
                        refuse(w, pointer, "is masked, but there is no secret behind the mask") : 0;
        w->keeps_secret = true;
        *ret = json_clone(old);
        return *ret ? 0 : -ENOMEM;
}

static int note_secret(const char *pointer, JsonObject *value, void *userdata) {
        Work *w = userdata;

        if (!value)
                return 0;
        if (!json_object_is_type(value, json_type_string) && !json_object_is_type(value, json_type_object) &&
            !json_object_is_type(value, json_type_array))
                return refuse(w, pointer, "is a secret and must be a text, an object or an array");
        return strv_extend(&w->secrets, pointer);
}

static int seal(Work *w, JsonObject *value, JsonObject **ret) {
        _cleanup_(secret_freep) Secret *secret = calloc(1, sizeof(*secret));
        _cleanup_wipe_ char *text = NULL;
        bool is_text = json_object_is_type(value, json_type_string);
        size_t n;
        void *p;
        int r;

        text = is_text ? strdup(json_object_get_string(value)) : json_to_string(value);
        if (!secret || !text)
                return -ENOMEM;
        secret->id = uuid7_new_string(w->call->server->env);
        secret->owner_id = strdup(w->actor_id);
        secret->workspace_id = strdup(w->workspace_id);
        if (!secret->id || !secret->owner_id || !secret->workspace_id)
                return -ENOMEM;
        r = sealing_seal(w->call->server->keys, &(SealingPlace) { "secret", secret->id, w->actor_id }, text,
                         is_text ? (size_t) json_object_get_string_len(value) : strlen(text), &p, &n);
        if (r < 0)
                return r;
        secret->sealed = (Blob) { p, n };
        *ret = json_object_new_object();
        if (!*ret || json_add_string(*ret, "_secret", secret->id) < 0 ||
            (!is_text && json_add(*ret, "json", json_object_new_boolean(true)) < 0))
                return -ENOMEM;
        r = model_array_append((void ***) &w->result->secrets.items, &w->result->secrets.n, secret);
        if (r >= 0)
                secret = NULL;
        return r;
}

static int seal_one(const char *pointer, JsonObject *value, JsonObject **ret, void *userdata) {
        Work *w = userdata;
        const char *id = secret_id(value);
        int r;

        if (!id && strv_contains(w->secrets, pointer)) {
                r = seal(w, value, ret);
                if (r < 0)
                        return r;
                id = secret_id(*ret);
        } else if (id)
                *ret = json_object_get(value); /* stays, and is not looked into */
        return id ? strv_extend(&w->result->keep, id) : 0;
}

static int check_spec(Work *w, const ConnectorSpec *spec, JsonObject *clear) {
        _cleanup_error_ Error *e = NULL;
        _cleanup_strv_ char **lines = NULL;
        int r = connector_spec_check_config(spec, clear, &e);

        if (r >= 0)
                return 0;
        if (r != -EINVAL || !e)
                return r;
        lines = strv_split(e->message, "\n");
        if (!lines)
                return -ENOMEM;
        STRV_FOREACH(line, lines) {
                char *colon = **line == '/' ? strstr(*line, ": ") : NULL;

                if (colon)
                        *colon = 0;
                if (**line) {
                        r = refuse(w, colon ? *line : "/", colon ? colon + 2 : *line);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int check_path(const char *pointer, const char *path, bool write, void *userdata) {
        Work *w = userdata;
        _cleanup_free_ char *why = NULL;
        int r = configuration_path_check(w->call->server->conf, path, write, &why);

        return r == -EPERM ? refuse(w, pointer, why) : r;
}

static int conclude(Work *w) {
        if (!w->refused)
                return 0;
        return call_fail(w->call, -EDOM, NULL, "The configuration of '%s' is not valid",
                         w->definition->name);
}

/* Everything that is judged while secrets are in clear. */
static int check(Work *w, const ConnectorSpec *spec, JsonObject *wanted) {
        _cleanup_json_ JsonObject *clear = json_clone(wanted);
        int r;

        if (!clear)
                return -ENOMEM;
        r = replace(clear, unseal_one, w);
        if (r >= 0)
                r = check_spec(w, spec, clear);
        if (r >= 0)
                r = connector_spec_foreach_path(spec, clear, check_path, w);
        if (r >= 0 && w->keeps_secret && w->old && configuration_place_differs(w->old, wanted))
                r = refuse(w, "/", "a host or URL changes: the secrets must be entered again");
        return r;
}

static int load_spec(Call *c, const Definition *d, ConnectorSpec **ret) {
        if (!d->spec)
                return call_fail(c, -EAGAIN, NULL, "The specification of '%s' is not known yet", d->name);
        return connector_spec_from_text(d->spec, ret, &c->error);
}

static int parse_old(const char *old, JsonObject **ret) {
        return old ? json_parse(old, strlen(old), ret, NULL) : 0;
}

static void work_done(Work *w) {
        strv_free(w->secrets);
        json_object_put(w->old);
}

/* Judges `wanted` and puts the markers of old secrets where its masks are. */
static int judge(Work *w, const char *old, JsonObject *wanted) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        Call *c = w->call;
        int r;

        /* Airbyte's SDK and its documentation put the connector's type beside the settings. */
        json_object_object_del(wanted, w->definition->role == ACTOR_SOURCE ? "sourceType" :
                               "destinationType");
        r = load_spec(c, w->definition, &spec);
        if (r >= 0)
                r = parse_old(old, &w->old);
        if (r >= 0)
                r = replace(wanted, refuse_marker, w);
        if (r >= 0)
                r = connector_spec_foreach_secret(spec, wanted, note_secret, w);
        if (r >= 0)
                r = replace(wanted, keep_one, w);
        if (r >= 0)
                r = conclude(w);
        if (r >= 0)
                r = check(w, spec, wanted);
        return r < 0 ? r : conclude(w);
}

int configuration_prepare(Call *c, const Definition *d, const char *workspace_id, const char *actor_id,
                          const char *old, JsonObject *wanted, Configuration *ret) {
        _cleanup_configuration_ Configuration result = {};
        _cleanup_(work_done) Work w = { .call = c, .definition = d, .workspace_id = workspace_id,
                                        .actor_id = actor_id,
                                        .result = &result };
        int r = judge(&w, old, wanted);

        if (r >= 0)
                r = replace(wanted, seal_one, &w);
        if (r < 0)
                return r;
        result.text = json_to_string(wanted);
        if (!result.text)
                return -ENOMEM;
        *ret = result;
        result = (Configuration) {};
        return 0;
}

int configuration_try(Call *c, const Definition *d, const char *workspace_id, const char *actor_id,
                      const char *old,
                      JsonObject *wanted, JsonObject **ret_clear) {
        _cleanup_(work_done) Work w = { .call = c, .definition = d, .workspace_id = workspace_id,
                                        .actor_id = actor_id };
        int r = judge(&w, old, wanted);

        if (r >= 0)
                r = replace(wanted, unseal_one, &w);
        if (r >= 0)
                *ret_clear = json_object_get(wanted);
        return r;
}

typedef struct Take {
        JsonObject *clear;  /* what is stored */
        JsonObject *target; /* the same, masked */
} Take;

static int take_secret(const char *pointer, JsonObject *value, void *userdata) {
        Take *t = userdata;

        if (!value || json_equal(at(t->clear, pointer), value))
                return 0;
        /* Where its parent isn't there, another branch of the configuration was chosen: not a secret's
         * change. */
        if (json_pointer_set(&t->target, pointer, json_object_get(value)) < 0)
                json_object_put(value);
        return 0;
}

/* `config` is whole, but may be of another branch of a oneOf than what is stored: pointers that lead
 * nowhere are left alone. */
int configuration_take_secrets(Call *c, const Definition *d, const char *actor_id, const char *stored,
                               JsonObject *config, JsonObject **ret) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        _cleanup_json_ JsonObject *clear = NULL, *target = NULL;
        int r = load_spec(c, d, &spec);

        if (r >= 0)
                r = configuration_unseal(c, actor_id, stored, &clear);
        if (r >= 0)
                r = configuration_mask(stored, &target);
        if (r >= 0)
                r = connector_spec_foreach_secret(spec, config, take_secret,
                                                  &(Take) { .clear = clear, .target = target });
        if (r >= 0)
                *ret = TAKE_PTR(target);
        return r;
}

int configuration_store(Call *c, const char *actor_id, const Configuration *configuration) {
        Db *db = c->server->db;
        int r;

        for (size_t i = 0; i < configuration->secrets.n; i++) {
                r = secret_store_put(db, configuration->secrets.items[i], server_now(c->server), &c->error);
                if (r < 0)
                        return r;
        }
        r = secret_store_delete_of_owner(db, actor_id, configuration->keep, &c->error);
        return r < 0 ? r : 0;
}
