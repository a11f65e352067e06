/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lease is what allows this worker to write. Any answer of the API proves it, an old epoch (410) ends
 * it. An API that is silent proves nothing: after WORKER_SILENCE_USEC, which is less than the lease, we
 * stop by ourselves, so that whoever gets the workload next never meets us. While the last word is being
 * told we wait without that bound, since what the attempt has come to is known and only its telling is
 * late; being told that we are to stop brings the bound back, much shorter.
 *
 * The answer to a beat also says whether the workload was told to end. Then who stops us is no machine that
 * is being shut down, and the API will be back: there is no hurry any more, whichever of the two was heard
 * first.
 *
 * States are told synchronously: the replication waits in worker_link_state() until they are durable, for
 * a state counts only then. All else is sent and answered from the loop. The order at the end is logs,
 * numbers, then the last word, because after it the API takes nothing of us any more.
 *
 * One upload of logs is under way at a time. It keeps its bytes at the head of the buffer until it is
 * answered, so that the client can send the same upload again. */

#include "basic/json-write.h"
#include "basic/log.h"
#include "orchestrator/worker-link.h"

#define LOG_FLUSH_USEC (1 * USEC_PER_SEC)
#define LOG_BATCH_MAX (256U * 1024U)
/* Waiting for an API that doesn't answer; beyond, lines are dropped. */
#define LOG_WAITING_MAX (4U * 1024U * 1024U)
#define LOG_LINE_MAX (64U * 1024U)
#define LAST_STATES_USEC (60 * USEC_PER_SEC)

struct WorkerLink {
        Env *env;
        const WorkerStart *start;
        WorkerLinkEvents events;
        WorkloadClient *client;
        EnvSource *beat_timer, *silence_timer, *log_timer;
        usec_t last_contact;
        usec_t silence; /* as long as we bear it */
        bool hurried, cancelled;
        Buffer log;       /* waiting */
        size_t log_sent;  /* of these, how many are on their way */
        uint64_t n_dropped;
        bool lost, finishing, stats_pending, progress_pending, told;
        bool silent;      /* somebody else has the last word */
        bool running_pending; /* a success of what isn't known to run would be refused */
        char *reason;     /* of a failure */
        JsonObject *output;
};

static WorkloadLease lease_of(const WorkerLink *l) {
        return (WorkloadLease) { l->start->id, l->start->epoch };
}

static void lose(WorkerLink *l, const char *why) {
        if (l->lost)
                return;
        l->lost = true;
        l->events.lost(why, l->events.userdata);
}

static void maybe_tell(WorkerLink *l);

/* What every answer says: that we are still in contact, or that it's over. */
static void note_answer(WorkerLink *l, int r) {
        if (r == -ESTALE || r == -ENOENT || r == -EACCES) {
                lose(l, "The workload has ended or was given to somebody else");
                return;
        }
        if (r == -EAGAIN)
                return;
        l->last_contact = env_now(l->env, ENV_CLOCK_MONOTONIC);
        (void) l->env->ops->timer_set(l->silence_timer, l->last_contact + l->silence);
}

static void on_running(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;

        l->running_pending = false;
        note_answer(l, r);
        maybe_tell(l);
}

static void bear_silence(WorkerLink *l, usec_t silence) {
        l->silence = silence;
        l->last_contact = env_now(l->env, ENV_CLOCK_MONOTONIC);
        (void) l->env->ops->timer_set(l->silence_timer, l->last_contact + l->silence);
}

static void on_beaten(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;
        bool cancelled = false;

        note_answer(l, r);
        if (r >= 0)
                (void) json_get_bool(reply, "cancelRequested", &cancelled, "answer", NULL);
        if (!cancelled || l->cancelled || l->lost)
                return;
        l->cancelled = true;
        l->hurried = false;
        bear_silence(l, WORKER_SILENCE_USEC);
        l->events.cancelled(l->events.userdata);
}

static int on_silence(EnvSource *s, usec_t now, void *userdata) {
        WorkerLink *l = userdata;

        if (now < l->last_contact + l->silence)
                return l->env->ops->timer_set(s, l->last_contact + l->silence);
        if (!l->finishing || l->hurried)
                lose(l, "The workload API could not be reached");
        return 0;
}

static void beat(WorkerLink *l) {
        WorkloadLease lease = lease_of(l);

        (void) workload_client_heartbeat(l->client, &lease, on_beaten, l);
}

void worker_link_hurry(WorkerLink *l) {
        if (l->cancelled || l->lost)
                return;
        l->hurried = true;
        bear_silence(l, WORKER_HURRIED_USEC);
        /* Before it is known to run a beat is refused, and there is nothing to hand over. */
        if (!l->running_pending)
                beat(l);
}

usec_t worker_link_last_patience(const WorkerLink *l) {
        return l->hurried ? WORKER_HURRIED_USEC : LAST_STATES_USEC;
}

static int on_beat(EnvSource *s, usec_t now, void *userdata) {
        WorkerLink *l = userdata;

        if (l->lost)
                return 0;
        beat(l);
        return l->env->ops->timer_set(s, now + WORKER_BEAT_USEC);
}

/* ---- Logs ---- */

static void send_log(WorkerLink *l);

static void on_logged(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;

        note_answer(l, r);
        /* A batch that is refused would be refused again. */
        buffer_consume(&l->log, l->log_sent);
        l->log_sent = 0;
        if (l->finishing || l->log.len >= LOG_BATCH_MAX)
                send_log(l);
        maybe_tell(l);
}

/* Whole lines up to a batch. */
static size_t batch_length(const WorkerLink *l) {
        const char *end;

        if (l->log.len <= LOG_BATCH_MAX)
                return l->log.len;
        end = memrchr(buffer_bytes(&l->log), '\n', LOG_BATCH_MAX);
        return end ? (size_t) (end - buffer_bytes(&l->log)) + 1 : l->log.len;
}

static void send_log(WorkerLink *l) {
        WorkloadLease lease = lease_of(l);

        if (l->log_sent > 0 || l->log.len == 0 || l->lost)
                return;
        l->log_sent = batch_length(l);
        if (workload_client_logs(l->client, &lease, buffer_bytes(&l->log), l->log_sent, on_logged, l) < 0)
                l->log_sent = 0;
}

static int on_log_timer(EnvSource *s, usec_t now, void *userdata) {
        send_log(userdata);
        return 0;
}

/* Text of connectors is cut at LOG_LINE_MAX, and json_write_string() escapes whatever it holds: a
 * connector can't write a line in somebody else's name. */
static int append_line(WorkerLink *l, const char *origin, const char *level, const char *message) {
        Buffer *b = &l->log;
        int r = buffer_append_char(b, '{');

        if (r >= 0)
                r = json_write_member_u64(b, "t", env_now(l->env, ENV_CLOCK_REALTIME));
        if (r >= 0)
                r = json_write_member_string(b, "level", level);
        if (r >= 0)
                r = json_write_member_string(b, "origin", origin);
        if (r >= 0)
                r = json_write_key(b, "message");
        if (r >= 0)
                r = json_write_string(b, message, strnlen(message, LOG_LINE_MAX));
        return r < 0 ? r : buffer_append_string(b, "}\n");
}

void worker_link_log(WorkerLink *l, const char *origin, const char *level, const char *message) {
        size_t before = l->log.len;

        if (l->log.len > LOG_WAITING_MAX) {
                l->n_dropped++;
                return;
        }
        if (l->n_dropped > 0) {
                _cleanup_buffer_ Buffer note = {};

                if (buffer_appendf(&note, "%llu lines came faster than they could be stored",
                                   (unsigned long long) l->n_dropped) >= 0)
                        (void) append_line(l, "airbyte_platform", "WARN", strempty(buffer_string(&note)));
                l->n_dropped = 0;
        }
        if (append_line(l, origin, level, message) < 0) {
                /* No half lines. */
                l->log.len = before;
                return;
        }
        if (before == 0)
                (void) l->env->ops->timer_set(l->log_timer,
                                              env_now(l->env, ENV_CLOCK_MONOTONIC) + LOG_FLUSH_USEC);
        if (l->log.len >= LOG_BATCH_MAX)
                send_log(l);
}

/* ---- Numbers, states, configurations ---- */

static void on_stats(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;

        l->stats_pending = false;
        note_answer(l, r);
        maybe_tell(l);
}

void worker_link_stats(WorkerLink *l, const char *streams) {
        WorkloadLease lease = lease_of(l);

        if (l->stats_pending || l->lost)
                return;
        l->stats_pending = workload_client_stats(l->client, &lease, streams, on_stats, l) >= 0;
}

/* Of all answers only that the lease is over counts: an API of before an upgrade doesn't know this call, and one
 * that takes it renews no lease by it, so that who is told nothing else is out of contact. One that was under way
 * when the end was told may find the end, which is no news. */
static void on_progress_told(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;

        l->progress_pending = false;
        if (r == -ESTALE && !l->told)
                note_answer(l, r);
}

void worker_link_progress(WorkerLink *l, const char *streams) {
        WorkloadLease lease = lease_of(l);

        if (l->progress_pending || l->lost || l->finishing || l->running_pending)
                return;
        l->progress_pending = workload_client_progress(l->client, &lease, streams, on_progress_told, l) >= 0;
}

static void on_control_stored(int r, JsonObject *reply, const Error *error, void *userdata) {
        note_answer(userdata, r);
        if (r < 0)
                worker_link_log(userdata, "airbyte_platform", "WARN",
                                "A connector's new configuration was not taken; the old one stays");
}

void worker_link_control(WorkerLink *l, const char *role, JsonObject *configuration) {
        WorkloadLease lease = lease_of(l);

        if (workload_client_control(l->client, &lease, role, configuration, on_control_stored, l) < 0)
                on_control_stored(-ENOMEM, NULL, NULL, l);
}

/* The numbers go first: a state that is durable must not be ahead of the counts that people see. */
int worker_link_state(WorkerLink *l, const char *states, const char *streams, usec_t patience,
                      Error **reterr_error) {
        WorkloadLease lease = lease_of(l);
        int r;

        if (l->lost)
                return error_set(reterr_error, -ESTALE, "The workload is no longer ours");
        r = workload_client_state_wait(l->client, &lease, states, streams, patience, reterr_error);
        note_answer(l, r);
        return r;
}

/* ---- The end ---- */

static void on_told(int r, JsonObject *reply, const Error *error, void *userdata) {
        WorkerLink *l = userdata;

        if (r < 0)
                log_error("The result could not be stored: %s", error_message(error, r));
        l->events.finished(r, l->events.userdata);
}

/* After everything else that is on its way. */
static void maybe_tell(WorkerLink *l) {
        WorkloadLease lease = lease_of(l);
        int r;

        if (!l->finishing || l->told || l->lost || l->running_pending || l->stats_pending || l->log.len > 0)
                return;
        l->told = true;
        if (l->silent) {
                l->events.finished(0, l->events.userdata);
                return;
        }
        r = l->reason ? workload_client_failure(l->client, &lease, "worker", l->reason, l->output, on_told,
                                                l)
                      : workload_client_success(l->client, &lease, l->output, on_told, l);
        if (r < 0)
                on_told(r, NULL, NULL, l);
}

void worker_link_finish(WorkerLink *l, const char *failure_reason, JsonObject *output) {
        if (l->finishing) {
                json_object_put(output);
                return;
        }
        l->finishing = true;
        l->reason = failure_reason ? strdup(failure_reason) : NULL;
        json_object_put(l->output);
        l->output = output;
        /* A failure whose reason is lost is still one. */
        if (failure_reason && !l->reason) {
                l->events.finished(-ENOMEM, l->events.userdata);
                return;
        }
        send_log(l);
        maybe_tell(l);
}

void worker_link_leave(WorkerLink *l) {
        l->silent = true;
        worker_link_finish(l, NULL, NULL);
}

int worker_link_new(Env *env, const WorkerStart *start, const WorkerLinkEvents *events, WorkerLink **ret) {
        _cleanup_(worker_link_freep) WorkerLink *l = calloc(1, sizeof(*l));
        usec_t now = env_now(env, ENV_CLOCK_MONOTONIC);
        WorkloadLease lease;
        int r;

        if (!l)
                return -ENOMEM;
        l->env = env;
        l->start = start;
        l->events = *events;
        l->last_contact = now;
        l->silence = WORKER_SILENCE_USEC;
        r = workload_client_new(env, start->api, &l->client);
        if (r >= 0)
                r = workload_client_set_token(l->client, start->token);
        if (r >= 0)
                r = env->ops->timer_add(env, now + WORKER_BEAT_USEC, on_beat, l, &l->beat_timer);
        if (r >= 0)
                r = env->ops->timer_add(env, now + WORKER_SILENCE_USEC, on_silence, l, &l->silence_timer);
        if (r >= 0)
                r = env->ops->timer_add(env, USEC_INFINITY, on_log_timer, l, &l->log_timer);
        if (r < 0)
                return r;
        lease = lease_of(l);
        l->running_pending = true;
        r = workload_client_running(l->client, &lease, on_running, l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

WorkerLink *worker_link_free(WorkerLink *l) {
        if (!l)
                return NULL;
        workload_client_free(l->client);
        env_source_free(l->env, l->beat_timer);
        env_source_free(l->env, l->silence_timer);
        env_source_free(l->env, l->log_timer);
        buffer_done(&l->log);
        free(l->reason);
        json_object_put(l->output);
        free(l);
        return NULL;
}
