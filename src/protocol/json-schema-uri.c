/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* References resolved against their base by RFC 3986, section 5.2, on texts: nothing here or behind it
 * opens a connection. A URI in a schema is a name that is compared as bytes; case, default ports and
 * escapes are not normalised, as no schema that was met needs it. The strings are ours and short (a
 * schema's), and the result is a new one each time. */

#include <stdio.h>

#include "protocol/json-schema-uri.h"

typedef struct Part {
        const char *p;
        size_t n;
        bool present;
} Part;

typedef struct Uri {
        Part scheme, authority, path, query, fragment;
} Uri;

static Part take(const char **p, const char *stop) {
        size_t n = strcspn(*p, stop);
        Part part = { *p, n, true };

        *p += n;
        return part;
}

/* The split of RFC 3986, appendix B, which takes any text. */
static Uri uri_split(const char *s) {
        size_t n = strcspn(s, ":/?#");
        Uri u = {};

        if (n > 0 && s[n] == ':') {
                u.scheme = (Part) { s, n, true };
                s += n + 1;
        }
        if (s[0] == '/' && s[1] == '/') {
                s += 2;
                u.authority = take(&s, "/?#");
        }
        u.path = take(&s, "?#");
        if (*s == '?') {
                s++;
                u.query = take(&s, "#");
        }
        if (*s == '#')
                u.fragment = (Part) { s + 1, strlen(s + 1), true };
        return u;
}

/* Takes "." and ".." out of a path, in place (RFC 3986, section 5.2.4). */
static void remove_dot_segments(char *path) {
        char *in = path, *out = path;

        while (*in) {
                if (strncmp(in, "../", 3) == 0)
                        in += 3;
                else if (strncmp(in, "./", 2) == 0 || strncmp(in, "/./", 3) == 0)
                        in += 2;
                else if (streq(in, "/.")) {
                        in++;
                        *in = '/';
                } else if (strncmp(in, "/../", 4) == 0 || streq(in, "/..")) {
                        bool last = in[3] == 0;

                        in += last ? 2 : 3;
                        if (last)
                                *in = '/';
                        while (out > path && *--out != '/')
                                ;
                } else if (streq(in, ".") || streq(in, ".."))
                        break;
                else {
                        do
                                *out++ = *in++;
                        while (*in && *in != '/');
                }
        }
        *out = 0;
}

/* A relative path takes the place of what follows the base's last slash. */
static char *merge_paths(const Uri *base, const Uri *ref) {
        size_t keep = base->path.n;
        bool root = base->authority.present && base->path.n == 0;
        char *path;

        while (keep > 0 && base->path.p[keep - 1] != '/')
                keep--;
        if (asprintf(&path, "%s%.*s%.*s", root ? "/" : "", (int) keep, base->path.p, (int) ref->path.n,
                     ref->path.p) < 0)
                return NULL;
        return path;
}

static char *compose(const Part *scheme, const Part *authority, const char *path, const Part *query,
                     const Part *fragment) {
        char *s;

        if (asprintf(&s, "%.*s%s%s%.*s%s%s%.*s%s%.*s", (int) scheme->n, strempty(scheme->p),
                     scheme->present ? ":" : "",
                     authority->present ? "//" : "", (int) authority->n, strempty(authority->p), path,
                     query->present ? "?" : "", (int) query->n, strempty(query->p), fragment->present ? "#" : "",
                     (int) fragment->n, strempty(fragment->p)) < 0)
                return NULL;
        return s;
}

char *json_schema_uri_resolve(const char *base, const char *ref) {
        Uri b = uri_split(base), r = uri_split(ref);
        const Part *query = &r.query, *authority = &b.authority, *scheme = &b.scheme;
        _cleanup_free_ char *path = NULL;

        if (r.scheme.present || r.authority.present) {
                scheme = r.scheme.present ? &r.scheme : scheme;
                authority = &r.authority;
                path = strndup(r.path.p, r.path.n);
        } else if (r.path.n == 0) {
                path = strndup(b.path.p, b.path.n);
                if (!r.query.present)
                        query = &b.query;
                return path ? compose(scheme, authority, path, query, &r.fragment) : NULL;
        } else if (r.path.p[0] == '/')
                path = strndup(r.path.p, r.path.n);
        else
                path = merge_paths(&b, &r);
        if (!path)
                return NULL;
        remove_dot_segments(path);
        return compose(scheme, authority, path, query, &r.fragment);
}

static int hex_value(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void json_schema_uri_decode(char *s) {
        char *out = s;

        while (*s) {
                if (s[0] == '%' && hex_value(s[1]) >= 0 && hex_value(s[2]) >= 0) {
                        *out++ = (char) (hex_value(s[1]) << 4 | hex_value(s[2]));
                        s += 3;
                } else
                        *out++ = *s++;
        }
        *out = 0;
}
