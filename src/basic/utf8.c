/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* utf8_sequence() is the one place that says what UTF-8 is: no overlong forms, no surrogates, nothing
 * beyond U+10FFFF. Printable means harmless on a terminal: control characters and those that turn the
 * direction of text are shown as escapes, since a connector's name could else write over the line that
 * warns of it. */

#include "basic/utf8.h"

size_t utf8_sequence(const char *s, const char *end) {
        const uint8_t *p = (const uint8_t *) s;
        size_t left = (size_t) (end - s);

        if (left == 0)
                return 0;
        if (p[0] < 0x80)
                return 1;
        if (p[0] < 0xc2)
                return 0;
        if (p[0] < 0xe0)
                return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
        if (p[0] < 0xf0) {
                if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
                        return 0;
                if (p[0] == 0xe0 && p[1] < 0xa0) /* overlong */
                        return 0;
                if (p[0] == 0xed && p[1] >= 0xa0) /* surrogate */
                        return 0;
                return 3;
        }
        if (p[0] < 0xf5) {
                if (left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
                        return 0;
                if (p[0] == 0xf0 && p[1] < 0x90)
                        return 0;
                if (p[0] == 0xf4 && p[1] >= 0x90)
                        return 0;
                return 4;
        }
        return 0;
}

size_t utf8_encode(uint32_t c, char out[static 4]) {
        if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
                c = 0xfffd;
        if (c < 0x80) {
                out[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                out[0] = (char) (0xc0 | c >> 6);
                out[1] = (char) (0x80 | (c & 0x3f));
                return 2;
        }
        if (c < 0x10000) {
                out[0] = (char) (0xe0 | c >> 12);
                out[1] = (char) (0x80 | (c >> 6 & 0x3f));
                out[2] = (char) (0x80 | (c & 0x3f));
                return 3;
        }
        out[0] = (char) (0xf0 | c >> 18);
        out[1] = (char) (0x80 | (c >> 12 & 0x3f));
        out[2] = (char) (0x80 | (c >> 6 & 0x3f));
        out[3] = (char) (0x80 | (c & 0x3f));
        return 4;
}

bool utf8_is_valid(const char *p, size_t n) {
        const char *end = p + n;

        while (p < end) {
                size_t k;
                uint64_t word;

                if (end - p >= 8) {
                        memcpy(&word, p, 8);
                        if ((word & 0x8080808080808080ULL) == 0) {
                                p += 8;
                                continue;
                        }
                }
                k = utf8_sequence(p, end);
                if (k == 0)
                        return false;
                p += k;
        }
        return true;
}

static uint32_t decode(const char *s, size_t k) {
        const uint8_t *p = (const uint8_t *) s;

        switch (k) {
        case 1:
                return p[0];
        case 2:
                return (uint32_t) (p[0] & 0x1f) << 6 | (p[1] & 0x3f);
        case 3:
                return (uint32_t) (p[0] & 0x0f) << 12 | (uint32_t) (p[1] & 0x3f) << 6 | (p[2] & 0x3f);
        default:
                return (uint32_t) (p[0] & 0x07) << 18 | (uint32_t) (p[1] & 0x3f) << 12 |
                        (uint32_t) (p[2] & 0x3f) << 6 | (p[3] & 0x3f);
        }
}

static bool is_hostile(uint32_t c) {
        return c < 0x20 || (c >= 0x7f && c < 0xa0) ||       /* C0, DEL, C1 */
                (c >= 0x202a && c <= 0x202e) ||             /* embeddings and overrides */
                (c >= 0x2066 && c <= 0x2069) ||             /* isolates */
                c == 0x200e || c == 0x200f || c == 0x061c || /* direction marks */
                c == 0x2028 || c == 0x2029;                 /* line and paragraph separators */
}

int utf8_append_printable(Buffer *b, const char *p, size_t n, bool keep_newlines) {
        const char *end = p + n;

        while (p < end) {
                size_t k = utf8_sequence(p, end);
                uint32_t c;
                int r;

                if (k == 0) {
                        r = buffer_appendf(b, "\\x%02x", (uint8_t) *p);
                        k = 1;
                } else {
                        c = decode(p, k);
                        if (!is_hostile(c) || (keep_newlines && (c == '\n' || c == '\t')))
                                r = buffer_append(b, p, k);
                        else if (c < 0x100)
                                r = buffer_appendf(b, "\\x%02x", c);
                        else
                                r = buffer_appendf(b, "\\u%04x", c);
                }
                if (r < 0)
                        return r;
                p += k;
        }
        return 0;
}

bool utf8_has_controls(const char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < 0x20 || *text == 0x7f)
                        return true;
        return false;
}
