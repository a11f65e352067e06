/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A body over HTTP that comes whole or fails. A connection that breaks off is taken up again where it
 * ended (Range), provided that the server says it is still the same version; a server without ranges
 * sends all once more, and what is known already is skipped. Without such a promise of the server the
 * body can't be gone on with, and that is an error: two halves of two versions would be worse than none.
 *
 *   HEAD --> BODY --> END      one request; pump() returns when something new is there
 *     ^                |
 *     +-- next try ----+       after a failure that may pass, with a pause that doubles
 *
 * Redirects are followed by hand: credentials go to the host that they were given for and to no other,
 * and never from https to http. */

#include <curl/curl.h>
#include <strings.h>
#include <time.h>

#include "basic/buffer.h"
#include "basic/parse-util.h"
#include "fetch/fetch-head.h"
#include "fetch/fetch.h"

#define REDIRECTS_MAX 5U
#define TRIES_DEFAULT 5U
#define CONNECT_TIMEOUT_DEFAULT (30 * USEC_PER_SEC)
#define STALL_TIMEOUT_DEFAULT (60 * USEC_PER_SEC)
#define RETRY_PAUSE_DEFAULT (1 * USEC_PER_SEC)
#define RETRY_AFTER_DEFAULT (300 * USEC_PER_SEC)
#define POLL_MS 1000

typedef enum FetchPhase {
        PHASE_HEAD, /* waiting for the head of an answer */
        PHASE_BODY,
        PHASE_END, /* this request is over, s->result says how */
} FetchPhase;

struct FetchStream {
        /* with defaults; strings borrowed until fetch_open() returns, but the headers are copied */
        FetchOptions options;
        char **headers;
        char *url;   /* where the request goes now */
        char *shown; /* the URL asked for, without credentials: for messages */
        CURLM *multi;
        CURL *easy;
        struct curl_slist *list;
        FetchPhase phase;
        CURLcode result;
        FetchHead head;         /* of the answer at hand */
        FetchResponse response; /* of the first good answer: what the body belongs to */
        bool opened;
        int failed; /* of the write callback */
        Buffer body;
        uint64_t offset; /* bytes of the body received in all */
        uint64_t skip;   /* bytes that come again because the server knows no ranges */
};

bool fetch_is_url(const char *s) {
        return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

const FetchResponse *fetch_response(const FetchStream *s) {
        return &s->response;
}

FetchStream *fetch_free(FetchStream *s) {
        if (!s)
                return NULL;
        if (s->easy && s->multi)
                curl_multi_remove_handle(s->multi, s->easy);
        if (s->easy)
                curl_easy_cleanup(s->easy);
        if (s->multi)
                curl_multi_cleanup(s->multi);
        curl_slist_free_all(s->list);
        fetch_head_done(&s->head);
        free(s->response.etag);
        free(s->response.last_modified);
        free(s->response.content_type);
        free(s->response.content_encoding);
        free(s->response.url);
        buffer_done(&s->body);
        strv_free(s->headers);
        free(s->url);
        free(s->shown);
        free(s);
        return NULL;
}

/* ---- one request ---- */

/* By the ETag where there is one, else by the time. */
static bool same_version(const FetchStream *s) {
        if (s->response.etag || s->head.etag)
                return streq_ptr(s->response.etag, s->head.etag);
        return s->response.last_modified && streq_ptr(s->response.last_modified, s->head.last_modified);
}

/* Whether what follows this head goes on where the body broke off. Asked before the first byte of it
 * comes in. */
static bool is_the_rest(FetchStream *s) {
        if (s->head.status == 206)
                return s->head.range_start == (int64_t) s->offset &&
                       (same_version(s) || (!s->response.etag && !s->response.last_modified));
        if (s->head.status != 200)
                return true; /* no body at all */
        s->skip = s->offset;
        return same_version(s);
}

/* The last header is where it is decided whether the body is wanted. */
static size_t on_header(char *p, size_t size, size_t n, void *userdata) {
        FetchStream *s = userdata;
        int r = fetch_head_line(&s->head, p, size * n);

        if (r < 0) {
                s->failed = r;
                return 0;
        }
        if (r > 0)
                s->phase = PHASE_BODY;
        if (r > 0 && s->opened && !is_the_rest(s)) {
                s->failed = -ESTALE;
                return 0;
        }
        return size * n;
}

static bool head_has_body(const FetchHead *h) {
        return h->status == 200 || h->status == 206;
}

static size_t on_body(char *p, size_t size, size_t n, void *userdata) {
        FetchStream *s = userdata;
        size_t total = size * n, dropped;

        if (!head_has_body(&s->head))
                return total; /* an error page */
        dropped = (size_t) MIN(s->skip, (uint64_t) total);
        s->skip -= dropped;
        s->failed = buffer_append(&s->body, p + dropped, total - dropped);
        if (s->failed < 0)
                return 0;
        s->offset += total - dropped;
        return total;
}

static int add_line(FetchStream *s, const char *name, const char *value) {
        _cleanup_free_ char *line = NULL;
        struct curl_slist *list;

        if (asprintf(&line, "%s%s%s", name, value ? ": " : "", strempty(value)) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        list = curl_slist_append(s->list, line);
        if (!list)
                return -ENOMEM;
        s->list = list;
        return 0;
}

/* Conditions go with the first request only; a retry wants the rest of what that one promised. */
static int make_headers(FetchStream *s) {
        const char *validator = s->response.etag ?: s->response.last_modified;
        char range[48];
        int r;

        curl_slist_free_all(s->list);
        s->list = NULL;
        /* The body as it is stored: a coding made on the way could not be gone on with by Range. */
        r = add_line(s, "Accept-Encoding", "identity");
        STRV_FOREACH(h, s->headers)
                if (r >= 0)
                        r = add_line(s, *h, NULL);
        if (r >= 0 && !s->opened && s->options.if_none_match)
                r = add_line(s, "If-None-Match", s->options.if_none_match);
        if (r >= 0 && !s->opened && s->options.if_modified_since)
                r = add_line(s, "If-Modified-Since", s->options.if_modified_since);
        if (r >= 0 && s->offset > 0) {
                (void) snprintf(range, sizeof(range), "bytes=%llu-", (unsigned long long) s->offset);
                r = add_line(s, "Range", range);
                if (r >= 0 && validator && strncmp(validator, "W/", 2) != 0)
                        r = add_line(s, "If-Range", validator);
        }
        return r;
}

/* A handle that is reset keeps its connections. */
static int start_request(FetchStream *s) {
        CURL *e = s->easy;
        int r;

        curl_multi_remove_handle(s->multi, e);
        curl_easy_reset(e);
        fetch_head_done(&s->head);
        s->phase = PHASE_HEAD;
        s->failed = 0;
        s->skip = 0;
        r = make_headers(s);
        if (r < 0)
                return r;
        if (curl_easy_setopt(e, CURLOPT_URL, s->url) != CURLE_OK)
                return -ENOMEM;
        (void) curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
        (void) curl_easy_setopt(e, CURLOPT_HTTPHEADER, s->list);
        (void) curl_easy_setopt(e, CURLOPT_USERAGENT, "gantry/" PACKAGE_VERSION);
        (void) curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
        (void) curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                                (long) (s->options.connect_timeout / USEC_PER_MSEC));
        (void) curl_easy_setopt(e, CURLOPT_LOW_SPEED_LIMIT, 1L);
        (void) curl_easy_setopt(e, CURLOPT_LOW_SPEED_TIME,
                                (long) MAX(s->options.stall_timeout / USEC_PER_SEC, (usec_t) 1));
        (void) curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
        (void) curl_easy_setopt(e, CURLOPT_HEADERDATA, s);
        (void) curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
        (void) curl_easy_setopt(e, CURLOPT_WRITEDATA, s);
        return curl_multi_add_handle(s->multi, e) == CURLM_OK ? 0 : -ENOMEM;
}

/* Lets curl work until something new is there: the head, a piece of the body, the end. */
static int pump(FetchStream *s) {
        FetchPhase before = s->phase;
        int running, left;
        CURLMsg *m;

        while (s->phase == before && s->body.len == 0) {
                if (curl_multi_perform(s->multi, &running) != CURLM_OK)
                        return -EIO;
                if (s->failed < 0)
                        return s->failed;
                while ((m = curl_multi_info_read(s->multi, &left)))
                        if (m->msg == CURLMSG_DONE) {
                                s->result = m->data.result;
                                s->phase = PHASE_END;
                        }
                if (s->phase != before || s->body.len > 0)
                        break;
                if (curl_multi_poll(s->multi, NULL, 0, POLL_MS, NULL) != CURLM_OK)
                        return -EIO;
        }
        return 0;
}

/* ---- what an answer means ---- */

/* Negative errno of curl's failure; *ret_passing: another try may help. */
static int result_errno(CURLcode result, bool *ret_passing) {
        *ret_passing = true;
        switch (result) {
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_COULDNT_CONNECT:
                return -ECONNREFUSED;
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_PARTIAL_FILE:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_GOT_NOTHING:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
        case CURLE_SSL_CONNECT_ERROR:
                return -ECONNRESET;
        case CURLE_OUT_OF_MEMORY:
                *ret_passing = false;
                return -ENOMEM;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
                *ret_passing = false;
                return -EINVAL;
        default: /* certificates above all */
                *ret_passing = false;
                return -EPROTO;
        }
}

/* The statuses that servers use for "later" may pass; a 4xx will be the same next time. */
static int status_errno(unsigned status, bool *ret_passing) {
        *ret_passing = status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
                       status == 504;
        if (*ret_passing)
                return -EAGAIN;
        switch (status) {
        case 401:
        case 403:
                return -EACCES;
        case 404:
        case 410:
                return -ENOENT;
        default:
                return -EREMOTEIO;
        }
}

/* What is told about the body stays that of the first answer, whatever later ones say. */
static int accept_first(FetchStream *s) {
        FetchHead *h = &s->head;

        s->response = (FetchResponse) {
                .status = h->status,
                .size = h->content_length,
                .modified = h->last_modified ? (int64_t) curl_getdate(h->last_modified, NULL) : -1,
                .etag = h->etag ? strdup(h->etag) : NULL,
                .last_modified = h->last_modified ? strdup(h->last_modified) : NULL,
                .url = strdup(s->url),
        };
        s->response.content_type = TAKE_PTR(h->content_type);
        s->response.content_encoding = TAKE_PTR(h->content_encoding);
        s->opened = true;
        return s->response.url ? 0 : -ENOMEM;
}

static bool is_redirect(unsigned status) {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static char *url_part(CURLU *u, CURLUPart part) {
        char *s = NULL;

        return curl_url_get(u, part, &s, CURLU_DEFAULT_PORT) == CURLUE_OK ? s : NULL;
}

static bool same_part(CURLU *a, CURLU *b, CURLUPart part) {
        char *x = url_part(a, part), *y = url_part(b, part);
        bool same = x && y && strcasecmp(x, y) == 0;

        curl_free(x);
        curl_free(y);
        return same;
}

/* Makes the next URL out of Location. Headers may hold credentials: another host doesn't get them. */
static int follow(FetchStream *s, Error **reterr_error) {
        CURLU *from = curl_url(), *to = curl_url();
        char *next = NULL;
        bool good, same_host;

        good = from && to && s->head.location && curl_url_set(from, CURLUPART_URL, s->url, 0) == CURLUE_OK &&
               curl_url_set(to, CURLUPART_URL, s->url, 0) == CURLUE_OK &&
               curl_url_set(to, CURLUPART_URL, s->head.location, 0) == CURLUE_OK;
        same_host = good && same_part(from, to, CURLUPART_SCHEME) && same_part(from, to, CURLUPART_HOST) &&
                    same_part(from, to, CURLUPART_PORT);
        if (good)
                next = url_part(to, CURLUPART_URL);
        curl_url_cleanup(from);
        curl_url_cleanup(to);
        if (!next)
                return error_set(reterr_error, -EPROTO, "'%s' redirects to nowhere", s->shown);
        if (!fetch_is_url(next) || (strncasecmp(s->url, "https:", 6) == 0 && strncasecmp(next, "https:",
                                                                                         6) != 0)) {
                curl_free(next);
                return error_set(reterr_error, -EPROTO, "'%s' redirects away from https", s->shown);
        }
        if (!same_host)
                s->headers = strv_free(s->headers);
        free(s->url);
        s->url = strdup(next);
        curl_free(next);
        return s->url ? 0 : -ENOMEM;
}

/* ---- tries ---- */

/* The server's wish counts when it is longer, up to a limit. */
static int pause_before(FetchStream *s, unsigned failures, Error **reterr_error) {
        usec_t span = s->options.retry_pause << MIN(failures - 1, 10U);
        struct timespec ts;

        if (s->head.retry_after >= 0)
                span = MAX(span, (usec_t) s->head.retry_after * USEC_PER_SEC);
        if (span > s->options.retry_after_max)
                return error_set(reterr_error, -EAGAIN,
                                 "'%s': the server asks to come back in %lld seconds only", s->shown,
                                 (long long) s->head.retry_after);
        ts = (struct timespec) { .tv_sec = (time_t) (span / USEC_PER_SEC),
                                 .tv_nsec = (long) (span % USEC_PER_SEC) * 1000 };
        /* A signal means that somebody wants us to end. */
        return nanosleep(&ts, NULL) < 0 ? -ECANCELED : 0;
}

/* Sends requests until one has an answer whose body is what is wanted next. */
static int request(FetchStream *s, unsigned failures, Error **reterr_error) {
        unsigned redirects = 0;
        bool passing;
        int r;

        for (;;) {
                if (failures > 0) {
                        r = pause_before(s, failures, reterr_error);
                        if (r < 0)
                                return r;
                }
                r = start_request(s);
                while (r >= 0 && s->phase == PHASE_HEAD)
                        r = pump(s);
                if (r == -ESTALE)
                        return error_set(reterr_error, r,
                                         "'%s' broke off and cannot be gone on with: it is another version by now",
                                         s->shown);
                if (r < 0)
                        return r;
                if (s->head.status == 0 || (s->phase == PHASE_END && s->result != CURLE_OK &&
                                            !head_has_body(&s->head))) {
                        r = result_errno(s->result, &passing);
                        (void) error_set(reterr_error, r, "'%s' cannot be fetched: %s", s->shown,
                                         curl_easy_strerror(s->result));
                } else if (is_redirect(s->head.status)) {
                        if (++redirects > REDIRECTS_MAX)
                                return error_set(reterr_error, -ELOOP, "'%s' redirects more than %u times",
                                                 s->shown,
                                                 REDIRECTS_MAX);
                        r = follow(s, reterr_error);
                        if (r < 0)
                                return r;
                        continue;
                } else if (s->opened && head_has_body(&s->head))
                        return 0;
                else if (!s->opened && (s->head.status == 200 || s->head.status == 304))
                        return accept_first(s);
                else {
                        r = status_errno(s->head.status, &passing);
                        (void) error_set(reterr_error, r, "'%s' cannot be fetched: the server answers %u",
                                         s->shown,
                                         s->head.status);
                }
                if (!passing || ++failures >= s->options.tries)
                        return r;
        }
}

char *fetch_shown_url(const char *url) {
        CURLU *u = curl_url();
        char *text = NULL, *copy;

        if (u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK) {
                (void) curl_url_set(u, CURLUPART_USER, NULL, 0);
                (void) curl_url_set(u, CURLUPART_PASSWORD, NULL, 0);
                (void) curl_url_set(u, CURLUPART_QUERY, NULL, 0); /* tokens often stand there */
                (void) curl_url_get(u, CURLUPART_URL, &text, 0);
        }
        copy = strdup(text ?: "the URL");
        curl_free(text);
        curl_url_cleanup(u);
        return copy;
}

static void set_defaults(FetchOptions *o) {
        o->connect_timeout = o->connect_timeout ?: CONNECT_TIMEOUT_DEFAULT;
        o->stall_timeout = o->stall_timeout ?: STALL_TIMEOUT_DEFAULT;
        o->tries = o->tries ?: TRIES_DEFAULT;
        o->retry_pause = o->retry_pause ?: RETRY_PAUSE_DEFAULT;
        o->retry_after_max = o->retry_after_max ?: RETRY_AFTER_DEFAULT;
}

int fetch_open(const char *url, const FetchOptions *options, FetchStream **ret, Error **reterr_error) {
        _cleanup_(fetch_freep) FetchStream *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        if (!fetch_is_url(url))
                return error_set(reterr_error, -EINVAL, "'%s' is not an http or https URL", url);
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        s->options = options ? *options : (FetchOptions) {};
        set_defaults(&s->options);
        s->url = strdup(url);
        s->shown = fetch_shown_url(url);
        s->multi = curl_multi_init();
        s->easy = curl_easy_init();
        s->headers = strv_copy(s->options.headers);
        if (!s->url || !s->shown || !s->multi || !s->easy || !s->headers)
                return -ENOMEM;
        r = request(s, 0, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

/* The request is over: 0 when the body is whole, 1 when the rest of it is on its way. */
static int finish_or_resume(FetchStream *s, Error **reterr_error, unsigned *failures,
                            uint64_t *last_offset) {
        bool passing;
        int r;

        if (s->result == CURLE_OK)
                return 0;
        r = result_errno(s->result, &passing);
        (void) error_set(reterr_error, r, "'%s' broke off after %llu bytes: %s", s->shown,
                         (unsigned long long) s->offset,
                         curl_easy_strerror(s->result));
        if (s->offset > *last_offset)
                *failures = 0; /* it gets on */
        *last_offset = s->offset;
        if (!passing || ++*failures >= s->options.tries)
                return r;
        r = request(s, *failures, reterr_error);
        return r < 0 ? r : 1;
}

ssize_t fetch_read(FetchStream *s, void *p, size_t n, Error **reterr_error) {
        uint64_t last_offset = s->offset;
        unsigned failures = 0;
        int r;

        if (n == 0 || s->response.status == 304)
                return 0;
        while (s->body.len == 0) {
                if (s->phase == PHASE_END) {
                        r = finish_or_resume(s, reterr_error, &failures, &last_offset);
                        if (r <= 0)
                                return r;
                        continue;
                }
                r = pump(s);
                if (r < 0)
                        return r;
        }
        if (s->options.size_max > 0 && s->offset > s->options.size_max)
                return error_set(reterr_error, -EFBIG, "it is larger than the limit of %llu bytes",
                                 (unsigned long long) s->options.size_max);
        if (reterr_error && *reterr_error)
                *reterr_error = error_free(*reterr_error); /* of a failure that has been overcome */
        n = MIN(n, s->body.len);
        memcpy(p, buffer_bytes(&s->body), n);
        buffer_consume(&s->body, n);
        return (ssize_t) n;
}
