/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a JSON value to what SQLite stores, by the type of its column, without ever changing what it says.
 * A number becomes a double only if that double, printed with the number's own digits, is the number
 * again; all others stay texts, and so do integers beyond 64 bits. A value that isn't of its column's
 * type is stored as NULL and named in the record's `_airbyte_meta`, as Airbyte's destinations do it.
 *
 * Texts lie in an arena that moves while it grows, hence offsets. Most numbers are short: for those both
 * operands are exact doubles, one operation rounds correctly, and strtod() isn't called. */

#include <math.h>
#include <stdio.h>

#include "connectors/destination-sqlite/cell.h"
#include "connectors/lib/temporal.h"

/* Decimals of at most this many significant digits survive the way through a double (DBL_DIG). */
#define EXACT_DIGITS 15U
/* All doubles are told apart by this many. */
#define DOUBLE_DIGITS 17U

/* A number token taken apart: digits without leading and trailing zeros, value = 0.d1d2d3… × 10^exponent. */
typedef struct Decimal {
        bool negative;
        char digits[DOUBLE_DIGITS];
        unsigned n; /* may exceed what `digits` holds: then only the count is of use */
        int64_t exponent;
        uint64_t mantissa; /* of the first digits, while n ≤ 19 */
        bool zero;
} Decimal;

static int64_t parse_exponent(const char *p, const char *end) {
        bool negative = p < end && *p == '-';
        int64_t v = 0;

        if (p < end && (*p == '-' || *p == '+'))
                p++;
        for (; p < end; p++)
                /* Anything this large is out of a double's reach anyway. */
                if (v < 1000000)
                        v = v * 10 + (*p - '0');
        return negative ? -v : v;
}

static void decimal_parse(JsonSlice token, Decimal *d) {
        const char *p = token.p, *end = token.p + token.n;
        bool fraction = false;
        unsigned zeros = 0; /* seen since the last non-zero digit: they count only if one follows */
        int64_t point = 0;

        *d = (Decimal) { .negative = *p == '-' };
        p += d->negative;
        for (; p < end && *p != 'e' && *p != 'E'; p++) {
                if (*p == '.') {
                        fraction = true;
                        continue;
                }
                if (*p == '0' && d->n == 0) {
                        point -= fraction;
                        continue;
                }
                point += !fraction;
                if (*p == '0') {
                        zeros++;
                        continue;
                }
                for (; zeros > 0 && d->n < 100; zeros--, d->n++)
                        if (d->n < DOUBLE_DIGITS)
                                d->digits[d->n] = '0';
                zeros = 0;
                if (d->n < DOUBLE_DIGITS)
                        d->digits[d->n] = *p;
                if (d->n < 100)
                        d->n++;
        }
        d->zero = d->n == 0;
        d->exponent = point + (p < end ? parse_exponent(p + 1, end) : 0);
        for (unsigned i = 0; i < MIN(d->n, DOUBLE_DIGITS); i++)
                d->mantissa = d->mantissa * 10 + (uint64_t) (d->digits[i] - '0');
}

/* Powers of ten that a double holds exactly. */
static const double powers_of_ten[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

/* Both operands exact and one operation: correctly rounded, the usual case and twenty times as fast as
 * strtod(). */
static bool decimal_to_double_fast(const Decimal *d, double *ret) {
        int64_t shift = d->exponent - d->n;
        double v = (double) d->mantissa;

        if (d->n > EXACT_DIGITS || shift < -22 || shift > 22)
                return false;
        v = shift < 0 ? v / powers_of_ten[-shift] : v * powers_of_ten[shift];
        *ret = d->negative ? -v : v;
        return true;
}

/* Whether `v` printed with the token's digits is the token again. */
static bool says_the_same(const Decimal *d, double v) {
        char text[64];
        unsigned n = d->n;
        int64_t exponent;

        (void) snprintf(text, sizeof(text), "%.*e", (int) n - 1, fabs(v));
        /* d.ddde±XX */
        if (text[0] != d->digits[0] || (n > 1 && memcmp(text + 2, d->digits + 1, n - 1) != 0))
                return false;
        exponent = parse_exponent(text + (n > 1 ? n + 2 : 2), text + strlen(text));
        return exponent + 1 == d->exponent;
}

static bool decimal_to_double(const Decimal *d, JsonSlice token, double *ret) {
        char copy[512];
        double v;

        if (d->zero) {
                *ret = d->negative ? -0.0 : 0.0;
                return true;
        }
        if (d->n > DOUBLE_DIGITS || token.n >= sizeof(copy))
                return false;
        if (decimal_to_double_fast(d, ret))
                return true;
        memcpy(copy, token.p, token.n);
        copy[token.n] = 0;
        v = strtod(copy, NULL);
        /* Subnormal numbers have fewer digits than they show. */
        if (!isnormal(v) || !says_the_same(d, v))
                return false;
        *ret = v;
        return true;
}

void cell_from_number(JsonSlice token, Cell *ret) {
        Decimal d;

        if (json_parse_i64(token, &ret->integer) >= 0) {
                ret->type = CELL_INTEGER;
                return;
        }
        decimal_parse(token, &d);
        /* An integer beyond 64 bits stays text even where a double is exact: it is no fraction. */
        if (!memchr(token.p, '.', token.n) && !memchr(token.p, 'e', token.n) && !memchr(token.p, 'E',
                token.n)) {
                ret->type = CELL_TEXT;
                return;
        }
        ret->type = decimal_to_double(&d, token, &ret->real) ? CELL_REAL : CELL_TEXT;
}

static int text_cell(Buffer *arena, const char *p, size_t n, Cell *ret) {
        int r;

        *ret = (Cell) { .type = CELL_TEXT, .n = (uint32_t) n, .offset = arena->len };
        r = buffer_append(arena, p, n);
        return r < 0 ? r : 1;
}

static int string_cell(JsonSlice value, Buffer *arena, Cell *ret) {
        JsonSlice inner = json_string_inner(value);
        size_t start = arena->len;
        int r;

        if (!memchr(inner.p, '\\', inner.n))
                return text_cell(arena, inner.p, inner.n, ret);
        r = json_string_decode(inner, arena);
        if (r < 0)
                return r;
        *ret = (Cell) { .type = CELL_TEXT, .n = (uint32_t) (arena->len - start), .offset = start };
        return 1;
}

static int number_cell(JsonSlice token, Buffer *arena, Cell *ret) {
        cell_from_number(token, ret);
        return ret->type == CELL_TEXT ? text_cell(arena, token.p, token.n, ret) : 1;
}

/* 5.0 and 5e2 are integers too; 5.1 and 1e-3 are not. */
static int integer_cell(JsonSlice token, Buffer *arena, Cell *ret) {
        Decimal d;
        uint64_t v;

        cell_from_number(token, ret);
        if (ret->type == CELL_INTEGER)
                return 1;
        decimal_parse(token, &d);
        if (d.zero) {
                *ret = (Cell) { .type = CELL_INTEGER };
                return 1;
        }
        if (d.exponent < (int64_t) d.n)
                return 0;
        if (d.n > DOUBLE_DIGITS || d.exponent > 18)
                return text_cell(arena, token.p, token.n, ret);
        v = d.mantissa;
        for (int64_t i = d.n; i < d.exponent; i++)
                v *= 10;
        *ret = (Cell) { .type = CELL_INTEGER, .integer = d.negative ? -(int64_t) v : (int64_t) v };
        return 1;
}

/* The protocol's number types may come as strings, and then know three values that JSON doesn't. */
static int numeric_string_cell(ColumnKind kind, JsonSlice value, Buffer *arena, Cell *ret) {
        static const char *const words[] = { "NaN", "Infinity", "-Infinity" };
        JsonSlice inner = json_string_inner(value);

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (json_key_equal(inner, words[i], strlen(words[i])))
                        return text_cell(arena, words[i], strlen(words[i]), ret);
        if (inner.n == 0 || json_slice_type(inner) != JSON_NUMBER || json_validate(inner.p, inner.n,
                NULL) < 0)
                return 0;
        /* json_validate() lets spaces stand behind. */
        while (inner.p[inner.n - 1] == ' ' || inner.p[inner.n - 1] == '\t')
                inner.n--;
        return kind == COLUMN_INTEGER ? integer_cell(inner, arena, ret) : number_cell(inner, arena, ret);
}

static int boolean_cell(JsonSlice value, Cell *ret) {
        *ret = (Cell) { .type = CELL_INTEGER, .integer = value.p[0] == 't' };
        return 1;
}

static int temporal_cell(ColumnKind kind, JsonSlice value, Buffer *arena, Cell *ret) {
        size_t start = arena->len;
        bool good;
        int r;

        r = string_cell(value, arena, ret);
        if (r < 0)
                return r;
        switch (kind) {
        case COLUMN_TIME:
                good = temporal_is_time(buffer_bytes(arena) + start, ret->n);
                break;
        case COLUMN_DATE:
        default:
                /* A timestamp in a date's place is kept as it is: cutting it would lose something. */
                good = temporal_is_timestamp(buffer_bytes(arena) + start, ret->n);
        }
        if (!good)
                arena->len = start;
        return good;
}

static int typed_cell(ColumnKind kind, JsonSlice value, JsonType type, Buffer *arena, Cell *ret) {
        switch (kind) {
        case COLUMN_STRING:
                return type == JSON_STRING ? string_cell(value, arena, ret) : text_cell(arena, value.p,
                        value.n, ret);
        case COLUMN_INTEGER:
        case COLUMN_NUMBER:
                if (type == JSON_STRING)
                        return numeric_string_cell(kind, value, arena, ret);
                if (type != JSON_NUMBER)
                        return 0;
                return kind == COLUMN_INTEGER ? integer_cell(value, arena, ret) : number_cell(value, arena, ret);
        case COLUMN_BOOLEAN:
                if (type == JSON_STRING && (json_key_equal(json_string_inner(value), "true", 4) ||
                                            json_key_equal(json_string_inner(value), "false", 5)))
                        return boolean_cell(json_string_inner(value), ret);
                return type == JSON_BOOLEAN ? boolean_cell(value, ret) : 0;
        case COLUMN_DATE:
        case COLUMN_TIME:
        case COLUMN_TIMESTAMP:
                return type == JSON_STRING ? temporal_cell(kind, value, arena, ret) : 0;
        case COLUMN_OBJECT:
                return type == JSON_OBJECT ? text_cell(arena, value.p, value.n, ret) : 0;
        case COLUMN_ARRAY:
                return type == JSON_ARRAY ? text_cell(arena, value.p, value.n, ret) : 0;
        case COLUMN_SCALAR:
                if (type == JSON_STRING)
                        return string_cell(value, arena, ret);
                if (type == JSON_NUMBER)
                        return number_cell(value, arena, ret);
                return type == JSON_BOOLEAN ? boolean_cell(value, ret) : text_cell(arena, value.p, value.n, ret);
        default:
                return text_cell(arena, value.p, value.n, ret);
        }
}

int cell_from_json(ColumnKind kind, JsonSlice value, Buffer *arena, Cell *ret) {
        JsonType type = json_slice_type(value);
        int r;

        *ret = (Cell) { .type = CELL_NULL };
        if (type == JSON_NULL)
                return 1;
        r = typed_cell(kind, value, type, arena, ret);
        if (r == 0)
                *ret = (Cell) { .type = CELL_NULL };
        return r;
}
