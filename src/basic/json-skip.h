/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finding the end of an object or array: the innermost loop of the record path. Three states matter and
 * no others: inside a string or not, behind a backslash or not, how many brackets are open. Everything
 * between is not looked at, so a broken text may pass; of a sound one the end is exact. */

#include "basic/macro.h"

/* Behind the bracket that closes the one at `p`. NULL when it doesn't end before `end`, ends with the
 * other kind of bracket, has a backslash outside of a string, or opens more than `depth_max` brackets. */
const char *json_skip_container(const char *p, const char *end, unsigned depth_max);

/* The same, where the text goes on behind the line that `p` stands in: NULL also when a newline comes before
 * the end of the container, and nothing far behind that newline is looked at. */
const char *json_skip_container_in_line(const char *p, const char *end, unsigned depth_max);

/* The same answer as json_skip_container(), a byte at a time: for processors without the vector
 * instructions, and as the other's judge. */
const char *json_skip_container_portable(const char *p, const char *end, unsigned depth_max);
