/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* FNV-1a, 64 bits (public domain parameters of Fowler, Noll and Vo): for checksums, names of files and for
 * noticing change; not for security, and not for tables that strangers fill (basic/hashmap.h). */

#include "basic/macro.h"

#define HASH64_START UINT64_C(0xcbf29ce484222325)

/* Goes on from `h`: begin with HASH64_START. */
static inline uint64_t hash64(uint64_t h, const void *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                h = (h ^ ((const uint8_t *) p)[i]) * UINT64_C(0x100000001b3);
        return h;
}
