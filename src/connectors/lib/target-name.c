/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/hash.h"
#include "connectors/lib/target-name.h"

/* Two encoded names and a suffix must fit NAME_MAX (255). */
#define ENCODED_MAX 110U
#define ENCODED_CUT 90U

static bool stays(const char *name, const char *p, bool dots) {
        if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_')
                return true;
        /* Not in front: options begin with '-', hidden files and ".." with '.'. */
        return p > name && (*p == '-' || (*p == '.' && dots));
}

int target_encode_name(const char *name, bool dots, Buffer *b) {
        size_t start = b->len;
        int r = 0;

        for (const char *p = name; *p && r >= 0; p++)
                r = stays(name, p, dots) ? buffer_append_char(b, *p) : buffer_appendf(b, "%%%02X",
                        (uint8_t) *p);
        if (r < 0)
                return r;
        if (b->len - start == 0)
                return buffer_append_char(b, '%');
        if (b->len - start <= ENCODED_MAX)
                return 0;
        /* '~' comes out of no other name, and the hash is the whole name's. */
        b->len = start + ENCODED_CUT;
        return buffer_appendf(b, "~%016llx", (unsigned long long) hash64(HASH64_START, name, strlen(name)));
}
