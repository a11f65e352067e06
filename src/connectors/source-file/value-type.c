/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a text is, and how it is written as a value of a type. Classification is strict: only what looks
 * exactly like a number is one, because a postal code that lost its zero cannot be brought back, while a
 * number that stayed a text can be cast. Integers and decimals that a double would change are kinds of
 * their own and travel as strings (Airbyte's big_integer and big_number). */

#include "basic/utf8.h"
#include "connectors/source-file/value-type.h"

/* Every decimal number of up to this many digits comes back from a double unchanged when 17 digits are
 * printed. */
#define NUMBER_DIGITS_MAX 17
/* Beyond this a double is near its end, or past it. */
#define NUMBER_EXPONENT_MAX 300

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

/* From `p` on. */
static size_t count_digits(const char *p, const char *end) {
        const char *start = p;

        while (p < end && is_digit(*p))
                p++;
        return (size_t) (p - start);
}

static ValueKind classify_integer(const char *p, size_t n, bool negative) {
        if (n < 19)
                return KIND_INTEGER;
        if (n > 19)
                return KIND_BIG_INTEGER;
        return memcmp(p, negative ? "9223372036854775808" : "9223372036854775807", 19) <= 0 ? KIND_INTEGER :
                                                                                                  KIND_BIG_INTEGER;
}

/* JSON's grammar of numbers, and nothing else: "+1", ".5", "1.", "007" are texts. */
static ValueKind classify_number(const char *p, const char *end) {
        const char *digits;
        size_t n_integer, n_fraction = 0, n_exponent = 0, n_zeros = 0;
        unsigned exponent = 0;
        bool negative = false;

        if (*p == '-') {
                negative = true;
                p++;
        }
        digits = p;
        n_integer = count_digits(p, end);
        if (n_integer == 0 || (n_integer > 1 && *p == '0'))
                return KIND_STRING;
        p += n_integer;
        if (p == end)
                return classify_integer(digits, n_integer, negative);
        if (*p == '.') {
                n_fraction = count_digits(p + 1, end);
                if (n_fraction == 0)
                        return KIND_STRING;
                while (n_zeros < n_fraction && p[1 + n_zeros] == '0')
                        n_zeros++;
                p += 1 + n_fraction;
        }
        if (p < end && (*p == 'e' || *p == 'E')) {
                p++;
                if (p < end && (*p == '+' || *p == '-'))
                        p++;
                n_exponent = count_digits(p, end);
                if (n_exponent == 0)
                        return KIND_STRING;
                for (size_t i = 0; i < n_exponent && exponent <= NUMBER_EXPONENT_MAX; i++)
                        exponent = exponent * 10 + (unsigned) (p[i] - '0');
                p += n_exponent;
        }
        if (p != end)
                return KIND_STRING;
        /* Zeros before the first other digit say nothing. */
        if (*digits == '0') {
                n_integer = 0;
                n_fraction -= n_zeros;
        }
        return n_integer + n_fraction > NUMBER_DIGITS_MAX || exponent > NUMBER_EXPONENT_MAX ?
                KIND_BIG_NUMBER :
                                                                                            KIND_NUMBER;
}

/* Both are digits; the caller has looked. */
static unsigned two_digits(const char *p) {
        return (unsigned) (p[0] - '0') * 10 + (unsigned) (p[1] - '0');
}

/* A day that exists, in ten characters that are there. */
static bool is_date(const char *p) {
        static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        unsigned year, month, day, last;

        if (p[4] != '-' || p[7] != '-' || count_digits(p, p + 4) != 4 || count_digits(p + 5, p + 7) != 2 ||
            count_digits(p + 8, p + 10) != 2)
                return false;
        year = two_digits(p) * 100 + two_digits(p + 2);
        month = two_digits(p + 5);
        day = two_digits(p + 8);
        if (year < 1 || month < 1 || month > 12 || day < 1)
                return false;
        last = days[month - 1];
        if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
                last = 29;
        return day <= last;
}

/* The parts of "hh:mm[:ss[.f…]][ ][Z|±hh[[:]mm]]" that stand behind a date and its separator. */
typedef struct ClockText {
        const char *p;
        size_t n_time; /* "hh:mm", "hh:mm:ss" or "hh:mm:ss.fff" */
        const char *zone;
        size_t n_zone; /* 0 = none */
} ClockText;

static bool parse_zone(const char *p, const char *end, ClockText *ret) {
        size_t n = (size_t) (end - p);

        ret->zone = p;
        ret->n_zone = n;
        if (n == 1)
                return *p == 'Z' || *p == 'z';
        if (n < 3 || (*p != '+' && *p != '-') || count_digits(p + 1, p + 3) != 2 || two_digits(p + 1) > 23)
                return false;
        if (n == 3)
                return true;
        if (n == 5)
                return count_digits(p + 3, end) == 2 && two_digits(p + 3) < 60;
        return n == 6 && p[3] == ':' && count_digits(p + 4, end) == 2 && two_digits(p + 4) < 60;
}

static bool parse_clock(const char *p, const char *end, ClockText *ret) {
        const char *start = p;
        size_t n;

        *ret = (ClockText) { .p = p };
        if (end - p < 5 || count_digits(p, p + 2) != 2 || p[2] != ':' || count_digits(p + 3, p + 5) != 2 ||
            two_digits(p) > 23 || two_digits(p + 3) > 59)
                return false;
        p += 5;
        if (p < end && *p == ':') {
                if (end - p < 3 || count_digits(p + 1, p + 3) != 2 || two_digits(p + 1) > 59)
                        return false;
                p += 3;
                if (p < end && *p == '.') {
                        n = count_digits(p + 1, end);
                        if (n == 0 || n > 9)
                                return false;
                        p += 1 + n;
                }
        }
        ret->n_time = (size_t) (p - start);
        if (p == end)
                return true;
        if (*p == ' ')
                p++;
        return p < end && parse_zone(p, end, ret);
}

/* Dates are told from numbers by the hyphen at the fifth place. */
static ValueKind classify_digits(const char *p, size_t n) {
        ClockText clock;

        if (n < 10 || p[4] != '-')
                return classify_number(p, p + n);
        if (!is_date(p))
                return KIND_STRING;
        if (n == 10)
                return KIND_DATE;
        if ((p[10] != 'T' && p[10] != ' ' && p[10] != 't') || !parse_clock(p + 11, p + n, &clock))
                return KIND_STRING;
        return clock.n_zone > 0 ? KIND_TIMESTAMP_TZ : KIND_TIMESTAMP;
}

/* ASCII letters only, which is all that the two words have. */
static bool equal_fold(const char *p, size_t n, const char *lower) {
        for (size_t i = 0; i < n; i++)
                if ((p[i] | 0x20) != lower[i])
                        return false;
        return lower[n] == '\0';
}

ValueKind text_classify(const char *p, size_t n) {
        if (n == 0)
                return KIND_EMPTY;
        switch (*p) {
        case '0' ... '9':
                return classify_digits(p, n);
        case '-':
                return classify_number(p, p + n);
        case 't':
        case 'T':
                return n == 4 && equal_fold(p, n, "true") ? KIND_BOOLEAN : KIND_STRING;
        case 'f':
        case 'F':
                return n == 5 && equal_fold(p, n, "false") ? KIND_BOOLEAN : KIND_STRING;
        default:
                return KIND_STRING;
        }
}

ColumnType kind_set_resolve(KindSet kinds) {
        static const struct {
                KindSet kinds;
                ColumnType type;
        } table[] = { /* the first that covers all */
                { 1U << KIND_BOOLEAN, COLUMN_BOOLEAN },
                { 1U << KIND_INTEGER, COLUMN_INTEGER },
                { 1U << KIND_INTEGER | 1U << KIND_BIG_INTEGER, COLUMN_BIG_INTEGER },
                { 1U << KIND_INTEGER | 1U << KIND_NUMBER, COLUMN_NUMBER },
                { 1U << KIND_INTEGER | 1U << KIND_BIG_INTEGER | 1U << KIND_NUMBER | 1U << KIND_BIG_NUMBER,
                  COLUMN_BIG_NUMBER },
                { 1U << KIND_DATE, COLUMN_DATE },
                { 1U << KIND_TIMESTAMP, COLUMN_TIMESTAMP },
                { 1U << KIND_TIMESTAMP_TZ, COLUMN_TIMESTAMP_TZ },
                { 1U << KIND_ARRAY, COLUMN_ARRAY },
                { 1U << KIND_OBJECT, COLUMN_OBJECT },
        };

        kinds &= ~(1U << KIND_NULL | 1U << KIND_EMPTY);
        if (kinds != 0)
                for (size_t i = 0; i < ELEMENTSOF(table); i++)
                        if ((kinds & ~table[i].kinds) == 0)
                                return table[i].type;
        return COLUMN_STRING;
}

static const struct {
        const char *name, *schema;
} column_types[_COLUMN_TYPE_MAX] = {
        [COLUMN_STRING] = { "string", "{\"type\":[\"null\",\"string\"]}" },
        [COLUMN_BOOLEAN] = { "boolean", "{\"type\":[\"null\",\"boolean\"]}" },
        [COLUMN_INTEGER] = { "integer", "{\"type\":[\"null\",\"integer\"]}" },
        [COLUMN_BIG_INTEGER] =
                { "big_integer", "{\"type\":[\"null\",\"string\"],\"airbyte_type\":\"big_integer\"}" },
        [COLUMN_NUMBER] = { "number", "{\"type\":[\"null\",\"number\"]}" },
        [COLUMN_BIG_NUMBER] =
                { "big_number", "{\"type\":[\"null\",\"string\"],\"airbyte_type\":\"big_number\"}" },
        [COLUMN_DATE] = { "date", "{\"type\":[\"null\",\"string\"],\"format\":\"date\"}" },
        [COLUMN_TIMESTAMP] = { "timestamp", "{\"type\":[\"null\",\"string\"],\"format\":\"date-time\","
                                            "\"airbyte_type\":\"timestamp_without_timezone\"}" },
        [COLUMN_TIMESTAMP_TZ] = { "timestamp_with_timezone",
                                  "{\"type\":[\"null\",\"string\"],\"format\":\"date-time\","
                                  "\"airbyte_type\":\"timestamp_with_timezone\"}" },
        [COLUMN_ARRAY] = { "array", "{\"type\":[\"null\",\"array\"],\"items\":{}}" },
        [COLUMN_OBJECT] = { "object", "{\"type\":[\"null\",\"object\"],\"additionalProperties\":true}" },
        [COLUMN_ANY] = { "any", "{}" },
};

const char *column_type_to_string(ColumnType t) {
        return t >= 0 && t < _COLUMN_TYPE_MAX ? column_types[t].name : NULL;
}

ColumnType column_type_from_string(const char *s) {
        for (ColumnType t = 0; t < _COLUMN_TYPE_MAX; t++)
                if (streq(s, column_types[t].name))
                        return t;
        return _COLUMN_TYPE_INVALID;
}

const char *column_type_schema(ColumnType t) {
        assert(t >= 0 && t < _COLUMN_TYPE_MAX);
        return column_types[t].schema;
}

/* The one type beside null; NULL where there are several or none. */
static const char *schema_type(JsonObject *property) {
        JsonObject *type = json_member(property, "type");
        const char *found = NULL;

        if (json_object_is_type(type, json_type_string))
                return json_object_get_string(type);
        if (!json_object_is_type(type, json_type_array))
                return NULL;
        for (size_t i = 0; i < json_object_array_length(type); i++) {
                const char *s = json_object_get_string(json_object_array_get_idx(type, i));

                if (!s || streq(s, "null"))
                        continue;
                if (found)
                        return NULL;
                found = s;
        }
        return found;
}

/* A date-time that says nothing of zones has one, as the protocol reads it. */
static ColumnType string_schema(const char *format, const char *airbyte_type) {
        if (streq(airbyte_type, "big_integer"))
                return COLUMN_BIG_INTEGER;
        if (streq(airbyte_type, "big_number"))
                return COLUMN_BIG_NUMBER;
        if (streq(format, "date"))
                return COLUMN_DATE;
        if (streq(format, "date-time"))
                return streq(airbyte_type, "timestamp_without_timezone") ?
                        COLUMN_TIMESTAMP : COLUMN_TIMESTAMP_TZ;
        return COLUMN_STRING;
}

ColumnType column_type_from_schema(JsonObject *property) {
        const char *type = schema_type(property);

        if (!type)
                return COLUMN_ANY;
        if (streq(type, "string"))
                return string_schema(strempty(json_object_get_string(json_member(property, "format"))),
                                     strempty(json_object_get_string(json_member(property,
                                                                                 "airbyte_type"))));
        for (ColumnType t = 0; t < _COLUMN_TYPE_MAX; t++)
                if (streq(type, column_types[t].name))
                        return t;
        return COLUMN_ANY;
}

static char *put(char *to, const void *p, size_t n) {
        memcpy(to, p, n);
        return to + n;
}

/* Which bytes of a string stand for themselves in JSON. */
static bool is_plain(uint8_t c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static char *write_escape(char *to, uint8_t c) {
        static const char hex[] = "0123456789abcdef";

        switch (c) {
        case '"':
        case '\\':
                *to++ = '\\';
                *to++ = (char) c;
                return to;
        case '\n':
                return put(to, "\\n", 2);
        case '\r':
                return put(to, "\\r", 2);
        case '\t':
                return put(to, "\\t", 2);
        default:
                to = put(to, "\\u00", 4);
                *to++ = hex[c >> 4];
                *to++ = hex[c & 15];
                return to;
        }
}

char *value_write_string(char *to, const char *p, size_t n, bool *ret_valid) {
        const char *end = p + n;

        *to++ = '"';
        while (p < end) {
                size_t k;

                /* Most texts are plain; copying byte by byte beats calling memcpy() for cells of ten
                 * bytes. */
                while (p < end && is_plain((uint8_t) *p))
                        *to++ = *p++;
                if (p == end)
                        break;
                if ((uint8_t) *p < 0x80) {
                        to = write_escape(to, (uint8_t) *p++);
                        continue;
                }
                k = utf8_sequence(p, end);
                if (k > 0)
                        to = put(to, p, k);
                else {
                        to = put(to, "\xef\xbf\xbd", 3);
                        *ret_valid = false;
                }
                p += k > 0 ? k : 1;
        }
        *to++ = '"';
        return to;
}

/* RFC 3339's form: 'T' between, seconds there, zone as "Z" or "+hh:mm". */
static char *write_timestamp(char *to, const char *p, size_t n) {
        ClockText clock;

        (void) parse_clock(p + 11, p + n, &clock);
        *to++ = '"';
        to = put(to, p, 10);
        *to++ = 'T';
        to = put(to, clock.p, clock.n_time);
        if (clock.n_time == 5)
                to = put(to, ":00", 3);
        if (clock.n_zone == 1)
                *to++ = 'Z';
        else if (clock.n_zone > 0) {
                to = put(to, clock.zone, 3);
                *to++ = ':';
                to = clock.n_zone == 3 ? put(to, "00", 2) : put(to, clock.zone + clock.n_zone - 2, 2);
        }
        *to++ = '"';
        return to;
}

char *value_write_text(char *to, ColumnType t, const char *p, size_t n, bool *ret_fits, bool *ret_valid) {
        ValueKind kind;

        if (t == COLUMN_STRING || t == COLUMN_ANY)
                return value_write_string(to, p, n, ret_valid);
        if (n == 0) /* "" in a column of numbers is what some tools write for null */
                return put(to, "null", 4);
        kind = text_classify(p, n);
        switch (t) {
        case COLUMN_INTEGER:
                if (kind == KIND_INTEGER)
                        return put(to, p, n);
                break;
        case COLUMN_NUMBER:
                if (kind == KIND_INTEGER || kind == KIND_NUMBER)
                        return put(to, p, n);
                break;
        case COLUMN_BOOLEAN:
                if (kind == KIND_BOOLEAN)
                        return n == 4 ? put(to, "true", 4) : put(to, "false", 5);
                break;
        case COLUMN_TIMESTAMP:
        case COLUMN_TIMESTAMP_TZ:
                if (kind == (t == COLUMN_TIMESTAMP ? KIND_TIMESTAMP : KIND_TIMESTAMP_TZ))
                        return write_timestamp(to, p, n);
                break;
        case COLUMN_DATE:
                if (kind == KIND_DATE)
                        return value_write_string(to, p, n, ret_valid);
                break;
        case COLUMN_BIG_INTEGER:
                if (kind == KIND_INTEGER || kind == KIND_BIG_INTEGER)
                        return value_write_string(to, p, n, ret_valid);
                break;
        case COLUMN_BIG_NUMBER:
                if (kind >= KIND_INTEGER && kind <= KIND_BIG_NUMBER)
                        return value_write_string(to, p, n, ret_valid);
                break;
        default:
                break;
        }
        *ret_fits = false;
        return value_write_string(to, p, n, ret_valid);
}
