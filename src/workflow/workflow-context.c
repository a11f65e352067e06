/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Replay. Commands are matched one by one, in order: the n-th that the code asks for is the n-th of the
 * history, or else the code has changed under the workflow. What came from outside is visible exactly
 * where it was visible when the code first passed: in front of the next recorded command. When a command
 * was recorded, all of the history up to then was in sight; so a later run that sees less or more than
 * that could take another way.
 *
 * The cursor begins behind "started" and stands behind the command that was matched last; it never moves
 * back. An error is latched in the context, so that code which ignores what one call returned gets it
 * from the next one, and a run can't be committed as if nothing had been. */

#include <inttypes.h>
#include <stdio.h>

#include "workflow/workflow-context-internal.h"

size_t workflow_context_horizon(const WorkflowContext *c) {
        size_t i = c->cursor;

        while (i < c->history->n && !history_event_type_is_command(c->history->events[i].type))
                i++;
        return i;
}

static int fail(WorkflowContext *c, int r, Error *error) {
        c->error = r;
        error_free(c->why);
        c->why = error;
        return r;
}

static int diverged(WorkflowContext *c, const HistoryEvent *recorded, HistoryEventType type,
                    const char *name, const char *key) {
        _cleanup_error_ Error *error = NULL;

        (void) error_set(&error, -EPROTO,
                         "Replay differs from the history: the code asks for %s '%s' (%s), "
                         "but event %zu is %s '%s' (%s)",
                         history_event_type_to_string(type), name, key,
                         (size_t) (recorded - c->history->events), history_event_type_to_string(recorded->type),
                         recorded->name, recorded->key);
        return fail(c, -EPROTO, TAKE_PTR(error));
}

/* 1 and the recorded command, 0 when the history has no more commands. */
static int next_command(WorkflowContext *c, HistoryEventType type, const char *name, const char *key,
                        const HistoryEvent **ret) {
        size_t i = workflow_context_horizon(c);
        const HistoryEvent *e;

        if (c->error < 0)
                return c->error;
        if (i == c->history->n)
                return 0;
        e = c->history->events + i;
        if (e->type != type || !streq(e->name, name) || !streq(e->key, key))
                return diverged(c, e, type, name, key);
        c->cursor = i + 1;
        *ret = e;
        return 1;
}

static int record(WorkflowContext *c, HistoryEventType type, const char *name, const char *key,
                  const char *payload) {
        _cleanup_error_ Error *error = NULL;
        size_t seq = c->history->n;
        int r;

        r = history_append(c->history, type, name, key, payload, c->now);
        if (r >= 0)
                r = c->store->append(c->store->userdata, c->id, seq, c->history->events + seq, &error);
        if (r < 0)
                return fail(c, r, TAKE_PTR(error));
        c->cursor = c->history->n;
        return 0;
}

static int record_json(WorkflowContext *c, HistoryEventType type, const char *name, const char *key,
                       JsonObject *payload) {
        _cleanup_free_ char *text = json_to_string(payload);

        if (!text)
                return fail(c, -ENOMEM, NULL);
        return record(c, type, name, key, text);
}

/* Runs what makes a value, in the transaction. */
static int make(WorkflowContext *c, WorkflowStep step, void *userdata, JsonObject **ret) {
        _cleanup_error_ Error *error = NULL;
        int r;

        r = step(c, userdata, ret, &error);
        if (r >= 0)
                return 0;
        /* A step does not wait: this would be taken for "not there yet" and never be woken. */
        return fail(c, r == -EINPROGRESS ? -EIO : r, TAKE_PTR(error));
}

static int answer(WorkflowContext *c, const HistoryEvent *e, JsonObject **ret) {
        int r = 0;

        if (ret)
                r = history_event_payload(e, ret);
        return r < 0 ? fail(c, r, NULL) : 0;
}

int workflow_step(WorkflowContext *c, const char *name, WorkflowStep step, void *userdata, JsonObject **ret) {
        _cleanup_json_ JsonObject *value = NULL;
        const HistoryEvent *e = NULL;
        int r;

        r = next_command(c, HISTORY_STEP_RECORDED, name, "", &e);
        if (r < 0)
                return r;
        if (r > 0)
                return answer(c, e, ret);
        r = make(c, step, userdata, &value);
        if (r >= 0)
                r = record_json(c, HISTORY_STEP_RECORDED, name, "", value);
        if (r < 0)
                return r;
        if (ret)
                *ret = TAKE_PTR(value);
        return 0;
}

/* Whether this run has come past the scheduling of the activity (or the start of the timer). Before the
 * cursor alone: the same activity further on in the history is another call of the code, or a mistake
 * that next_command() will name. */
static bool has_passed(const WorkflowContext *c, HistoryEventType type, const char *key) {
        return history_find(c->history, type, key, 0, c->cursor) >= 0;
}

static int schedule(WorkflowContext *c, const char *name, const char *id, WorkflowStep make_input,
                    void *userdata) {
        _cleanup_json_ JsonObject *input = NULL;
        const HistoryEvent *e = NULL;
        int r;

        r = next_command(c, HISTORY_ACTIVITY_SCHEDULED, name, id, &e);
        if (r != 0)
                return r;
        r = make(c, make_input, userdata, &input);
        if (r < 0)
                return r;
        return record_json(c, HISTORY_ACTIVITY_SCHEDULED, name, id, input);
}

/* Results are looked for up to the horizon, not to the history's end: one that came after the next
 * recorded command was not known when the code decided upon that command. */
int workflow_activity(WorkflowContext *c, const char *name, const char *id, WorkflowStep make_input,
                      void *userdata, JsonObject **ret_result) {
        int r, i;

        if (c->error < 0)
                return c->error;
        if (!has_passed(c, HISTORY_ACTIVITY_SCHEDULED, id)) {
                r = schedule(c, name, id, make_input, userdata);
                if (r < 0)
                        return r;
        }
        i = history_find(c->history, HISTORY_ACTIVITY_COMPLETED, id, 0,
                                  workflow_context_horizon(c));
        if (i < 0)
                return -EINPROGRESS;
        return answer(c, c->history->events + i, ret_result);
}

int workflow_activity_cancel(WorkflowContext *c, const char *id, const char *reason) {
        _cleanup_json_ JsonObject *text = NULL;
        const HistoryEvent *e = NULL;
        int r;

        r = next_command(c, HISTORY_ACTIVITY_CANCEL_REQUESTED, "", id, &e);
        if (r != 0)
                return MIN(r, 0);
        text = json_object_new_string(strempty(reason));
        if (!text)
                return fail(c, -ENOMEM, NULL);
        return record_json(c, HISTORY_ACTIVITY_CANCEL_REQUESTED, "", id, text);
}

int workflow_sleep_until(WorkflowContext *c, const char *name, usec_t at) {
        const HistoryEvent *e = NULL;
        char text[24];
        int r;

        if (c->error < 0)
                return c->error;
        if (!has_passed(c, HISTORY_TIMER_STARTED, name)) {
                r = next_command(c, HISTORY_TIMER_STARTED, name, name, &e);
                if (r < 0)
                        return r;
                (void) snprintf(text, sizeof(text), "%" PRIu64, at);
                if (r == 0)
                        r = record(c, HISTORY_TIMER_STARTED, name, name, text);
                if (r < 0)
                        return r;
        }
        return history_find(c->history, HISTORY_TIMER_FIRED, name, 0,
                                     workflow_context_horizon(c)) < 0 ? -EINPROGRESS : 0;
}

int workflow_signal(WorkflowContext *c, const char *name, JsonObject **ret_payload) {
        size_t end = workflow_context_horizon(c);
        int r;

        if (c->error < 0)
                return c->error;
        for (size_t i = 0; i < end; i++) {
                const HistoryEvent *e = c->history->events + i;

                if (e->type != HISTORY_SIGNAL_RECEIVED || !streq(e->name, name))
                        continue;
                r = answer(c, e, ret_payload);
                return r < 0 ? r : 1;
        }
        return 0;
}

static int step_now(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        *ret = json_object_new_int64((int64_t) c->now);
        return *ret ? 0 : -ENOMEM;
}

int workflow_now(WorkflowContext *c, usec_t *ret) {
        _cleanup_json_ JsonObject *value = NULL;
        int r;

        r = workflow_step(c, "now", step_now, NULL, &value);
        if (r >= 0)
                *ret = (usec_t) json_object_get_int64(value);
        return r;
}

static int step_random(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        uint64_t n;
        int r;

        r = c->env->ops->random_bytes(c->env, &n, sizeof(n));
        if (r < 0)
                return r;
        /* 63 bits: what every reader of JSON takes as an integer. */
        *ret = json_object_new_int64((int64_t) (n >> 1));
        return *ret ? 0 : -ENOMEM;
}

int workflow_random(WorkflowContext *c, uint64_t *ret) {
        _cleanup_json_ JsonObject *value = NULL;
        int r;

        r = workflow_step(c, "random", step_random, NULL, &value);
        if (r >= 0)
                *ret = (uint64_t) json_object_get_int64(value);
        return r;
}

void workflow_set_result(WorkflowContext *c, JsonObject *result) {
        json_object_put(c->result);
        c->result = result;
}

const char *workflow_id(const WorkflowContext *c) {
        return c->id;
}

JsonObject *workflow_input(const WorkflowContext *c) {
        return c->input;
}

void *workflow_userdata(const WorkflowContext *c) {
        return c->userdata;
}

usec_t workflow_run_time(const WorkflowContext *c) {
        return c->now;
}

int workflow_context_check_end(WorkflowContext *c) {
        _cleanup_error_ Error *error = NULL;
        size_t i = workflow_context_horizon(c);

        if (i == c->history->n)
                return 0;
        (void) error_set(&error, -EPROTO, "Replay differs from the history: the code ends before event %zu, "
                         "%s '%s' (%s)", i, history_event_type_to_string(c->history->events[i].type),
                         c->history->events[i].name, c->history->events[i].key);
        return fail(c, -EPROTO, TAKE_PTR(error));
}

bool workflow_error_is_transient(int r) {
        return r == -EAGAIN || r == -EBUSY || r == -EINTR || r == -ENOMEM || r == -ENOSPC || r == -EDQUOT ||
                r == -EIO || r == -ETIMEDOUT || r == -EMFILE || r == -ENFILE || r == -EROFS;
}
