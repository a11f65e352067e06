/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A destination that costs next to nothing: reads, walks the newlines, echoes STATE lines.
 *
 *   bench-sink                           reads standard input to its end, echoes states
 *   bench-sink spec | check | write …    the same as an Airbyte destination */

#include <stdio.h>
#include <unistd.h>

#include "protocol/record-scanner.h"

#define CHUNK (256U * 1024U)
static const char state_head[] = "{\"type\":\"STATE\"";

static int write_all(const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = write(STDOUT_FILENO, p, n);

                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

/* Echoes go out once a read, as a destination that commits in batches would. */
static int take_lines(LineReader *reader, Buffer *echo, uint64_t *lines) {
        JsonSlice line;
        int r;

        buffer_reset(echo);
        while ((r = line_reader_next(reader, &line)) > 0) {
                (*lines)++;
                if (line.n > sizeof(state_head) && memcmp(line.p, state_head, sizeof(state_head) - 1) == 0 &&
                    buffer_append(echo, line.p, line.n + 1) < 0)
                        return -ENOMEM;
        }
        if (r >= 0 && echo->len > 0)
                r = write_all(buffer_bytes(echo), echo->len);
        return r;
}

static int sink(void) {
        _cleanup_buffer_ Buffer echo = {};
        uint64_t lines = 0, bytes = 0;
        LineReader reader;
        int r = 0;

        line_reader_init(&reader, PROTOCOL_LINE_MAX);
        while (r >= 0) {
                char *to = line_reader_reserve(&reader, CHUNK);
                ssize_t n = to ? read(STDIN_FILENO, to, CHUNK) : -1;

                if (n < 0)
                        r = to ? -errno : -ENOMEM;
                if (n <= 0)
                        break;
                bytes += (uint64_t) n;
                line_reader_commit(&reader, (size_t) n);
                r = take_lines(&reader, &echo, &lines);
        }
        line_reader_done(&reader);
        fprintf(stderr, "bench-sink: %llu lines, %llu bytes\n", (unsigned long long) lines, (unsigned long long) bytes);
        return r;
}

int main(int argc, char *argv[]) {
        static const char spec[] = "{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"type\":\"object\"},"
                                   "\"supported_destination_sync_modes\":[\"append\",\"overwrite\",\"append_dedup\"]}}\n";
        static const char ok[] = "{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{\"status\":\"SUCCEEDED\"}}\n";
        int r;

        if (argc > 1 && streq(argv[1], "spec"))
                r = write_all(spec, sizeof(spec) - 1);
        else if (argc > 1 && streq(argv[1], "check"))
                r = write_all(ok, sizeof(ok) - 1);
        else
                r = sink();
        if (r < 0)
                fprintf(stderr, "bench-sink: %s\n", strerror(-r));
        return r < 0;
}
