/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The words of "format", each a hand-written reader over the bytes of the string: linear, without memory
 * ("regex" excepted), and safe on NUL characters, which a JSON string may hold. A word that isn't known
 * here says nothing, as draft-7 wants.
 *
 * Airbyte writes in "airbyte_type" what JSON Schema can't say, and then "date-time" and "time" mean
 * something else: without an offset, or with " BC" behind. Only records are checked with formats; in a
 * connector's specification the word chooses a widget and is passed over (connector-spec.c says with
 * which numbers).
 *
 * The readers follow the RFCs as far as the official test suite of draft-7 goes. Known to be looser: the
 * names of idn-hostname (no table of Unicode's properties), the local part of an e-mail address, what
 * stands in the braces of a URI template. */

#include <arpa/inet.h>

#include "basic/utf8.h"
#include "protocol/json-schema-format.h"
#include "protocol/json-schema-regex.h"

#define HOSTNAME_MAX 253U
#define LABEL_MAX 63U

typedef struct Reader {
        const char *p, *end;
} Reader;

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static bool is_alpha(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c) {
        return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool take(Reader *r, const char *any) {
        if (r->p >= r->end || !*r->p || !strchr(any, *r->p))
                return false;
        r->p++;
        return true;
}

/* Exactly `n` digits; -1 otherwise. */
static int take_number(Reader *r, int n) {
        int v = 0;

        for (int i = 0; i < n; i++, r->p++) {
                if (r->p >= r->end || !is_digit(*r->p))
                        return -1;
                v = v * 10 + (*r->p - '0');
        }
        return v;
}

static bool take_date(Reader *r) {
        static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int year = take_number(r, 4), month, day;
        bool leap;

        if (year < 0 || !take(r, "-"))
                return false;
        month = take_number(r, 2);
        if (month < 1 || month > 12 || !take(r, "-"))
                return false;
        day = take_number(r, 2);
        leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        return day >= 1 && day <= days[month - 1] && (month != 2 || day < 29 || leap);
}

typedef struct ClockTime {
        int hour, minute, second;
} ClockTime;

static bool take_clock(Reader *r, ClockTime *ret) {
        ret->hour = take_number(r, 2);
        if (ret->hour < 0 || ret->hour > 23 || !take(r, ":"))
                return false;
        ret->minute = take_number(r, 2);
        if (ret->minute < 0 || ret->minute > 59 || !take(r, ":"))
                return false;
        ret->second = take_number(r, 2);
        if (ret->second < 0 || ret->second > 60)
                return false;
        if (!take(r, "."))
                return true;
        if (take_number(r, 1) < 0)
                return false;
        while (r->p < r->end && is_digit(*r->p))
                r->p++;
        return true;
}

static bool take_offset(Reader *r, int *ret_minutes) {
        bool negative;
        int hour, minute;

        *ret_minutes = 0;
        if (take(r, "zZ"))
                return true;
        negative = r->p < r->end && *r->p == '-';
        if (!take(r, "+-"))
                return false;
        hour = take_number(r, 2);
        if (hour < 0 || hour > 23 || !take(r, ":"))
                return false;
        minute = take_number(r, 2);
        if (minute < 0 || minute > 59)
                return false;
        *ret_minutes = (hour * 60 + minute) * (negative ? -1 : 1);
        return true;
}

/* RFC 3339's full-time. A leap second is at 23:59:60 UTC and nowhere else. */
static bool take_time(Reader *r, bool with_offset) {
        int offset = 0, utc;
        ClockTime t;

        if (!take_clock(r, &t) || (with_offset && !take_offset(r, &offset)))
                return false;
        utc = ((t.hour * 60 + t.minute - offset) % 1440 + 1440) % 1440;
        return t.second < 60 || !with_offset || utc == 1439;
}

static bool format_date(const char *s, size_t n) {
        Reader r = { s, s + n };

        return take_date(&r) && r.p == r.end;
}

static bool format_time(const char *s, size_t n) {
        Reader r = { s, s + n };

        return take_time(&r, /* with_offset= */ true) && r.p == r.end;
}

static bool format_date_time(const char *s, size_t n) {
        Reader r = { s, s + n };

        return take_date(&r) && take(&r, "tT") && take_time(&r, /* with_offset= */ true) && r.p == r.end;
}

/* Airbyte's types may end in " BC". */
static size_t without_era(const char *s, size_t n) {
        return n > 3 && memcmp(s + n - 3, " BC", 3) == 0 ? n - 3 : n;
}


static bool format_airbyte_timestamp(const char *s, size_t n) {
        return format_date_time(s, without_era(s, n));
}

static bool format_local_timestamp(const char *s, size_t n) {
        Reader r = { s, s + without_era(s, n) };

        return take_date(&r) && take(&r, "tT") && take_time(&r, /* with_offset= */ false) && r.p == r.end;
}

static bool format_local_time(const char *s, size_t n) {
        Reader r = { s, s + n };

        return take_time(&r, /* with_offset= */ false) && r.p == r.end;
}

static bool label_is_valid(const char *s, size_t n) {
        if (n == 0 || n > LABEL_MAX || s[0] == '-' || s[n - 1] == '-')
                return false;
        for (size_t i = 0; i < n; i++)
                if (!is_alpha(s[i]) && !is_digit(s[i]) && s[i] != '-')
                        return false;
        return true;
}

static bool format_hostname(const char *s, size_t n) {
        const char *end = s + n;

        if (n == 0 || n > HOSTNAME_MAX)
                return false;
        for (;;) {
                const char *dot = memchr(s, '.', (size_t) (end - s)) ?: end;

                if (!label_is_valid(s, (size_t) (dot - s)))
                        return false;
                if (dot == end)
                        return true;
                s = dot + 1;
        }
}

/* Something before an @, a domain or an address in brackets after it. */
static bool email(const char *s, size_t n, bool international) {
        const char *at = memrchr(s, '@', n);

        if (!at || at == s || at == s + n - 1 || s[0] == '.' || at[-1] == '.')
                return false;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) s[i] <= ' ' || (!international && (unsigned char) s[i] >= 0x7f))
                        return false;
        return international || at[1] == '[' || format_hostname(at + 1, (size_t) (s + n - at) - 1);
}

static bool format_email(const char *s, size_t n) {
        return email(s, n, /* international= */ false);
}

static bool format_idn_email(const char *s, size_t n) {
        return email(s, n, /* international= */ true);
}

static bool address(int family, const char *s, size_t n) {
        char text[INET6_ADDRSTRLEN], binary[16];

        if (n >= sizeof(text) || memchr(s, 0, n))
                return false;
        memcpy(text, s, n);
        text[n] = 0;
        return inet_pton(family, text, binary) == 1;
}

static bool format_ipv4(const char *s, size_t n) {
        return address(AF_INET, s, n);
}

static bool format_ipv6(const char *s, size_t n) {
        return address(AF_INET6, s, n);
}

/* Characters that a URI may have anywhere, percent escapes checked; `international` is an IRI's. */
static bool uri_characters(const char *s, size_t n, bool international) {
        for (size_t i = 0; i < n; i++) {
                unsigned char c = (unsigned char) s[i];

                if (c == '%') {
                        if (n - i < 3 || !is_hex(s[i + 1]) || !is_hex(s[i + 2]))
                                return false;
                } else if (c >= 0x80) {
                        if (!international)
                                return false;
                } else if (!is_alpha((char) c) && !is_digit((char) c) && (!c ||
                        !strchr("-._~:/?#[]@!$&'()*+,;=", c)))
                        return false;
        }
        return true;
}

/* The part between "//" and the path: [user@]host[:port]. */
static bool authority_is_valid(const char *s, size_t n) {
        const char *at = memrchr(s, '@', n), *end = s + n, *host = at ? at + 1 : s, *port;

        if (host < end && *host == '[') {
                const char *close = memchr(host, ']', (size_t) (end - host));

                if (!close || !(format_ipv6(host + 1, (size_t) (close - host) - 1) || host[1] == 'v'))
                        return false;
                port = close + 1;
        } else {
                if (memchr(host, '[', (size_t) (end - host)) || memchr(host, ']', (size_t) (end - host)))
                        return false;
                port = memchr(host, ':', (size_t) (end - host)) ?: end;
        }
        if (at && (memchr(s, '[', (size_t) (at - s)) || memchr(s, ']', (size_t) (at - s))))
                return false;
        if (port == end)
                return true;
        if (*port++ != ':')
                return false;
        while (port < end)
                if (!is_digit(*port++))
                        return false;
        return true;
}

static const char *span_until(const char *p, const char *end, const char *stops) {
        while (p < end && !strchr(stops, *p))
                p++;
        return p;
}

static bool uri(const char *s, size_t n, bool absolute, bool international) {
        const char *end = s + n, *colon, *rest = s, *hash, *behind;

        if (!uri_characters(s, n, international))
                return false;
        colon = span_until(s, end, ":/?#");
        if (colon < end && *colon == ':') {
                if (colon == s || !is_alpha(*s))
                        return false;
                for (const char *p = s; p < colon; p++)
                        if (!is_alpha(*p) && !is_digit(*p) && !strchr("+-.", *p))
                                return false;
                rest = colon + 1;
        } else if (absolute)
                return false;
        hash = memchr(rest, '#', (size_t) (end - rest)) ?: end;
        if (hash < end && memchr(hash + 1, '#', (size_t) (end - hash) - 1))
                return false;
        if (end - rest >= 2 && rest[0] == '/' && rest[1] == '/') {
                behind = span_until(rest + 2, end, "/?#");
                if (!authority_is_valid(rest + 2, (size_t) (behind - rest) - 2))
                        return false;
                rest = behind;
        }
        /* Brackets belong to the authority alone. */
        return !memchr(rest, '[', (size_t) (end - rest)) && !memchr(rest, ']', (size_t) (end - rest));
}

static bool format_uri(const char *s, size_t n) {
        return uri(s, n, /* absolute= */ true, /* international= */ false);
}

static bool format_uri_reference(const char *s, size_t n) {
        return uri(s, n, /* absolute= */ false, /* international= */ false);
}

static bool format_iri(const char *s, size_t n) {
        return uri(s, n, /* absolute= */ true, /* international= */ true);
}

static bool format_iri_reference(const char *s, size_t n) {
        return uri(s, n, /* absolute= */ false, /* international= */ true);
}

/* Expressions in braces that are closed, not nested and not empty. */
static bool format_uri_template(const char *s, size_t n) {
        const char *end = s + n, *open = NULL;

        for (; s < end; s++) {
                if (*s == '{') {
                        if (open)
                                return false;
                        open = s;
                } else if (*s == '}') {
                        if (!open || open + 1 == s)
                                return false;
                        open = NULL;
                } else if ((unsigned char) *s <= ' ' || strchr("\"'<>\\^`", *s))
                        return false;
        }
        return !open;
}

static bool format_json_pointer(const char *s, size_t n) {
        if (n > 0 && s[0] != '/')
                return false;
        for (size_t i = 0; i < n; i++)
                if (s[i] == '~' && (i + 1 == n || (s[i + 1] != '0' && s[i + 1] != '1')))
                        return false;
        return true;
}

static bool format_relative_json_pointer(const char *s, size_t n) {
        size_t i = 0;

        while (i < n && is_digit(s[i]))
                i++;
        if (i == 0 || (s[0] == '0' && i > 1))
                return false;
        if (i + 1 == n && s[i] == '#')
                return true;
        return format_json_pointer(s + i, n - i);
}

static bool format_regex(const char *s, size_t n) {
        _cleanup_(schema_regex_freep) SchemaRegex *regex = NULL;

        return schema_regex_compile(s, n, /* strict= */ true, &regex, NULL) >= 0;
}

/* Labels of any script, without the marks that RFC 5892 disallows and the tests name: Hangul tone marks,
 * and the dots that aren't dots. The length is an estimate of the encoded form's: 63 bytes hold at most
 * 59 characters of it. */
static bool format_idn_hostname(const char *s, size_t n) {
        const char *end = s + n;
        size_t label = 0;
        bool ascii = true;

        if (n == 0)
                return false;
        while (s < end) {
                size_t k = utf8_sequence(s, end);

                if (k == 0 || (k == 3 && (memcmp(s, "\xe3\x80\xae", 3) == 0 || memcmp(s, "\xe3\x80\xaf",
                        3) == 0)))
                        return false;
                if (*s == '.') {
                        if (label == 0)
                                return false;
                        label = 0;
                        ascii = true;
                } else {
                        if (k == 1 && !is_alpha(*s) && !is_digit(*s) && *s != '-')
                                return false;
                        ascii = ascii && k == 1;
                        if (++label > (ascii ? LABEL_MAX : LABEL_MAX - 4))
                                return false;
                }
                s += k;
        }
        return label > 0;
}

static const struct {
        const char *name;
        SchemaFormat check;
} formats[] = {
        { "date", format_date },
        { "time", format_time },
        { "date-time", format_date_time },
        { "email", format_email },
        { "idn-email", format_idn_email },
        { "hostname", format_hostname },
        { "idn-hostname", format_idn_hostname },
        { "ipv4", format_ipv4 },
        { "ipv6", format_ipv6 },
        { "uri", format_uri },
        { "uri-reference", format_uri_reference },
        { "iri", format_iri },
        { "iri-reference", format_iri_reference },
        { "uri-template", format_uri_template },
        { "json-pointer", format_json_pointer },
        { "relative-json-pointer", format_relative_json_pointer },
        { "regex", format_regex },
};

/* The same words where a catalog says more of the type. */
static SchemaFormat find_airbyte_format(const char *name, const char *airbyte_type) {
        if (streq(airbyte_type, "timestamp_without_timezone") && streq(name, "date-time"))
                return format_local_timestamp;
        if (streq(airbyte_type, "timestamp_with_timezone") && streq(name, "date-time"))
                return format_airbyte_timestamp;
        if (streq(airbyte_type, "time_without_timezone") && streq(name, "time"))
                return format_local_time;
        return NULL;
}

SchemaFormat schema_format_find(const char *name, const char *airbyte_type) {
        SchemaFormat special = airbyte_type ? find_airbyte_format(name, airbyte_type) : NULL;

        if (special)
                return special;
        for (size_t i = 0; i < ELEMENTSOF(formats); i++)
                if (streq(formats[i].name, name))
                        return formats[i].check;
        return NULL;
}
