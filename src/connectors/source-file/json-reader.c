/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Rows out of JSON, without holding the file: one object a line, objects one after the other, an array of
 * them, or an array somewhere inside. Walking finds the end of a value by brackets and quotes alone, as
 * fast as memory is read; a row is then whole in the window and is validated. A row over the limit is
 * walked past without being kept.
 *
 * Two kinds of errors must not be confused. A malformed row is one row: it is reported and the next one
 * is read. A file whose outer brackets are broken is not whole, and nothing behind that place can be
 * trusted. */

#include "basic/parse-util.h"
#include "connectors/source-file/json-reader.h"

void json_reader_init(JsonReader *r, Window *window, bool by_line, char **pointer) {
        *r = (JsonReader) { .window = window, .by_line = by_line, .pointer = pointer };
}

/* ---- walking over a value that may not be in the window as a whole ---- */

typedef struct Walk {
        uint64_t depth;
        bool in_string, escaped, in_scalar;
} Walk;

/* Behind the end of a string whose inside starts at `p`; NULL when it isn't there, with the state kept. */
static const char *walk_string(Walk *w, const char *p, const char *end) {
        if (w->escaped && p < end) {
                w->escaped = false;
                p++;
        }
        for (;;) {
                p = find_either(p, end, '"', '\\');
                if (p == end)
                        return NULL;
                if (*p == '"') {
                        w->in_string = false;
                        return p + 1;
                }
                if (p + 1 == end) {
                        w->escaped = true;
                        return NULL;
                }
                p += 2;
        }
}

/* Goes on to the end of a value; finds its end by brackets and quotes alone. Returns the place behind it,
 * or NULL. */
static const char *walk_value(Walk *w, const char *p, const char *end) {
        while (p < end) {
                if (w->in_string) {
                        p = walk_string(w, p, end);
                        if (!p || w->depth == 0)
                                return p;
                        continue;
                }
                switch (*p) {
                case '"':
                        if (w->in_scalar)
                                return p;
                        w->in_string = true;
                        p++;
                        continue;
                case '{':
                case '[':
                        if (w->in_scalar)
                                return p;
                        w->depth++;
                        break;
                case '}':
                case ']':
                        if (w->depth == 0)
                                return p;
                        if (--w->depth == 0)
                                return p + 1;
                        break;
                case ',':
                case ' ':
                case '\t':
                case '\r':
                case '\n':
                        if (w->in_scalar)
                                return p;
                        break;
                default:
                        w->in_scalar = w->depth == 0;
                }
                p++;
        }
        return NULL;
}

static int broken_file(Window *w, Error **reterr_error, const char *what) {
        return error_set(reterr_error, -EINVAL, "the file is not whole JSON: line %llu: %s",
                         (unsigned long long) w->line, what);
}

/* Counts lines as it goes, for messages. */
static void drop_to(Window *w, const char *to) {
        window_drop(w, (size_t) (to - window_start(w)), count_newlines(window_start(w), to));
}

/* Drops space; 1 and the next byte, which stays; 0 at the end. */
static int next_byte(Window *w, char *ret, Error **reterr_error) {
        int q;

        for (;;) {
                if (w->buffer.len > 0) {
                        const char *p = json_skip_space(window_start(w), window_end(w));

                        drop_to(w, p);
                        if (w->buffer.len > 0) {
                                *ret = *window_start(w);
                                return 1;
                        }
                }
                q = window_fill(w, reterr_error);
                if (q <= 0)
                        return q;
        }
}

/* Where the grammar wants something. */
static int need_byte(Window *w, char *ret, Error **reterr_error) {
        int q = next_byte(w, ret, reterr_error);

        return q == 0 ? broken_file(w, reterr_error, "it ends too early") : q;
}

/* Drops the value at the start of the window, which stands where `walk` is. */
static int skip_value(Window *w, Walk *walk, Error **reterr_error) {
        int q;

        for (;;) {
                if (w->buffer.len > 0) {
                        const char *p = walk_value(walk, window_start(w), window_end(w));

                        drop_to(w, p ?: window_end(w));
                        if (p)
                                return 0;
                }
                q = window_fill(w, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0)
                        return walk->in_scalar ? 0 : broken_file(w, reterr_error, "it ends inside a value");
        }
}

/* Finds the whole value at the start of the window and keeps it: 1; 0 when it was too long and has been
 * dropped. */
static int take_value(Window *w, JsonSlice *ret, Error **reterr_error) {
        size_t seen = 0;
        Walk walk = {};
        int q;

        for (;;) {
                const char *p = NULL;

                if (w->buffer.len > seen)
                        p = walk_value(&walk, window_start(w) + seen, window_end(w));
                if (p) {
                        *ret = (JsonSlice) { window_start(w), (size_t) (p - window_start(w)) };
                        return 1;
                }
                seen = w->buffer.len;
                if (seen > ROW_BYTES_MAX) {
                        drop_to(w, window_end(w));
                        return skip_value(w, &walk, reterr_error);
                }
                q = window_fill(w, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0 && !walk.in_scalar)
                        return broken_file(w, reterr_error, "it ends inside a value");
                if (q == 0) {
                        *ret = (JsonSlice) { window_start(w), seen };
                        return 1;
                }
        }
}

/* ---- members of an object, elements of an array, at the window's start ---- */

/* Behind the opening bracket or behind an element: 1 there is another element, 0 the closing bracket was
 * passed. */
static int next_element(Window *w, char close, bool first, Error **reterr_error) {
        char c;
        int q;

        q = need_byte(w, &c, reterr_error);
        if (q < 0)
                return q;
        if (c == close) {
                window_drop(w, 1, 0);
                return 0;
        }
        if (first)
                return 1;
        if (c != ',')
                return broken_file(w, reterr_error, "a comma is missing");
        window_drop(w, 1, 0);
        q = need_byte(w, &c, reterr_error);
        return q < 0 ? q : 1;
}

/* Passes `"key":` and gives the key as it stands between its quotes. */
static int take_key(Window *w, Buffer *ret, Error **reterr_error) {
        JsonSlice key;
        char c;
        int q;

        q = need_byte(w, &c, reterr_error);
        if (q < 0)
                return q;
        if (c != '"')
                return broken_file(w, reterr_error, "a member has no name");
        q = take_value(w, &key, reterr_error);
        if (q < 0)
                return q;
        if (q == 0)
                return broken_file(w, reterr_error, "a member's name is too long");
        buffer_reset(ret);
        q = buffer_append(ret, key.p + 1, key.n - 2);
        if (q < 0)
                return q;
        drop_to(w, key.p + key.n);
        q = need_byte(w, &c, reterr_error);
        if (q < 0)
                return q;
        if (c != ':')
                return broken_file(w, reterr_error, "a colon is missing");
        window_drop(w, 1, 0);
        q = need_byte(w, &c, reterr_error);
        return q < 0 ? q : 0;
}

/* Moves to the member `name`, or the element of that number. */
static int descend(Window *w, const char *name, Error **reterr_error) {
        _cleanup_buffer_ Buffer key = {};
        uint64_t index = 0, number = 0;
        bool is_object, first = true;
        char c;
        int q;

        q = need_byte(w, &c, reterr_error);
        if (q < 0)
                return q;
        is_object = c == '{';
        if (!is_object && (c != '[' || parse_u64(name, &index) < 0))
                return error_set(reterr_error, -EINVAL, "json_pointer: nothing in the file is called '%s'",
                                 name);
        window_drop(w, 1, 0);
        for (;; first = false) {
                Walk walk = {};

                q = next_element(w, is_object ? '}' : ']', first, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0)
                        return error_set(reterr_error, -EINVAL,
                                         "json_pointer: nothing in the file is called '%s'",
                                         name);
                if (is_object) {
                        q = take_key(w, &key, reterr_error);
                        if (q < 0)
                                return q;
                        if (json_key_equal((JsonSlice) { buffer_bytes(&key), key.len }, name, strlen(name)))
                                return 0;
                } else if (number++ == index)
                        return 0;
                q = skip_value(w, &walk, reterr_error);
                if (q < 0)
                        return q;
        }
}

/* ---- rows ---- */

/* The reason is kept for whoever reports the row. */
static int check_row(JsonReader *r, JsonSlice row) {
        if (json_slice_type(row) != JSON_OBJECT) {
                r->problem = "it is not a JSON object";
                return -EBADMSG;
        }
        switch (json_validate(row.p, row.n, NULL)) {
        case 0:
                return 1;
        case -ELOOP:
                r->problem = "it is nested too deeply";
                return -EBADMSG;
        case -EILSEQ:
                r->problem = "it is not UTF-8";
                return -EBADMSG;
        default:
                r->problem = "it is not valid JSON";
                return -EBADMSG;
        }
}

/* 1 a line, possibly empty; 0 the end. A last line needs no newline. */
static int next_line(JsonReader *r, JsonSlice *ret, Error **reterr_error) {
        Window *w = r->window;
        size_t seen = 0;
        bool dropped = false;
        char *hit = NULL;
        int q;

        for (;;) {
                if (w->buffer.len > seen)
                        hit = memchr(window_start(w) + seen, '\n', w->buffer.len - seen);
                if (hit || w->at_end)
                        break;
                seen = w->buffer.len;
                if (seen > ROW_BYTES_MAX) {
                        window_drop(w, seen, 0);
                        seen = 0;
                        dropped = true;
                }
                q = window_fill(w, reterr_error);
                if (q < 0)
                        return q;
        }
        r->row_bytes = hit ? (size_t) (hit + 1 - window_start(w)) : w->buffer.len;
        r->row_lines = hit ? 1 : 0;
        if (dropped) {
                r->problem = "it is longer than 8 MiB";
                return -EBADMSG;
        }
        *ret = (JsonSlice) { window_start(w), hit ? r->row_bytes - 1 : r->row_bytes };
        return hit || ret->n > 0;
}

static void trim(JsonSlice *s) {
        const char *end = s->p + s->n, *p = json_skip_space(s->p, end);

        while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
                end--;
        *s = (JsonSlice) { p, (size_t) (end - p) };
}

/* Goes down the pointer once, before the first row. */
static int json_start(JsonReader *r, Error **reterr_error) {
        int q;

        r->started = true;
        STRV_FOREACH(key, r->pointer) {
                q = descend(r->window, *key, reterr_error);
                if (q < 0)
                        return q;
        }
        return 0;
}

/* Moves to where the next row starts: 1, 0 at the end. */
static int next_row(JsonReader *r, Error **reterr_error) {
        Window *w = r->window;
        char c;
        int q;

        for (;;) {
                if (r->in_array) {
                        q = next_element(w, ']', r->first_element, reterr_error);
                        r->first_element = false;
                        if (q != 0)
                                return q;
                        r->in_array = false;
                        r->at_end = r->pointer != NULL;
                }
                if (r->at_end)
                        return 0;
                q = next_byte(w, &c, reterr_error);
                if (q <= 0)
                        return q;
                if (c != '[') {
                        r->at_end = r->pointer != NULL;
                        return 1;
                }
                window_drop(w, 1, 0);
                r->in_array = r->first_element = true;
        }
}

int json_reader_next(JsonReader *r, JsonSlice *ret, Error **reterr_error) {
        Window *w = r->window;
        int q;

        do {
                window_drop(w, r->row_bytes, r->row_lines);
                r->row_bytes = r->row_lines = 0;
                if (r->by_line) {
                        r->line = w->line;
                        q = next_line(r, ret, reterr_error);
                        if (q <= 0)
                                return q;
                        trim(ret);
                        continue;
                }
                if (!r->started) {
                        q = json_start(r, reterr_error);
                        if (q < 0)
                                return q;
                }
                q = next_row(r, reterr_error);
                if (q <= 0)
                        return q;
                r->line = w->line;
                q = take_value(w, ret, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0) {
                        r->problem = "it is longer than 8 MiB";
                        return -EBADMSG;
                }
                if (ret->n == 0)
                        return broken_file(w, reterr_error, "a value is missing");
                r->row_bytes = ret->n;
                r->row_lines = count_newlines(ret->p, ret->p + ret->n);
        } while (ret->n == 0);
        return check_row(r, *ret);
}

/* Whether the array at the window's start begins with an object. */
static int is_array_of_objects(Window *w, Walk *walk, Error **reterr_error) {
        char c;
        int q;

        q = need_byte(w, &c, reterr_error);
        if (q < 0 || c != '[')
                return q < 0 ? q : 0;
        window_drop(w, 1, 0);
        walk->depth = 1;
        q = need_byte(w, &c, reterr_error);
        return q < 0 ? q : c == '{';
}

int json_find_array(Window *w, char **ret_key, Error **reterr_error) {
        _cleanup_buffer_ Buffer key = {}, found = {};
        size_t n_found = 0;
        bool first = true;
        char c;
        int q;

        *ret_key = NULL;
        q = next_byte(w, &c, reterr_error);
        if (q <= 0 || c != '{')
                return q < 0 ? q : 0;
        window_drop(w, 1, 0);
        for (;; first = false) {
                Walk walk = {};

                q = next_element(w, '}', first, reterr_error);
                if (q < 0)
                        return q;
                if (q == 0)
                        break;
                q = take_key(w, &key, reterr_error);
                if (q < 0)
                        return q;
                q = is_array_of_objects(w, &walk, reterr_error);
                if (q < 0)
                        return q;
                if (q > 0 && n_found++ == 0) {
                        q = json_string_decode((JsonSlice) { buffer_bytes(&key), key.len }, &found);
                        if (q < 0)
                                return q;
                }
                q = skip_value(w, &walk, reterr_error);
                if (q < 0)
                        return q;
        }
        q = next_byte(w, &c, reterr_error);
        if (q < 0)
                return q;
        if (q == 0 && n_found == 1) {
                *ret_key = buffer_steal_string(&found);
                if (!*ret_key)
                        return -ENOMEM;
        }
        return 0;
}

int json_pointer_parse(const char *s, char ***ret) {
        _cleanup_strv_ char **keys = NULL, **parts = NULL;
        int q;

        *ret = NULL;
        if (*s == '\0')
                return 0;
        if (*s != '/')
                return -EINVAL;
        parts = strv_split(s + 1, "/");
        if (!parts)
                return -ENOMEM;
        STRV_FOREACH(part, parts) {
                char *to = *part;

                for (const char *p = *part; *p; p++)
                        if (*p == '~' && (p[1] == '0' || p[1] == '1'))
                                *to++ = *++p == '0' ? '~' : '/';
                        else
                                *to++ = *p;
                *to = '\0';
                q = strv_extend(&keys, *part);
                if (q < 0)
                        return q;
        }
        *ret = TAKE_PTR(keys);
        return 0;
}
