/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The framing guard: judges the bytes of a request's head before the HTTP library sees them.
 *
 * Two readers who disagree on where a request ends are how requests are smuggled, and libmicrohttpd 0.9.75
 * is generous (it takes a bare LF, a folded header, Content-Length beside Transfer-Encoding). What is
 * allowed here is narrower than RFC 9112 and leaves one reading only. */

#include "basic/macro.h"

/* The largest head: request line and all headers. */
#define HTTP_HEAD_MAX (16U * 1024U)
#define HTTP_HEADERS_MAX 100U

/* 1: the head is whole and good; 0: good so far, more must come; -EBADMSG: refused, `*ret_why` (static)
 * says for what. Looks at nothing behind the head. */
int http_head_check(const char *p, size_t n, const char **ret_why);
