/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bytes of one file, wherever it lies: fetched or read, decompressed, turned into UTF-8. */

#include "connectors/source-file/file-list.h"

typedef struct FileInput FileInput;

/* What a server said of a file that was fetched, for the next conditional request; NULL members =
 * nothing. */
typedef struct FileValidators {
        const char *etag, *last_modified;
} FileValidators;

/* Opens. `unless` (may be NULL): for a remote file that is still of that version, 0 is returned and *ret
 * is NULL; 1 when it is open. What was not known of the file before is filled into `entry`. */
int file_input_open(const FileConfig *config, FileEntry *entry, const FileValidators *unless,
                    FileInput **ret,
                    Error **reterr_error);
FileInput *file_input_free(FileInput *i);
DEFINE_CLEANUP(FileInput, file_input_free);

/* A ByteReader (window.h); `userdata` is the FileInput. */
ssize_t file_input_read(void *userdata, void *p, size_t n, Error **reterr_error);

/* Bytes read from the file so far, as stored: the measure of progress. */
uint64_t file_input_position(const FileInput *i);
/* Bytes that were not text in the configured encoding and were replaced. */
uint64_t file_input_replaced(const FileInput *i);
/* Valid as long as the input. */
FileValidators file_input_validators(const FileInput *i);
