/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON over HTTP to a daemon of ours, through its unix socket, without waiting: the answer comes from the
 * loop. The daemons are started by their sockets and leave when idle, so a connection that is refused or
 * breaks off is nothing unusual: what may be repeated is repeated, with growing pauses, until the
 * caller's patience ends. */

#include "basic/env.h"
#include "shared/json-util.h"

#define API_REPLY_MAX (256U * 1024U * 1024U)
#define API_TIMEOUT_USEC (30 * USEC_PER_SEC)
#define API_PATIENCE_USEC (60 * USEC_PER_SEC)

typedef struct ApiClient ApiClient;
typedef struct ApiRequest ApiRequest;

typedef struct ApiCall {
        const char *method;       /* GET, POST, PUT */
        const char *path;         /* "/api/v1/…", escaped */
        const char *body;         /* NULL: none. Copied */
        size_t n_body;
        const char *content_type; /* NULL: application/json */
        const char *token;        /* NULL: none */
        usec_t timeout;           /* of one try; 0 = API_TIMEOUT_USEC */
        usec_t patience;          /* of all tries; 0 = API_PATIENCE_USEC */
        void (*drop)(void *userdata); /* instead of the handler, when the call is dropped; NULL: nothing */
        bool idempotent;          /* 5xx, 429 and broken connections are tried again; refused ones always */
} ApiCall;

/* The answer to a call: `status` is HTTP's, `body` its JSON or NULL. */
typedef struct ApiReply {
        unsigned status;
        JsonObject *body;
} ApiReply;
void api_reply_done(ApiReply *r);

/* `reply` is NULL when there was none; then `error` says why. Comes once. */
typedef void (*ApiHandler)(const ApiReply *reply, const Error *error, void *userdata);

int api_client_new(Env *env, const char *socket_path, ApiClient **ret);
/* Drops what is under way, without a word to the handlers. */
ApiClient *api_client_free(ApiClient *c);
DEFINE_CLEANUP(ApiClient, api_client_free);

/* `ret` (may be NULL) is valid until its handler is called. */
int api_client_call(ApiClient *c, const ApiCall *call, ApiHandler handler, void *userdata, ApiRequest **ret);
/* Forgets a call; its handler is not called. It may have been carried out all the same. */
ApiRequest *api_request_cancel(ApiRequest *q);
/* The number of calls under way. */
size_t api_client_n_pending(const ApiClient *c);

/* The same, waiting: for what must be known before the next step, and nothing else. -EAGAIN when there
 * was no answer. */
int api_client_call_wait(ApiClient *c, const ApiCall *call, ApiReply *ret, Error **reterr_error);

/* What a status means as errno: 0 for 2xx, -ENOENT 404, -EACCES 401 and 403, -EEXIST 409, -ESTALE 410,
 * -EAGAIN 429 and 5xx, -EINVAL all else. The sentence of a JSON error body goes to `reterr_error`. */
int api_reply_errno(const ApiReply *r, Error **reterr_error);
