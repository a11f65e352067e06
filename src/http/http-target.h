/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The target of a request taken apart: path segments, decoded one by one (an encoded slash never becomes a
 * separator), and query parameters. Form bodies have the grammar of a query. */

#include "basic/macro.h"

#define HTTP_SEGMENTS_MAX 16U
#define HTTP_PARAMETERS_MAX 256U

typedef struct HttpParameter {
        char *name, *value;
} HttpParameter;

typedef struct HttpTarget {
        char *segments[HTTP_SEGMENTS_MAX];
        size_t n_segments;
        HttpParameter *parameters;
        size_t n_parameters;
} HttpTarget;

/* `target` begins with '/'. A trailing slash counts as an empty last segment, except for "/" itself, which
 * has none.
 * -EBADMSG: bad escapes, control characters or bytes that are not UTF-8 in what they decode to, '.' or
 * '..' as a segment, an encoded slash; -E2BIG: too many of them. */
int http_target_parse(const char *target, HttpTarget *ret);
void http_target_done(HttpTarget *t);
#define _cleanup_http_target_ _cleanup_(http_target_done)

/* Appends the parameters of a query or of an application/x-www-form-urlencoded body. */
int http_target_add_query(HttpTarget *t, const char *p, size_t n);

/* The first value, or NULL. */
const char *http_target_get(const HttpTarget *t, const char *name);
