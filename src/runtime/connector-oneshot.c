/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One call of spec, check or discover: a process that answers with one message and ends.
 *
 *   exited   out closed   err closed
 *      |          |            |
 *      +----------+------------+---> judge ---> done (once)
 *
 * The answer counts only when all three have happened. A process may end before its last bytes are read,
 * and it may close its output and then fail; whoever looked at one of these alone would at times believe
 * half an answer. What went wrong first is kept as the error: a TRACE ERROR explains more than the exit
 * code that follows it.
 *
 * Everything that is not the answer (LOG messages, lines that are no messages, standard error) goes to
 * `log`, masked by the caller. The sum of all output is limited, for a connector may print for ever
 * without ever ending a line. */

#include <stdarg.h>
#include <stdio.h>

#include "basic/exit-text.h"
#include "runtime/connector-oneshot.h"

#define READ_SIZE (64U * 1024U)

struct ConnectorOneshot {
        Env *env;
        ConnectorProcess *process;
        char *verb;
        OneshotLog log;
        OneshotDone done;
        void *userdata;
        LineReader out, err;
        RecordScanner *scanner;
        int out_fd, err_fd;
        EnvSource *out_source, *err_source;
        uint64_t n_read;
        bool exited;
        EnvExit exit;
        OneshotResult result;
};

static void set_error(ConnectorOneshot *o, FailureType type, const char *format, ...) _printf_(3, 4);

/* The first failure is the one that explains; later ones are its consequences. */
static void set_error(ConnectorOneshot *o, FailureType type, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        if (o->result.error)
                return;
        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                text = NULL;
        va_end(ap);
        (void) error_set(&o->result.error, type == FAILURE_CONFIG_ERROR ? -EINVAL : -EIO, "%s",
                         strempty(text));
        o->result.failure_type = type;
}

/* Only an ERROR matters here; statuses and estimates belong to reads. */
static void on_trace(ConnectorOneshot *o, JsonSlice payload) {
        TraceMessage m = {};

        if (trace_message_parse(payload, &m, NULL) < 0)
                return;
        if (m.type == TRACE_ERROR)
                set_error(o, m.failure_type, "%s", strempty(m.message));
        trace_message_done(&m);
}

static void on_log(ConnectorOneshot *o, JsonSlice payload) {
        LogMessage m = {};

        if (log_message_parse(payload, &m, NULL) < 0)
                return;
        if (o->log)
                o->log(m.level, m.message, o->userdata);
        log_message_done(&m);
}

static int parse_payload(ConnectorOneshot *o, JsonSlice payload, JsonObject **ret) {
        _cleanup_error_ Error *e = NULL;
        int r = json_parse(payload.p, payload.n, ret, &e);

        if (r < 0)
                set_error(o, FAILURE_SYSTEM_ERROR, "'%s' of the connector: %s", o->verb,
                          error_message(e, r));
        return r;
}

/* Said twice, the last one counts, as for all answers below. */
static void on_spec(ConnectorOneshot *o, JsonSlice payload) {
        json_object_put(TAKE_PTR(o->result.spec));
        (void) parse_payload(o, payload, &o->result.spec);
}

static void on_catalog(ConnectorOneshot *o, JsonSlice payload) {
        _cleanup_json_ JsonObject *json = NULL;
        _cleanup_error_ Error *e = NULL;
        int r;

        if (parse_payload(o, payload, &json) < 0)
                return;
        o->result.catalog = catalog_free(o->result.catalog);
        r = catalog_from_json(json, &o->result.catalog, &e);
        if (r < 0)
                set_error(o, FAILURE_SYSTEM_ERROR, "The catalog of the source is not valid: %s",
                          error_message(e, r));
}

static void on_status(ConnectorOneshot *o, JsonSlice payload) {
        _cleanup_error_ Error *e = NULL;
        int r;

        connection_status_done(&o->result.status);
        r = connection_status_parse(payload, &o->result.status, &e);
        if (r < 0)
                set_error(o, FAILURE_SYSTEM_ERROR, "%s", error_message(e, r));
        else
                o->result.has_status = true;
}

/* A check may renew a token: the new configuration is handed out with the answer. */
static void on_control(ConnectorOneshot *o, JsonSlice payload) {
        _cleanup_json_ JsonObject *config = NULL;

        if (control_message_parse(payload, &config, NULL) < 0)
                return;
        json_object_put(TAKE_PTR(o->result.config));
        o->result.config = TAKE_PTR(config);
}

/* Lines that are no messages are passed on as text, cut where a person would stop reading. */
static void on_line(ConnectorOneshot *o, JsonSlice line) {
        Envelope m;

        if (line.n == 0)
                return;
        if (record_scanner_scan(o->scanner, line, &m) < 0) {
                _cleanup_free_ char *text = strndup(line.p, MIN(line.n, (size_t) 2000));

                if (o->log && text)
                        o->log("INFO", text, o->userdata);
                return;
        }
        switch (m.type) {
        case MESSAGE_TRACE:
                on_trace(o, m.payload);
                break;
        case MESSAGE_LOG:
                on_log(o, m.payload);
                break;
        case MESSAGE_SPEC:
                on_spec(o, m.payload);
                break;
        case MESSAGE_CATALOG:
                on_catalog(o, m.payload);
                break;
        case MESSAGE_CONNECTION_STATUS:
                on_status(o, m.payload);
                break;
        case MESSAGE_CONTROL:
                on_control(o, m.payload);
                break;
        default:
                break;
        }
}

static void on_error_line(ConnectorOneshot *o, JsonSlice line) {
        _cleanup_free_ char *text = strndup(line.p, MIN(line.n, (size_t) 2000));

        if (o->log && text && line.n > 0)
                o->log("INFO", text, o->userdata);
}

/* What is missing when the process is gone and all its output is read. */
static void judge(ConnectorOneshot *o) {
        bool said = streq(o->verb, "spec") ? o->result.spec != NULL
                : streq(o->verb, "check")  ? o->result.has_status
                : streq(o->verb, "install") ? true
                                           : o->result.catalog != NULL;
        _cleanup_free_ char *how = NULL;

        /* Whatever it said before was that. */
        if (o->exit.oom)
                o->result.error = error_free(o->result.error);
        if (o->exit.signal > 0 || o->exit.code != 0) {
                how = exit_text(&o->exit);
                set_error(o, FAILURE_SYSTEM_ERROR, "'%s' %s", o->verb, how ?: "failed");
        } else if (!said)
                set_error(o, FAILURE_SYSTEM_ERROR, "'%s' exited without its answer", o->verb);
}

/* May be called after each of the three events. */
static void maybe_done(ConnectorOneshot *o) {
        if (!o->exited || o->out_fd >= 0 || o->err_fd >= 0)
                return;
        judge(o);
        o->done(o, &o->result, o->userdata);
}

static void close_stream(ConnectorOneshot *o, bool out) {
        EnvSource **source = out ? &o->out_source : &o->err_source;
        int *fd = out ? &o->out_fd : &o->err_fd;

        *source = env_source_free(o->env, *source);
        *fd = env_close(o->env, *fd);
}

/* A line over the limit fails the call: it may have been the answer. */
static void drain_lines(ConnectorOneshot *o, bool out) {
        LineReader *reader = out ? &o->out : &o->err;
        JsonSlice line;
        int r;

        while ((r = line_reader_next(reader, &line)) != 0) {
                if (r < 0)
                        set_error(o, FAILURE_SYSTEM_ERROR, "'%s' printed a line of more than %u bytes",
                                  o->verb,
                                  PROTOCOL_LINE_MAX);
                else if (out)
                        on_line(o, line);
                else
                        on_error_line(o, line);
        }
}

static int on_readable(EnvSource *s, int fd, uint32_t events, void *userdata) {
        ConnectorOneshot *o = userdata;
        bool out = s == o->out_source;
        LineReader *reader = out ? &o->out : &o->err;
        char *to = line_reader_reserve(reader, READ_SIZE);
        JsonSlice line;
        ssize_t k;

        if (!to)
                return -ENOMEM;
        k = o->env->ops->read(o->env, fd, to, READ_SIZE);
        if (k == -EAGAIN)
                return 0;
        if (k > 0) {
                line_reader_commit(reader, (size_t) k);
                drain_lines(o, out);
                o->n_read += (size_t) k;
                if (o->n_read <= ONESHOT_OUTPUT_MAX)
                        return 0;
                set_error(o, FAILURE_SYSTEM_ERROR, "'%s' printed more than %u bytes", o->verb,
                          ONESHOT_OUTPUT_MAX);
                (void) connector_process_kill(o->process);
        } else if (line_reader_rest(reader, &line) > 0) {
                if (out)
                        on_line(o, line);
                else
                        on_error_line(o, line);
        }
        close_stream(o, out);
        maybe_done(o);
        return 0;
}

static int on_started(ConnectorProcess *p, char *const *missing, void *userdata) {
        ConnectorOneshot *o = userdata;

        o->result.missing = strv_copy(missing);
        return 0;
}

static int on_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error, void *userdata) {
        ConnectorOneshot *o = userdata;

        o->exited = true;
        if (usage) {
                o->exit = usage->exit;
                o->result.usage = *usage;
                o->result.has_usage = true;
        } else {
                set_error(o, FAILURE_SYSTEM_ERROR, "%s", error_message(error, -EIO));
                close_stream(o, true);
                close_stream(o, false);
        }
        maybe_done(o);
        return 0;
}

static ConnectorOneshot *oneshot_new(Env *env, const char *verb, OneshotLog log, OneshotDone done,
                                     void *userdata) {
        _cleanup_(connector_oneshot_freep) ConnectorOneshot *o = calloc(1, sizeof(*o));

        if (!o)
                return NULL;
        *o = (ConnectorOneshot) { .env = env, .log = log, .done = done, .userdata = userdata, .out_fd = -EBADF,
                                  .err_fd = -EBADF, .verb = strdup(verb) };
        line_reader_init(&o->out, PROTOCOL_LINE_MAX);
        line_reader_init(&o->err, READ_SIZE);
        o->scanner = record_scanner_new();
        return o->scanner && o->verb ? TAKE_PTR(o) : NULL;
}

static int watch_output(ConnectorOneshot *o, Error **reterr_error) {
        int r;

        o->out_fd = connector_process_take_fd(o->process, 1);
        o->err_fd = connector_process_take_fd(o->process, 2);
        r = o->env->ops->io_add(o->env, o->out_fd, ENV_READABLE, 0, on_readable, o, &o->out_source);
        if (r >= 0)
                r = o->env->ops->io_add(o->env, o->err_fd, ENV_READABLE, 0, on_readable, o, &o->err_source);
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to watch '%s'", o->verb) : 0;
}

int connector_oneshot_start(Env *env, const ConnectorStart *start, OneshotLog log, OneshotDone done,
                            void *userdata,
                            ConnectorOneshot **ret, Error **reterr_error) {
        _cleanup_(connector_oneshot_freep) ConnectorOneshot *o = oneshot_new(env, start->verb, log, done,
                                                                             userdata);
        ConnectorEvents events = { .started = on_started, .exited = on_exited, .userdata = o };
        int r;

        if (!o)
                return -ENOMEM;
        r = connector_process_start(env, start, &events, &o->process, reterr_error);
        if (r >= 0)
                r = watch_output(o, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int connector_oneshot_attach(Env *env, const char *verb, const char *name, uint64_t memory_max, int control,
                             const int fds[3], OneshotLog log, OneshotDone done, void *userdata, ConnectorOneshot **ret,
                             Error **reterr_error) {
        _cleanup_(connector_oneshot_freep) ConnectorOneshot *o = oneshot_new(env, verb, log, done, userdata);
        ConnectorEvents events = { .started = on_started, .exited = on_exited, .userdata = o };
        int r;

        if (!o)
                return -ENOMEM;
        r = connector_process_attach(env, name, memory_max, control, fds, &events, &o->process, reterr_error);
        if (r >= 0)
                r = watch_output(o, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

static void result_done(OneshotResult *r) {
        json_object_put(r->spec);
        json_object_put(r->config);
        catalog_free(r->catalog);
        connection_status_done(&r->status);
        error_free(r->error);
        strv_free(r->missing);
}

void connector_oneshot_detach(ConnectorOneshot *o) {
        if (!o->env)
                return;
        close_stream(o, true);
        close_stream(o, false);
        o->process = connector_process_free(o->process);
        o->env = NULL;
}

ConnectorOneshot *connector_oneshot_free(ConnectorOneshot *o) {
        if (!o)
                return NULL;
        connector_oneshot_detach(o);
        record_scanner_free(o->scanner);
        line_reader_done(&o->out);
        line_reader_done(&o->err);
        result_done(&o->result);
        free(o->verb);
        free(o);
        return NULL;
}

const OneshotResult *connector_oneshot_result(const ConnectorOneshot *o) {
        return &o->result;
}

Catalog *connector_oneshot_take_catalog(ConnectorOneshot *o) {
        return TAKE_PTR(o->result.catalog);
}
