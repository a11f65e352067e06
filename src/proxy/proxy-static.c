/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files are opened segment by segment without following links, below a directory that was opened once, so
 * no name leads out of it. A path that names no file is a page of the UI, which draws it itself: it gets
 * index.html. Only a name with an ending that we know is said to be missing.
 *
 * The whole file is in memory before the head is written; PROXY_STATIC_MAX bounds that. Scripts and
 * styles have the hash of their content in their names and may be kept for ever, everything else is asked
 * for each time. The policy in the head allows what the UI's own origin serves and nothing else: no
 * inline script, no frame around it. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/json-write.h"
#include "http/http-target.h"
#include "proxy/proxy-static.h"

static const struct {
        const char *suffix, *type;
} types[] = {
        { ".html", "text/html; charset=utf-8" },       { ".js", "text/javascript; charset=utf-8" },
        { ".css", "text/css; charset=utf-8" },         { ".json", "application/json" },
        { ".svg", "image/svg+xml" },                   { ".png", "image/png" },
        { ".ico", "image/x-icon" },                    { ".woff2", "font/woff2" },
        { ".txt", "text/plain; charset=utf-8" },       { ".map", "application/json" },
        { ".webmanifest", "application/manifest+json" },
};

static const char placeholder[] =
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Gantry</title></head>\n"
        "<body><h1>Gantry</h1><p>The web interface is not installed. The API is below "
        "<a href=\"/api/public/v1\">/api/public/v1</a>.</p></body></html>\n";

static const char *type_of(const char *name) {
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                size_t n_suffix = strlen(types[i].suffix);

                if (n > n_suffix && streq(name + n - n_suffix, types[i].suffix))
                        return types[i].type;
        }
        return NULL;
}

static int write_head(Buffer *b, unsigned status, const char *reason, const char *type, bool immutable, size_t n) {
        return buffer_appendf(b, "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
                              "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                              "img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
                              "base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n"
                              "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
                              "Cross-Origin-Opener-Policy: same-origin\r\nCross-Origin-Resource-Policy: same-origin\r\n"
                              "Cache-Control: %s\r\n\r\n",
                              status, reason, type, n,
                              immutable ? "public, max-age=31536000, immutable" : "no-cache");
}

/* Opens directory by directory: no link is followed, and a segment is a name. */
static int open_file(int root_fd, const HttpTarget *t) {
        _cleanup_close_ int directory = -EBADF;
        int at = root_fd;

        if (t->n_segments == 0)
                return openat(root_fd, "index.html", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        for (size_t i = 0; i + 1 < t->n_segments; i++) {
                int next = openat(at, t->segments[i], O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

                if (next < 0)
                        return -errno;
                (void) safe_close(directory);
                directory = at = next;
        }
        return RET_NERRNO(openat(at, t->segments[t->n_segments - 1], O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

/* 1: the content of a regular file; 0: there is none. */
static int read_target(int root_fd, const HttpTarget *t, char **ret, size_t *ret_n) {
        _cleanup_close_ int fd = open_file(root_fd, t);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
                return 0;
        r = read_file_fd(fd, "the file", PROXY_STATIC_MAX, ret, ret_n, NULL);
        return r < 0 ? r : 1;
}

static bool is_name(const HttpTarget *t) {
        for (size_t i = 0; i < t->n_segments; i++)
                if (!*t->segments[i] || t->segments[i][0] == '.')
                        return false;
        return true;
}

static int answer_file(const HttpTarget *t, const char *content, size_t n, bool head_only, Buffer *b) {
        const char *last = t->n_segments > 0 ? t->segments[t->n_segments - 1] : "index.html";
        /* What is built for the UI carries the hash of its content in its name. */
        bool immutable = t->n_segments > 1 && streq(t->segments[0], "assets");
        int r = write_head(b, 200, "OK", type_of(last) ?: "application/octet-stream", immutable, n);

        return r >= 0 && !head_only ? buffer_append(b, content, n) : r;
}

int proxy_static_answer(int root_fd, const char *target, size_t n_target, bool head_only, Buffer *b) {
        _cleanup_free_ char *text = strndup(target, n_target), *content = NULL;
        _cleanup_http_target_ HttpTarget t = {};
        static const HttpTarget index = {};
        size_t n = 0;
        int r;

        if (!text)
                return -ENOMEM;
        text[strcspn(text, "?")] = 0;
        r = http_target_parse(text, &t);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return proxy_answer_problem(400, "Bad Request", "The path can't be read", b);
        r = root_fd >= 0 && is_name(&t) ? read_target(root_fd, &t, &content, &n) : 0;
        if (r > 0)
                return answer_file(&t, content, n, head_only, b);
        /* A name with an ending that we know is a file's: its absence is no page of the UI. */
        if (r == 0 && (!is_name(&t) || (t.n_segments > 0 && type_of(t.segments[t.n_segments - 1]))))
                return proxy_answer_problem(404, "Not Found", "There is no such file", b);
        if (r == 0 && root_fd >= 0)
                r = read_target(root_fd, &index, &content, &n);
        if (r > 0)
                return answer_file(&index, content, n, head_only, b);
        return r < 0 ? r : answer_file(&index, placeholder, sizeof(placeholder) - 1, head_only, b);
}

int proxy_answer_problem(unsigned status, const char *title, const char *detail, Buffer *b) {
        _cleanup_buffer_ Buffer body = {};
        int r;

        r = buffer_appendf(&body, "{\"status\":%u", status);
        if (r >= 0)
                r = json_write_member_string(&body, "title", title);
        if (r >= 0)
                r = json_write_member_string(&body, "detail", detail);
        if (r >= 0)
                r = buffer_append_char(&body, '}');
        if (r >= 0)
                r = write_head(b, status, title, "application/problem+json", false, body.len);
        return r >= 0 ? buffer_append(b, buffer_bytes(&body), body.len) : r;
}
