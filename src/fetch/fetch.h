/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* HTTP for programs that may wait: a body is read like a file. Behind it: time limits, retries with
 * growing pauses for 429, 5xx and broken connections (Retry-After is honoured), a body that breaks off is
 * gone on with by Range from where it stopped, provided that the server still has the same version of it
 * (ETag or Last-Modified, sent as If-Range).
 *
 * Redirects are followed a few times, never from https to http, and credentials never to another host.
 * What may be reached at all is the sandbox's business, not ours. */

#include "basic/error.h"
#include "basic/strv.h"
#include "basic/time-util.h"

typedef struct FetchOptions {
        char *const *headers;        /* "Name: value", sent as they are to the first host only */
        const char *if_none_match;   /* for a conditional GET; NULL = not sent */
        const char *if_modified_since;
        usec_t connect_timeout;      /* 0 = 30 s */
        usec_t stall_timeout;        /* no byte for so long: 0 = 60 s */
        unsigned tries;              /* per request and per interruption; 0 = 5 */
        usec_t retry_pause;          /* before the second try, doubled for each further one; 0 = 1 s */
        usec_t retry_after_max;      /* a server that wants a longer pause is given up; 0 = 5 min */
        uint64_t size_max;           /* of the body as it is sent; 0 = no limit */
} FetchOptions;

typedef struct FetchResponse {
        unsigned status;        /* 200 or, for a conditional GET, 304 */
        int64_t size;           /* of the body as it is sent, -1 = not told */
        char *etag;             /* NULL = none, as is last_modified */
        char *last_modified;    /* the header's text */
        int64_t modified;       /* the same in seconds since the epoch, -1 = not told */
        char *content_type;
        char *content_encoding; /* the body comes as it is sent: decoding is the caller's */
        char *url;              /* after redirects */
} FetchResponse;

typedef struct FetchStream FetchStream;

/* Asks for `url` (http or https) and waits for the head of the answer. Errors: -ENOENT 404 and 410,
 * -EACCES 401 and 403, -EREMOTEIO other refusals, -EAGAIN when all tries met a passing failure, -EPROTO,
 * -ECONNREFUSED, -ETIMEDOUT, … */
int fetch_open(const char *url, const FetchOptions *options, FetchStream **ret, Error **reterr_error);
FetchStream *fetch_free(FetchStream *s);
DEFINE_CLEANUP(FetchStream, fetch_free);

const FetchResponse *fetch_response(const FetchStream *s);

/* Up to `n` bytes of the body, 0 at its end. -ESTALE when it changed while it was read, -EFBIG over the
 * limit. */
ssize_t fetch_read(FetchStream *s, void *p, size_t n, Error **reterr_error);

/* The URL without what may be secret in it: user, password, query. NULL when out of memory. */
char *fetch_shown_url(const char *url);

/* Whether this is a URL that we fetch. */
bool fetch_is_url(const char *s);
