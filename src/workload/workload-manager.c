/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A workload's life:
 *
 *     pending ──claim──▶ claimed ──▶ launched ──▶ running ──▶ success
 *        │                  │            │           │
 *        └──────────────────┴────────────┴───────────┴──────▶ failure, cancelled
 *
 * In each of the four live states it has one deadline: to be claimed, to be launched, to be heard of.
 * Passing it is a failure of source "workload-monitor", and that is the only thing that happens without
 * somebody's asking. A sync that is told to end stays in its state until its runner has handed over what
 * is committed; its deadline is then one to end by, and passing it is the cancel. The launcher is told to
 * stop it, again and again, for it may not have been there; and the runner hears it with a heartbeat, for
 * the launcher may not be there at all. A claim that was not launched may be repeated by whoever has it; no
 * other way leads back, and nothing leaves an end.
 *
 * The manager holds no state of workloads: each call reads the database, changes it in one transaction
 * and tells others after the commit. KnownWorkload is a cache of what never changes once a workload is
 * stored, with the exception of the bucket for CONTROL messages; forgetting all of it at once refills
 * buckets, which does no harm. So a kill at any instruction loses nothing but a hook, and hooks are made
 * good: ends are listed as untold until the workflow has answered, waiting workloads are counted after a
 * start, and a runner that nobody stopped hears 410. */

#include "basic/log.h"
#include "db/backfill-store.h"
#include "db/change-store.h"
#include "db/metadata-store.h"
#include "db/state-store.h"
#include "workload/log-store.h"
#include "workload/workload-json.h"
#include "workload/workload-lease.h"
#include "workload/workload-manager-internal.h"

#define EXPIRE_BATCH 100U
/* The two clocks go apart by so much only when somebody sets the wall clock. */
#define CLOCK_JUMP_USEC (5 * USEC_PER_SEC)

static int on_sweep(EnvSource *s, usec_t now, void *userdata);

static void known_free(void *p) {
        KnownWorkload *k = p;

        free(k->log_place);
        free(k->source_id);
        free(k->destination_id);
        free(k);
}

static usec_t now_monotonic(WorkloadManager *m) {
        return env_now(m->options.env, ENV_CLOCK_MONOTONIC);
}

static int load_jwt_key(WorkloadManager *m) {
        _cleanup_free_ char *deployment_id = NULL;
        int r;

        r = metadata_get(m->options.db, METADATA_DEPLOYMENT_ID, &deployment_id, NULL);
        return r < 0 ? r : jwt_key_new(m->options.keys, deployment_id, &m->jwt);
}

int workload_manager_new(const WorkloadManagerOptions *options, WorkloadManager **ret) {
        _cleanup_(workload_manager_freep) WorkloadManager *m = calloc(1, sizeof(*m));
        Env *env = options->env;
        int r;

        if (!m)
                return -ENOMEM;
        m->options = *options;
        m->known = hashmap_new(known_free);
        if (!m->known)
                return -ENOMEM;
        r = load_jwt_key(m);
        if (r < 0)
                return r;
        m->last_realtime = manager_now(m);
        m->last_monotonic = now_monotonic(m);
        m->grace_until = m->last_monotonic + WORKLOAD_START_GRACE_USEC;
        r = change_last(options->db, &m->signalled_seq, NULL);
        if (r >= 0)
                r = env->ops->timer_add(env, m->grace_until, on_sweep, m, &m->sweep_timer);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

WorkloadManager *workload_manager_free(WorkloadManager *m) {
        if (!m)
                return NULL;
        env_source_free(m->options.env, m->sweep_timer);
        hashmap_free(m->known);
        jwt_key_free(m->jwt);
        free(m);
        return NULL;
}

/* -- What others are told -- */

/* The seq belongs to this connection's last commit, so that a failed call announces nothing, and one that
 * changed several rows announces them once. */
int manager_done(WorkloadManager *m, int r) {
        int64_t seq = db_committed_seq(m->options.db);

        if (seq > m->signalled_seq) {
                m->signalled_seq = seq;
                m->options.hooks.changed(seq, m->options.hooks.userdata);
        }
        return r;
}

int manager_ended(WorkloadManager *m, bool claimed, int r) {
        (void) manager_done(m, r);
        m->options.hooks.ended(claimed, m->options.hooks.userdata);
        return r;
}

void manager_stopped(WorkloadManager *m, const Workload *w) {
        /* Nobody runs what nobody has claimed. */
        if (w->dataplane_id)
                m->options.hooks.stopped(w->id, m->options.hooks.userdata);
}

/* -- What is known of a workload -- */

/* The id of an actor in an input, copied; NULL when there is no such actor or it isn't stored. */
static int actor_id(JsonObject *input, const char *role, char **ret) {
        JsonObject *id = json_member(json_member(input, role), "id");

        if (!json_object_is_type(id, json_type_string))
                return 0;
        *ret = strdup(json_object_get_string(id));
        return *ret ? 0 : -ENOMEM;
}

static int know_actors(KnownWorkload *k, const Workload *w) {
        _cleanup_json_ JsonObject *input = NULL;
        JsonObject *actor;
        int r;

        r = json_parse(w->input, strlen(w->input), &input, NULL);
        if (r < 0)
                return r;
        actor = json_member(input, "actor");
        if (actor) {
                JsonObject *role = json_member(actor, "role");
                bool destination = json_object_is_type(role, json_type_string) &&
                                   streq(json_object_get_string(role), "destination");

                return actor_id(input, "actor", destination ? &k->destination_id : &k->source_id);
        }
        r = actor_id(input, "source", &k->source_id);
        return r < 0 ? r : actor_id(input, "destination", &k->destination_id);
}

static int know(WorkloadManager *m, const Workload *w, KnownWorkload **ret) {
        KnownWorkload *k = calloc(1, sizeof(*k));
        int r = -ENOMEM;

        if (!k)
                return r;
        k->control_tokens = WORKLOAD_CONTROL_BURST;
        k->control_at = now_monotonic(m);
        k->log_place = w->job_id > 0 ? log_place_of_attempt(w->job_id, (uint32_t) MAX(w->attempt, 0)) :
                                       log_place_of_workload(w->auto_id);
        if (k->log_place)
                r = know_actors(k, w);
        if (r >= 0)
                r = hashmap_put_string(m->known, w->id, k);
        if (r < 0) {
                known_free(k);
                return r;
        }
        *ret = k;
        return 0;
}

int manager_known(WorkloadManager *m, const char *id, KnownWorkload **ret, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        *ret = hashmap_get_string(m->known, id);
        if (*ret)
                return 0;
        r = workload_store_get(m->options.db, id, &w, reterr_error);
        if (r < 0)
                return r;
        if (hashmap_size(m->known) >= KNOWN_WORKLOADS_MAX) {
                Hashmap *empty = hashmap_new(known_free);

                if (!empty)
                        return -ENOMEM;
                hashmap_free(m->known);
                m->known = empty;
        }
        return know(m, w, ret);
}

int workload_manager_log_place(WorkloadManager *m, const char *id, char **ret, Error **reterr_error) {
        KnownWorkload *k;
        int r;

        r = manager_known(m, id, &k, reterr_error);
        if (r < 0)
                return r;
        *ret = strdup(k->log_place);
        return *ret ? 0 : -ENOMEM;
}

/* -- Those who create and look -- */

int workload_manager_create(WorkloadManager *m, const char *json, size_t n, bool *ret_created,
                            Error **reterr_error) {
        _cleanup_(workload_array_done) WorkloadArray superseded = {};
        _cleanup_(workload_request_done) WorkloadRequest q = {};
        bool claimed = false;
        int r;

        r = workload_request_parse(json, n, &q, reterr_error);
        if (r >= 0)
                r = workload_store_create(m->options.db, q.workload, q.drop, q.n_drop, manager_now(m), &superseded,
                                          reterr_error);
        if (r < 0)
                return r;
        *ret_created = r > 0;
        for (size_t i = 0; i < superseded.n; i++) {
                claimed |= superseded.items[i]->dataplane_id != NULL;
                manager_stopped(m, superseded.items[i]);
        }
        if (superseded.n > 0)
                (void) manager_ended(m, claimed, 0);
        /* Also for one that was there: who asks again may be the one whose wake got lost. */
        m->options.hooks.queued(m->options.hooks.userdata);
        return manager_done(m, 0);
}

int workload_manager_get(WorkloadManager *m, const char *id, Workload **ret, Error **reterr_error) {
        return workload_store_get(m->options.db, id, ret, reterr_error);
}

int workload_manager_list(WorkloadManager *m, bool live_only, const char *after, WorkloadArray *ret,
                          Error **reterr_error) {
        const WorkloadFilter filter = { .live_only = live_only };

        return workload_store_list(m->options.db, &filter, &(ListOptions) { .after = after }, ret, reterr_error);
}

int workload_manager_cancel(WorkloadManager *m, const char *id, const char *source, const char *reason,
                            Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = workload_store_get_head(m->options.db, id, &w, reterr_error);
        if (r >= 0)
                r = workload_store_cancel(m->options.db, id, source, reason, manager_now(m), reterr_error);
        if (r < 0)
                return r;
        if (!workload_status_is_terminal(w->status))
                manager_stopped(m, w);
        return r == WORKLOAD_CANCEL_ENDED ? manager_ended(m, w->dataplane_id != NULL, 0) : manager_done(m, 0);
}

/* A lease that lies too far ahead comes back with the next heartbeat. What was told to end keeps its deadline
 * whoever is heard of, so that one that was set by a clock which is behind now would be as far away. */
static void bound_cancel(WorkloadManager *m, const Workload *w) {
        _cleanup_error_ Error *error = NULL;
        usec_t now = manager_now(m);
        int r = w->deadline > now + WORKLOAD_CANCEL_USEC ?
                        workload_store_bound_cancel(m->options.db, w->id, now, &error) : 0;

        if (r < 0)
                log_warning("Failed to bound the end of '%s': %s", w->id, error_message(error, r));
}

void workload_manager_remind(WorkloadManager *m) {
        _cleanup_(workload_array_done) WorkloadArray told = {};
        _cleanup_error_ Error *error = NULL;
        int r;

        r = workload_store_list_cancelling(m->options.db, &told, &error);
        if (r < 0)
                log_warning("Failed to look for what was told to end: %s", error_message(error, r));
        for (size_t i = 0; i < told.n; i++) {
                bound_cancel(m, told.items[i]);
                manager_stopped(m, told.items[i]);
        }
}

bool workload_manager_is_cancelling(WorkloadManager *m, const char *id) {
        _cleanup_(workload_freep) Workload *w = NULL;

        return workload_store_get_head(m->options.db, id, &w, NULL) >= 0 && w->cancel_at > 0;
}

/* Within the transaction that sets the state. A page holds all workloads that one machine runs. */
static int check_not_syncing(WorkloadManager *m, const char *connection_id, Error **reterr_error) {
        const WorkloadFilter filter = { .live_only = true };
        _cleanup_(workload_array_done) WorkloadArray live = {};
        int r;

        r = workload_store_list(m->options.db, &filter, &(ListOptions) {}, &live, reterr_error);
        for (size_t i = 0; r >= 0 && i < live.n; i++)
                if (live.items[i]->type == WORKLOAD_SYNC && streq_ptr(live.items[i]->connection_id, connection_id))
                        r = error_set(reterr_error, -EBUSY, "A sync of this connection is running");
        return r;
}

int workload_manager_state_set(WorkloadManager *m, const char *connection_id, const char *json, size_t n,
                               Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(m->options.db, &transaction, reterr_error);
        if (r >= 0)
                r = check_not_syncing(m, connection_id, reterr_error);
        if (r >= 0)
                r = state_store_set(m->options.db, connection_id, json, n, manager_now(m), reterr_error);
        /* What somebody sets is meant: no stream is owed a reading that would take it away again. */
        if (r >= 0)
                r = backfill_store_forget_all(m->options.db, connection_id, reterr_error);
        if (r >= 0)
                r = db_commit(&transaction, reterr_error);
        return manager_done(m, r < 0 ? r : 0);
}

int workload_manager_list_ended(WorkloadManager *m, WorkloadArray *ret, Error **reterr_error) {
        const WorkloadFilter filter = { .unnotified_only = true };

        return workload_store_list(m->options.db, &filter, &(ListOptions) { .limit = 100 }, ret, reterr_error);
}

int workload_manager_acknowledge(WorkloadManager *m, const char *id, Error **reterr_error) {
        return manager_done(m, workload_store_set_notified(m->options.db, id, reterr_error));
}

/* -- Deadlines -- */

/* Deadlines are of the wall clock, for they outlive us. Where it was set, nobody's lease is judged until
 * everybody has renewed it. */
static bool in_grace(WorkloadManager *m) {
        usec_t realtime = manager_now(m), monotonic = now_monotonic(m);
        usec_t expected = m->last_realtime + (monotonic - m->last_monotonic);
        usec_t apart = realtime > expected ? realtime - expected : expected - realtime;

        if (apart > CLOCK_JUMP_USEC)
                m->grace_until = MAX(m->grace_until, monotonic + WORKLOAD_LEASE_USEC);
        m->last_realtime = realtime;
        m->last_monotonic = monotonic;
        return monotonic < m->grace_until;
}

/* One transaction a batch, so that other writers get their turn when a long pause has let many run out. */
static int expire_batch(WorkloadManager *m, bool *claimed, Error **reterr_error) {
        _cleanup_(workload_array_done) WorkloadArray expired = {};
        int r;

        r = workload_store_expire(m->options.db, manager_now(m), EXPIRE_BATCH, &expired, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < expired.n; i++) {
                *claimed |= expired.items[i]->dataplane_id != NULL;
                manager_stopped(m, expired.items[i]);
        }
        return (int) expired.n;
}

int workload_manager_sweep(WorkloadManager *m, Error **reterr_error) {
        bool claimed = false;
        int n = 0, r;

        if (in_grace(m))
                return 0;
        do {
                r = expire_batch(m, &claimed, reterr_error);
                if (r < 0)
                        return r;
                n += r;
        } while (r > 0);
        return n > 0 ? manager_ended(m, claimed, n) : 0;
}

/* What can't be read counts as busy: to stay is the side that loses nothing. */
bool workload_manager_is_busy(WorkloadManager *m) {
        _cleanup_(workload_array_done) WorkloadArray ended = {};
        usec_t deadline = 0;

        return workload_store_next_deadline(m->options.db, &deadline, NULL) < 0 || deadline > 0 ||
               workload_manager_list_ended(m, &ended, NULL) < 0 || ended.n > 0;
}

/* Runs for as long as we do: a look at an index every ten seconds. */
static int on_sweep(EnvSource *s, usec_t now, void *userdata) {
        _cleanup_error_ Error *error = NULL;
        WorkloadManager *m = userdata;
        int r;

        r = workload_manager_sweep(m, &error);
        if (r < 0)
                log_warning("Failed to look for leases that have run out: %s", error_message(error, r));
        workload_manager_remind(m);
        return m->options.env->ops->timer_set(s, now + WORKLOAD_SWEEP_USEC);
}
