/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* checking-destination KEY=VALUE…: a destination that checks what it gets and, on request, does one thing wrong.
 *
 * Each stream's records must have the ids 1, 2, 3, … without gap or repetition; a half line, a record of a stream that
 * is not s0, s1, … and anything after STREAM_STATUS COMPLETE are errors: it then says so and exits with 99.
 *
 *   file=FILE      what is durable: {"s0": 20, …}, replaced before each state is sent back
 *   lie=NAME at=K  what to do wrong at the K-th state (0 = the first)
 *   prefix=P       streams are called Ps0, Ps1, …
 *   reject=N       of each batch, N records are rejected, and honestly counted so
 *   told=FILE      gets the lie's name once it has been told
 *   pace=0         microseconds to wait before each state is sent back
 *
 * With lie=commit-late, which is none, everything becomes durable and is sent back after the end of the input, `late` microseconds
 * after it; a SIGTERM before that ends it as it ends any program.
 *   late=0 */

#include <signal.h>

#include "basic/file-util.h"
#include "protocol/message.h"
#include "protocol/state.h"
#include "tools/lie.h"

#define STREAMS_MAX 1000

static const char *arg_file, *arg_prefix = "";
static unsigned arg_reject, arg_late;

static unsigned received[STREAMS_MAX], since_state[STREAMS_MAX], n_streams;
static unsigned n_states, n_complete;
static StateMessage held; /* a state that is kept back */
static Buffer late;       /* what is said at the end */
static bool holding, silent;

static _noreturn_ void complain(const char *what, JsonSlice line) {
        fprintf(stderr, "checking-destination: %s: %.*s\n", what, (int) MIN(line.n, 300U), line.p);
        _exit(99);
}

static void say(const char *p, size_t n) {
        if (write_full(STDOUT_FILENO, p, n) < 0)
                _exit(4);
}

static void say_text(const char *text) {
        say(text, strlen(text));
}

/* The number of stream "Ps7". */
static unsigned stream_number(const char *name, size_t n, JsonSlice line) {
        size_t k = strlen(arg_prefix);
        unsigned number = 0;

        if (n < k + 2 || memcmp(name, arg_prefix, k) != 0 || name[k] != 's')
                complain("a stream that nobody told of", line);
        for (size_t i = k + 1; i < n; i++)
                number = number * 10 + (unsigned) (name[i] - '0');
        if (number >= STREAMS_MAX)
                complain("a stream that nobody told of", line);
        n_streams = MAX(n_streams, number + 1);
        return number;
}

static void on_record(const Envelope *e) {
        unsigned s = stream_number(e->stream.p, e->stream.n, e->line);
        JsonSlice id;
        int64_t value;

        if (n_complete > 0)
                complain("a record after COMPLETE", e->line);
        if (json_validate(e->data.p, e->data.n, NULL) < 0 || json_find_member(e->data, "id", &id) <= 0 ||
            json_parse_i64(id, &value) < 0)
                complain("a record without an id", e->line);
        if (value != (int64_t) received[s] + 1)
                complain("a record out of turn", e->line);
        received[s]++;
        since_state[s]++;
}

/* What was received is durable from here on. */
static void make_durable(void) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_free_ char *temporary = NULL;

        if (!arg_file)
                return;
        (void) buffer_append_char(&b, '{');
        for (unsigned s = 0; s < n_streams; s++)
                (void) buffer_appendf(&b, "%s\"s%u\":%u", s ? "," : "", s, received[s]);
        (void) buffer_append_string(&b, "}\n");
        /* Not synced: what is tested is the order of things under kills, not under power cuts. */
        if (asprintf(&temporary, "%s.tmp", arg_file) >= 0) {
                int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

                if (fd < 0 || write_full(fd, buffer_bytes(&b), b.len) < 0 || close(fd) < 0 || rename(temporary, arg_file) < 0)
                        _exit(4);
        }
}

static void echo(const StateMessage *m, int64_t id, int count, int rejected, const char *name) {
        StateStats stats = { .present = count >= 0, .record_count = count, .rejected_record_count = rejected };
        _cleanup_buffer_ Buffer b = {};

        if (state_message_write(&b, m, id, &stats, name, m->stream_namespace) < 0)
                _exit(4);
        say(buffer_bytes(&b), b.len);
}

static void echo_late(const StateMessage *m, unsigned n) {
        StateStats stats = { .present = true, .record_count = (int) n };

        if (state_message_write(&late, m, m->id, &stats, NULL, m->stream_namespace) < 0)
                _exit(4);
}

static unsigned take_count(const StateMessage *m, JsonSlice line) {
        unsigned n = 0;

        if (m->type == STATE_STREAM) {
                unsigned s = stream_number(m->stream_name, strlen(m->stream_name), line);

                n = since_state[s];
                since_state[s] = 0;
                return n;
        }
        for (unsigned s = 0; s < n_streams; s++) {
                n += since_state[s];
                since_state[s] = 0;
        }
        return n;
}

/* The state once more, read and written by other hands: other order, other spaces, no id. */
static void echo_anew(const StateMessage *m, bool with_id, bool change) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_buffer_ Buffer b = {};
        const char *text;

        if (json_parse(m->json, m->n_json, &o, NULL) < 0)
                _exit(4);
        if (with_id)
                json_object_object_add(o, "id", json_object_new_int64(m->id));
        if (change) {
                JsonObject *inner = json_member(json_member(o, "stream"), "stream_state");

                if (!inner)
                        inner = json_member(o, "data") ?: json_member(json_member(o, "global"), "shared_state");
                json_object_object_add(inner, "cursor", json_object_new_int(999999));
        }
        text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED);
        if (buffer_appendf(&b, "{\"state\": %s, \"type\": \"STATE\"}\n", text) < 0)
                _exit(4);
        say(buffer_bytes(&b), b.len);
}

static void hang(void) {
        for (;;)
                (void) pause();
}

/* The lies that need no honest echo beside them. True when the state was answered. */
static bool lie_instead(StateMessage *m, unsigned n) {
        int count = (int) (n - MIN(arg_reject, n)), rejected = (int) MIN(arg_reject, n);

        if (lie_is("count-low"))
                echo(m, m->id, count - 1, rejected, NULL);
        else if (lie_is("count-high"))
                echo(m, m->id, count + 1, rejected, NULL);
        else if (lie_is("rejects-too"))
                echo(m, m->id, count, rejected + 1, NULL);
        else if (lie_is("forge-id"))
                echo(m, m->id + 1000, count, rejected, NULL);
        else if (lie_is("zero-id"))
                echo(m, 0, count, rejected, NULL);
        else if (lie_is("foreign-stream"))
                echo(m, m->id, count, rejected, "ghost");
        else if (lie_is("change-content"))
                echo_anew(m, true, true);
        else if (lie_is("anew-without-id"))
                echo_anew(m, false, false);
        else if (lie_is("wrong-kind") && m->type != STATE_GLOBAL)
                say_text("{\"type\":\"STATE\",\"state\":{\"type\":\"GLOBAL\",\"id\":1,\"global\":{\"stream_states\":[]}}}\n");
        else if (lie_is("bad-state"))
                say_text("{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\"}}\n");
        else
                return false;
        return true;
}

static void lie_and_end(void) {
        static const struct {
                const char *name;
                int code;
        } ends[] = { { "exit-early", 0 }, { "fail-early", 5 } };

        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                if (lie_is(ends[i].name)) {
                        tell();
                        _exit(ends[i].code);
                }
        if (lie_is("crash")) {
                tell();
                (void) raise(SIGKILL);
        } else if (lie_is("deaf")) {
                tell();
                hang();
        }
}

static void hold(StateMessage *m) {
        held = *m;
        *m = (StateMessage) {};
        holding = true;
}

/* Lies that change when or how often a state is sent back. True when nothing more is to be said. */
static bool lie_about_time(StateMessage *m) {
        if (lie_is("never-echo")) {
                silent = true;
                tell();
                return true;
        }
        if (lie_is("swap") || lie_is("other-id") || lie_is("repeat-old")) {
                /* Told when the next one comes. */
                if (lie_is("repeat-old"))
                        echo(m, m->id, -1, 0, NULL);
                hold(m);
                return true;
        }
        if (lie_is("close-output")) {
                tell();
                (void) close(STDOUT_FILENO);
                silent = true;
                return true;
        }
        if (lie_is("error-trace")) {
                tell();
                say_text("{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,\"error\":{\"message\":\"no\"}}}\n");
        } else if (lie_is("garbage")) {
                tell();
                say_text("oh\n{\"type\":\"STA\n\n");
        }
        return false;
}

/* The second half of a lie over two states of one stream: `m` is the later one. */
static bool finish_held(const StateMessage *m) {
        if (!holding || !streq_ptr(m->stream_name, held.stream_name)) {
                if (!holding || !lie_is("other-id") || m->type != STATE_STREAM)
                        return false;
                /* Another stream's state comes back under the held one's id. */
                tell();
                echo(m, held.id, -1, 0, NULL);
                holding = false;
                return true;
        }
        if (lie_is("other-id"))
                return false;
        tell();
        holding = false;
        echo(m, m->id, -1, 0, NULL);
        echo(&held, held.id, -1, 0, NULL);
        return true;
}

static void on_state(const Envelope *e) {
        _cleanup_(state_message_done) StateMessage m = {};
        _cleanup_error_ Error *error = NULL;
        bool lie = n_states++ == arg_at && *arg_lie;
        unsigned n;

        if (state_message_parse(e->payload, &m, &error) < 0)
                complain(error->message, e->line);
        if (!m.has_id)
                complain("a state without an id", e->line);
        if (lie)
                lie_and_end();
        n = take_count(&m, e->line);
        if (lie_is("commit-late")) {
                echo_late(&m, n);
                return;
        }
        make_durable();
        if (arg_pace > 0)
                (void) usleep(arg_pace);
        if (silent || finish_held(&m) || (lie && lie_about_time(&m)))
                return;
        if (lie && lie_instead(&m, n)) {
                tell();
                return;
        }
        if (lie_is("anew"))
                echo_anew(&m, true, false);
        else
                echo(&m, m.id, (int) (n - MIN(arg_reject, n)), (int) MIN(arg_reject, n), NULL);
        if (lie && lie_is("twice")) {
                tell();
                echo(&m, m.id, 0, 0, NULL);
        }
}

static void on_line(JsonSlice line) {
        Envelope e;

        if (envelope_parse(line, &e) < 0)
                complain("a line that is no message", line);
        if (e.type == MESSAGE_RECORD)
                on_record(&e);
        else if (e.type == MESSAGE_STATE)
                on_state(&e);
        else if (e.type == MESSAGE_TRACE)
                n_complete++;
        else
                complain("a message that is not for a destination", line);
}

/* The input has ended. What came without a state behind it becomes durable now. */
static int end(void) {
        if (arg_late > 0) {
                tell();
                (void) usleep(arg_late);
        }
        make_durable();
        say(buffer_bytes(&late), late.len);
        if (lie_is("fail-late")) {
                tell();
                return 6;
        }
        if (lie_is("hang-late")) {
                tell();
                hang();
        }
        if (lie_is("hang-late-deaf")) {
                tell();
                (void) signal(SIGTERM, SIG_IGN);
                hang();
        }
        if (lie_is("late-error-trace")) {
                tell();
                say_text("{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,\"error\":{\"message\":\"no\"}}}\n");
        }
        return 0;
}

int main(int argc, char **argv) {
        static const LieOption options[] = {
                { "reject=", &arg_reject, NULL }, { "file=", NULL, &arg_file }, { "prefix=", NULL, &arg_prefix },
                { "late=", &arg_late, NULL },
        };
        LineReader reader;
        JsonSlice line;
        ssize_t n;

        lie_parse_arguments("checking-destination", options, ELEMENTSOF(options), argv);
        line_reader_init(&reader, PROTOCOL_LINE_MAX);
        if (lie_is("invent")) {
                tell();
                say_text("{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"id\":1,\"stream\":{\"stream_descriptor\":{\"name\":\"s0\"},"
                    "\"stream_state\":{\"cursor\":999999}}}}\n");
        }
        for (;;) {
                char *to = line_reader_reserve(&reader, 65536);

                n = read(STDIN_FILENO, to, 65536);
                if (n <= 0)
                        break;
                line_reader_commit(&reader, (size_t) n);
                while (line_reader_next(&reader, &line) > 0)
                        on_line(line);
        }
        if (line_reader_rest(&reader, &line) > 0)
                complain("half a line", line);
        line_reader_done(&reader);
        state_message_done(&held);
        return end();
}
