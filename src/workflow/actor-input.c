/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a workload is told of a source or destination, made anew from the rows each time: nothing of it is
 * cached, so that a changed definition or configuration counts from the next workload on.
 *
 * Secrets stay markers here. A stored configuration names them by id; one that somebody only wants to try
 * has them sealed for the one workload, so that neither the bus, nor the workflow's history, nor the
 * workload's row ever hold clear text, and a copied row opens nothing. Which values are secret is the
 * specification's to say; where there is none, every string is taken for one, since a string too many
 * that is sealed costs nothing and one too few is a leak.
 *
 * The hash covers the exact reference and the configuration with its markers. A secret that gets another
 * value gets another id, so that the hash tells the two apart without knowing either; a check or discover
 * is good for exactly what its hash was made of. */

#include "basic/strv.h"
#include "db/actor-store.h"
#include "db/definition-store.h"
#include "protocol/connector-spec.h"
#include "workflow/actor-input.h"

void actor_input_done(ActorInput *a) {
        actor_free(a->actor);
        definition_free(a->definition);
        json_putp(&a->configuration);
        *a = (ActorInput) {};
}

static int parse(const char *text, JsonObject **ret, Error **reterr_error) {
        return text ? json_parse(text, strlen(text), ret, reterr_error) : 0;
}

/* The definition's reference with the version that this actor is pinned to. */
static int reference_of(const ActorInput *a, char **ret) {
        return definition_exact_reference(a->definition, a->actor ? a->actor->version_pin : NULL, ret);
}

/* The references of native connectors have no version: theirs is the package's, which the definition has. */
static const char *version_beside(const ActorInput *a) {
        bool native = strncmp(a->definition->reference, "native:", STRLEN("native:")) == 0;

        return native ? a->definition->docker_image_tag : NULL;
}

static int make_hash(ActorInput *a) {
        _cleanup_free_ char *text = json_to_string(a->configuration), *reference = NULL;
        const char *version = version_beside(a);
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = reference_of(a, &reference);
        if (r >= 0)
                r = text ? buffer_appendf(&b, "%s%s%s\n%s", reference, version ? " " : "", strempty(version), text)
                         : -ENOMEM;
        return r >= 0 ? catalog_store_hash(buffer_bytes(&b), b.len, a->hash) : r;
}

int actor_input_load_definition(Db *db, const char *definition_id, ActorInput *ret, Error **reterr_error) {
        _cleanup_actor_input_ ActorInput a = {};
        int r;

        r = definition_store_get_version(db, definition_id, /* pin= */ NULL, &a.definition, reterr_error);
        if (r >= 0)
                r = make_hash(&a);
        if (r < 0)
                return r;
        *ret = a;
        a = (ActorInput) {};
        return 0;
}

int actor_input_load(Db *db, const char *actor_id, ActorInput *ret, Error **reterr_error) {
        _cleanup_actor_input_ ActorInput a = {};
        int r;

        r = actor_store_get(db, actor_id, &a.actor, reterr_error);
        if (r < 0)
                return r;
        if (a.actor->tombstone)
                return error_set(reterr_error, -ENOENT, "The %s '%s' was deleted",
                                 actor_role_to_string(a.actor->role), a.actor->name);
        r = definition_store_get_version(db, a.actor->definition_id, a.actor->version_pin, &a.definition, reterr_error);
        if (r >= 0)
                r = parse(a.actor->configuration, &a.configuration, reterr_error);
        if (r >= 0)
                r = make_hash(&a);
        if (r < 0)
                return r;
        *ret = a;
        a = (ActorInput) {};
        return 0;
}

/* --- sealing --- */

typedef struct Sealing {
        const SealingKeys *keys;
        SealingPlace place;
        bool all;            /* every string */
        JsonObject *secrets; /* an array of the values that are secret: compared by identity */
} Sealing;

static int on_secret(const char *pointer, JsonObject *value, void *userdata) {
        Sealing *s = userdata;

        return json_object_array_add(s->secrets, json_object_get(value)) < 0 ? -ENOMEM : 0;
}

/* By identity, since the specification's walk hands out the very nodes. A configuration has a handful of
 * secrets. */
static bool is_secret(const Sealing *s, JsonObject *value) {
        if (s->all && json_object_is_type(value, json_type_string))
                return true;
        for (size_t i = 0; i < json_object_array_length(s->secrets); i++)
                if (json_object_array_get_idx(s->secrets, i) == value)
                        return true;
        return false;
}

static int seal(const Sealing *s, JsonObject *value, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        bool is_string = json_object_is_type(value, json_type_string);
        _cleanup_wipe_ char *text = is_string ? NULL : json_to_string(value);
        _cleanup_free_ char *sealed = NULL;
        int r;

        if (!o || (!is_string && !text))
                return -ENOMEM;
        r = sealing_seal_text(s->keys, &s->place, text ?: json_object_get_string(value), &sealed);
        if (r >= 0)
                r = json_add_string(o, "_sealed", sealed);
        /* Whoever opens it makes an object or array of it again. */
        if (r >= 0 && !is_string)
                r = json_add(o, "json", json_object_new_boolean(true));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int seal_children(const Sealing *s, JsonObject *o);

static int seal_child(const Sealing *s, JsonObject *value, JsonObject **ret) {
        /* One that is stored already is named, not given. */
        if (!value || json_member(value, "_secret") || json_member(value, "_sealed"))
                return 0;
        return is_secret(s, value) ? seal(s, value, ret) : seal_children(s, value);
}

static int seal_members(const Sealing *s, JsonObject *o) {
        json_object_object_foreach(o, key, value) {
                JsonObject *sealed = NULL;
                int r = seal_child(s, value, &sealed);

                /* Replacing a value leaves the member in its place: the walk may go on. */
                if (r >= 0 && sealed)
                        r = json_add(o, key, sealed);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int seal_children(const Sealing *s, JsonObject *o) {
        if (json_object_is_type(o, json_type_object))
                return seal_members(s, o);
        if (!json_object_is_type(o, json_type_array))
                return 0;
        for (size_t i = 0; i < json_object_array_length(o); i++) {
                JsonObject *sealed = NULL;
                int r = seal_child(s, json_object_array_get_idx(o, i), &sealed);

                if (r >= 0 && sealed && json_object_array_put_idx(o, i, sealed) < 0) {
                        json_object_put(sealed);
                        r = -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int load_spec(const ActorInput *a, ConnectorSpec **ret, Error **reterr_error) {
        return a->definition->spec ? connector_spec_from_text(a->definition->spec, ret, reterr_error) : 0;
}

int actor_input_override(ActorInput *a, const char *text, size_t n, const SealingKeys *keys,
                         const char *workload_id, Error **reterr_error) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        _cleanup_json_ JsonObject *config = NULL, *secrets = json_object_new_array();
        Sealing s = { .keys = keys, .place = { "workload", workload_id, "" }, .secrets = secrets };
        int r;

        if (!secrets)
                return -ENOMEM;
        r = json_parse(text, n, &config, reterr_error);
        if (r >= 0 && !json_object_is_type(config, json_type_object))
                r = error_set(reterr_error, -EINVAL, "The configuration is not an object");
        if (r >= 0)
                r = load_spec(a, &spec, reterr_error);
        if (r < 0)
                return r;
        s.all = !spec;
        if (spec)
                r = connector_spec_foreach_secret(spec, config, on_secret, &s);
        if (r >= 0)
                r = seal_children(&s, config);
        if (r < 0)
                return r;
        json_object_put(a->configuration);
        a->configuration = TAKE_PTR(config);
        return make_hash(a);
}

/* --- JSON --- */

static int on_path(const char *pointer, const char *path, bool write, void *userdata) {
        JsonObject *array = userdata, *o = json_object_new_object();
        int r = o ? json_add_string(o, "path", path) : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "write", json_object_new_boolean(write));
        if (r >= 0 && json_object_array_add(array, o) >= 0)
                return 0;
        json_object_put(o);
        return -ENOMEM;
}

static int add_paths(const ActorInput *a, JsonObject *o, Error **reterr_error) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        _cleanup_json_ JsonObject *array = json_object_new_array();
        int r;

        if (!array)
                return -ENOMEM;
        r = load_spec(a, &spec, reterr_error);
        if (r >= 0 && spec && a->configuration)
                r = connector_spec_foreach_path(spec, a->configuration, on_path, array);
        return r >= 0 ? json_add(o, "paths", TAKE_PTR(array)) : r;
}

/* As the definition has them: "${host}" is filled in where the secrets are in clear, by the launcher. */
static int add_hosts(const ActorInput *a, JsonObject *o, Error **reterr_error) {
        _cleanup_json_ JsonObject *templates = NULL;
        int r;

        r = parse(a->definition->allowed_hosts, &templates, reterr_error);
        if (r < 0)
                return r;
        if (!json_object_is_type(templates, json_type_array)) {
                json_putp(&templates);
                templates = json_object_new_array();
        }
        return templates ? json_add(o, "allowedHosts", TAKE_PTR(templates)) : -ENOMEM;
}

static int add_limits(const ActorInput *a, JsonObject *o, Error **reterr_error) {
        _cleanup_json_ JsonObject *limits = NULL;
        int r;

        r = parse(a->definition->limits, &limits, reterr_error);
        if (r >= 0 && !limits)
                limits = json_object_new_object();
        return r >= 0 ? json_add(o, "limits", TAKE_PTR(limits)) : r;
}

static int add_connector(const ActorInput *a, JsonObject *o) {
        const Definition *d = a->definition;
        _cleanup_free_ char *reference = NULL;
        int r;

        r = reference_of(a, &reference);
        if (r >= 0)
                r = json_add_string(o, "definitionId", d->id);
        if (r >= 0)
                r = json_add_string(o, "role", actor_role_to_string(d->role));
        if (r >= 0)
                r = json_add_string(o, "reference", reference);
        if (r >= 0)
                r = json_add_string(o, "executor", executor_to_string(d->executor));
        if (r >= 0)
                r = json_add_string(o, "network", network_class_to_string(d->network));
        return r;
}

int actor_input_to_json(const ActorInput *a, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "id", a->actor ? a->actor->id : NULL);
        if (r >= 0)
                r = add_connector(a, o);
        if (r >= 0)
                r = add_hosts(a, o, reterr_error);
        if (r >= 0)
                r = add_limits(a, o, reterr_error);
        if (r >= 0)
                r = json_add(o, "configuration", a->configuration ? json_object_get(a->configuration)
                                                                  : json_object_new_object());
        if (r >= 0)
                r = add_paths(a, o, reterr_error);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
