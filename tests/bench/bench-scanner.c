/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the record path costs beyond the copies: lines split and envelopes found, beside a bare walk over the newlines
 * of the same bytes in the same run. CPU time of this thread, the best of several rounds.
 *
 *   tests/bench/bench-scanner [MEGABYTES [ROUNDS [SAMPLE]]] */

#include <stdio.h>
#include <time.h>

#include "basic/parse-util.h"
#include "protocol/record-scanner.h"

#define CHUNK (256U * 1024U) /* what the worker reads at once */

typedef struct Sample {
        const char *name;
        const char *format[4]; /* of lines, in turn; a NULL ends them */
} Sample;

#define FLAT_DATA                                                                                                  \
        "{\"id\":%u,\"email\":\"person%u@example.org\",\"name\":\"Some One\",\"created_at\":\"2026-01-02T03:04:05Z\","  \
        "\"country\":\"NL\",\"score\":12.5,\"active\":true,\"note\":\"a note of the usual length, without much in it\"," \
        "\"amount\":%u,\"currency\":\"EUR\",\"tier\":\"gold\",\"visits\":42}"
#define NESTED_DATA                                                                                                  \
        "{\"id\":%u,\"user\":{\"name\":\"Some \\\"One\\\"\",\"tags\":[\"a\",\"b\"],\"address\":{\"city\":\"Utrecht\"}}," \
        "\"items\":[{\"sku\":\"x%u\",\"n\":1},{\"sku\":\"y%u\",\"n\":2}],\"text\":\"braces } and ] in a string\"," \
        "\"more\":{\"k\":{\"l\":[1,2,3,[4,5]]}}}"
#define LINE(stream, data) \
        "{\"type\":\"RECORD\",\"record\":{\"stream\":\"" stream "\",\"data\":" data ",\"emitted_at\":1767323045%03u}}\n"

static const Sample samples[] = {
        { "flat", { LINE("users", FLAT_DATA) } },
        { "nested", { LINE("orders", NESTED_DATA) } },
        { "alternating", { LINE("users", FLAT_DATA), LINE("accounts", FLAT_DATA), LINE("orders", NESTED_DATA) } },
};

static double cpu_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int fill(const Sample *s, size_t size, Buffer *b) {
        unsigned n = 0, kinds = 0;

        while (kinds < ELEMENTSOF(s->format) && s->format[kinds])
                kinds++;
        for (; b->len < size; n++) {
                const char *format = s->format[n % kinds];
                char line[2048];
                int k;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                k = snprintf(line, sizeof(line), format, 1000000 + n, n, n % 977, n % 1000);
#pragma GCC diagnostic pop
                if (buffer_append(b, line, (size_t) k) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The floor: nothing but the newlines. */
static size_t walk_newlines(const char *p, size_t n) {
        const char *end = p + n;
        size_t lines = 0;

        while ((p = memchr(p, '\n', (size_t) (end - p)))) {
                lines++;
                p++;
        }
        return lines;
}

/* The record path: bytes come in chunks as from a pipe. `runs`: as the worker does where records go on as they
 * are. */
static size_t read_lines(const char *p, size_t n, RecordScanner *s, bool runs) {
        size_t lines = 0, bytes = 0;
        LineReader reader;
        Envelope e;

        line_reader_init(&reader, PROTOCOL_LINE_MAX);
        for (size_t at = 0; at < n; at += CHUNK) {
                size_t k = MIN(CHUNK, n - at);
                char *to = line_reader_reserve(&reader, k);

                if (!to)
                        abort();
                memcpy(to, p + at, k);
                line_reader_commit(&reader, k);
                for (; record_scanner_next(s, &reader, &e) > 0; lines++) {
                        RecordRun run;

                        bytes += e.data.n;
                        if (!runs || !record_scanner_run(s, &reader, UINT64_MAX, &run))
                                continue;
                        lines += run.n;
                        bytes += run.n_data;
                }
        }
        line_reader_done(&reader);
        if (bytes == 0)
                abort();
        return lines;
}

/* The copies alone, as the floor of read_lines(). */
static size_t copy_only(const char *p, size_t n) {
        static char to[2 * CHUNK];

        for (size_t at = 0; at < n; at += CHUNK) {
                memcpy(to + (at / CHUNK % 2) * CHUNK, p + at, MIN(CHUNK, n - at));
                __asm__ volatile("" ::: "memory");
        }
        return 1;
}

enum {
        NEWLINES,
        COPIES,
        SCAN,
        RUNS,
        _STEP_MAX,
};

static int measure(const Sample *sample, size_t size, unsigned rounds) {
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        _cleanup_buffer_ Buffer b = {};
        double best[_STEP_MAX] = { 1e9, 1e9, 1e9, 1e9 }, gb;
        size_t lines = 0;

        if (!s || fill(sample, size, &b) < 0)
                return -ENOMEM;
        for (unsigned i = 0; i < rounds; i++)
                for (unsigned step = 0; step < _STEP_MAX; step++) {
                        double start = cpu_now();

                        if (step == NEWLINES)
                                lines = walk_newlines(buffer_bytes(&b), b.len);
                        else if (step == COPIES)
                                (void) copy_only(buffer_bytes(&b), b.len);
                        else if (read_lines(buffer_bytes(&b), b.len, s, step == RUNS) != lines)
                                return -EIO;
                        best[step] = MIN(best[step], cpu_now() - start);
                }
        gb = (double) b.len / 1e9;
        printf("%-12s %4zu B/line  newlines %5.1f GB/s  copies %5.1f GB/s  beyond the copies, CPU s/GB: "
               "envelopes %.3f  runs %.3f\n",
               sample->name, b.len / lines, gb / best[NEWLINES], gb / best[COPIES],
               (best[SCAN] - best[COPIES]) / gb, (best[RUNS] - best[COPIES]) / gb);
        return 0;
}

int main(int argc, char *argv[]) {
        uint64_t megabytes = 64, rounds = 9;

        if ((argc > 1 && parse_u64(argv[1], &megabytes) < 0) || (argc > 2 && parse_u64(argv[2], &rounds) < 0) ||
            megabytes == 0 || rounds == 0) {
                fprintf(stderr, "Usage: %s [MEGABYTES [ROUNDS [SAMPLE]]]\n", argv[0]);
                return 2;
        }
        for (size_t i = 0; i < ELEMENTSOF(samples); i++)
                if ((argc <= 3 || streq(argv[3], samples[i].name)) &&
                    measure(samples + i, (size_t) megabytes << 20, (unsigned) rounds) < 0) {
                        fprintf(stderr, "bench-scanner: '%s' failed\n", samples[i].name);
                        return 1;
                }
        return 0;
}
