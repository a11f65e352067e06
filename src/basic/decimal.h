/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers as JSON writes them, of any size, compared exactly and without expanding them: "1e400" has one
 * digit. */

#include "basic/keyed-hash.h"

/* ± d1 d2 … dn × 10^exponent with d1 and dn not zero; zero has no digits. Borrows the text it was read
 * from, in which a point may stand between the digits. Exponents beyond ±2^61 are cut to that. */
typedef struct Decimal {
        bool negative; /* never for zero */
        const char *digits, *end;
        size_t n_digits;
        int64_t exponent;
} Decimal;

/* -EINVAL for what isn't a number of JSON's grammar. */
int decimal_parse(const char *p, size_t n, Decimal *ret);

/* <0, 0, >0, as with strcmp(). */
int decimal_compare(const Decimal *a, const Decimal *b);

static inline bool decimal_is_integer(const Decimal *d) {
        return d->n_digits == 0 || d->exponent >= 0;
}

/* Whether `a` is an integer times `divisor`: 1, 0; -ERANGE when the divisor has more than 18 digits or is
 * zero. */
int decimal_is_multiple(const Decimal *a, const Decimal *divisor);

/* Equal numbers give the same under the same key. */
uint64_t decimal_hash(const Decimal *d, const HashKey *key);
