/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/uuid.h"

char *uuid7_format(usec_t realtime, const uint8_t random[static 10], char buf[static UUID_STRING_MAX]) {
        uint64_t ms = realtime / USEC_PER_MSEC;

        (void) snprintf(buf, UUID_STRING_MAX, "%08x-%04x-7%01x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        (unsigned) (ms >> 16 & 0xffffffff), (unsigned) (ms & 0xffff), random[0] & 0x0f, random[1],
                        0x80 | (random[2] & 0x3f), random[3], random[4], random[5], random[6], random[7],
                        random[8], random[9]);
        return buf;
}
