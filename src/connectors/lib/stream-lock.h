/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Locks that die with their holder: bytes of a file far behind its end, one for each stream, so that a
 * second sync into the same table or file is refused (D28) while syncs into others go on. They are
 * open-file-description locks: no process id, no stale lock file. */

#include "basic/macro.h"

/* Takes the lock of a stream for as long as `fd` is open. -EAGAIN when another holds it. */
int stream_lock_take(int fd, const char *namespace, const char *name);

/* The same for the file that `fd` is itself. */
int file_lock_take(int fd);

/* Taking turns between writers of one file, in the order they came. */
int stream_lock_turn_begin(int fd);
int stream_lock_turn_end(int fd);
