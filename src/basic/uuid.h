/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UUID version 7 (RFC 9562): time-ordered ids. Time and randomness are the caller's, from the Env. */

#include "basic/time-util.h"

#define UUID_STRING_MAX 37

/* `random` are 10 random bytes. */
char *uuid7_format(usec_t realtime, const uint8_t random[static 10], char buf[static UUID_STRING_MAX]);
