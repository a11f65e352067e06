/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The judge of a head, on its bytes alone: it keeps nothing from one look to the next and says good, bad,
 * or not yet. "Bad" is said as early as a whole line shows it. Lines end with CR LF, nothing else does;
 * names are tokens with the colon at once behind; a length is digits or the body is chunked, never both;
 * a header that decides something comes once. HTTP/1.1 needs a Host, the target is a path (no absolute
 * form, no CONNECT).
 *
 * What a value means is not looked at beyond that: routes, types and credentials are for those behind. */

#include "http/http-head.h"

/* Headers that decide on framing or rights may come once; others may repeat. */
typedef enum SingleHeader {
        HEADER_CONTENT_LENGTH,
        HEADER_TRANSFER_ENCODING,
        HEADER_HOST,
        HEADER_AUTHORIZATION,
        HEADER_CONTENT_TYPE,
        _SINGLE_HEADER_MAX,
} SingleHeader;

static const char *const single_headers[_SINGLE_HEADER_MAX] = {
        [HEADER_CONTENT_LENGTH] = "content-length",
        [HEADER_TRANSFER_ENCODING] = "transfer-encoding",
        [HEADER_HOST] = "host",
        [HEADER_AUTHORIZATION] = "authorization",
        [HEADER_CONTENT_TYPE] = "content-type",
};

typedef struct Head {
        bool http_1_1;
        bool seen[_SINGLE_HEADER_MAX];
        unsigned n_headers;
} Head;

static char ascii_lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c;
}

static bool equal_fold(const char *p, size_t n, const char *lower) {
        if (strlen(lower) != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (ascii_lower(p[i]) != lower[i])
                        return false;
        return true;
}

/* tchar of RFC 9110 5.6.2. */
static bool is_token_char(char c) {
        return (c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
                (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *p, size_t n) {
        size_t i = 0;

        while (i < n && is_token_char(p[i]))
                i++;
        return i;
}

static int refuse(const char **ret_why, const char *why) {
        *ret_why = why;
        return -EBADMSG;
}

static int check_request_line(Head *h, const char *p, size_t n, const char **ret_why) {
        const size_t n_version = STRLEN(" HTTP/1.1");
        size_t n_method = token_length(p, n);
        const char *target = p + n_method + 1, *version = p + n - n_version;

        if (n_method == 0 || n_method > 16 || n_method >= n || p[n_method] != ' ')
                return refuse(ret_why, "the request line has no method");
        if (n < n_method + 1 + n_version || version <= target || memcmp(version, " HTTP/1.",
                                                                        n_version - 1) != 0 ||
            (p[n - 1] != '0' && p[n - 1] != '1'))
                return refuse(ret_why, "only HTTP/1.0 and HTTP/1.1 are spoken here");
        h->http_1_1 = p[n - 1] == '1';
        if (*target != '/')
                return refuse(ret_why, "the request target must be a path");
        for (const char *c = target; c < version; c++)
                if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 0x7f)
                        return refuse(ret_why, "the request target has a byte that must be percent-encoded");
        return 0;
}

static int check_value(const char *p, size_t n, const char **ret_why) {
        for (size_t i = 0; i < n; i++)
                if (((unsigned char) p[i] < ' ' && p[i] != '\t') || p[i] == 0x7f)
                        return refuse(ret_why, "a header has a control character");
        return 0;
}

static int check_single(Head *h, SingleHeader which, const char *p, size_t n, const char **ret_why) {
        if (h->seen[which])
                return refuse(ret_why, "a header that may come once came twice");
        h->seen[which] = true;
        if (which == HEADER_CONTENT_LENGTH) {
                if (n == 0 || n > 18)
                        return refuse(ret_why, "Content-Length is not a number");
                for (size_t i = 0; i < n; i++)
                        if (p[i] < '0' || p[i] > '9')
                                return refuse(ret_why, "Content-Length is not a number");
        }
        if (which == HEADER_TRANSFER_ENCODING && !equal_fold(p, n, "chunked"))
                return refuse(ret_why, "the only transfer coding is 'chunked'");
        return 0;
}

static int check_header(Head *h, const char *p, size_t n, const char **ret_why) {
        size_t n_name = token_length(p, n);
        int r;

        if (p[0] == ' ' || p[0] == '\t')
                return refuse(ret_why, "a header is folded");
        if (n_name == 0 || n_name >= n || p[n_name] != ':')
                return refuse(ret_why, "a header has no name");
        if (++h->n_headers > HTTP_HEADERS_MAX)
                return refuse(ret_why, "there are too many headers");
        for (SingleHeader i = 0; i < _SINGLE_HEADER_MAX; i++) {
                const char *value = p + n_name + 1, *end = p + n;

                if (!equal_fold(p, n_name, single_headers[i]))
                        continue;
                while (value < end && (*value == ' ' || *value == '\t'))
                        value++;
                while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                        end--;
                r = check_single(h, i, value, (size_t) (end - value), ret_why);
                if (r < 0)
                        return r;
        }
        return check_value(p + n_name + 1, n - n_name - 1, ret_why);
}

static int check_whole(const Head *h, const char **ret_why) {
        if (h->seen[HEADER_TRANSFER_ENCODING] && (h->seen[HEADER_CONTENT_LENGTH] || !h->http_1_1))
                return refuse(ret_why, "the length of the body is given in two ways");
        if (h->http_1_1 && !h->seen[HEADER_HOST])
                return refuse(ret_why, "the Host header is missing");
        return 1;
}

int http_head_check(const char *p, size_t n, const char **ret_why) {
        const char *end = p + n;
        Head h = {};
        int r;

        for (unsigned line = 0;; line++) {
                const char *lf = memchr(p, '\n', (size_t) (end - p));
                size_t length;

                if (!lf) {
                        /* A NUL can't become better by what follows. */
                        if (memchr(p, 0, (size_t) (end - p)))
                                return refuse(ret_why, "the head has a NUL byte");
                        return 0;
                }
                if (lf == p || lf[-1] != '\r')
                        return refuse(ret_why, "a line ends without CR LF");
                length = (size_t) (lf - 1 - p);
                if (line == 0)
                        r = check_request_line(&h, p, length, ret_why);
                else if (length == 0)
                        return check_whole(&h, ret_why);
                else
                        r = check_header(&h, p, length, ret_why);
                if (r < 0)
                        return r;
                p = lf + 1;
        }
}
