/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors: closing, flags, whole reads and writes. */

#include <sys/types.h>

#include "basic/macro.h"

/* Closes a valid fd, keeps errno, returns -EBADF for assignment. */
int safe_close(int fd);
static inline void closep(int *fd) {
        (void) safe_close(*fd);
}
#define _cleanup_close_ _cleanup_(closep)

int fd_set_nonblock(int fd, bool nonblock);

/* Reads up to `n` bytes, resuming after EINTR and short reads. Returns the count, less than `n` only at
 * the end. */
ssize_t read_full(int fd, void *buf, size_t n);

/* Writes all `n` bytes to a blocking fd. 0 or negative errno. */
int write_full(int fd, const void *buf, size_t n);
