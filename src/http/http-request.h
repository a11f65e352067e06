/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One request and its answer. A request is counted: a handler that answers later keeps a reference, and
 * may answer after the client has gone (nothing happens then). Answering twice is a programming error; a
 * request whose last reference goes without an answer is answered 500. */

#include <sys/types.h>

#include "http/http-problem.h"
#include "http/http-router.h"

/* For bus replies and the like: kept by whoever answers later. */
HttpRequest *http_request_ref(HttpRequest *q);
HttpRequest *http_request_unref(HttpRequest *q);
DEFINE_CLEANUP(HttpRequest, http_request_unref);

/* What was asked; all borrowed. */
const char *http_request_method(const HttpRequest *q);
const char *http_request_target(const HttpRequest *q); /* as sent */
const HttpRoute *http_request_route(const HttpRequest *q);
const HttpTarget *http_request_parameters(const HttpRequest *q);
const char *http_request_path_value(const HttpRequest *q, const char *name);
const char *http_request_query(const HttpRequest *q, const char *name); /* NULL: not given */
const char *http_request_header(const HttpRequest *q, const char *name);
const Buffer *http_request_body(const HttpRequest *q);

/* The body as one JSON value. -EPROTOTYPE: its Content-Type isn't JSON; -EBADMSG: it isn't JSON, or empty.
 * */
int http_request_json(HttpRequest *q, JsonObject **ret, Error **reterr_error);
/* Whether the body says it is `media_type` (lower case; parameters are ignored, but charset must be
 * UTF-8). */
bool http_request_has_type(const HttpRequest *q, const char *media_type);

/* The process at the other end of a unix socket; -EAFNOSUPPORT for others. */
typedef struct HttpPeer {
        pid_t pid;
        uid_t uid;
        gid_t gid;
} HttpPeer;
int http_request_peer(const HttpRequest *q, HttpPeer *ret);

/* A value of the program's that goes with the request (the caller's identity). */
void http_request_set_context(HttpRequest *q, void *context, void (*destroy)(void *));
void *http_request_context(const HttpRequest *q);
/* Where a handler puts the sentence for the errno that it returns. */
Error **http_request_error(HttpRequest *q);

/* Answers. Each returns 0, or -ENOMEM without having answered; JSON is borrowed. Headers are added first.
 * */
int http_reply_add_header(HttpRequest *q, const char *name, const char *value);
int http_reply_json(HttpRequest *q, unsigned status, JsonObject *o);
int http_reply_text(HttpRequest *q, unsigned status, const char *content_type, const char *text);
/* Takes the content out of `body`. */
int http_reply_buffer(HttpRequest *q, unsigned status, const char *content_type, Buffer *body);
int http_reply_empty(HttpRequest *q, unsigned status);
/* See http_problem_document(). */
int http_reply_problem(HttpRequest *q, HttpProblem p, const char *type, const char *detail, JsonObject *data);
/* The problem that `r` means, with the sentence of `e` (may be NULL). */
int http_reply_error(HttpRequest *q, int r, const Error *e);
bool http_request_is_answered(const HttpRequest *q);

/* An answer of unknown length, written bit by bit. What a slow reader has not taken yet is held up to
 * HTTP_STREAM_BUFFER_MAX; beyond it the stream is broken off. */
#define HTTP_STREAM_BUFFER_MAX (1024U * 1024U)

typedef struct HttpStream HttpStream;
/* `on_close` is called once when the client has gone; never after http_stream_free(). */
int http_stream_begin(HttpRequest *q, const char *content_type, void (*on_close)(void *userdata), void *userdata,
                      HttpStream **ret);
/* -EPIPE: the client has gone; -ENOBUFS: it reads too slowly, the stream has been broken off. */
int http_stream_write(HttpStream *s, const void *p, size_t n);
/* How many bytes of it the client has not taken yet. */
size_t http_stream_waiting(const HttpStream *s);
/* Ends the answer. */
HttpStream *http_stream_free(HttpStream *s);
DEFINE_CLEANUP(HttpStream, http_stream_free);
