/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Heads of HTTP answers, as any server may send them: read line by line, never past a line's end. */

#include <string.h>

#include "fetch/fetch-head.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const uint8_t *end = data + size;
        FetchHead h = {};

        fetch_head_done(&h);
        while (data < end) {
                const uint8_t *newline = memchr(data, '\n', (size_t) (end - data));
                size_t n = newline ? (size_t) (newline + 1 - data) : (size_t) (end - data);
                char *line = malloc(n); /* of its exact size: a sanitizer sees a step too far */
                int r;

                FUZZ_CHECK(line);
                memcpy(line, data, n);
                r = fetch_head_line(&h, line, n);
                free(line);
                FUZZ_CHECK(r <= 1 && (r != 1 || (h.complete && h.status >= 200)));
                FUZZ_CHECK(h.status <= 999 && h.retry_after >= -1 && h.range_start >= -1);
                if (r < 0)
                        break;
                data += n;
        }
        fetch_head_done(&h);
        return 0;
}
