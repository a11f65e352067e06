/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Four steps in an order that matters. First the streams are selected, with the source's names, and each
 * gets its modes. Then the kind of job says which of them it is about; a clear exchanges the catalog for
 * one that empties. Then generations are given out, since they are kept by the source's names and depend
 * on the mode. Only then are names and namespaces mapped, which makes the destination's catalog a copy
 * that has all of the above.
 *
 * The plan is a pure function of what the step has read in one transaction, and is made anew for each
 * attempt: what a person changed between two attempts counts. Where a stream can go on, a retry stays in
 * the generation that the first attempt was given (`first_attempt`).
 *
 * An array of the draft has an entry for each stream of the catalog, in its order; `streams` of the plan
 * follows it, and the worker relies on that. */

#include "workflow/job-plan.h"
#include "worker/stream-selection.h"
#include "worker/sync-catalog.h"

void job_plan_done(JobPlan *p) {
        json_putp(&p->source_catalog);
        json_putp(&p->destination_catalog);
        json_putp(&p->streams);
        json_putp(&p->generations);
        json_putp(&p->drop_states);
        *p = (JobPlan) {};
}

/* One stream as it was selected, beside its place in the configured catalog. */
typedef struct Selection {
        char **selected_fields;
        Mapper **mappers;
        JsonObject *mappers_json; /* borrowed */
} Selection;

typedef struct Draft {
        ConfiguredCatalog *catalog;
        Selection *selections; /* one per stream */
        char ***selected_fields;
        Mapper ***mappers;
        bool *picked, *dropped;
        StreamRefresh *refresh;
} Draft;

static void draft_done(Draft *d) {
        for (size_t i = 0; d->catalog && d->selections && i < d->catalog->n_streams; i++) {
                strv_free(d->selections[i].selected_fields);
                mappers_free(d->selections[i].mappers);
        }
        configured_catalog_free(d->catalog);
        free(d->selections);
        free(d->selected_fields);
        free(d->mappers);
        free(d->picked);
        free(d->dropped);
        free(d->refresh);
}

static int read_selection(JsonObject *o, Selection *s, Error **reterr_error) {
        int r;

        r = stream_selection_fields(o, &s->selected_fields, reterr_error);
        if (r >= 0)
                r = json_get_array(o, "mappers", &s->mappers_json, "The selection", reterr_error);
        if (r > 0)
                r = mappers_from_json(s->mappers_json, &s->mappers, reterr_error);
        return r;
}

/* `o` NULL: the stream as it is, with the best mode. */
static int add_stream(Draft *d, const AirbyteStream *stream, const ConnectorSpec *destination, JsonObject *o,
                      Error **reterr_error) {
        _cleanup_(sync_mode_wish_done) SyncModeWish wish = { .mode = _PUBLIC_SYNC_MODE_INVALID };
        size_t i = d->catalog->n_streams;
        int r = 0;

        if (o)
                r = sync_mode_wish_from_json(o, &wish, reterr_error);
        if (r >= 0)
                r = sync_modes_choose(stream, destination, &wish, d->catalog->streams + i, NULL, reterr_error);
        if (r < 0)
                return r;
        d->catalog->n_streams++;
        return o ? read_selection(o, d->selections + i, reterr_error) : 0;
}

static int draft_allocate(Draft *d, size_t n) {
        d->catalog = calloc(1, sizeof(*d->catalog));
        if (!d->catalog)
                return -ENOMEM;
        n++; /* room for nothing is room, too */
        d->catalog->streams = calloc(n, sizeof(*d->catalog->streams));
        d->selections = calloc(n, sizeof(*d->selections));
        d->selected_fields = calloc(n, sizeof(*d->selected_fields));
        d->mappers = calloc(n, sizeof(*d->mappers));
        d->picked = calloc(n, sizeof(*d->picked));
        d->dropped = calloc(n, sizeof(*d->dropped));
        d->refresh = calloc(n, sizeof(*d->refresh));
        return d->catalog->streams && d->selections && d->selected_fields && d->mappers && d->picked &&
                       d->dropped && d->refresh ? 0 : -ENOMEM;
}

static int add_selected(Draft *d, const Catalog *discovered, const Catalog *offered, const ConnectorSpec *destination,
                        JsonObject *o, Error **reterr_error) {
        const char *namespace, *name;
        const AirbyteStream *stream;
        int r;

        r = stream_selection_name(o, &namespace, &name, reterr_error);
        if (r < 0)
                return r;
        stream = catalog_find(discovered, namespace, name);
        if (!stream || (offered && !catalog_find(offered, namespace, name)))
                return error_set(reterr_error, -ENOENT, "Stream '%s' is no longer offered by the source", name);
        r = add_stream(d, stream, destination, o, reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "Stream '%s'", name) : 0;
}

/* The configured catalog, from what the source offers and what was selected. */
static int select_streams(const JobPlanRequest *q, Draft *d, Error **reterr_error) {
        JsonObject *selected = json_member(q->configurations, "streams");
        _cleanup_(connector_spec_freep) ConnectorSpec *destination = NULL;
        _cleanup_catalog_ Catalog *discovered = NULL, *offered = NULL;
        bool all = stream_selection_is_everything(q->configurations);
        int r;

        if (selected && !json_object_is_type(selected, json_type_array))
                return error_set(reterr_error, -EINVAL, "The connection's streams are not a list");
        r = catalog_from_json(q->discovered, &discovered, reterr_error);
        /* A clear reads nothing. */
        if (r >= 0 && q->offered && q->kind != JOB_PLAN_CLEAR)
                r = catalog_from_json(q->offered, &offered, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The source's catalog");
        r = connector_spec_from_text(q->destination_spec, &destination, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The destination's specification");
        r = draft_allocate(d, all ? discovered->n_streams : json_object_array_length(selected));
        for (size_t i = 0; r >= 0 && all && i < discovered->n_streams; i++)
                r = add_stream(d, discovered->streams + i, destination, NULL, reterr_error);
        for (size_t i = 0; r >= 0 && !all && i < json_object_array_length(selected); i++)
                r = add_selected(d, discovered, offered, destination, json_object_array_get_idx(selected, i),
                                 reterr_error);
        if (r >= 0 && d->catalog->n_streams == 0)
                return error_set(reterr_error, -EINVAL, "There is no stream to move");
        return r;
}

/* Which streams the job is about. One that is asked for and not selected is an error. */
static int pick_streams(const JobPlanRequest *q, Draft *d, Error **reterr_error) {
        size_t n = q->streams ? json_object_array_length(q->streams) : 0;

        for (size_t i = 0; i < d->catalog->n_streams; i++)
                d->picked[i] = n == 0;
        for (size_t k = 0; k < n; k++) {
                const char *namespace, *name;
                const ConfiguredStream *s;
                int r;

                r = stream_selection_name(json_object_array_get_idx(q->streams, k), &namespace, &name, reterr_error);
                if (r < 0)
                        return r;
                s = configured_catalog_find(d->catalog, namespace, name);
                if (!s)
                        return error_set(reterr_error, -ENOENT, "Stream '%s' is not part of the connection", name);
                d->picked[s - d->catalog->streams] = true;
        }
        return 0;
}

static int apply_kind(const JobPlanRequest *q, Draft *d, Error **reterr_error) {
        static const StreamRefresh refresh[] = {
                [JOB_PLAN_SYNC] = STREAM_REFRESH_NONE,
                [JOB_PLAN_REFRESH_MERGE] = STREAM_REFRESH_MERGE,
                [JOB_PLAN_REFRESH_TRUNCATE] = STREAM_REFRESH_TRUNCATE,
                [JOB_PLAN_CLEAR] = STREAM_REFRESH_CLEAR,
        };
        ConfiguredCatalog *cleared = NULL;
        int r;

        r = pick_streams(q, d, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < d->catalog->n_streams; i++)
                d->refresh[i] = d->picked[i] ? refresh[q->kind] : STREAM_REFRESH_NONE;
        if (q->kind != JOB_PLAN_CLEAR)
                return 0;
        r = sync_catalog_for_clear(d->catalog, d->picked, &cleared);
        if (r < 0)
                return r;
        configured_catalog_free(d->catalog);
        d->catalog = cleared;
        return 0;
}

static int descriptor(const ConfiguredStream *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "name", s->stream.name) : -ENOMEM;

        if (r >= 0 && s->stream.namespace)
                r = json_add_string(o, "namespace", s->stream.namespace);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int array_add(JsonObject *array, JsonObject *value) {
        if (json_object_array_add(array, value) >= 0)
                return 0;
        json_object_put(value);
        return -ENOMEM;
}

static int list_dropped(const Draft *d, JsonObject **ret) {
        _cleanup_json_ JsonObject *array = json_object_new_array();
        int r = array ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < d->catalog->n_streams; i++) {
                JsonObject *o = NULL;

                if (!d->dropped[i])
                        continue;
                r = descriptor(d->catalog->streams + i, &o);
                if (r >= 0)
                        r = array_add(array, o);
        }
        if (r >= 0)
                *ret = TAKE_PTR(array);
        return r;
}

/* Also of streams that the connection does not move: their states go now, they may come back later. */
static int advance(JsonObject *streams, GenerationSet *g, Error **reterr_error) {
        size_t n = streams ? json_object_array_length(streams) : 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < n; i++) {
                const char *namespace, *name;

                r = stream_selection_name(json_object_array_get_idx(streams, i), &namespace, &name, reterr_error);
                if (r >= 0)
                        r = generation_set_advance(g, namespace, name, reterr_error);
        }
        return r;
}

static int assign(const JobPlanRequest *q, Draft *d, JobPlan *p, Error **reterr_error) {
        _cleanup_(generation_set_freep) GenerationSet *g = NULL;
        const GenerationRequest request = {
                .sync_id = q->sync_id, .first_attempt = q->first_attempt, .refresh = d->refresh,
                .destination_supports_refreshes = q->destination_supports_refreshes,
        };
        int r;

        r = generation_set_from_json(q->generations, &g, reterr_error);
        if (r >= 0)
                r = advance(q->again, g, reterr_error);
        if (r >= 0)
                r = generations_assign(g, d->catalog, &request, NULL, d->dropped, reterr_error);
        if (r >= 0)
                r = generation_set_to_json(g, &p->generations);
        return r >= 0 ? list_dropped(d, &p->drop_states) : r;
}

static int strv_to_json(char *const *l, JsonObject **ret) {
        _cleanup_json_ JsonObject *array = json_object_new_array();
        int r = array ? 0 : -ENOMEM;

        STRV_FOREACH(s, l)
                if (r >= 0)
                        r = array_add(array, json_object_new_string(*s));
        if (r >= 0)
                *ret = TAKE_PTR(array);
        return r;
}

static int stream_options(const StreamOptions *options, const Selection *s, JsonObject *array) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *fields = NULL;
        int r = o ? 0 : -ENOMEM;

        if (r >= 0 && s->selected_fields)
                r = strv_to_json(s->selected_fields, &fields);
        if (r >= 0)
                r = json_add_string(o, "destinationName", options->destination_name);
        if (r >= 0)
                r = json_add_string(o, "destinationNamespace", options->destination_namespace);
        if (r >= 0)
                r = json_add(o, "selectedFields", TAKE_PTR(fields));
        if (r >= 0)
                r = json_add(o, "mappers", json_object_get(s->mappers ? s->mappers_json : NULL));
        return r >= 0 ? array_add(array, TAKE_PTR(o)) : r;
}

static NamespaceDefinition namespace_definition(const char *s) {
        if (streq_ptr(s, "custom_format"))
                return NAMESPACE_CUSTOM_FORMAT;
        return streq_ptr(s, "source") ? NAMESPACE_SOURCE : NAMESPACE_DESTINATION;
}

static int map(const JobPlanRequest *q, Draft *d, JobPlan *p, Error **reterr_error) {
        _cleanup_configured_catalog_ ConfiguredCatalog *destination = NULL;
        _cleanup_free_ StreamOptions *options = NULL;
        _cleanup_json_ JsonObject *source_catalog = NULL, *destination_catalog = NULL;
        int r;

        for (size_t i = 0; i < d->catalog->n_streams; i++) {
                d->selected_fields[i] = d->selections[i].selected_fields;
                d->mappers[i] = d->selections[i].mappers;
        }
        r = sync_catalog_map(d->catalog, namespace_definition(q->namespace_definition), q->namespace_format,
                             q->prefix, (char **const *) d->selected_fields, (Mapper **const *) d->mappers,
                             &destination, &options, reterr_error);
        if (r < 0)
                return r;
        p->streams = json_object_new_array();
        r = p->streams ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < d->catalog->n_streams; i++)
                r = stream_options(options + i, d->selections + i, p->streams);
        if (r >= 0)
                r = configured_catalog_to_json(d->catalog, &source_catalog);
        if (r >= 0)
                r = configured_catalog_to_json(destination, &destination_catalog);
        if (r < 0)
                return r;
        /* These share values with the catalogs, which go. */
        p->source_catalog = json_clone(source_catalog);
        p->destination_catalog = json_clone(destination_catalog);
        return p->source_catalog && p->destination_catalog ? 0 : -ENOMEM;
}

int job_plan_make(const JobPlanRequest *q, JobPlan *ret, Error **reterr_error) {
        _cleanup_(draft_done) Draft d = {};
        _cleanup_job_plan_ JobPlan p = {};
        int r;

        if ((r = select_streams(q, &d, reterr_error)) < 0 || (r = apply_kind(q, &d, reterr_error)) < 0 ||
            (r = assign(q, &d, &p, reterr_error)) < 0 || (r = map(q, &d, &p, reterr_error)) < 0)
                return r;
        *ret = p;
        p = (JobPlan) {};
        return 0;
}

int job_plan_complete(JsonObject *generations, JsonObject *stream_stats, JsonObject **ret) {
        _cleanup_(generation_set_freep) GenerationSet *g = NULL;
        size_t n = json_object_is_type(stream_stats, json_type_array) ? json_object_array_length(stream_stats) : 0;
        int r;

        r = generation_set_from_json(generations, &g, NULL);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++) {
                JsonObject *o = json_object_array_get_idx(stream_stats, i);
                const char *namespace, *name;

                if (stream_selection_name(o, &namespace, &name, NULL) >= 0 &&
                    json_object_get_boolean(json_member(o, "complete")))
                        generation_set_complete(g, namespace, name);
        }
        return generation_set_to_json(g, ret);
}
