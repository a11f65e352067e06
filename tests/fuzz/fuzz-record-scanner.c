/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first two bytes say how the rest is cut into pieces and how long a line may be; the rest is what a connector
 * wrote. Lines must be the same whatever the pieces, and the scanner's fast path must say of every line what the walker
 * says. */

#include "fuzz/fuzz.h"
#include "protocol/record-scanner.h"

static bool same_slice(JsonSlice a, JsonSlice b) {
        return a.p == b.p && a.n == b.n;
}

static void compare(int a, Envelope fast, JsonSlice line) {
        Envelope slow = {};
        int b = envelope_parse(line, &slow);

        FUZZ_CHECK(a == b);
        FUZZ_CHECK(a == 0 || a == -EBADMSG || a == -ENOMSG);
        if (a < 0)
                return;
        FUZZ_CHECK(fast.type == slow.type && fast.shape < RECORD_SHAPES_MAX);
        FUZZ_CHECK(same_slice(fast.line, slow.line) && same_slice(fast.payload, slow.payload));
        FUZZ_CHECK(same_slice(fast.stream, slow.stream) && same_slice(fast.namespace, slow.namespace));
        FUZZ_CHECK(same_slice(fast.data, slow.data) && same_slice(fast.emitted_at, slow.emitted_at));
        FUZZ_CHECK(same_slice(fast.meta, slow.meta));
        if (fast.type != MESSAGE_RECORD)
                return;
        FUZZ_CHECK(fast.data.p[0] == '{' && fast.data.p[fast.data.n - 1] == '}');
        /* Where the whole line is sound JSON, so are its parts: the extents were right. */
        if (json_validate(line.p, line.n, NULL) == 0) {
                FUZZ_CHECK(json_validate(fast.data.p, fast.data.n, NULL) == 0);
                FUZZ_CHECK(json_validate(fast.payload.p, fast.payload.n, NULL) == 0);
        }
}

static void scan_and_compare(RecordScanner *s, JsonSlice line) {
        Envelope e = {};
        int r = record_scanner_scan(s, line, &e);

        compare(r, e, line);
}

/* What the reader must say of `text`, found the plain way: the position behind the line, and its result. */
static int expect(const char *text, size_t size, size_t max, size_t *at, JsonSlice *ret) {
        const char *newline = memchr(text + *at, '\n', size - *at);
        size_t n = newline ? (size_t) (newline - text) - *at : size - *at;

        if (*at == size)
                return 0;
        *ret = (JsonSlice) { text + *at, n };
        *at += n + (newline != NULL);
        return n >= max ? -EMSGSIZE : 1;
}

static void check_line(int r, JsonSlice line, const char *text, size_t size, size_t max, size_t *at) {
        JsonSlice expected = {};

        FUZZ_CHECK(r == expect(text, size, max, at, &expected));
        if (r > 0)
                FUZZ_CHECK(line.n == expected.n && (line.n == 0 || memcmp(line.p, expected.p, line.n) == 0));
}

/* The next line and its envelope: one after the other, or in one. */
static int next(LineReader *reader, RecordScanner *s, bool in_one, JsonSlice *ret_line) {
        Envelope e = {};
        int r;

        if (!in_one) {
                r = line_reader_next(reader, ret_line);
                if (r > 0)
                        scan_and_compare(s, *ret_line);
                return r;
        }
        r = record_scanner_next(s, reader, &e);
        if (r == 0 || r == -EMSGSIZE)
                return r;
        *ret_line = e.line;
        compare(MIN(r, 0), e, *ret_line);
        return 1;
}

/* The lines that follow in the form of the last one, which the scanner takes together. */
static void take_run(LineReader *reader, RecordScanner *s, const char *text, size_t size, size_t max, size_t *at) {
        uint64_t n_data = 0;
        RecordRun run;
        JsonSlice left;

        if (!record_scanner_run(s, reader, 3, &run))
                return;
        FUZZ_CHECK(run.n > 0 && run.n <= 3);
        left = run.lines;
        for (uint64_t i = 0; i < run.n; i++) {
                const char *newline = memchr(left.p, '\n', left.n);
                JsonSlice line = { left.p, newline ? (size_t) (newline - left.p) : left.n };
                Envelope e = {};

                FUZZ_CHECK(newline);
                check_line(1, line, text, size, max, at);
                FUZZ_CHECK(envelope_parse(line, &e) == 0 && e.type == MESSAGE_RECORD);
                n_data += e.data.n;
                left = (JsonSlice) { newline + 1, left.n - line.n - 1 };
        }
        FUZZ_CHECK(left.n == 0 && n_data == run.n_data);
}

static void read_in_pieces(const char *text, size_t size, uint8_t piece, size_t max, bool in_one,
                           RecordScanner *s) {
        LineReader reader;
        JsonSlice line = {};
        size_t at = 0;
        int r;

        line_reader_init(&reader, max);
        for (size_t i = 0, n; i < size; i += n) {
                char *to;

                n = MIN((size_t) piece % 64 + 1 + (piece >= 128 ? i % 7 : 0), size - i);
                to = line_reader_reserve(&reader, n);
                FUZZ_CHECK(to);
                memcpy(to, text + i, n);
                line_reader_commit(&reader, n);
                while ((r = next(&reader, s, in_one, &line)) != 0) {
                        check_line(r, line, text, size, max, &at);
                        if (in_one && r > 0 && piece % 2 > 0)
                                take_run(&reader, s, text, size, max, &at);
                }
        }
        r = line_reader_rest(&reader, &line);
        if (r > 0) {
                check_line(r, line, text, size, max, &at);
                scan_and_compare(s, line);
        }
        FUZZ_CHECK(at == size);
        line_reader_done(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(record_scanner_freep) RecordScanner *s = record_scanner_new();
        const char *text = (const char *) data + 2;

        FUZZ_CHECK(s);
        if (size < 2)
                return 0;
        /* Again: then the scanner knows the forms of the first round. */
        for (int round = 0; round < 4; round++) {
                bool in_one = round % 2 > 0;

                read_in_pieces(text, size - 2, data[0], (size_t) data[1] * 8 + 1, in_one, s);
                read_in_pieces(text, size - 2, (uint8_t) ~data[0], PROTOCOL_LINE_MAX, in_one, s);
        }
        return 0;
}
