/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One end of a sync: which connector, with which configuration, and what of the machine it may see.
 * Opening it goes from text to certainty step by step:
 *
 * reference --> connector --> specification --> configuration (merged, coerced, resolved, checked) -->
 * paths
 *
 * The specification says which fields are paths (`gantry_path`), and only those are shown in the sandbox,
 * with the directory around them where a file will be written or a database has a journal beside it. It
 * says which fields are secret, too; these are known before the connector says its first word.
 *
 * The order has reasons. The configuration is read before the connector is asked for its specification,
 * since a manifest in it already has one. References to secrets are resolved before the check, which is
 * about values. Paths come after the check, as they open something of the disk.
 *
 * Two hashes of an endpoint exist and differ on purpose. The fingerprint changes with all that may change
 * an answer of the connector; a catalog is kept by it. The identity leaves out secrets and the version,
 * since a renewed password or an upgrade must find the old state. */

#include <stdio.h>
#include <sys/stat.h>

#include "basic/hash.h"
#include "basic/file-util.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "basic/suggest.h"
#include "cli/config-file.h"
#include "cli/endpoint.h"
#include "cli/oneshots.h"
#include "runtime/connector-config.h"
#include "runtime/connector-paths.h"
#include "runtime/connector-query.h"
#include "runtime/spec-cache.h"
#include "worker/masker.h"

static const char *role_name(ConnectorRole role) {
        return role == CONNECTOR_SOURCE ? "source" : "destination";
}

/* Kept by reference and version, since starting a Python connector to ask takes seconds. */
static int fetch_spec(Endpoint *e, bool verbose, Error **reterr_error) {
        OneshotJob job = { .endpoint = e, .verb = "spec" };
        const OneshotResult *result;
        int r;

        r = spec_cache_get(e->connector, &e->spec);
        if (r != 0)
                return r;
        r = oneshots_run(&job, 1, verbose, NULL, reterr_error);
        if (r >= 0) {
                result = connector_oneshot_result(job.oneshot);
                if (result->error)
                        r = error_set(reterr_error, -EIO, "%s", result->error->message);
                else
                        r = connector_spec_from_json(result->spec, &e->spec, reterr_error);
                if (r >= 0)
                        r = spec_cache_put(e->connector, result->spec, NULL) < 0 ? 0 : r;
        }
        oneshot_jobs_done(&job, 1);
        if (r < 0)
                return error_prefix(reterr_error, r, "Spec of '%s'", e->connector->reference);
        return 0;
}

static int on_path(const char *pointer, const char *path, bool write, void *userdata) {
        Endpoint *e = userdata;
        _cleanup_free_ char *absolute = NULL;
        const char *local = strncmp(path, "file://", 7) == 0 ? path + 7 : path;

        if (connector_path_is_remote(path)) {
                e->network = true;
                return 0;
        }
        absolute = path_absolute(local);
        if (!absolute)
                return -ENOMEM;
        return strv_consume(write ? &e->write_paths : &e->read_paths, connector_path_visible(absolute, write));
}

/* Second walk, over a copy: puts the absolute names in. The walk may not change what it walks. */
static int on_relative_path(const char *pointer, const char *path, bool write, void *userdata) {
        _cleanup_free_ char *absolute = NULL;
        const char *local = strncmp(path, "file://", 7) == 0 ? path + 7 : path;
        JsonObject *text, *config = userdata;

        if (connector_path_is_remote(path) || local[0] == '/')
                return 0;
        absolute = path_absolute(local);
        text = absolute ? json_object_new_string(absolute) : NULL;
        if (!text)
                return -ENOMEM;
        if (json_pointer_set(&config, pointer, text) < 0) {
                json_object_put(text);
                return -errno;
        }
        return 0;
}

/* Two walks, because one may not change what it walks: the first collects, the second makes the paths
 * absolute. */
static int grant_paths(Endpoint *e, const EndpointRequest *q, Error **reterr_error) {
        _cleanup_json_ JsonObject *walked = json_clone(e->config);
        int r = 0;

        if (!walked)
                return -ENOMEM;
        STRV_FOREACH(p, q->read_paths)
                if (r >= 0)
                        r = strv_extend(&e->read_paths, *p);
        STRV_FOREACH(p, q->write_paths)
                if (r >= 0)
                        r = strv_extend(&e->write_paths, *p);
        if (r >= 0)
                r = connector_spec_foreach_path(e->spec, walked, on_path, e);
        if (r >= 0)
                r = connector_spec_foreach_path(e->spec, walked, on_relative_path, e->config);
        STRV_FOREACH(p, e->write_paths)
                if (r >= 0 && !path_exists(*p))
                        return error_set(reterr_error, -ENOENT,
                                         "Directory '%s', where the %s is to write, doesn't exist",
                                         *p, role_name(e->role));
        return r;
}

/* A field of a reference that the spec doesn't know is a slip of the fingers: files may carry more than a
 * spec names, a command line has no reason to. */
static int check_fields(const Endpoint *e, Error **reterr_error) {
        JsonObject *known = json_member(e->spec->connection_specification, "properties");
        _cleanup_strv_ char **names = NULL;
        const char *near;

        if (!known || !json_object_is_type(known, json_type_object) ||
            json_member(e->spec->connection_specification, "oneOf"))
                return 0;
        json_object_object_foreach(known, name, field) {
                if (field && strv_extend(&names, name) < 0)
                        return -ENOMEM;
        }
        json_object_object_foreach(e->config, key, value) {
                if (!value || strv_contains(names, key))
                        continue;
                near = suggest_nearest(key, names);
                return error_set(reterr_error, -EINVAL, "The %s '%s' has no field '%s'%s%s%s",
                                 role_name(e->role),
                                 e->connector->reference, key, near ? ", did you mean '" : "", strempty(near),
                                 near ? "'?" : "");
        }
        return 0;
}

/* What the file says wins over what the shorthand says, member by member. */
static int merge_config(Endpoint *e, const char *reference, JsonObject *loaded, Error **reterr_error) {
        int r;

        if (connector_query_find(reference)) {
                r = check_fields(e, reterr_error);
                if (r < 0)
                        return r;
        }
        /* A reference is text: only there "5" may mean the number. */
        r = connector_config_coerce(e->spec, e->config);
        if (r < 0 || !loaded)
                return r;
        json_object_object_foreach(loaded, key, value) {
                r = json_add(e->config, key, json_object_get(value));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The reference's own settings come first; a file is laid over them later. */
static int load_config(Endpoint *e, const char *file, JsonObject **ret, Error **reterr_error) {
        int r;

        e->config = e->ref->config ? json_object_get(e->ref->config) : json_object_new_object();
        if (!e->config)
                return -ENOMEM;
        if (!file)
                return 0;
        r = config_file_load(file, ret, reterr_error);
        if (r >= 0 && !json_object_is_type(*ret, json_type_object))
                r = error_set(reterr_error, -EINVAL, "'%s' holds a list, not a configuration", file);
        return r;
}

/* Airbyte's runner of manifests has no spec of its own: the manifest in its configuration brings it. */
static int spec_from_manifest(Endpoint *e, JsonObject *config) {
        JsonObject *manifest = json_member(config, "__injected_declarative_manifest");
        JsonObject *connection = json_member(json_member(manifest, "spec"), "connection_specification");
        _cleanup_json_ JsonObject *spec = json_object_new_object();
        int r;

        if (!manifest)
                return -ENODATA;
        if (!spec)
                return -ENOMEM;
        r = json_add(spec, "connectionSpecification",
                     connection ? json_object_get(connection) : json_object_new_object());
        return r < 0 ? r : connector_spec_from_json(spec, &e->spec, NULL);
}

/* Secrets are resolved before the check, since the specification describes the values, not our references
 * to them. */
static int check_config(Endpoint *e, bool unchecked, Error **reterr_error) {
        int r;

        r = connector_config_resolve(e->config, reterr_error);
        if (r == -ENOENT || r == -EACCES)
                r = -EINVAL; /* what a configuration refers to is part of it */
        if (r >= 0 && !unchecked)
                r = connector_spec_check_config(e->spec, e->config, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "Configuration of the %s '%s'", role_name(e->role),
                                    e->connector->reference);
        return connector_spec_secret_strings(e->spec, e->config, &e->secrets);
}

static int open_connector(const EndpointRequest *q, Endpoint **ret, Error **reterr_error) {
        _cleanup_(endpoint_freep) Endpoint *e = calloc(1, sizeof(*e));
        int r;

        if (!e)
                return -ENOMEM;
        e->role = q->role;
        e->scopes = q->scopes;
        r = connector_ref_parse(q->reference, q->role, &e->ref, reterr_error);
        if (r >= 0)
                r = connector_store_find(e->ref, &e->connector, reterr_error);
        if (r >= 0 && e->connector->kind == CONNECTOR_IMAGE)
                r = error_set(reterr_error, -EOPNOTSUPP,
                              "'%s': connectors in images are run by the suite (gantryctl), not by gantry alone",
                              q->reference);
        if (r < 0)
                return r;
        e->network = e->connector->needs_network;
        *ret = TAKE_PTR(e);
        return 0;
}

int endpoint_open_bare(const EndpointRequest *q, Endpoint **ret, Error **reterr_error) {
        _cleanup_(endpoint_freep) Endpoint *e = NULL;
        int r;

        r = open_connector(q, &e, reterr_error);
        if (r < 0)
                return r;
        r = fetch_spec(e, q->verbose, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

int endpoint_open(const EndpointRequest *q, Endpoint **ret, Error **reterr_error) {
        _cleanup_(endpoint_freep) Endpoint *e = NULL;
        _cleanup_json_ JsonObject *loaded = NULL;
        int r;

        r = open_connector(q, &e, reterr_error);
        if (r >= 0)
                r = load_config(e, q->config_file, &loaded, reterr_error);
        if (r >= 0 && spec_from_manifest(e, loaded ?: e->config) < 0)
                r = fetch_spec(e, q->verbose, reterr_error);
        if (r >= 0)
                r = merge_config(e, q->reference, loaded, reterr_error);
        if (r >= 0)
                r = check_config(e, q->unchecked, reterr_error);
        if (r >= 0)
                r = grant_paths(e, q, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

Endpoint *endpoint_free(Endpoint *e) {
        if (!e)
                return NULL;
        connector_ref_free(e->ref);
        installed_connector_free(e->connector);
        connector_spec_free(e->spec);
        json_object_put(e->config);
        strv_free(e->secrets);
        strv_free(e->read_paths);
        strv_free(e->write_paths);
        free(e);
        return NULL;
}

/* What a connector may use at most, when the environment says something else than half of the machine. */
static uint64_t memory_max(void) {
        const char *text = getenv("GANTRY_MEMORY_MAX");
        uint64_t n;

        return text && parse_u64(text, &n) >= 0 ? n : 0;
}

/* `spec` gets neither paths nor network: it needs none, and it is asked before anything is known. */
ConnectorStart endpoint_start(const Endpoint *e, const char *verb, const char *config, const char *catalog,
                              const char *state) {
        bool spec = streq(verb, "spec");

        return (ConnectorStart) {
                .connector = e->connector,
                .role = e->role,
                .verb = verb,
                .config = config,
                .catalog = catalog,
                .state = state,
                .read_paths = spec ? NULL : e->read_paths,
                .write_paths = spec ? NULL : e->write_paths,
                .want_stdin = streq(verb, "write"),
                .network = e->network && !spec,
                .stop_grace = STOP_GRACE_USEC,
                .hold_term_until_stdin_ends = streq(verb, "write"),
                .memory_max = memory_max(),
                .place = e->scopes ? connector_scopes_place : NULL,
                .place_userdata = e->scopes,
        };
}

char *endpoint_config_text(const Endpoint *e) {
        return json_to_string(e->config);
}

char *endpoint_mask(const Endpoint *e, const char *text) {
        _cleanup_(masker_freep) Masker *m = masker_new();

        if (!m || masker_add_strv(m, e->secrets) < 0)
                return NULL;
        return masker_apply(m, text);
}

/* Changes with everything that may change what the connector answers, a rebuilt program of the user's
 * included. */
uint64_t endpoint_fingerprint(const Endpoint *e) {
        _cleanup_free_ char *config = e->config ? json_to_string(e->config) : NULL;
        uint64_t h = hash64(HASH64_START, e->connector->reference, strlen(e->connector->reference));
        struct stat st;

        h = hash64(h, strempty(e->connector->version), strlen(strempty(e->connector->version)));
        if (e->connector->kind == CONNECTOR_EXEC && stat(e->connector->command[0], &st) >= 0)
                h = hash64(h, &st.st_mtim, sizeof(st.st_mtim));
        return config ? hash64(h, config, strlen(config)) : h;
}

static int on_secret(const char *pointer, JsonObject *value, void *userdata) {
        JsonObject *config = userdata;

        return json_pointer_set(&config, pointer, NULL) < 0 ? -errno : 0;
}

/* What stays the same when a secret is renewed or the connector is upgraded: the state goes by it. */
uint64_t endpoint_identity(const Endpoint *e) {
        _cleanup_json_ JsonObject *config = json_clone(e->config);
        _cleanup_free_ char *text = NULL;
        uint64_t h = hash64(HASH64_START, e->connector->name, strlen(e->connector->name));

        if (!config || connector_spec_foreach_secret(e->spec, e->config, on_secret, config) < 0)
                return h;
        text = json_to_string(config);
        return text ? hash64(h, text, strlen(text)) : h;
}
