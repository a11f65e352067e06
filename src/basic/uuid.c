/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/uuid.h"

static bool is_hyphen_place(size_t i) {
        return i == 8 || i == 13 || i == 18 || i == 23;
}

static void format(const uint8_t id[static 16], char ret[static UUID_STRING_MAX]) {
        static const char digits[] = "0123456789abcdef";
        size_t at = 0;

        for (size_t i = 0; i < 16; i++) {
                if (is_hyphen_place(at))
                        ret[at++] = '-';
                ret[at++] = digits[id[i] >> 4];
                ret[at++] = digits[id[i] & 0xf];
        }
        ret[at] = '\0';
}

void uuid7_make(usec_t now, const uint8_t random[static 10], char ret[static UUID_STRING_MAX]) {
        uint64_t msec = now / USEC_PER_MSEC, fraction = now % USEC_PER_MSEC * 4096 / USEC_PER_MSEC;
        uint8_t id[16];

        for (size_t i = 0; i < 6; i++)
                id[i] = (uint8_t) (msec >> (40 - 8 * i));
        id[6] = (uint8_t) (0x70 | fraction >> 8);
        id[7] = (uint8_t) fraction;
        memcpy(id + 8, random + 2, 8);
        id[8] = (uint8_t) (0x80 | (id[8] & 0x3f));
        format(id, ret);
}

int uuid7_new(Env *e, char ret[static UUID_STRING_MAX]) {
        uint8_t random[10];
        int r;

        r = e->ops->random_bytes(e, random, sizeof(random));
        if (r < 0)
                return r;
        uuid7_make(env_now(e, ENV_CLOCK_REALTIME), random, ret);
        return 0;
}

char *uuid7_new_string(Env *e) {
        char id[UUID_STRING_MAX];

        return uuid7_new(e, id) < 0 ? NULL : strdup(id);
}

bool uuid_is_valid(const char *s) {
        if (!s || strlen(s) != UUID_STRING_MAX - 1)
                return false;
        for (size_t i = 0; s[i]; i++) {
                if (is_hyphen_place(i) ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i]))
                        return false;
        }
        return true;
}
