/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Ids of rows: UUIDs of version 7 (RFC 9562, section 5.7), which sort by the time they were made. */

#include "basic/env.h"

#define UUID_STRING_MAX 37U /* with the NUL */

/* The UUID of `now` and ten random bytes, lower case. The twelve bits behind the millisecond hold its
 * fraction (method 3 of RFC 9562, section 6.2), so that ids made one after the other by one process sort
 * in that order. */
void uuid7_make(usec_t now, const uint8_t random[static 10], char ret[static UUID_STRING_MAX]);

/* The same with the clock and the randomness of the Env. */
int uuid7_new(Env *e, char ret[static UUID_STRING_MAX]);

/* Allocated; NULL when out of memory or out of randomness. */
char *uuid7_new_string(Env *e);

/* Whether `s` is a UUID of any version in its usual form, upper or lower case. NULL isn't. */
bool uuid_is_valid(const char *s);
