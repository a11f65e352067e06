/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A number stays where it is: a Decimal is a view of its text with signs, zeros at both ends and the
 * point worked out. Value = digits × 10^exponent, where the first and the last digit aren't zero; zero
 * has no digits. That form is unique, so equal numbers compare and hash as equal whatever they were
 * written as, and no digit of 1e400 is ever made. Exponents are bounded far below the overflow of the
 * sums that are made with them. Everything is linear in the text; a multiple is found by arithmetic
 * modulo the divisor, which has at most 18 digits. */

#include "basic/decimal.h"

#define EXPONENT_MAX (INT64_C(1) << 61)
#define DIVISOR_DIGITS_MAX 18U

static bool is_digit(const char *p, const char *end) {
        return p < end && *p >= '0' && *p <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
        while (is_digit(p, end))
                p++;
        return p;
}

/* "e-12" at `*p`, if it is there. */
static int parse_exponent(const char **p, const char *end, int64_t *ret) {
        const char *s = *p;
        bool negative = false;
        int64_t v = 0;

        *ret = 0;
        if (s >= end || (*s != 'e' && *s != 'E'))
                return 0;
        s++;
        if (s < end && (*s == '+' || *s == '-'))
                negative = *s++ == '-';
        if (!is_digit(s, end))
                return -EINVAL;
        for (; is_digit(s, end); s++)
                v = MIN(v * 10 + (*s - '0'), EXPONENT_MAX / 16);
        *p = s;
        *ret = negative ? -v : v;
        return 0;
}

int decimal_parse(const char *p, size_t n, Decimal *ret) {
        const char *end = p + n, *point, *mantissa_end, *first;
        Decimal d = {};
        int r;

        if (p < end && *p == '-') {
                d.negative = true;
                p++;
        }
        point = mantissa_end = skip_digits(p, end);
        if (point == p || (*p == '0' && point - p > 1))
                return -EINVAL;
        if (point < end && *point == '.') {
                mantissa_end = skip_digits(point + 1, end);
                if (mantissa_end == point + 1)
                        return -EINVAL;
        }
        first = p;
        p = mantissa_end;
        r = parse_exponent(&p, end, &d.exponent);
        if (r < 0)
                return r;
        if (p != end)
                return -EINVAL;

        while (first < mantissa_end && (*first == '0' || *first == '.'))
                first++;
        if (first == mantissa_end) {
                *ret = (Decimal) { .digits = first, .end = first };
                return 0;
        }
        while (mantissa_end[-1] == '0' || mantissa_end[-1] == '.')
                mantissa_end--;
        d.digits = first;
        d.end = mantissa_end;
        d.n_digits = (size_t) (mantissa_end - first) - (first < point && mantissa_end > point);
        /* Where the last digit stands: left of the point the cut zeros count up, right of it the digits
         * count down. */
        d.exponent += mantissa_end <= point ? point - mantissa_end : -(mantissa_end - point - 1);
        *ret = d;
        return 0;
}

/* The next digit, 0 behind the last. */
static char next_digit(const char **p, const char *end) {
        if (*p < end && **p == '.')
                (*p)++;
        return *p < end ? *(*p)++ : '0';
}

static int compare_magnitude(const Decimal *a, const Decimal *b) {
        const char *p = a->digits, *q = b->digits;
        int64_t top_a = a->exponent + (int64_t) a->n_digits, top_b = b->exponent + (int64_t) b->n_digits;

        if (a->n_digits == 0 || b->n_digits == 0)
                return (a->n_digits > 0) - (b->n_digits > 0);
        if (top_a != top_b)
                return top_a < top_b ? -1 : 1;
        while (p < a->end || q < b->end) {
                char x = next_digit(&p, a->end), y = next_digit(&q, b->end);

                if (x != y)
                        return x < y ? -1 : 1;
        }
        return 0;
}

int decimal_compare(const Decimal *a, const Decimal *b) {
        if (a->negative != b->negative)
                return a->negative ? -1 : 1;
        return a->negative ? -compare_magnitude(a, b) : compare_magnitude(a, b);
}

static uint64_t multiply_modulo(uint64_t a, uint64_t b, uint64_t m) {
        return (uint64_t) ((unsigned __int128) a * b % m);
}

static uint64_t power_of_ten_modulo(uint64_t exponent, uint64_t m) {
        uint64_t base = 10 % m, result = 1 % m;

        for (; exponent > 0; exponent >>= 1) {
                if (exponent & 1)
                        result = multiply_modulo(result, base, m);
                base = multiply_modulo(base, base, m);
        }
        return result;
}

int decimal_is_multiple(const Decimal *a, const Decimal *divisor) {
        uint64_t m = 0, rest = 0;
        const char *p;

        if (divisor->n_digits == 0 || divisor->n_digits > DIVISOR_DIGITS_MAX)
                return -ERANGE;
        if (a->n_digits == 0)
                return 1;
        /* The last digit of `a` isn't zero: it is no multiple of a larger power of ten. */
        if (a->exponent < divisor->exponent)
                return 0;
        p = divisor->digits;
        for (size_t i = 0; i < divisor->n_digits; i++)
                m = m * 10 + (uint64_t) (next_digit(&p, divisor->end) - '0');
        p = a->digits;
        for (size_t i = 0; i < a->n_digits; i++)
                rest = (multiply_modulo(rest, 10, m) + (uint64_t) (next_digit(&p, a->end) - '0')) % m;
        return multiply_modulo(rest, power_of_ten_modulo((uint64_t) (a->exponent - divisor->exponent), m), m) == 0;
}

/* The digits in blocks, without the point, which equal numbers have in different places. */
uint64_t decimal_hash(const Decimal *d, const HashKey *key) {
        uint64_t h = keyed_hash_pair(key, d->negative, (uint64_t) (d->n_digits > 0 ? d->exponent : 0));
        const char *p = d->digits;
        char block[64];

        for (size_t left = d->n_digits, n; left > 0; left -= n) {
                n = MIN(left, sizeof(block));
                for (size_t i = 0; i < n; i++)
                        block[i] = next_digit(&p, d->end);
                h = keyed_hash_pair(key, h, keyed_hash(key, block, n));
        }
        return h;
}
