/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An encryption mapper's key sits deep within a stream's configuration and has no specification that
 * marks it; so its place is known here by name, in both of the spellings that clients use. Otherwise the
 * rules are those of configuration.c: markers from outside are refused, a mask stands for the key that is
 * stored, keys in clear are sealed under new ids, and what is no longer referred to is deleted with the
 * change.
 *
 * Which stored key a mask stands for is found by stream and mapper id. Where there is no id the field
 * that is encrypted has to do. */

#include "basic/strv.h"
#include "basic/uuid.h"
#include "db/secret-store.h"
#include "secrets/sealing.h"
#include "server/configuration.h"
#include "server/mapper-secrets.h"

#define PROBLEM_MAPPER "error:mapper-validation/invalid-mapper"
/* Deeper than any mapper's settings, shallow enough for recursion. */
#define DEPTH_MAX 32U

void mapper_secrets_done(MapperSecrets *m) {
        secret_array_done(&m->secrets);
        strv_free(m->keep);
        *m = (MapperSecrets) {};
}

static const char *string(JsonObject *o, const char *key) {
        JsonObject *v = json_member(o, key);

        return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : NULL;
}

static JsonObject *array(JsonObject *o, const char *key) {
        JsonObject *v = json_member(o, key);

        return json_object_is_type(v, json_type_array) ? v : NULL;
}

/* The settings of a mapper that has a key, or NULL. */
static JsonObject *settings_with_key(JsonObject *mapper) {
        JsonObject *settings = json_member(mapper, "mapperConfiguration") ?:
                               json_member(mapper, "mapper_configuration");

        return streq_ptr(string(mapper, "type"), "encryption") && json_member(settings, "key") ? settings : NULL;
}

typedef int (*KeyHandler)(JsonObject *stream, JsonObject *mapper, JsonObject *settings, void *userdata);

static int each_key(JsonObject *streams, KeyHandler handler, void *userdata) {
        size_t n = streams ? json_object_array_length(streams) : 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                JsonObject *stream = json_object_array_get_idx(streams, i), *mappers = array(stream, "mappers");

                for (size_t k = 0; r >= 0 && mappers && k < json_object_array_length(mappers); k++) {
                        JsonObject *mapper = json_object_array_get_idx(mappers, k);
                        JsonObject *settings = settings_with_key(mapper);

                        if (settings)
                                r = handler(stream, mapper, settings, userdata);
                }
        }
        return r;
}

/* --- in --- */

typedef struct Work {
        Call *call;
        JsonObject *old; /* streams as stored */
        const char *workspace_id, *connection_id;
        MapperSecrets *result;
} Work;

static int refuse(Work *w, JsonObject *stream, const char *why) {
        return call_fail(w->call, -EINVAL, PROBLEM_MAPPER, "Stream '%s': %s", strempty(string(stream, "name")), why);
}

/* Markers are ours: one that comes from outside would name somebody else's secret. */
static bool has_marker(JsonObject *o, unsigned depth) {
        if (json_object_is_type(o, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        if (depth >= DEPTH_MAX || has_marker(json_object_array_get_idx(o, i), depth + 1))
                                return true;
                return false;
        }
        if (!json_object_is_type(o, json_type_object))
                return false;
        json_object_object_foreach(o, key, value)
                if (depth >= DEPTH_MAX || streq(key, "_secret") || streq(key, "_sealed") ||
                    has_marker(value, depth + 1))
                        return true;
        return false;
}

typedef struct Search {
        JsonObject *stream, *mapper; /* looked for */
        JsonObject *found;           /* the key's marker */
} Search;

static const char *target_of(JsonObject *mapper) {
        JsonObject *settings = settings_with_key(mapper);

        return strempty(string(settings, "targetField") ?: string(settings, "target_field"));
}

/* The same stream's mapper of the same id or, without ids, for the same field. */
static int search_one(JsonObject *stream, JsonObject *mapper, JsonObject *settings, void *userdata) {
        Search *s = userdata;
        const char *id = string(s->mapper, "id"), *other = string(mapper, "id");

        if (!s->found && streq_ptr(string(stream, "name"), string(s->stream, "name")) &&
            streq(strempty(string(stream, "namespace")), strempty(string(s->stream, "namespace"))) &&
            (id && other ? streq(id, other) : streq(target_of(mapper), target_of(s->mapper))))
                s->found = json_member(settings, "key");
        return 0;
}

static int restore_one(JsonObject *stream, JsonObject *mapper, JsonObject *settings, void *userdata) {
        Search s = { .stream = stream, .mapper = mapper };
        Work *w = userdata;
        int r;

        if (!streq_ptr(string(settings, "key"), SECRET_MASK))
                return 0;
        r = each_key(w->old, search_one, &s);
        if (r < 0)
                return r;
        if (!string(s.found, "_secret"))
                return refuse(w, stream, "the key is masked, but there is no key behind the mask");
        return json_add(settings, "key", json_object_get(s.found));
}

int mapper_secrets_restore(Call *c, const char *stored, JsonObject *streams) {
        _cleanup_json_ JsonObject *catalog = NULL;
        Work w = { .call = c };
        int r = 0;

        for (size_t i = 0; streams && i < json_object_array_length(streams); i++) {
                JsonObject *stream = json_object_array_get_idx(streams, i);

                if (has_marker(json_member(stream, "mappers"), 0))
                        return refuse(&w, stream, "a mapper has a member of a reserved name");
        }
        if (stored)
                r = json_parse(stored, strlen(stored), &catalog, &c->error);
        w.old = array(catalog, "streams");
        return r < 0 ? r : each_key(streams, restore_one, &w);
}

static int make_secret(Work *w, const char *key, Secret **ret) {
        _cleanup_(secret_freep) Secret *s = calloc(1, sizeof(*s));
        void *p;
        size_t n;
        int r;

        if (!s)
                return -ENOMEM;
        s->id = uuid7_new_string(w->call->server->env);
        s->owner_id = strdup(w->connection_id);
        s->workspace_id = strdup(w->workspace_id);
        if (!s->id || !s->owner_id || !s->workspace_id)
                return -ENOMEM;
        r = sealing_seal(w->call->server->keys, &(SealingPlace) { "secret", s->id, w->connection_id }, key,
                         strlen(key), &p, &n);
        if (r < 0)
                return r;
        s->sealed = (Blob) { p, n };
        *ret = TAKE_PTR(s);
        return 0;
}

static int seal_one(JsonObject *stream, JsonObject *mapper, JsonObject *settings, void *userdata) {
        JsonObject *key = json_member(settings, "key");
        _cleanup_(secret_freep) Secret *secret = NULL;
        _cleanup_json_ JsonObject *marker = NULL;
        Work *w = userdata;
        int r;

        if (string(key, "_secret"))
                return strv_extend(&w->result->keep, string(key, "_secret"));
        /* What isn't a text was refused as a mapper. */
        if (!string(settings, "key"))
                return -EINVAL;
        r = make_secret(w, string(settings, "key"), &secret);
        if (r >= 0)
                r = strv_extend(&w->result->keep, secret->id);
        marker = json_object_new_object();
        if (r >= 0)
                r = marker ? json_add_string(marker, "_secret", secret->id) : -ENOMEM;
        if (r >= 0)
                r = json_add(settings, "key", TAKE_PTR(marker));
        if (r >= 0)
                r = model_array_append((void ***) &w->result->secrets.items, &w->result->secrets.n, secret);
        if (r >= 0)
                secret = NULL;
        return r;
}

int mapper_secrets_seal(Call *c, const char *workspace_id, const char *connection_id, JsonObject *chosen,
                        MapperSecrets *ret) {
        _cleanup_mapper_secrets_ MapperSecrets result = { .given = true };
        Work w = { .call = c, .workspace_id = workspace_id, .connection_id = connection_id, .result = &result };
        int r;

        r = each_key(array(chosen, "streams"), seal_one, &w);
        if (r < 0)
                return r;
        *ret = result;
        result = (MapperSecrets) {};
        return 0;
}

int mapper_secrets_store(Call *c, const char *connection_id, const MapperSecrets *m) {
        int r = 0;

        if (!m->given)
                return 0;
        for (size_t i = 0; r >= 0 && i < m->secrets.n; i++)
                r = secret_store_put(c->server->db, m->secrets.items[i], server_now(c->server), &c->error);
        if (r >= 0)
                r = secret_store_delete_of_owner(c->server->db, connection_id, m->keep, &c->error);
        return MIN(r, 0);
}

/* --- out --- */

static int mask_one(JsonObject *stream, JsonObject *mapper, JsonObject *settings, void *userdata) {
        return json_add_string(settings, "key", SECRET_MASK);
}

int mapper_secrets_mask(JsonObject *catalog) {
        return each_key(array(catalog, "streams"), mask_one, NULL);
}
