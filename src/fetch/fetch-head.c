/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The head of an answer, line by line as curl hands it on. A connection may bring several: 1xx answers,
 * and those of a proxy; each status line begins anew, and the last one counts. Only what fetch.c decides
 * by is kept. A length that is no number is an error of the server's; ranges and retry times that can't
 * be read count as absent. */

#include <curl/curl.h>
#include <strings.h>
#include <time.h>

#include "basic/parse-util.h"
#include "fetch/fetch-head.h"

/* Longer values of headers that we look at are nobody's honest ones. */
#define VALUE_MAX 8192U

void fetch_head_done(FetchHead *h) {
        free(h->etag);
        free(h->last_modified);
        free(h->content_type);
        free(h->content_encoding);
        free(h->location);
        *h = (FetchHead) { .content_length = -1, .range_start = -1, .retry_after = -1 };
}

static int status_line(FetchHead *h, const char *p, size_t n) {
        const char *space = memchr(p, ' ', n);

        fetch_head_done(h);
        if (!space || p + n - space < 4)
                return -EPROTO;
        for (int i = 1; i <= 3; i++) {
                if (space[i] < '0' || space[i] > '9')
                        return -EPROTO;
                h->status = h->status * 10 + (unsigned) (space[i] - '0');
        }
        return 0;
}

static int parse_seconds(const char *value, int64_t *ret) {
        time_t at;

        if (parse_i64(value, ret) >= 0)
                return *ret >= 0 ? 0 : -EINVAL;
        at = curl_getdate(value, NULL); /* the other form is a date */
        if (at < 0)
                return -EINVAL;
        *ret = MAX((int64_t) at - (int64_t) time(NULL), (int64_t) 0);
        return 0;
}

/* "bytes 100-199/1000" */
static int parse_range(const char *value, int64_t *ret) {
        _cleanup_free_ char *number = NULL;

        if (strncasecmp(value, "bytes ", 6) != 0)
                return -EINVAL;
        number = strndup(value + 6, strcspn(value + 6, "-"));
        return number ? parse_i64(number, ret) : -ENOMEM;
}

static int keep(char **to, char **value) {
        free(*to);
        *to = TAKE_PTR(*value);
        return 0;
}

static int header_line(FetchHead *h, const char *name, size_t n_name, char **value) {
        static const char *const names[] = { "etag", "last-modified", "content-type", "content-encoding",
                                            "location",
                                             "content-length", "content-range", "retry-after" };
        size_t i = 0;

        while (i < ELEMENTSOF(names) && (strlen(names[i]) != n_name || strncasecmp(names[i], name,
                                                                                   n_name) != 0))
                i++;
        switch (i) {
        case 0:
                return keep(&h->etag, value);
        case 1:
                return keep(&h->last_modified, value);
        case 2:
                return keep(&h->content_type, value);
        case 3:
                return keep(&h->content_encoding, value);
        case 4:
                return keep(&h->location, value);
        case 5:
                return parse_i64(*value, &h->content_length) < 0 ? -EPROTO : 0;
        case 6:
                if (parse_range(*value, &h->range_start) < 0)
                        h->range_start = -1;
                return 0;
        case 7:
                if (parse_seconds(*value, &h->retry_after) < 0)
                        h->retry_after = -1;
                return 0;
        default:
                return 0;
        }
}

int fetch_head_line(FetchHead *h, const char *p, size_t n) {
        _cleanup_free_ char *value = NULL;
        const char *colon, *v;

        while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r' || p[n - 1] == ' ' || p[n - 1] == '\t'))
                n--;
        if (n >= 5 && strncasecmp(p, "HTTP/", 5) == 0 && (h->status == 0 || h->complete || h->status < 200))
                return status_line(h, p, n);
        if (n == 0) {
                h->complete = h->status >= 200;
                return h->complete;
        }
        colon = memchr(p, ':', n);
        if (!colon || h->complete) /* trailers behind the body say nothing that we need */
                return 0;
        for (v = colon + 1; v < p + n && (*v == ' ' || *v == '\t'); v++)
                ;
        if ((size_t) (p + n - v) > VALUE_MAX)
                return 0;
        value = strndup(v, (size_t) (p + n - v));
        if (!value)
                return -ENOMEM;
        return header_line(h, p, (size_t) (colon - p), &value);
}
