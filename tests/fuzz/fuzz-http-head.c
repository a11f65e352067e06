/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Heads of requests, as any client may send them. What is let through has one reading: no byte that another parser
 * could take for a line's end, and one length of the body. */

#include <string.h>

#include "fuzz/fuzz.h"
#include "http/http-head.h"

/* The end of the head by the plain rule, or 0. */
static size_t head_end(const char *p, size_t n) {
        const char *found = n ? memmem(p, n, "\r\n\r\n", 4) : NULL;

        return found ? (size_t) (found - p) + 4 : 0;
}

static unsigned count(const char *p, size_t n, const char *lower) {
        unsigned k = 0;

        for (size_t i = 0; i + strlen(lower) + 1 < n; i++)
                k += p[i] == '\n' && strncasecmp(p + i + 1, lower, strlen(lower)) == 0;
        return k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *copy = malloc(size ?: 1); /* of its exact size: a sanitizer sees a step too far */
        const char *why = NULL;
        size_t end;
        int r;

        FUZZ_CHECK(copy);
        memcpy(copy, data, size);
        r = http_head_check(copy, size, &why);
        FUZZ_CHECK(r == 0 || r == 1 || (r == -EBADMSG && why));
        end = head_end(copy, size);
        if (r == 0)
                FUZZ_CHECK(end == 0);
        if (r == 1) {
                FUZZ_CHECK(end > 0 && !memchr(copy, 0, end));
                for (size_t i = 0; i < end; i++) {
                        FUZZ_CHECK(copy[i] != '\n' || (i > 0 && copy[i - 1] == '\r'));
                        FUZZ_CHECK(copy[i] != '\r' || copy[i + 1] == '\n');
                }
                FUZZ_CHECK(count(copy, end, "content-length:") + count(copy, end, "transfer-encoding:") <= 1);
                FUZZ_CHECK(count(copy, end, " ") == 0 && count(copy, end, "\t") == 0);
                /* Nothing behind the head changes the judgement. */
                FUZZ_CHECK(http_head_check(copy, end, &why) == 1);
        }
        free(copy);
        return 0;
}
