/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hexadecimal digits, and bytes as lower-case hexadecimal text and back. */

#include "basic/macro.h"

/* The value of a digit of either case, -EINVAL when it is none. */
static inline int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -EINVAL;
}

/* Writes 2 * n characters, no final NUL. */
static inline void hex_encode(const void *p, size_t n, char *out) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *bytes = p;

        for (size_t i = 0; i < n; i++) {
                *out++ = digits[bytes[i] >> 4];
                *out++ = digits[bytes[i] & 15];
        }
}

/* -EINVAL when the text is not an even number of hexadecimal digits. `ret` is allocated, at least one
 * byte. */
int hex_decode(const char *s, uint8_t **ret, size_t *ret_n);
