/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two numbers, a line each: JSON's grammar, and an order that is one. */

#include "basic/decimal.h"
#include "basic/json-scan.h"
#include "fuzz/fuzz.h"

static bool is_number(const char *p, size_t n) {
        /* Without the spaces that a JSON text may have around it. */
        return json_slice_type((JsonSlice) { p, n }) == JSON_NUMBER && (uint8_t) p[n - 1] > ' ' && json_validate(p, n, NULL) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = size > 0 ? (const char *) data : "", *end = p + size, *newline = memchr(p, '\n', size) ?: end;
        const HashKey key = { { 1, 2 } };
        Decimal a, b;
        int ab;

        FUZZ_CHECK((decimal_parse(p, (size_t) (newline - p), &a) >= 0) == is_number(p, (size_t) (newline - p)));
        if (newline == end || !is_number(p, (size_t) (newline - p)))
                return 0;
        FUZZ_CHECK(decimal_compare(&a, &a) == 0);
        if (decimal_parse(newline + 1, (size_t) (end - newline) - 1, &b) < 0)
                return 0;
        ab = decimal_compare(&a, &b);
        FUZZ_CHECK((ab < 0) == (decimal_compare(&b, &a) > 0) && (ab == 0) == (decimal_compare(&b, &a) == 0));
        if (ab == 0)
                FUZZ_CHECK(decimal_hash(&a, &key) == decimal_hash(&b, &key) && decimal_is_integer(&a) == decimal_is_integer(&b));
        (void) decimal_is_multiple(&a, &b);
        return 0;
}
