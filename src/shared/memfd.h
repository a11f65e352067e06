/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Texts that are too large, or too secret, for a bus message travel as sealed memfds (docs/INTERFACES.md). */

#include "basic/error.h"

/* A memfd with a copy of these bytes, sealed against every change. Returns the descriptor. */
int memfd_new(const char *name, const void *p, size_t n);

/* What a memfd holds, from its beginning, whatever its offset is, NUL-terminated. `max` bounds it: -EFBIG.
 * -EINVAL: it is something else, or its sender could still change or shrink it. The descriptor stays the
 * caller's. */
int memfd_read(int fd, size_t max, char **ret, size_t *ret_n, Error **reterr_error);
