/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How an attempt ends.
 *
 *   source's stdout ended and its exit known, all its lines sent on
 *     exit 0:     missing states, STREAM_STATUS COMPLETE, end of the destination's input
 *     otherwise:  end of the destination's input, without COMPLETE
 *   a failure or cancel: the source is stopped and no longer read; what was queued is written to its end, so that no
 *                        half line goes out; end of the destination's input, without COMPLETE
 *   destination's stdout ended and its exit known: last flush, the verdict, sink->done
 *
 * A connector that doesn't end when it should is stopped, then killed, then given up, each after the grace time. */

#include <inttypes.h>
#include <signal.h>

#include "basic/exit-text.h"
#include "worker/replication-internal.h"

/* After it has closed its output, a source has this long to exit. */
#define SOURCE_EXIT_USEC (60 * USEC_PER_SEC)

enum {
        STEP_STOP,
        STEP_KILL,
        STEP_GIVE_UP,
        STEP_GIVEN_UP,
};

int replication_timer_set(Replication *r, ReplicationTimer which, usec_t at) {
        return r->env->ops->timer_set(r->timers[which], at);
}

/* `delay` from now; USEC_INFINITY stays that. */
static int timer_in(Replication *r, ReplicationTimer which, usec_t delay) {
        usec_t now = env_now(r->env, ENV_CLOCK_MONOTONIC);

        return replication_timer_set(r, which, delay >= USEC_INFINITY - now ? USEC_INFINITY : now + delay);
}

static ReplicationTimer end_timer_of(const ReplicationSide *side) {
        return side->origin == ORIGIN_SOURCE ? TIMER_SOURCE_END : TIMER_DESTINATION_END;
}

void side_close_stdout(ReplicationSide *side) {
        Env *env = side->replication->env;

        side->eof = true;
        env_source_free(env, TAKE_PTR(side->out_io));
        if (side->origin == ORIGIN_SOURCE)
                side->replication->reading = false;
        side->endpoint.stdout_fd = env_close(env, side->endpoint.stdout_fd);
}

static void close_stdin(Replication *r) {
        env_source_free(r->env, TAKE_PTR(r->in_io));
        r->destination.endpoint.stdin_fd = env_close(r->env, r->destination.endpoint.stdin_fd);
        r->blocked_since = 0;
}

int side_stop(ReplicationSide *side) {
        Replication *r = side->replication;

        if (side->exited)
                return 0;
        side->stopping = true;
        switch (side->stop_step++) {
        case STEP_STOP:
                if (side->endpoint.stop)
                        (void) side->endpoint.stop(side->endpoint.userdata);
                break;
        case STEP_KILL:
                if (side->endpoint.kill)
                        (void) side->endpoint.kill(side->endpoint.userdata);
                break;
        default:
                /* Not even SIGKILL was reported to us: end without it rather than hang. */
                side->exited = true;
                side->exit = (EnvExit) { .code = -1 };
                side_close_stdout(side);
                return replication_fault(r, side->origin, FAILURE_SYSTEM_ERROR, NULL,
                                         "The %s did not end, even killed",
                                         failure_origin_to_string(side->origin));
        }
        return timer_in(r, end_timer_of(side), r->options.stop_grace);
}

int replication_wind_down(Replication *r) {
        int k = 0;

        if (r->failing)
                return 0;
        r->failing = r->want_close = true;
        if (!r->source.exited)
                k = side_stop(&r->source);
        side_close_stdout(&r->source);
        if (k >= 0 && (r->cancelled || r->frozen || r->broken))
                k = timer_in(r, TIMER_DESTINATION_END, r->options.stop_grace);
        return k < 0 ? k : timer_in(r, TIMER_STEP, 0);
}

int replication_on_broken_pipe(Replication *r) {
        int k;

        r->broken |= r->closed_since == 0;
        close_stdin(r);
        k = timer_in(r, TIMER_DESTINATION_END, r->options.stop_grace);
        if (k >= 0)
                k = replication_wind_down(r);
        return k < 0 ? k : 1;
}

int replication_on_exit(ReplicationSide *side, const EnvExit *status, const Error *error) {
        Replication *r = side->replication;
        int k;

        if (!replication_is_live(r) || side->exited)
                return 0;
        side->exited = true;
        side->exit = status && !error ? *status : (EnvExit) { .code = -1 };
        if (error) {
                side->exit_error = strdup(error->message);
                if (!side->exit_error)
                        return -ENOMEM;
        }
        replication_drain_stderr(side);
        if (error)
                side_close_stdout(side);
        /* A grandchild may hold the pipe open; it gets some time to say its last words. */
        k = side->eof ? 0 : timer_in(r, end_timer_of(side), r->options.stop_grace);
        return k < 0 ? k : timer_in(r, TIMER_STEP, 0);
}

/* Files what the exit says, if anything. */
static int judge_exit(ReplicationSide *side) {
        const char *name = side->origin == ORIGIN_SOURCE ? "source" : "destination";
        _cleanup_free_ char *how = NULL;
        Replication *r = side->replication;

        side->judged = true;
        if (side->exit_error)
                return replication_fault(r, side->origin, FAILURE_SYSTEM_ERROR, NULL,
                                         "The %s could not be run: %s", name,
                                         side->exit_error);
        if (side->stopping || (side->exit.code == 0 && side->exit.signal == 0))
                return 0;
        how = exit_text(&side->exit);
        return how ? replication_fault(r, side->origin, FAILURE_SYSTEM_ERROR, NULL, "The %s %s", name, how) : -ENOMEM;
}

/* The source has ended well: what the destination must still be told. */
static int complete_source(Replication *r) {
        int k;

        for (size_t i = 0; i < r->n_streams; i++)
                if (r->streams[i].run == STREAM_RUN_INCOMPLETE)
                        return replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, &r->streams[i],
                                                 "The source reported stream '%s' as incomplete",
                                                 r->streams[i].stats.name);
        if (r->failures.n > 0)
                return replication_wind_down(r);
        for (size_t i = 0; i < r->n_streams; i++) {
                r->streams[i].run = STREAM_RUN_COMPLETE;
                r->streams[i].stats.status = STREAM_STATUS_COMPLETE;
                r->streams[i].stats.rate_limited = false;
        }
        if (!r->limited && (k = replication_inject_states(r)) < 0)
                return k;
        if (r->options.destination_supports_refreshes && (k = replication_send_statuses(r)) < 0)
                return k;
        r->want_close = true;
        return replication_pump(r);
}

static int end_source(Replication *r) {
        int k = judge_exit(&r->source);

        return k < 0 || r->failing ? k : complete_source(r);
}

static int end_destination(Replication *r) {
        int k = judge_exit(&r->destination);

        /* It left while there was more to come, and said nothing of a reason. */
        if (k >= 0 && r->closed_since == 0 && (r->broken || !r->failing) && r->destination.exit.code == 0)
                k = replication_fault(r, ORIGIN_DESTINATION, FAILURE_SYSTEM_ERROR, NULL,
                                      "The destination ended before the end of its input");
        if (k >= 0 && r->destination.endpoint.stdin_fd >= 0)
                k = replication_on_broken_pipe(r);
        return MIN(k, 0);
}

static bool all_over(const Replication *r) {
        return r->source.judged && r->destination.judged;
}

static int advance(Replication *r) {
        int k;

        if (r->limited && !r->source.stopping && !r->source.eof) {
                side_close_stdout(&r->source);
                if ((k = side_stop(&r->source)) < 0)
                        return k;
        }
        /* With the queue empty all lines were handled: pump() stops for no other reason. */
        if (!r->source.judged && r->source.exited && r->source.eof && out_queue_is_empty(&r->queue) &&
            (k = end_source(r)) < 0)
                return k;
        if (!r->source.exited && r->source.eof && !r->source.stopping && !r->exit_awaited) {
                r->exit_awaited = true;
                if ((k = timer_in(r, TIMER_SOURCE_END, MIN(SOURCE_EXIT_USEC,
                                                           r->options.heartbeat_timeout))) < 0)
                        return k;
        }
        if (r->want_close && r->closed_since == 0 && r->destination.endpoint.stdin_fd >= 0 &&
            out_queue_is_empty(&r->queue)) {
                close_stdin(r);
                r->closed_since = env_now(r->env, ENV_CLOCK_MONOTONIC);
                if ((k = replication_watch_destination(r)) < 0)
                        return k;
        }
        if (!r->destination.judged && r->destination.exited && r->destination.eof &&
            (k = end_destination(r)) < 0)
                return k;
        return all_over(r) ? timer_in(r, TIMER_STEP, 0) : 0;
}

int replication_advance(Replication *r) {
        return replication_is_live(r) ? advance(r) : 0;
}

/* It has exited, its output hasn't ended. While something still comes out of it, or may not be read since
 * the destination is slow, that is its own last words; after a whole grace time of silence a grandchild
 * holds the pipe. */
static int on_open_output(ReplicationSide *side) {
        Replication *r = side->replication;
        bool active = side->active;
        int k = 0;

        side->active = false;
        if (side->origin == ORIGIN_SOURCE && !r->reading)
                side->active = true;
        else
                k = (side->origin == ORIGIN_SOURCE ? on_source_readable : on_destination_readable)(
                        side->out_io, side->endpoint.stdout_fd, ENV_READABLE, r);
        if (k < 0 || side->eof)
                return k;
        if (active || side->active)
                return timer_in(r, end_timer_of(side), r->options.stop_grace);
        side_close_stdout(side);
        return side->origin == ORIGIN_SOURCE
                       ? replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                           "The source exited, but something it started holds its output open")
                       : 0;
}

static int on_end_timer(ReplicationSide *side) {
        Replication *r = side->replication;
        int k = 0;

        if (!replication_is_live(r))
                return 0;
        if (side->exited && !side->eof)
                k = on_open_output(side);
        else if (!side->exited && side->origin == ORIGIN_SOURCE && !side->stopping)
                k = replication_fault(r, ORIGIN_SOURCE, FAILURE_SYSTEM_ERROR, NULL,
                                      "The source closed its output but did not exit");
        else
                k = side_stop(side);
        return k < 0 ? k : replication_advance(r);
}

int on_source_end_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;

        return on_end_timer(&r->source);
}

int on_destination_end_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;

        return on_end_timer(&r->destination);
}

int on_heartbeat_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;
        usec_t timeout = r->options.heartbeat_timeout;
        char span[FORMAT_SPAN_MAX];

        if (r->failing || r->source.eof || timeout == USEC_INFINITY)
                return 0;
        /* A source that may not write cannot beat. */
        if (r->blocked_since > 0)
                r->last_beat = now;
        if (now < r->last_beat + timeout)
                return replication_timer_set(r, TIMER_HEARTBEAT, r->last_beat + timeout);
        (void) format_span(timeout, span);
        if (r->options.fail_on_heartbeat)
                return replication_fault(r, ORIGIN_SOURCE, FAILURE_HEARTBEAT_TIMEOUT, NULL,
                                         "The source sent no record or state for %s", span);
        replication_log(r, ORIGIN_REPLICATION, "WARN", "The source sent no record or state for %s", span);
        r->last_beat = now;
        return replication_timer_set(r, TIMER_HEARTBEAT, now + timeout);
}

int replication_watch_destination(Replication *r) {
        return timer_in(r, TIMER_DESTINATION, r->options.destination_timeout);
}

int on_destination_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;
        usec_t since = r->blocked_since > 0 ? r->blocked_since : r->closed_since;
        char span[FORMAT_SPAN_MAX];
        int k;

        if (since == 0 || r->destination.exited || !replication_is_live(r))
                return 0;
        if (now < since + r->options.destination_timeout)
                return replication_timer_set(r, TIMER_DESTINATION, since + r->options.destination_timeout);
        k = replication_fault(r, ORIGIN_DESTINATION, FAILURE_DESTINATION_TIMEOUT, NULL,
                              r->blocked_since > 0 ? "The destination read nothing for %s"
                                                   : "The destination did not end within %s after its input did",
                              format_span(r->options.destination_timeout, span));
        if (k >= 0)
                k = side_stop(&r->destination);
        return k < 0 ? k : replication_advance(r);
}

int on_flush_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;
        int k = replication_flush_states(r, /* final= */ false);

        return k < 0 ? k : timer_in(r, TIMER_FLUSH, r->options.flush_interval);
}

int on_progress_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;

        r->dirty = false;
        if (r->sink.progress)
                r->sink.progress(r, r->sink.userdata);
        return 0;
}

/* What the background validation found; it changes nothing of the verdict. */
static void report_validation(Replication *r) {
        if (!r->validator)
                return;
        while (record_validator_work(r->validator, SIZE_MAX) > 0)
                ;
        for (size_t i = 0; i < r->n_streams; i++) {
                RecordValidatorResult v = record_validator_result(r->validator, i);
                ReplicationStream *s = &r->streams[i];

                s->stats.invalid_records = v.n_invalid;
                for (char *const *p = v.problems; p && *p; p++)
                        replication_log(r, ORIGIN_REPLICATION, "WARN", "Stream '%s' breaks its schema: %s",
                                        s->stats.name,
                                        *p);
                for (char *const *p = v.unexpected_fields; p && *p; p++)
                        replication_log(r, ORIGIN_REPLICATION, "WARN",
                                        "Stream '%s' has a field that its schema doesn't"
                                        " name: %s", s->stats.name, *p);
        }
}

/* What stands when the attempt did not succeed: only streams whose every record a committed state covers
 * are whole. */
static void settle_streams(Replication *r) {
        for (size_t i = 0; i < r->n_streams; i++) {
                ReplicationStream *s = &r->streams[i];

                s->stats.complete = s->run == STREAM_RUN_COMPLETE && s->staged.records == 0 &&
                                    s->stats.states_emitted + r->shared_states_emitted > 0 &&
                                    !state_tracker_is_pending(r->tracker, i) &&
                                    !state_tracker_is_pending(r->tracker, STATE_TRACKER_SHARED);
                if (s->run != STREAM_RUN_COMPLETE)
                        s->stats.status = STREAM_STATUS_INCOMPLETE;
                s->stats.rate_limited = false;
        }
}

static int finish(Replication *r) {
        size_t n_pending = state_tracker_n_pending(r->tracker);
        int k;

        if ((k = replication_apply_control(&r->source)) < 0 ||
            (k = replication_apply_control(&r->destination)) < 0)
                return k;
        if (n_pending > 0 && !r->failing && r->failures.n == 0) {
                k = replication_fault(r, ORIGIN_DESTINATION, FAILURE_SYSTEM_ERROR, NULL,
                                      "The destination ended without confirming %zu of %" PRIu64 " states", n_pending,
                                      state_tracker_n_given(r->tracker));
                if (k < 0)
                        return k;
        }
        k = replication_flush_states(r, /* final= */ true);
        if (k < 0)
                return k;
        if (r->failing && r->failures.n == 0 && !r->cancelled &&
            (k = replication_fault(r, ORIGIN_REPLICATION, FAILURE_SYSTEM_ERROR, NULL,
                                   "The attempt ended early")) < 0)
                return k;
        report_validation(r);
        if (r->failures.n == 0)
                replication_commit_all(r);
        else
                settle_streams(r);
        r->status = r->cancelled      ? REPLICATION_CANCELLED
                : r->failures.n > 0 ? REPLICATION_FAILED
                                    : REPLICATION_COMPLETED;
        for (int i = 0; i < _TIMER_MAX; i++)
                if (i != TIMER_STEP)
                        (void) replication_timer_set(r, i, USEC_INFINITY);
        replication_drain_stderr(&r->source);
        replication_drain_stderr(&r->destination);
        if (r->sink.progress)
                r->sink.progress(r, r->sink.userdata);
        if (r->sink.done)
                r->sink.done(r, r->sink.userdata);
        return 0;
}

int on_step_timer(EnvSource *s, usec_t now, void *userdata) {
        Replication *r = userdata;
        int k;

        if (!replication_is_live(r))
                return 0;
        if (all_over(r))
                return finish(r);
        k = replication_pump(r);
        return k < 0 ? k : replication_advance(r);
}
