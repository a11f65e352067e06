/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whole files: reading with a limit, replacing atomically and durably. */

#include "basic/error.h"

/* Reads a regular file (or a FIFO, socket or device whose name was given on purpose) of at most `max`
 * bytes into a NUL-terminated allocation. -EFBIG when it is larger. `ret_size` may be NULL. */
int read_file(const char *path, size_t max, char **ret, size_t *ret_size, Error **reterr_error);

/* The same from an open descriptor; `name` is for messages. */
int read_file_fd(int fd, const char *name, size_t max, char **ret, size_t *ret_size, Error **reterr_error);

/* Replaces `path` so that a crash or power cut leaves the old or the new content whole: a temporary file
 * beside it, fsync, rename, fsync of the directory. Mode applies to a new file; a symbolic link is
 * replaced, not followed. */
int write_file_atomic(const char *path, const void *data, size_t n, unsigned mode, Error **reterr_error);

/* Makes a directory and its parents (mode 0777 & ~umask for parents, `mode` for the last). */
int mkdir_parents(const char *path, unsigned mode);

/* Removes a tree without following links. A missing tree is no error. */
int remove_tree(const char *path);
