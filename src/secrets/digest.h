/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SHA-256, for lists that others can check, too (sha256sum). */

#include "basic/macro.h"

#define SHA256_TEXT_MAX 65U /* in hexadecimal, with the NUL */

void sha256_text(const void *p, size_t n, char ret[static SHA256_TEXT_MAX]);
/* Of what is left to read of a file. Negative errno of a read that failed. */
int sha256_fd(int fd, char ret[static SHA256_TEXT_MAX]);
