/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* lying-source KEY=VALUE…: a source that sends known records and, on request, does one thing wrong.
 *
 *   streams=2 records=40 every=10   stream s0, s1, …: records {"id": 1…}, a state {"cursor": last id} after each `every`
 *   kind=stream|global|legacy       the kind of its states
 *   counts=1 statuses=1             whether states carry sourceStats, whether it tells stream statuses
 *   pace=0                          microseconds to wait after each batch
 *   lie=NAME at=K                   what to do wrong at batch K (0 = the first)
 *   told=FILE                       gets the lie's name once it has been told: a test sees that it did happen */

#include <signal.h>

#include "basic/buffer.h"
#include "tools/lie.h"

static unsigned arg_streams = 2, arg_records = 40, arg_every = 10, arg_counts = 1, arg_statuses = 1;
static const char *arg_kind = "stream";

static Buffer out;
static unsigned sent[1000];

static void flush(void) {
        /* The worker may have closed its end: that is how it stops us. */
        if (write_full(STDOUT_FILENO, buffer_bytes(&out), out.len) < 0)
                _exit(4);
        buffer_reset(&out);
}

static _printf_(1, 2) void put(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        if (buffer_appendv(&out, format, ap) < 0)
                _exit(4);
        va_end(ap);
        if (out.len > 256 * 1024)
                flush();
}

static void leave(int code) {
        flush();
        _exit(code);
}

static void put_record(const char *stream, unsigned id) {
        put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"%s\",\"data\":{\"id\":%u,\"text\":\"some text\"},\"emitted_at\":1}}\n",
            stream, id);
}

static void put_status(unsigned s, const char *status) {
        if (arg_statuses)
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{"
                    "\"stream_descriptor\":{\"name\":\"s%u\"},\"status\":\"%s\"}}}\n", s, status);
}

static void put_counts(int count) {
        if (arg_counts)
                put(",\"sourceStats\":{\"recordCount\":%d.0}", count);
        put("}}\n");
}

static void put_stream_state(const char *name, unsigned cursor, int count) {
        put("{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"%s\"},"
            "\"stream_state\":{\"cursor\":%u}}", name, cursor);
        put_counts(count);
}

static void put_global_state(int count) {
        put("{\"type\":\"STATE\",\"state\":{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":{\"all\":1},\"stream_states\":[");
        for (unsigned s = 0; s < arg_streams; s++)
                put("%s{\"stream_descriptor\":{\"name\":\"s%u\"},\"stream_state\":{\"cursor\":%u}}", s ? "," : "", s, sent[s]);
        put("]}");
        put_counts(count);
}

static void put_legacy_state(void) {
        put("{\"type\":\"STATE\",\"state\":{\"data\":{");
        for (unsigned s = 0; s < arg_streams; s++)
                put("%s\"s%u\":%u", s ? "," : "", s, sent[s]);
        put("}}}\n");
}

static void put_state(unsigned s, int count) {
        char name[32];

        (void) snprintf(name, sizeof(name), "s%u", s);
        if (streq(arg_kind, "global"))
                put_global_state(count);
        else if (streq(arg_kind, "legacy"))
                put_legacy_state();
        else
                put_stream_state(name, sent[s], count);
}

static void hang(void) {
        flush();
        for (;;)
                (void) pause();
}

static void put_long_line(void) {
        put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"data\":{\"id\":1,\"text\":\"");
        for (int i = 0; i < 21 * 16; i++)
                put("%065536d", 0);
        put("\"},\"emitted_at\":1}}\n");
}

/* Lies between two batches that break nothing. */
static bool lie_harmlessly(unsigned s) {
        if (lie_is("garbage"))
                put("Traceback (most recent call last):\n  {broken: \"json\n\n\x01\x02\xff\xfe\n[1,2,3]\n\"RECORD\"\n");
        else if (lie_is("unknown-type"))
                put("{\"type\":\"NEWS\",\"news\":{}}\n{\"no\":\"type\"}\n");
        else if (lie_is("repeat-state"))
                put_state(s, 0);
        else if (lie_is("foreign-state"))
                put_stream_state("ghost", 7, 0);
        else if (lie_is("foreign-status"))
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{"
                    "\"stream_descriptor\":{\"name\":\"ghost\"},\"status\":\"RUNNING\"}}}\n");
        else if (lie_is("bad-trace"))
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"WEATHER\",\"emitted_at\":1}}\n");
        else if (lie_is("mixed-estimates"))
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"ESTIMATE\",\"emitted_at\":1,\"estimate\":{\"name\":\"s0\",\"type\":"
                    "\"STREAM\",\"row_estimate\":1}}}\n{\"type\":\"TRACE\",\"trace\":{\"type\":\"ESTIMATE\",\"emitted_at\":1,"
                    "\"estimate\":{\"name\":\"s0\",\"type\":\"SYNC\",\"row_estimate\":1}}}\n");
        else
                return false;
        return true;
}

/* Lies that are told before the batch's records. */
static bool lie_before(unsigned s) {
        if (lie_harmlessly(s))
                return true;
        if (lie_is("foreign-record"))
                put_record("ghost", 1);
        else if (lie_is("foreign-complete"))
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"STREAM_STATUS\",\"emitted_at\":1,\"stream_status\":{"
                    "\"stream_descriptor\":{\"name\":\"ghost\"},\"status\":\"COMPLETE\"}}}\n");
        else if (lie_is("mixed-kind"))
                streq(arg_kind, "stream") ? put_global_state(0) : put_stream_state("s0", sent[0], 0);
        else if (lie_is("bad-state"))
                put("{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\"}}\n");
        else if (lie_is("unknown-kind"))
                put("{\"type\":\"STATE\",\"state\":{\"type\":\"PLANET\",\"planet\":{}}}\n");
        else if (lie_is("broken-record"))
                put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"data\":{\"id\":\n");
        else if (lie_is("glued-records"))
                put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"data\":{},\"emitted_at\":1}}{\"type\":\"RECORD\"}\n");
        else if (lie_is("record-without-data"))
                put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"emitted_at\":1}}\n");
        else if (lie_is("error-trace"))
                put("{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":1,\"error\":{\"message\":\"no\"}}}\n");
        else if (lie_is("incomplete"))
                put_status(s, "INCOMPLETE");
        else if (lie_is("long-line"))
                put_long_line();
        else
                return false;
        return true;
}

/* Lies that end everything; they come back only if they aren't asked for. */
static void lie_and_end(void) {
        if (lie_is("half-line")) {
                tell();
                put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"data\":{\"id\":");
                leave(0);
        } else if (lie_is("crash")) {
                tell();
                put("{\"type\":\"RECORD\",\"record\":{\"stream\":\"s0\",\"da");
                flush();
                (void) raise(SIGKILL);
        } else if (lie_is("exit-code")) {
                tell();
                leave(3);
        } else if (lie_is("hang")) {
                tell();
                hang();
        } else if (lie_is("hang-deaf")) {
                tell();
                (void) signal(SIGTERM, SIG_IGN);
                hang();
        }
}

/* One batch of records, wrong where that is the lie. Returns what the state's count says. */
static int put_batch(unsigned s, bool lie) {
        unsigned end = MIN(sent[s] + arg_every, arg_records);
        int count = (int) (end - sent[s]);
        char name[32];

        (void) snprintf(name, sizeof(name), "s%u", s);
        for (unsigned id = sent[s] + 1; id <= end; id++) {
                if (lie && id == end && lie_is("lose-record"))
                        continue;
                put_record(name, id);
                if (lie && id == end && lie_is("repeat-record"))
                        put_record(name, id);
        }
        sent[s] = end;
        if (lie && lie_is("count-high"))
                return count + 1;
        return lie && lie_is("count-low") ? count - 1 : count;
}

static bool in_batch(void) {
        return lie_is("lose-record") || lie_is("repeat-record") || lie_is("count-high") || lie_is("count-low");
}

static void run(void) {
        unsigned batch = 0;

        for (unsigned s = 0; s < arg_streams; s++)
                put_status(s, "STARTED");
        for (unsigned left = 1; left > 0;) {
                left = 0;
                for (unsigned s = 0; s < arg_streams; s++, batch++) {
                        bool lie = batch == arg_at && *arg_lie;
                        int count;

                        if (lie) {
                                if (lie_before(s) || in_batch())
                                        tell();
                                lie_and_end();
                        }
                        if (lie && lie_is("early-state")) {
                                tell();
                                put_state(s, (int) arg_every);
                        }
                        count = put_batch(s, lie);
                        put_state(s, count);
                        left += arg_records - sent[s];
                        if (arg_pace > 0) {
                                flush();
                                (void) usleep(arg_pace);
                        }
                }
        }
        for (unsigned s = 0; s < arg_streams; s++)
                put_status(s, "COMPLETE");
}

/* Lies at the very end. */
static void end(void) {
        if (lie_is("exit-late")) {
                tell();
                leave(1);
        } else if (lie_is("hang-closed")) {
                tell();
                flush();
                (void) close(STDOUT_FILENO);
                hang();
        } else if (lie_is("leave-child")) {
                tell();
                flush();
                if (fork() == 0) {
                        (void) sleep(2);
                        _exit(0);
                }
        } else if (lie_is("no-last-newline")) {
                tell();
                out.len--;
        }
        leave(0);
}

int main(int argc, char **argv) {
        static const LieOption options[] = {
                { "streams=", &arg_streams, NULL }, { "records=", &arg_records, NULL }, { "every=", &arg_every, NULL },
                { "counts=", &arg_counts, NULL }, { "statuses=", &arg_statuses, NULL }, { "kind=", NULL, &arg_kind },
        };

        lie_parse_arguments("lying-source", options, ELEMENTSOF(options), argv);
        if (arg_streams > ELEMENTSOF(sent))
                return 2;
        run();
        end();
}
