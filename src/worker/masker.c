/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A secret can come back in other clothes: in a JSON string, in a URL, in the base64 of a header. All of
 * these forms are patterns, sorted into buckets by their first byte. A text is walked once, trying at
 * each place the patterns of its byte, longest first, so that of two secrets of which one begins the
 * other the whole is hidden. Letter case is ignored, as headers and hosts are printed either way.
 *
 * Texts must be whole: a secret that is cut in two pieces is found in neither. */

#include <strings.h>

#include "basic/json-write.h"
#include "worker/masker.h"

/* Shorter pieces of base64 would match by chance. */
#define BASE64_PIECE_MIN 6U

typedef struct Pattern {
        char *text;
        size_t n;
        struct Pattern *next; /* in its bucket, longest first */
} Pattern;

struct Masker {
        Pattern *buckets[256]; /* by the first byte, lower case */
};

static unsigned fold(char c) {
        return c >= 'A' && c <= 'Z' ? (unsigned) (c - 'A' + 'a') : (unsigned char) c;
}

Masker *masker_new(void) {
        return calloc(1, sizeof(Masker));
}

Masker *masker_free(Masker *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(m->buckets); i++)
                for (Pattern *p = m->buckets[i], *next; p; p = next) {
                        next = p->next;
                        explicit_bzero(p->text, p->n);
                        free(p->text);
                        free(p);
                }
        free(m);
        return NULL;
}

static int add_pattern(Masker *m, const char *text, size_t n) {
        Pattern **at = &m->buckets[fold(text[0])], *p;

        /* Longest first, so that a secret that begins with another one is hidden whole. */
        for (; *at && (*at)->n >= n; at = &(*at)->next)
                if ((*at)->n == n && memcmp((*at)->text, text, n) == 0)
                        return 0;
        p = calloc(1, sizeof(*p));
        if (!p)
                return -ENOMEM;
        p->text = malloc(n);
        if (!p->text) {
                free(p);
                return -ENOMEM;
        }
        memcpy(p->text, text, n);
        p->n = n;
        p->next = *at;
        *at = p;
        return 0;
}

static int add_json_escaped(Masker *m, const char *s, size_t n) {
        _cleanup_buffer_ Buffer b = {};
        int r = json_write_string(&b, s, n);

        return r < 0 ? r : add_pattern(m, buffer_bytes(&b) + 1, b.len - 2);
}

/* Both habits: a space as "%20" and as "+". Hex digits match in either case. */
static int add_url_encoded(Masker *m, const char *s, size_t n) {
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

        for (unsigned plus = 0; plus < 2; plus++) {
                _cleanup_buffer_ Buffer b = {};
                int r = 0;

                for (size_t i = 0; i < n && r >= 0; i++)
                        if (memchr(plain, s[i], sizeof(plain) - 1))
                                r = buffer_append_char(&b, s[i]);
                        else if (plus && s[i] == ' ')
                                r = buffer_append_char(&b, '+');
                        else
                                r = buffer_appendf(&b, "%%%02X", (unsigned char) s[i]);
                if (r >= 0)
                        r = add_pattern(m, buffer_bytes(&b), b.len);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int base64_append(Buffer *b, const unsigned char *s, size_t n, const char *alphabet) {
        for (size_t i = 0; i + 3 <= n; i += 3) {
                unsigned v = (unsigned) s[i] << 16 | (unsigned) s[i + 1] << 8 | s[i + 2];
                char out[] = { alphabet[v >> 18], alphabet[v >> 12 & 63U], alphabet[v >> 6 & 63U], alphabet[v & 63U] };
                int r = buffer_append(b, out, sizeof(out));

                if (r < 0)
                        return r;
        }
        return 0;
}

/* A secret inside a longer text ("user:secret") begins at one of three places of a group of three bytes.
 * What is looked for is the part of its base64 that doesn't depend on its neighbours. */
static int add_base64(Masker *m, const char *s, size_t n) {
        static const char *const alphabets[] = {
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        };

        for (size_t i = 0; i < ELEMENTSOF(alphabets) * 3; i++) {
                size_t skip = i % 3, whole = n > skip ? (n - skip) / 3 * 3 : 0;
                _cleanup_buffer_ Buffer b = {};
                int r;

                if (whole / 3 * 4 < BASE64_PIECE_MIN)
                        continue;
                r = base64_append(&b, (const unsigned char *) s + skip, whole, alphabets[i / 3]);
                if (r >= 0)
                        r = add_pattern(m, buffer_bytes(&b), b.len);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_forms(Masker *m, const char *s, size_t n) {
        int r;

        if ((r = add_pattern(m, s, n)) < 0 || (r = add_json_escaped(m, s, n)) < 0 ||
            (r = add_url_encoded(m, s, n)) < 0)
                return r;
        return add_base64(m, s, n);
}

int masker_add(Masker *m, const char *secret) {
        size_t n = strlen(secret);
        int r;

        if (n < MASKER_SECRET_MIN)
                return 0;
        r = add_forms(m, secret, n);
        if (r < 0 || !strchr(secret, '\n'))
                return r;
        for (const char *line = secret; *line;) {
                size_t k = strcspn(line, "\r\n");

                if (k >= MASKER_LINE_MIN && (r = add_forms(m, line, k)) < 0)
                        return r;
                line += k + strspn(line + k, "\r\n");
        }
        return 0;
}

int masker_add_strv(Masker *m, char *const *secrets) {
        for (char *const *s = secrets; s && *s; s++) {
                int r = masker_add(m, *s);

                if (r < 0)
                        return r;
        }
        return 0;
}

static bool pattern_matches(const Pattern *p, const char *s, size_t n) {
        if (n < p->n)
                return false;
        for (size_t i = 0; i < p->n; i++)
                if (fold(s[i]) != fold(p->text[i]))
                        return false;
        return true;
}

/* How many bytes of a secret start at `s`; 0 for none. */
static size_t match(const Masker *m, const char *s, size_t n) {
        for (const Pattern *p = m->buckets[fold(*s)]; p; p = p->next)
                if (pattern_matches(p, s, n))
                        return p->n;
        return 0;
}

int masker_append(const Masker *m, Buffer *b, const char *s, size_t n) {
        size_t done = 0;
        int r;

        for (size_t i = 0; i < n;) {
                size_t k = match(m, s + i, n - i);

                if (k == 0) {
                        i++;
                        continue;
                }
                if ((r = buffer_append(b, s + done, i - done)) < 0 ||
                    (r = buffer_append_string(b, MASKER_REPLACEMENT)) < 0)
                        return r;
                done = i += k;
        }
        return buffer_append(b, s + done, n - done);
}

char *masker_apply(const Masker *m, const char *s) {
        _cleanup_buffer_ Buffer b = {};

        if (!s || masker_append(m, &b, s, strlen(s)) < 0)
                return NULL;
        return buffer_steal_string(&b);
}
