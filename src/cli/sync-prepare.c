/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first half of a run: everything before a record moves.
 *
 * Each step knows whose fault its failure is, and notes it for the report (blame()). Before remember()
 * the disk has nothing of the run but the sync's directory and lock, so --dry-run can end there; after it
 * the run is one that has begun, and the next one goes on from what is written.
 *
 * A repeated run is cheap: with the same connectors, configurations and a catalog from a run that went
 * well, neither check nor discover is made. That memory is cleared before a run and set when one has
 * completed (run_key), so after trouble everything is asked anew. */

#include "basic/hash.h"
#include "basic/log.h"
#include "cli/oneshots.h"
#include "cli/sync-prepare.h"
#include "runtime/spec-cache.h"

/* Notes whose fault it is, for the report; returns `r`. */
static int blame(SyncRun *run, FailureOrigin origin, FailureType type, int r) {
        run->failure_origin = origin;
        run->failure_type = type;
        return r;
}

/* The secrets of both are known before either gets a configuration. */
static int open_endpoints(SyncRun *run, Error **reterr_error) {
        const SyncOptions *o = run->options;
        EndpointRequest source = { .role = CONNECTOR_SOURCE, .reference = o->source, .config_file = o->source_config,
                                   .read_paths = o->read_paths, .write_paths = o->write_paths, .verbose = o->verbose,
                                   .scopes = run->scopes };
        EndpointRequest destination = { .role = CONNECTOR_DESTINATION, .reference = o->destination,
                                        .config_file = o->destination_config, .read_paths = o->read_paths,
                                        .write_paths = o->write_paths, .verbose = o->verbose,
                                        .scopes = run->scopes };
        int r;

        r = endpoint_open(&source, &run->source, reterr_error);
        if (r < 0)
                return blame(run, ORIGIN_SOURCE, FAILURE_CONFIG_ERROR, r);
        r = endpoint_open(&destination, &run->destination, reterr_error);
        if (r < 0)
                return blame(run, ORIGIN_DESTINATION, FAILURE_CONFIG_ERROR, r);
        STRV_FOREACH(s, run->source->secrets)
                if (strv_extend(&run->secrets, *s) < 0)
                        return -ENOMEM;
        STRV_FOREACH(s, run->destination->secrets)
                if (strv_extend(&run->secrets, *s) < 0)
                        return -ENOMEM;
        return 0;
}

/* Here the sync becomes one that exists: its directory is made and locked. */
static int open_store(SyncRun *run, Error **reterr_error) {
        const SyncOptions *o = run->options;
        _cleanup_free_ char *name = NULL;
        uint64_t key = endpoint_identity(run->source) * 31 + endpoint_identity(run->destination);
        int r;

        if (!o->name) {
                r = sync_store_default_name(run->source->connector->name, run->destination->connector->name,
                                            key, &name);
                if (r < 0)
                        return r;
        }
        /* By name, not by version: an upgraded connector goes on where the old one was. */
        r = sync_store_open(run->env, o->name ?: name, run->source->connector->name,
                            run->destination->connector->name,
                            o->state_file, !o->no_state, &run->store, reterr_error);
        if (r < 0)
                return blame(run, ORIGIN_PERSISTENCE,
                             r == -EBUSY ? FAILURE_TRANSIENT_ERROR : FAILURE_CONFIG_ERROR, r);
        log_debug("State of this sync: %s", run->store->directory);
        /* It may be the old database at a new place, or an empty one: only the person knows. */
        key = endpoint_identity(run->destination);
        if (run->store->destination_key != 0 && run->store->destination_key != key && !o->full_refresh &&
            !state_set_is_empty(run->store->state))
                log_warning("The configuration of the destination has changed since the last run, the state has not:"
                            " only new rows are read; --full-refresh brings all again");
        run->store->destination_key = key;
        return 0;
}

/* An error of the call itself is told before what it may have answered. */
static int judge_oneshot(SyncRun *run, const OneshotJob *job, Error **reterr_error) {
        const OneshotResult *result = connector_oneshot_result(job->oneshot);
        bool source = job->endpoint->role == CONNECTOR_SOURCE;
        const char *who = source ? "source" : "destination";
        FailureOrigin origin = source ? ORIGIN_SOURCE : ORIGIN_DESTINATION;
        _cleanup_free_ char *said = NULL;

        /* An API may repeat a secret in its answer, and the connector pass it on. */
        said = endpoint_mask(job->endpoint, result->error ? result->error->message : result->status.message);
        if (result->error)
                return blame(run, origin, result->failure_type,
                             error_set(reterr_error, -EIO, "'%s' of the %s '%s' failed: %s", job->verb, who,
                                       job->endpoint->connector->reference, strempty(said)));
        if (result->has_status && !result->status.succeeded)
                return blame(run, origin, FAILURE_CONFIG_ERROR,
                             error_set(reterr_error, -EINVAL, "The %s '%s' refused its configuration: %s", who,
                                       job->endpoint->connector->reference, strempty(said)));
        return 0;
}

/* check and discover side by side: a Python connector needs seconds for each. */
static int ask_connectors(SyncRun *run, Error **reterr_error) {
        OneshotJob jobs[] = {
                { .endpoint = run->source, .verb = "check" },
                { .endpoint = run->destination, .verb = "check" },
                { .endpoint = run->source, .verb = "discover" },
        };
        Catalog *catalog;
        int r;

        r = oneshots_run(jobs, ELEMENTSOF(jobs), run->options->verbose, &run->signo, reterr_error);
        if (r < 0)
                (void) blame(run, ORIGIN_REPLICATION,
                             r == -ECANCELED ? FAILURE_MANUAL_CANCELLATION : FAILURE_TRANSIENT_ERROR, r);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(jobs); i++)
                r = judge_oneshot(run, jobs + i, reterr_error);
        if (r >= 0) {
                catalog = connector_oneshot_take_catalog(jobs[2].oneshot);
                catalog_free(run->store->catalog);
                run->store->catalog = catalog;
                run->store->source_key = endpoint_fingerprint(run->source);
        }
        oneshot_jobs_done(jobs, ELEMENTSOF(jobs));
        return r;
}

uint64_t sync_run_key(const SyncRun *run) {
        uint64_t parts[] = { endpoint_fingerprint(run->source), endpoint_fingerprint(run->destination) };

        return hash64(HASH64_START, parts, sizeof(parts)) | 1;
}

/* A run that repeats one that went well asks nothing again: its source is started once, to read. */
static int need_catalog(SyncRun *run, Error **reterr_error) {
        SyncStore *s = run->store;

        if (!run->options->refresh_catalog && s->catalog &&
            s->source_key == endpoint_fingerprint(run->source) &&
            s->run_key == sync_run_key(run)) {
                log_debug("Using the catalog of the last run; --refresh-catalog asks again");
                return 0;
        }
        return ask_connectors(run, reterr_error);
}

/* Streams that no run of this name has seen start with a generation taken from the clock: should the
 * memory of this sync be lost, its numbers are still above all that the destination holds. */
static int seed_generations(SyncRun *run, const ConfiguredCatalog *c, Error **reterr_error) {
        _cleanup_json_ JsonObject *all = NULL;
        int64_t now = (int64_t) (env_now(run->env, ENV_CLOCK_REALTIME) / USEC_PER_SEC);
        int r;

        r = generation_set_to_json(run->store->generations, &all);
        for (size_t i = 0; r >= 0 && i < c->n_streams; i++) {
                const AirbyteStream *s = &c->streams[i].stream;
                JsonObject *entry;

                if (generation_set_get(run->store->generations, s->namespace, s->name) > 0)
                        continue;
                entry = json_object_new_object();
                if (!entry || json_object_array_add(all, entry) < 0)
                        return -ENOMEM;
                r = json_add_string(entry, "name", s->name);
                if (r >= 0 && s->namespace)
                        r = json_add_string(entry, "namespace", s->namespace);
                if (r >= 0)
                        r = json_add(entry, "generation_id", json_object_new_int64(now));
        }
        if (r < 0)
                return r;
        run->store->generations = generation_set_free(run->store->generations);
        return generation_set_from_json(all, &run->store->generations, reterr_error);
}

/* Of the streams that begin anew nothing is left in the state; this is about the rest. A LEGACY state
 * cannot be told apart. What a GLOBAL one shares goes with the last stream that has an entry beside it;
 * streams that are not in this run keep theirs. */
static int drop_common_state(SyncRun *run) {
        const Catalog *c = run->store->catalog;
        StateType type = state_set_type(run->store->state);
        size_t n;

        if (type == STATE_STREAM)
                return 0;
        for (size_t i = 0; type == STATE_GLOBAL && i < c->n_streams; i++)
                if (state_set_get_stream(run->store->state, c->streams[i].namespace, c->streams[i].name, &n))
                        return 0;
        state_set_free(run->store->state);
        run->store->state = state_set_new();
        return run->store->state ? 0 : -ENOMEM;
}

/* A refresh goes on from the states that were stored since it began. Where this run has other ones they are
 * older: they would speak for rows that go when the refresh completes. So it begins again. */
static int restart_refreshes(SyncRun *run, StreamRefresh *refresh) {
        const ConfiguredCatalog *c = run->plan->source;
        const Catalog *all = run->store->catalog;
        const GenerationSet *g = run->store->generations;

        if (!run->store->state_moved)
                return 0;
        for (size_t i = 0; i < c->n_streams; i++)
                if (c->streams[i].sync_mode == SYNC_MODE_INCREMENTAL &&
                    generation_set_is_refreshing(g, c->streams[i].stream.namespace,
                                                 c->streams[i].stream.name))
                        refresh[i] = STREAM_REFRESH_TRUNCATE;
        /* Also of streams that are not in this run: the next one believes what this one leaves. */
        for (size_t i = 0; i < all->n_streams; i++) {
                const AirbyteStream *s = all->streams + i;
                int r;

                if (!generation_set_is_refreshing(g, s->namespace, s->name))
                        continue;
                r = state_set_type(run->store->state) == STATE_LEGACY
                        ? drop_common_state(run)
                        : state_set_remove(run->store->state, s->namespace, s->name);
                if (r < 0 && r != -ENOENT)
                        return r;
        }
        return 0;
}

/* Which streams begin anew, and under which number; where states were dropped for it, the shared part is
 * looked at. */
static int assign_generations(SyncRun *run, Error **reterr_error) {
        ConfiguredCatalog *c = run->plan->source;
        _cleanup_free_ StreamRefresh *refresh = calloc(c->n_streams, sizeof(*refresh));
        _cleanup_free_ bool *dropped = calloc(c->n_streams, sizeof(*dropped));
        GenerationRequest q = { .sync_id = run->sync_id, .first_attempt = true, .refresh = refresh,
                                .destination_supports_refreshes = true };
        int r;

        if (!refresh || !dropped)
                return -ENOMEM;
        if (run->options->full_refresh)
                for (size_t i = 0; i < c->n_streams; i++)
                        refresh[i] = STREAM_REFRESH_TRUNCATE;
        r = seed_generations(run, c, reterr_error);
        if (r >= 0)
                r = restart_refreshes(run, refresh);
        if (r >= 0)
                r = generations_assign(run->store->generations, c, &q, run->store->state, dropped,
                                       reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < c->n_streams; i++)
                if (!dropped[i])
                        return 0;
        return drop_common_state(run);
}

/* What must be on disk before the first record: a generation's number is never given twice, and a state
 * that was dropped stays dropped. The state goes first: a refresh that is on disk beside the old state would
 * leave only the rows that are newer than that. */
static int remember(SyncRun *run, Error **reterr_error) {
        int r;

        run->store->run_key = 0;
        r = sync_store_write_state(run->store, reterr_error);
        if (r >= 0)
                r = sync_store_save(run->store, reterr_error);
        return r < 0 ? blame(run, ORIGIN_PERSISTENCE, FAILURE_SYSTEM_ERROR, r) : 0;
}

int sync_run_prepare(SyncRun *run, Error **reterr_error) {
        int r;

        (void) blame(run, ORIGIN_REPLICATION, FAILURE_CONFIG_ERROR, 0);
        run->sync_id = (int64_t) (env_now(run->env, ENV_CLOCK_REALTIME) / USEC_PER_MSEC);
        r = open_endpoints(run, reterr_error);
        if (r >= 0)
                r = open_store(run, reterr_error);
        if (r >= 0)
                r = need_catalog(run, reterr_error);
        if (r < 0)
                return r;
        (void) blame(run, ORIGIN_REPLICATION, FAILURE_CONFIG_ERROR, 0);
        r = sync_plan_new(run->options, run->store->catalog, run->destination->spec, &run->plan,
                          reterr_error);
        if (r >= 0)
                r = assign_generations(run, reterr_error);
        if (r >= 0)
                r = sync_plan_map(run->plan, run->options, reterr_error);
        if (r < 0)
                return r == -ENOENT ? -EINVAL : r; /* a stream or field that isn't there was asked for wrongly */
        if (run->options->dry_run)
                return sync_plan_print(run->plan, run->options->json);
        if (!run->options->mode && !run->options->json)
                (void) sync_plan_print(run->plan, false);
        r = remember(run, reterr_error);
        return r < 0 ? r : 1;
}
