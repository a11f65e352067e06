/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A wish is held against the catalog that the source offered last, and the modes that are possible for
 * stream and destination decide; the same sync_modes_choose() is used again when a job is planned
 * (workflow/job-plan.c), so that a connection that could be stored can be run as long as the source
 * doesn't change. What is stored says the chosen modes outright, not the defaults they came from: a later
 * version of the source must not change the mode of a connection silently.
 *
 * Airbyte's problem types for connections are given here, by which part of the wish failed, since clients
 * show them. */

#include "server/body.h"
#include "server/connection-catalog.h"
#include "server/out.h"
#include "server/workflow-client.h"
#include "worker/mapper.h"
#include "worker/sync-mode.h"

#define PROBLEM_STREAM "error:connection-validation/stream-name"
#define PROBLEM_DUPLICATE "error:connection-validation/duplicate-stream"
#define PROBLEM_MODE "error:connection-validation/sync-mode"
#define PROBLEM_CURSOR "error:connection-validation/cursor-field"
#define PROBLEM_KEY "error:connection-validation/primary-key"
#define PROBLEM_SELECTED "error:connection-validation/selected-fields"
#define PROBLEM_MAPPER "error:mapper-validation/invalid-mapper"

/* What a discover could not do, in the connector's words. */
static int tell_failure(Call *c, JsonObject *failure) {
        JsonObject *message = json_member(failure, "externalMessage") ?: json_member(failure, "message");

        return call_fail(c, -EDOM, NULL, "The source's streams could not be discovered: %s",
                         json_object_is_type(message, json_type_string) ? json_object_get_string(message) :
                         "no reason was given");
}

static void on_discover(Call *c, int r, sd_bus_message *reply) {
        _cleanup_json_ JsonObject *result = NULL;
        const char *text = NULL;
        JsonObject *failure = NULL;

        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &text);
        if (r >= 0)
                r = json_parse(text, strlen(text), &result, &c->error);
        if (r >= 0)
                failure = json_member(result, "failure");
        if (r >= 0 && failure)
                r = tell_failure(c, failure);
        if (r < 0)
                call_complete(c, r, NULL);
        else
                call_retry(c);
}

int connection_catalog_source(Call *c, const Actor *source, CatalogFetch **ret_fetch, Catalog **ret) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *fetch = NULL;
        _cleanup_catalog_ Catalog *catalog = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = catalog_fetch_store_latest(c->server->db, source->id, NULL, NULL, &fetch, &c->error);
        if (r == -ENOENT)
                return workflow_run_discover(c, source->id, /* ignore_cache= */ false, on_discover);
        if (r >= 0)
                r = catalog_store_get(c->server->db, fetch->catalog_hash, &text, &n, &c->error);
        if (r >= 0)
                r = json_parse(text, n, &o, &c->error);
        if (r >= 0)
                r = catalog_from_json(o, &catalog, &c->error);
        if (r < 0)
                return r;
        *ret_fetch = TAKE_PTR(fetch);
        *ret = TAKE_PTR(catalog);
        return 0;
}

/* [["id"], ["a","b"]] or, as people write it too, ["id"]. */
static int read_key(Call *c, JsonObject *wanted, const char *name, FieldPath **ret) {
        JsonObject *array = NULL;
        FieldPath *paths;
        size_t n;
        int r = body_array(c, wanted, "primaryKey", &array);

        *ret = NULL;
        if (r <= 0 || json_object_array_length(array) == 0)
                return r < 0 ? r : 0;
        n = json_object_array_length(array);
        paths = calloc(n + 1, sizeof(*paths));
        if (!paths)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++) {
                JsonObject *item = json_object_array_get_idx(array, i);
                size_t n_parts = json_object_is_type(item,
                                                     json_type_array) ? json_object_array_length(item) : 1;

                for (size_t k = 0; k < n_parts && r >= 0; k++) {
                        JsonObject *part = json_object_is_type(item, json_type_array) ?
                                json_object_array_get_idx(item, k) : item;

                        r = json_object_is_type(part, json_type_string) ?
                                strv_extend(&paths[i], json_object_get_string(part)) :
                                call_fail(c, -EINVAL, PROBLEM_KEY,
                                          "Stream '%s': 'primaryKey' must be a list of paths",
                                          name);
                }
                if (r >= 0 && !paths[i])
                        r = call_fail(c, -EINVAL, PROBLEM_KEY,
                                      "Stream '%s': a path of 'primaryKey' is empty", name);
        }
        if (r < 0) {
                for (size_t i = 0; i < n; i++)
                        strv_free(paths[i]);
                free(paths);
                return r;
        }
        *ret = paths;
        return 1;
}

static void wish_done(SyncModeWish *w) {
        strv_free(w->cursor_field);
        field_paths_free(w->primary_key);
}

static int read_wish(Call *c, JsonObject *wanted, const char *name, SyncModeWish *ret) {
        const char *mode = NULL;
        int r;

        r = body_string(c, wanted, "syncMode", &mode);
        if (r > 0) {
                ret->mode = public_sync_mode_from_string(mode);
                if (ret->mode < 0)
                        return call_fail(c, -EINVAL, PROBLEM_MODE, "Stream '%s': there is no sync mode '%s'",
                                         name, mode);
        }
        if (r >= 0)
                r = body_strv(c, wanted, "cursorField", &ret->cursor_field);
        if (r >= 0)
                r = read_key(c, wanted, name, &ret->primary_key);
        return r < 0 ? r : 0;
}

/* Which part of the wish it was: sync_modes_choose() has the same errno for cursor and key, but not the
 * same words. */
static const char *problem_of(const Call *c, int r) {
        if (r == -EOPNOTSUPP)
                return PROBLEM_MODE;
        return strstr(error_message(c->error, r), "primary key") ? PROBLEM_KEY : PROBLEM_CURSOR;
}

static bool has_property(const AirbyteStream *s, const char *name) {
        JsonObject *properties = json_member(s->json_schema, "properties");

        return !properties || json_object_object_get_ex(properties, name, NULL);
}

static int check_selected(Call *c, const ConfiguredStream *s, JsonObject *wanted) {
        JsonObject *fields = NULL;
        int r = body_array(c, wanted, "selectedFields", &fields);

        for (size_t i = 0; r > 0 && i < json_object_array_length(fields); i++) {
                JsonObject *path = json_member(json_object_array_get_idx(fields, i), "fieldPath");
                JsonObject *first = json_object_is_type(path,
                                                        json_type_array) && json_object_array_length(path) > 0 ?
                        json_object_array_get_idx(path, 0) : NULL;

                if (!json_object_is_type(first, json_type_string))
                        return call_fail(c, -EINVAL, PROBLEM_SELECTED,
                                         "Stream '%s': a selected field has no 'fieldPath'",
                                         s->stream.name);
                if (json_object_array_length(path) > 1)
                        return call_fail(c, -EINVAL, PROBLEM_SELECTED,
                                         "Stream '%s': nested fields can't be selected",
                                         s->stream.name);
                if (!has_property(&s->stream, json_object_get_string(first)))
                        return call_fail(c, -EINVAL, PROBLEM_SELECTED,
                                         "Stream '%s' has no field '%s' to select",
                                         s->stream.name, json_object_get_string(first));
        }
        return r < 0 ? r : 0;
}

static int check_mappers(Call *c, ConfiguredStream *s, JsonObject *wanted) {
        _cleanup_(mappers_freep) Mapper **mappers = NULL;
        JsonObject *list = NULL;
        int r = body_array(c, wanted, "mappers", &list);

        if (r <= 0)
                return r;
        r = mappers_from_json(list, &mappers, &c->error);
        if (r >= 0)
                r = mappers_apply_to_stream(mappers, s, &c->error);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                _cleanup_free_ char *why = strdup(error_message(c->error, r));

                return call_fail(c, -EINVAL, PROBLEM_MAPPER, "Stream '%s': %s", s->stream.name,
                                 strempty(why));
        }
        return 0;
}

/* What is stored of a stream: the modes that were chosen, and what came with the wish. */
static int write_stream(const ConfiguredStream *s, JsonObject *wanted, JsonObject **ret) {
        static const char *const kept[] = { "selectedFields", "mappers", "includeFiles",
                                            "destinationObjectName" };
        _cleanup_out_ Out out = out_object();

        out_string(&out, "name", s->stream.name);
        out_string(&out, "namespace", s->stream.namespace);
        out_string(&out, "syncMode",
                   public_sync_mode_to_string(public_sync_mode_of(s->sync_mode, s->destination_sync_mode)));
        out_value(&out, "cursorField", field_path_to_json(s->cursor_field));
        out_value(&out, "primaryKey", field_paths_to_json(s->primary_key));
        for (size_t i = 0; i < ELEMENTSOF(kept); i++) {
                JsonObject *value = json_member(wanted, kept[i]);

                if (value)
                        out_value(&out, kept[i], json_clone(value));
        }
        return out_take(&out, ret);
}

static int choose_stream(Call *c, const AirbyteStream *stream, const ConnectorSpec *destination,
                         JsonObject *wanted,
                         JsonObject **ret) {
        _cleanup_(wish_done) SyncModeWish wish = { .mode = _PUBLIC_SYNC_MODE_INVALID };
        _cleanup_(configured_stream_done) ConfiguredStream chosen = {};
        int r = wanted ? read_wish(c, wanted, stream->name, &wish) : 0;

        if (r < 0)
                return r;
        r = sync_modes_choose(stream, destination, &wish, &chosen, NULL, &c->error);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                c->problem_type = problem_of(c, r);
                return -EINVAL;
        }
        r = wanted ? check_selected(c, &chosen, wanted) : 0;
        if (r >= 0)
                r = write_stream(&chosen, wanted, ret);
        /* Last: it changes the stream. */
        if (r >= 0 && wanted)
                r = check_mappers(c, &chosen, wanted);
        if (r < 0 && *ret) {
                json_object_put(*ret);
                *ret = NULL;
        }
        return r;
}

static bool is_listed(JsonObject *streams, size_t n, const char *namespace, const char *name) {
        for (size_t i = 0; i < n; i++) {
                JsonObject *o = json_object_array_get_idx(streams, i);
                JsonObject *other = json_member(o, "namespace");

                if (streq(json_object_get_string(json_member(o, "name")), name) &&
                    streq(strempty(namespace), other ? json_object_get_string(other) : ""))
                        return true;
        }
        return false;
}

static int find_stream(Call *c, const Catalog *catalog, JsonObject *wanted, const AirbyteStream **ret) {
        const char *name = NULL, *namespace = NULL;
        int r;

        if (!json_object_is_type(wanted, json_type_object))
                return call_fail(c, -EINVAL, PROBLEM_STREAM, "A stream configuration must be an object");
        r = body_need_string(c, wanted, "name", &name);
        if (r >= 0)
                r = body_string(c, wanted, "namespace", &namespace);
        if (r < 0)
                return r;
        *ret = catalog_find(catalog, namespace, name);
        /* Airbyte takes a stream by its name alone where that is enough. */
        for (size_t i = 0; !*ret && !namespace && i < catalog->n_streams; i++)
                if (streq(catalog->streams[i].name, name))
                        *ret = catalog->streams + i;
        if (!*ret)
                return call_fail(c, -EINVAL, PROBLEM_STREAM, "The source has no stream '%s'%s%s", name,
                                 namespace ? " in the namespace " : "", strempty(namespace));
        return 0;
}

int connection_catalog_choose(Call *c, const Catalog *catalog, const Definition *destination,
                              JsonObject *streams,
                              JsonObject **ret) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        _cleanup_json_ JsonObject *list = json_object_new_array();
        size_t n = streams ? json_object_array_length(streams) : catalog->n_streams;
        int r = connector_spec_from_text(destination->spec, &spec, &c->error);

        for (size_t i = 0; r >= 0 && i < n; i++) {
                JsonObject *wanted = streams ? json_object_array_get_idx(streams, i) : NULL, *stream = NULL;
                const AirbyteStream *s = streams ? NULL : catalog->streams + i;

                if (!s)
                        r = find_stream(c, catalog, wanted, &s);
                if (r >= 0 && is_listed(list, i, s->namespace, s->name))
                        r = call_fail(c, -EINVAL, PROBLEM_DUPLICATE, "Stream '%s' is named twice", s->name);
                if (r >= 0)
                        r = choose_stream(c, s, spec, wanted, &stream);
                if (r >= 0)
                        r = out_append(list, stream);
        }
        if (r < 0)
                return r;
        *ret = json_object_new_object();
        return *ret ? json_add(*ret, "streams", TAKE_PTR(list)) : -ENOMEM;
}
