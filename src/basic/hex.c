/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/hex.h"

int hex_decode(const char *s, uint8_t **ret, size_t *ret_n) {
        size_t n = strlen(s);
        _cleanup_free_ uint8_t *bytes = NULL;

        if (n % 2 != 0)
                return -EINVAL;
        bytes = malloc(n / 2 + 1);
        if (!bytes)
                return -ENOMEM;
        for (size_t i = 0; i < n / 2; i++) {
                int high = hex_digit(s[2 * i]), low = hex_digit(s[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EINVAL;
                bytes[i] = (uint8_t) (high << 4 | low);
        }
        *ret = TAKE_PTR(bytes);
        *ret_n = n / 2;
        return 0;
}
