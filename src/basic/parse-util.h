/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Numbers out of text. All take the whole string or fail: -EINVAL for what isn't one, -ERANGE for what
 * doesn't fit. */

#include "basic/macro.h"

int parse_u64(const char *s, uint64_t *ret);
int parse_i64(const char *s, int64_t *ret);
int parse_double(const char *s, double *ret);

/* yes/no, true/false, on/off, 1/0, as systemd takes them. */
int parse_boolean(const char *s, bool *ret);

/* "4G", "512 K", "infinity" (UINT64_MAX): bytes, with the powers of 1024 that systemd's settings mean. */
int parse_bytes(const char *s, uint64_t *ret);
