/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The directory that a destination writes its files to: opened once, held locked against a second sync, and
 * from then on reached by its descriptors only. See target-file.h for what lies in it. */

#include "basic/error.h"

typedef struct TargetDirectory {
        char *path;
        int root_fd, side_fd, lock_fd;
        char *single; /* the name of the one file, or NULL */
        size_t flush_size; /* of a file's buffer: smaller with many streams */
        bool many_devices; /* a namespace's directory is another file system */
} TargetDirectory;

#define TARGET_DIRECTORY_INIT ((TargetDirectory) { .root_fd = -EBADF, .side_fd = -EBADF, .lock_fd = -EBADF })

/* `extension` with its dot. `path` is a file when it ends so and no directory stands there: then for one
 * stream only. */
int target_directory_open(TargetDirectory *d, const char *path, const char *extension, size_t n_streams,
                          Error **reterr_error);
void target_directory_close(TargetDirectory *d);
/* Whether files could be made there; leaves nothing behind. */
int target_directory_check(const char *path, const char *extension, Error **reterr_error);
