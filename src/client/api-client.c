/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* curl's multi interface, hung into our loop: curl says which sockets it wants watched and when it wants
 * to be called (socket_wanted(), timer_wanted()), and collect() takes what is done. Handlers run from the
 * loop, never from inside of api_client_call().
 *
 * A request lives until its handler has run, tries and pauses included. Between two tries it isn't in
 * curl's hands and only its timer is; the answer of a failed try is dropped. What may be tried again is
 * decided on what can have happened: a connection that was refused has done nothing, so any call is
 * repeated; where an answer got lost, or the server was in trouble, only one that is idempotent. A
 * deadline bounds the whole, not each try.
 *
 * The handler may cancel other requests, start new ones and cancel its own, which is then a no-op
 * (`done`). Cancelling from outside drops the userdata and calls no handler; freeing the client cancels
 * all.
 *
 * Nothing leaves the machine: the only address is a socket's path, no proxy of the environment is used,
 * and no protocol but HTTP. */

#include <curl/curl.h>
#include <stdio.h>
#include <sys/time.h>
#include <time.h>

#include "client/api-client.h"

#define PAUSE_FIRST_USEC (50 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (5 * USEC_PER_SEC)
/* What an error body may add to a message. */
#define ERROR_TEXT_MAX 500

typedef struct ApiSocket {
        ApiClient *client;
        EnvSource *io;
        struct ApiSocket *next;
} ApiSocket;

struct ApiRequest {
        ApiClient *client;
        CURL *easy;
        struct curl_slist *headers;
        Buffer body, answer;
        ApiHandler handler;
        void (*drop)(void *userdata);
        void *userdata;
        EnvSource *pause_timer;
        usec_t deadline, pause;
        bool idempotent, in_multi, done;
        ApiRequest *next;
};

struct ApiClient {
        Env *env;
        char *socket_path;
        CURLM *multi;
        EnvSource *timer;
        ApiRequest *requests;
        ApiSocket *sockets;
};

void api_reply_done(ApiReply *r) {
        json_object_put(TAKE_PTR(r->body));
}

static ApiRequest *request_release(ApiRequest *q) {
        if (!q)
                return NULL;
        if (q->in_multi)
                curl_multi_remove_handle(q->client->multi, q->easy);
        curl_easy_cleanup(q->easy);
        curl_slist_free_all(q->headers);
        env_source_free(q->client->env, q->pause_timer);
        buffer_done(&q->body);
        buffer_done(&q->answer);
        free(q);
        return NULL;
}
DEFINE_CLEANUP(ApiRequest, request_release);

static void unlink_request(ApiRequest *q) {
        for (ApiRequest **p = &q->client->requests; *p; p = &(*p)->next)
                if (*p == q) {
                        *p = q->next;
                        return;
                }
}

static size_t on_body(char *p, size_t size, size_t n, void *userdata) {
        ApiRequest *q = userdata;

        if (q->answer.len + size * n > API_REPLY_MAX || buffer_append(&q->answer, p, size * n) < 0)
                return CURL_WRITEFUNC_ERROR;
        return size * n;
}

static int add_header(ApiRequest *q, const char *format, const char *value) {
        _cleanup_free_ char *line = NULL;
        struct curl_slist *longer;

        if (asprintf(&line, "%s%s", format, value) < 0) {
                line = NULL;
                return -ENOMEM;
        }
        longer = curl_slist_append(q->headers, line);
        if (!longer)
                return -ENOMEM;
        q->headers = longer;
        return 0;
}

static int add_headers(ApiRequest *q, const ApiCall *call) {
        /* No "100 Continue": it would cost a round trip for each body. */
        int r = add_header(q, "Expect:", "");

        if (r >= 0 && call->body)
                r = add_header(q, "Content-Type: ", call->content_type ?: "application/json");
        if (r >= 0 && call->token)
                r = add_header(q, "Authorization: Bearer ", call->token);
        return r;
}

static int set_up(ApiRequest *q, const ApiCall *call) {
        _cleanup_free_ char *url = NULL;
        CURL *e = q->easy;

        if (asprintf(&url, "http://localhost%s", call->path) < 0) {
                url = NULL;
                return -ENOMEM;
        }
        if (curl_easy_setopt(e, CURLOPT_URL, url) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, q->client->socket_path) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http") != CURLE_OK ||
            /* Whatever the environment says, this never leaves the machine. */
            curl_easy_setopt(e, CURLOPT_PROXY, "") != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_TIMEOUT_MS,
                             (long) ((call->timeout ?: API_TIMEOUT_USEC) / USEC_PER_MSEC)) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_WRITEDATA, q) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_PRIVATE, q) != CURLE_OK ||
            curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->headers) != CURLE_OK)
                return -ENOMEM;
        if (call->body && (curl_easy_setopt(e, CURLOPT_POSTFIELDS, strempty(q->body.data)) != CURLE_OK ||
                           curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE,
                                            (curl_off_t) q->body.len) != CURLE_OK))
                return -ENOMEM;
        return curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK ? 0 : -ENOMEM;
}

static int request_new(ApiClient *c, const ApiCall *call, ApiRequest **ret) {
        _cleanup_(request_releasep) ApiRequest *q = calloc(1, sizeof(*q));
        usec_t now = env_now(c->env, ENV_CLOCK_MONOTONIC);
        int r;

        if (!q)
                return -ENOMEM;
        q->client = c;
        q->idempotent = call->idempotent;
        q->pause = PAUSE_FIRST_USEC;
        q->deadline = now + (call->patience ?: API_PATIENCE_USEC);
        q->easy = curl_easy_init();
        if (!q->easy)
                return -ENOMEM;
        r = call->body ? buffer_append(&q->body, call->body, call->n_body) : 0;
        if (r >= 0)
                r = add_headers(q, call);
        if (r >= 0)
                r = set_up(q, call);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(q);
        return 0;
}

static bool may_try_again(const ApiRequest *q, CURLcode code, long status, usec_t now) {
        if (now + q->pause >= q->deadline)
                return false;
        if (code == CURLE_COULDNT_CONNECT)
                return true;
        return q->idempotent && (code != CURLE_OK ? code != CURLE_WRITE_ERROR : status == 429 ||
                                 status >= 500);
}

static usec_t next_pause(ApiRequest *q) {
        usec_t pause = q->pause;

        q->pause = MIN(q->pause * 2, PAUSE_MAX_USEC);
        buffer_reset(&q->answer);
        return pause;
}

/* What came back as the caller gets it. */
static int make_reply(ApiRequest *q, CURLcode code, ApiReply *ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *body = NULL;
        long status = 0;

        if (code != CURLE_OK)
                return error_set(reterr_error, -EAGAIN, "No answer at '%s': %s", q->client->socket_path,
                                 curl_easy_strerror(code));
        (void) curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
        /* An error's body may be anybody's text; a good answer must be JSON or nothing. */
        if (q->answer.len > 0 && json_parse(buffer_bytes(&q->answer), q->answer.len, &body, NULL) < 0 &&
            status < 300)
                return error_set(reterr_error, -EPROTO, "The answer at '%s' is not JSON",
                                 q->client->socket_path);
        *ret = (ApiReply) { .status = (unsigned) status, .body = TAKE_PTR(body) };
        return 0;
}

static void start_try(ApiRequest *q);

static int on_pause_over(EnvSource *s, usec_t now, void *userdata) {
        start_try(userdata);
        return 0;
}

static int try_later(ApiRequest *q, usec_t now) {
        Env *env = q->client->env;
        usec_t at = now + next_pause(q);

        if (q->pause_timer)
                return env->ops->timer_set(q->pause_timer, at);
        return env->ops->timer_add(env, at, on_pause_over, q, &q->pause_timer);
}

static void finish(ApiRequest *q, CURLcode code) {
        usec_t now = env_now(q->client->env, ENV_CLOCK_MONOTONIC);
        _cleanup_(api_reply_done) ApiReply reply = {};
        _cleanup_error_ Error *error = NULL;
        long status = 0;
        int r;

        curl_multi_remove_handle(q->client->multi, q->easy);
        q->in_multi = false;
        (void) curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
        if (may_try_again(q, code, status, now) && try_later(q, now) >= 0)
                return;
        r = make_reply(q, code, &reply, &error);
        unlink_request(q);
        q->done = true;
        if (q->handler)
                q->handler(r < 0 ? NULL : &reply, error, q->userdata);
        request_release(q);
}

static void start_try(ApiRequest *q) {
        if (curl_multi_add_handle(q->client->multi, q->easy) == CURLM_OK)
                q->in_multi = true;
        else
                finish(q, CURLE_OUT_OF_MEMORY);
}

static void collect(ApiClient *c) {
        CURLMsg *m;
        int left;

        while ((m = curl_multi_info_read(c->multi, &left))) {
                CURLcode code = m->data.result;
                ApiRequest *q = NULL;

                if (m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE,
                                                                &q) == CURLE_OK && q)
                        finish(q, code);
        }
}

static int on_io(EnvSource *s, int fd, uint32_t events, void *userdata) {
        ApiClient *c = ((ApiSocket *) userdata)->client;
        int running, what = (events & ENV_READABLE ? CURL_CSELECT_IN : 0) | (events & ENV_WRITABLE
                                                                             ? CURL_CSELECT_OUT : 0) |
                (events & ENV_HANGUP ? CURL_CSELECT_ERR : 0);

        (void) curl_multi_socket_action(c->multi, fd, what, &running);
        collect(c);
        return 0;
}

static int on_timer(EnvSource *s, usec_t now, void *userdata) {
        ApiClient *c = userdata;
        int running;

        (void) curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        collect(c);
        return 0;
}

/* curl tells when it wants to be called. */
static int timer_wanted(CURLM *multi, long msec, void *userdata) {
        ApiClient *c = userdata;
        usec_t at = msec < 0 ? USEC_INFINITY : env_now(c->env,
                                                       ENV_CLOCK_MONOTONIC) + (usec_t) msec * USEC_PER_MSEC;

        return c->env->ops->timer_set(c->timer, at) < 0 ? -1 : 0;
}

static void socket_forget(ApiClient *c, ApiSocket *s) {
        for (ApiSocket **p = &c->sockets; *p; p = &(*p)->next)
                if (*p == s) {
                        *p = s->next;
                        break;
                }
        env_source_free(c->env, s->io);
        free(s);
}

/* curl tells which sockets it wants to have watched. */
static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *userdata, void *socketp) {
        uint32_t events = (what & CURL_POLL_IN ? ENV_READABLE : 0U) | (what & CURL_POLL_OUT ? ENV_WRITABLE
                                                                       : 0U);
        ApiClient *c = userdata;
        ApiSocket *s = socketp;

        if (what == CURL_POLL_REMOVE) {
                if (s)
                        socket_forget(c, s);
                return 0;
        }
        if (s)
                return c->env->ops->io_set(s->io, events) < 0 ? -1 : 0;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -1;
        s->client = c;
        if (c->env->ops->io_add(c->env, fd, events, /* priority= */ 0, on_io, s, &s->io) < 0) {
                free(s);
                return -1;
        }
        s->next = c->sockets;
        c->sockets = s;
        (void) curl_multi_assign(c->multi, fd, s);
        return 0;
}

int api_client_new(Env *env, const char *socket_path, ApiClient **ret) {
        _cleanup_(api_client_freep) ApiClient *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->env = env;
        c->socket_path = strdup(socket_path);
        if (!c->socket_path || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return -ENOMEM;
        c->multi = curl_multi_init();
        if (!c->multi)
                return -ENOMEM;
        r = env->ops->timer_add(env, USEC_INFINITY, on_timer, c, &c->timer);
        if (r < 0)
                return r;
        (void) curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
        (void) curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
        (void) curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
        (void) curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
        *ret = TAKE_PTR(c);
        return 0;
}

ApiClient *api_client_free(ApiClient *c) {
        if (!c)
                return NULL;
        while (c->requests)
                api_request_cancel(c->requests);
        if (c->multi)
                curl_multi_cleanup(c->multi);
        while (c->sockets)
                socket_forget(c, c->sockets);
        env_source_free(c->env, c->timer);
        free(c->socket_path);
        free(c);
        return NULL;
}

int api_client_call(ApiClient *c, const ApiCall *call, ApiHandler handler, void *userdata,
                    ApiRequest **ret) {
        ApiRequest *q = NULL;
        int r = request_new(c, call, &q);

        if (r < 0)
                return r;
        q->handler = handler;
        q->drop = call->drop;
        q->userdata = userdata;
        if (curl_multi_add_handle(c->multi, q->easy) != CURLM_OK) {
                request_release(q);
                return -ENOMEM;
        }
        q->in_multi = true;
        q->next = c->requests;
        c->requests = q;
        if (ret)
                *ret = q;
        return 0;
}

ApiRequest *api_request_cancel(ApiRequest *q) {
        if (q && !q->done) {
                unlink_request(q);
                if (q->drop)
                        q->drop(q->userdata);
                request_release(q);
        }
        return NULL;
}

size_t api_client_n_pending(const ApiClient *c) {
        size_t n = 0;

        for (const ApiRequest *q = c->requests; q; q = q->next)
                n++;
        return n;
}

int api_client_call_wait(ApiClient *c, const ApiCall *call, ApiReply *ret, Error **reterr_error) {
        _cleanup_(request_releasep) ApiRequest *q = NULL;
        int r = request_new(c, call, &q);

        if (r < 0)
                return r;
        for (;;) {
                CURLcode code = curl_easy_perform(q->easy);
                usec_t pause;
                long status = 0;

                (void) curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
                if (!may_try_again(q, code, status, env_now(c->env, ENV_CLOCK_MONOTONIC)))
                        return make_reply(q, code, ret, reterr_error);
                pause = next_pause(q);
                (void) nanosleep(&(struct timespec) { .tv_sec = (time_t) (pause / USEC_PER_SEC),
                                                      .tv_nsec = (long) (pause % USEC_PER_SEC) * 1000 },
                                                              NULL);
        }
}

int api_reply_errno(const ApiReply *r, Error **reterr_error) {
        static const struct {
                unsigned status;
                int error;
        } table[] = {
                { 401, -EACCES }, { 403, -EACCES }, { 404, -ENOENT }, { 409, -EEXIST }, { 410, -ESTALE },
                        { 429, -EAGAIN },
        };
        const char *text = NULL;
        int error = r->status >= 500 ? -EAGAIN : -EINVAL;

        if (r->status >= 200 && r->status < 300)
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (table[i].status == r->status)
                        error = table[i].error;
        for (size_t i = 0; !text && i < 2; i++)
                (void) json_get_string(r->body, i == 0 ? "message" : "detail", &text, "answer", NULL);
        return error_set(reterr_error, error, "HTTP %u%s%.*s", r->status, text ? ": " : "", ERROR_TEXT_MAX,
                         strempty(text));
}
