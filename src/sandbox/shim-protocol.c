/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Packets as JSON objects, one for each message of the socket: `{"plan": …, "stdin": true}`, `{"stop":
 * true}`, `{"started": {…}}`. JSON, because the plan is a tree, because a packet can be read in a trace,
 * and because shim and starter may be of different versions for a moment while a package is upgraded:
 * members that one of them does not know are passed over.
 *
 * The shim believes its starter, which could do all that it asks for itself. The starter does not believe
 * the shim: by then a hostile connector may have taken it over. So numbers are checked for their range,
 * and what is missing is an error. */

#include <inttypes.h>

#include "basic/json-write.h"
#include "sandbox/shim-protocol.h"

/* Which of the standard streams travel with the plan, in the order of the descriptors beside it. */
static const char *const fd_names[3] = { "stdin", "stdout", "stderr" };

void shim_request_done(ShimRequest *q) {
        q->plan = sandbox_plan_free(q->plan);
}

static int append_plan(Buffer *b, const ShimRequest *q) {
        _cleanup_json_ JsonObject *plan = NULL;
        int r = sandbox_plan_to_json(q->plan, &plan);

        if (r >= 0)
                r = json_write_key(b, "plan");
        if (r >= 0)
                r = json_append(b, plan);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fd_names); i++)
                r = json_write_member_bool(b, fd_names[i], q->fds[i]);
        return r;
}

/* A packet over the limit is an error here: SOCK_SEQPACKET would cut it off without a word at the other
 * end. */
int shim_request_append(Buffer *b, const ShimRequest *q) {
        size_t before = b->len;
        int r = buffer_append_char(b, '{');

        if (r >= 0 && q->type == SHIM_REQUEST_PLAN)
                r = append_plan(b, q);
        else if (r >= 0)
                r = json_write_member_bool(b, q->type == SHIM_REQUEST_STOP ? "stop" : "kill", true);
        if (r >= 0)
                r = buffer_append_char(b, '}');
        return r < 0 ? r : b->len - before > SHIM_PACKET_MAX ? -E2BIG : 0;
}

int shim_request_parse(const char *p, size_t n, ShimRequest *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        ShimRequest q = {};
        int r = json_parse(p, n, &o, reterr_error);

        if (r < 0)
                return error_prefix(reterr_error, r, "Packet to the shim");
        if (json_member(o, "plan")) {
                for (size_t i = 0; r >= 0 && i < ELEMENTSOF(fd_names); i++)
                        r = json_get_bool(o, fd_names[i], &q.fds[i], "Packet to the shim", reterr_error);
                if (r >= 0)
                        r = sandbox_plan_from_json(json_member(o, "plan"), &q.plan, reterr_error);
                if (r < 0)
                        return r;
        } else if (json_member(o, "stop"))
                q.type = SHIM_REQUEST_STOP;
        else if (json_member(o, "kill"))
                q.type = SHIM_REQUEST_KILL;
        else
                return error_set(reterr_error, -EBADMSG, "Packet to the shim: neither plan, stop nor kill");
        *ret = q;
        return 0;
}

void shim_event_done(ShimEvent *e) {
        e->missing = strv_free(e->missing);
        free(e->step);
        free(e->message);
        e->step = e->message = NULL;
}

/* The layers that this machine does not give; the starter decides whether to go on without them. */
static int append_started(Buffer *b, const ShimEvent *e) {
        int r = buffer_appendf(b, "{\"started\":{\"pid\":%" PRId64 ",\"missing\":[", e->pid);

        STRV_FOREACH(s, e->missing) {
                if (r >= 0 && s != e->missing)
                        r = buffer_append_char(b, ',');
                if (r >= 0)
                        r = json_write_cstring(b, *s);
        }
        return r < 0 ? r : buffer_append_string(b, "]}}");
}

static int append_failed(Buffer *b, const ShimEvent *e) {
        int r = buffer_append_string(b, "{\"failed\":{");

        if (r >= 0)
                r = json_write_member_string(b, "step", e->step);
        if (r >= 0)
                r = json_write_member_i64(b, "errno", e->error);
        if (r >= 0)
                r = json_write_member_string(b, "message", e->message);
        return r < 0 ? r : buffer_append_string(b, "}}");
}

static int append_exited(Buffer *b, const ShimEvent *e) {
        int r = buffer_append_string(b, "{\"exited\":{");

        if (r >= 0)
                r = json_write_member_i64(b, "code", e->code);
        if (r >= 0)
                r = json_write_member_i64(b, "signal", e->signal);
        if (r >= 0)
                r = json_write_member_u64(b, "user_usec", e->user_usec);
        if (r >= 0)
                r = json_write_member_u64(b, "system_usec", e->system_usec);
        if (r >= 0)
                r = json_write_member_u64(b, "max_rss_kib", e->max_rss_kib);
        if (r >= 0)
                r = json_write_member_bool(b, "oom", e->oom);
        return r < 0 ? r : buffer_append_string(b, "}}");
}

int shim_event_append(Buffer *b, const ShimEvent *e) {
        switch (e->type) {
        case SHIM_EVENT_STARTED:
                return append_started(b, e);
        case SHIM_EVENT_FAILED:
                return append_failed(b, e);
        case SHIM_EVENT_EXITED:
                return append_exited(b, e);
        }
        return -EINVAL;
}

#define WHAT "Packet of the shim"

/* Absent and out of range are the same fault. */
static int get_number(JsonObject *o, const char *key, int64_t min, int64_t max, int64_t *ret,
                      Error **reterr_error) {
        int r = json_get_i64(o, key, ret, WHAT, reterr_error);

        if (r < 0)
                return r;
        if (r == 0 || *ret < min || *ret > max)
                return error_set(reterr_error, -EBADMSG, WHAT ": '%s' is missing or out of range", key);
        return 0;
}

static int get_string_copy(JsonObject *o, const char *key, char **ret, Error **reterr_error) {
        const char *s = NULL;
        int r = json_get_string(o, key, &s, WHAT, reterr_error);

        if (r < 0)
                return r;
        *ret = strdup(strempty(s));
        return *ret ? 0 : -ENOMEM;
}

static int parse_failed(JsonObject *o, ShimEvent *e, Error **reterr_error) {
        int64_t n = 0;
        int r = get_number(o, "errno", 0, INT32_MAX, &n, reterr_error);

        e->type = SHIM_EVENT_FAILED;
        e->error = (int) n;
        if (r >= 0)
                r = get_string_copy(o, "step", &e->step, reterr_error);
        if (r >= 0)
                r = get_string_copy(o, "message", &e->message, reterr_error);
        return r;
}

static int parse_exited(JsonObject *o, ShimEvent *e, Error **reterr_error) {
        int64_t code = 0, signal = 0, user = 0, system = 0, rss = 0;
        int r = get_number(o, "code", -1, INT32_MAX, &code, reterr_error);

        if (r >= 0)
                r = get_number(o, "signal", 0, 128, &signal, reterr_error);
        if (r >= 0)
                r = get_number(o, "user_usec", 0, INT64_MAX, &user, reterr_error);
        if (r >= 0)
                r = get_number(o, "system_usec", 0, INT64_MAX, &system, reterr_error);
        if (r >= 0)
                r = get_number(o, "max_rss_kib", 0, INT64_MAX, &rss, reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "oom", &e->oom, WHAT, reterr_error);
        e->type = SHIM_EVENT_EXITED;
        e->code = (int) code;
        e->signal = (int) signal;
        e->user_usec = (uint64_t) user;
        e->system_usec = (uint64_t) system;
        e->max_rss_kib = (uint64_t) rss;
        return r;
}

int shim_event_parse(const char *p, size_t n, ShimEvent *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_(shim_event_done) ShimEvent e = {};
        int r = json_parse(p, n, &o, reterr_error);

        if (r < 0)
                return error_prefix(reterr_error, r, WHAT);
        if (json_member(o, "started")) {
                r = get_number(json_member(o, "started"), "pid", 0, INT32_MAX, &e.pid, reterr_error);
                if (r >= 0)
                        r = json_get_strv(json_member(o, "started"), "missing", &e.missing, WHAT,
                                          reterr_error);
        } else if (json_member(o, "failed"))
                r = parse_failed(json_member(o, "failed"), &e, reterr_error);
        else if (json_member(o, "exited"))
                r = parse_exited(json_member(o, "exited"), &e, reterr_error);
        else
                r = error_set(reterr_error, -EBADMSG, WHAT ": neither started, failed nor exited");
        if (r < 0)
                return r;
        *ret = e;
        e = (ShimEvent) {};
        return 0;
}
