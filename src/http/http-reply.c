/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An answer is made once and whole before anything is sent, or it is a stream.
 *
 * A stream is fed by its owner and read by libmicrohttpd, and either may go first. It is freed when the
 * owner has let go of it (`owned`) and the connection is through with it (`gone`). With nothing to read
 * the connection is suspended; writing resumes it. A reader that is too slow doesn't make the owner wait:
 * beyond a limit the stream ends and the owner is told at its next write.
 *
 * Errors from inside are not shown: the sentence of an unexpected one may name paths or SQL, and is for
 * the journal. */

#include "http/http-reply.h"

#define PROBLEM_TYPE "application/problem+json"

/* In every answer: data of the API belongs into no cache, and no browser guesses what it is. */
static const char *const fixed_headers[][2] = {
        { MHD_HTTP_HEADER_CONNECTION, "close" },
        { MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
        { "X-Content-Type-Options", "nosniff" },
};

bool http_request_is_answered(const HttpRequest *q) {
        return q->response;
}

int http_reply_add_header(HttpRequest *q, const char *name, const char *value) {
        _cleanup_free_ char *n = strdup(name), *v = strdup(value);

        assert(q->n_headers < ELEMENTSOF(q->headers));
        if (!n || !v)
                return -ENOMEM;
        q->headers[q->n_headers].name = TAKE_PTR(n);
        q->headers[q->n_headers++].value = TAKE_PTR(v);
        return 0;
}

/* Takes the response over. */
static int answer(HttpRequest *q, unsigned status, const char *content_type, struct MHD_Response *response) {
        enum MHD_Result ok = response ? MHD_YES : MHD_NO;

        assert(!q->response);
        for (size_t i = 0; ok == MHD_YES && i < ELEMENTSOF(fixed_headers); i++)
                ok = MHD_add_response_header(response, fixed_headers[i][0], fixed_headers[i][1]);
        if (ok == MHD_YES && content_type)
                ok = MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
        for (size_t i = 0; ok == MHD_YES && i < q->n_headers; i++)
                ok = MHD_add_response_header(response, q->headers[i].name, q->headers[i].value);
        if (ok != MHD_YES) {
                if (response)
                        MHD_destroy_response(response);
                return -ENOMEM;
        }
        q->response = response;
        q->status = status;
        http_request_resume(q);
        return 0;
}

int http_reply_buffer(HttpRequest *q, unsigned status, const char *content_type, Buffer *body) {
        size_t n = body->len;
        char *text = buffer_steal_string(body);
        struct MHD_Response *response;

        if (!text)
                return -ENOMEM;
        response = MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE);
        if (!response)
                free(text);
        return answer(q, status, content_type, response);
}

int http_reply_text(HttpRequest *q, unsigned status, const char *content_type, const char *text) {
        _cleanup_buffer_ Buffer b = {};

        if (buffer_append_string(&b, text) < 0)
                return -ENOMEM;
        return http_reply_buffer(q, status, content_type, &b);
}

static int reply_json_as(HttpRequest *q, unsigned status, const char *content_type, JsonObject *o) {
        _cleanup_buffer_ Buffer b = {};
        int r = json_append(&b, o);

        return r < 0 ? r : http_reply_buffer(q, status, content_type, &b);
}

int http_reply_json(HttpRequest *q, unsigned status, JsonObject *o) {
        return reply_json_as(q, status, "application/json", o);
}

int http_reply_empty(HttpRequest *q, unsigned status) {
        return answer(q, status, NULL, MHD_create_response_from_buffer(0, (void *) "",
                                                                       MHD_RESPMEM_PERSISTENT));
}

int http_reply_problem(HttpRequest *q, HttpProblem p, const char *type, const char *detail,
                       JsonObject *data) {
        _cleanup_json_ JsonObject *o = http_problem_document(p, type, detail, data);

        if (!o)
                return -ENOMEM;
        if (p == HTTP_PROBLEM_UNAUTHORIZED) {
                int r = http_reply_add_header(q, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");

                if (r < 0)
                        return r;
        }
        return reply_json_as(q, http_problem_status(p), PROBLEM_TYPE, o);
}

int http_reply_error(HttpRequest *q, int r, const Error *e) {
        HttpProblem p = http_problem_from_errno(r);

        /* What went wrong inside is for the journal. */
        return http_reply_problem(q, p, NULL, p == HTTP_PROBLEM_UNEXPECTED ? "Something went wrong inside" :
                                              e ? e->message : NULL, NULL);
}

struct HttpStream {
        HttpRequest *request;
        Buffer pending;
        void (*on_close)(void *userdata);
        void *userdata;
        bool ended;
        bool gone;
        bool owned; /* by whoever began it */
};

static void stream_release(HttpStream *s) {
        if (s->owned || !s->gone)
                return;
        buffer_done(&s->pending);
        free(s);
}

static ssize_t on_read(void *userdata, uint64_t position, char *p, size_t n) {
        HttpStream *s = userdata;

        n = MIN(n, s->pending.len);
        if (n > 0) {
                memcpy(p, buffer_bytes(&s->pending), n);
                buffer_consume(&s->pending, n);
                return (ssize_t) n;
        }
        if (s->ended || s->gone)
                return MHD_CONTENT_READER_END_OF_STREAM;
        s->request->suspended = true;
        MHD_suspend_connection(s->request->connection);
        return 0;
}

int http_stream_begin(HttpRequest *q, const char *content_type, void (*on_close)(void *userdata),
                      void *userdata,
                      HttpStream **ret) {
        HttpStream *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (HttpStream) { .request = q, .on_close = on_close, .userdata = userdata, .owned = true };
        q->stream = s;
        r = answer(q, MHD_HTTP_OK, content_type,
                   MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024, on_read, s,
                                                     /* free= */ NULL));
        if (r < 0) {
                q->stream = NULL;
                free(s);
                return r;
        }
        *ret = s;
        return 0;
}

int http_stream_write(HttpStream *s, const void *p, size_t n) {
        int r;

        if (s->gone)
                return -EPIPE;
        if (s->ended || n > HTTP_STREAM_BUFFER_MAX - s->pending.len) {
                s->ended = true;
                return -ENOBUFS;
        }
        r = buffer_append(&s->pending, p, n);
        if (r >= 0)
                http_request_resume(s->request);
        return r;
}

size_t http_stream_waiting(const HttpStream *s) {
        return s->pending.len;
}

HttpStream *http_stream_free(HttpStream *s) {
        if (!s)
                return NULL;
        s->owned = false;
        s->ended = true;
        if (s->gone)
                stream_release(s);
        else
                http_request_resume(s->request);
        return NULL;
}

void http_stream_end(HttpStream *s) {
        s->ended = true;
}

void http_stream_gone(HttpStream *s) {
        s->request->stream = NULL;
        s->gone = true;
        /* Whoever hears of it may free the stream at once. */
        if (s->owned && s->on_close && !s->ended)
                s->on_close(s->userdata);
        else
                stream_release(s);
}
