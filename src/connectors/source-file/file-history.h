/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What has been read already: the state of a stream.
 *
 *   {"_ab_source_file_last_modified": "2026-01-02T03:04:05.000000Z",
 *    "history": {"in/a.csv": {"modified": 1767323045000000, "size": 123},
 *                "https://…": {"etag": "\"x\"", "last_modified": "Fri, 02 Jan 2026 03:04:05 GMT"}},
 *    "horizon": 0}
 *
 * A local file is unchanged when time (µs) and size are; a remote one when its server says so. The
 * history is bounded: the files with the oldest times leave it, and `horizon` is the newest time that
 * left. An unknown file not newer than the horizon counts as read. A state that has only the first member
 * (somebody wrote it by hand) is a horizon too. */

#include "basic/hashmap.h"
#include "connectors/source-file/file-input.h"

#define HISTORY_MAX 10000U

typedef struct FileHistory {
        Hashmap *files;  /* url → HistoryFile */
        int64_t horizon; /* µs; INT64_MIN = none */
        int64_t cursor;  /* the newest time of all files read */
} FileHistory;

/* `p` may be NULL: an empty history. */
int file_history_parse(const char *p, size_t n, FileHistory *ret, Error **reterr_error);
void file_history_done(FileHistory *h);

/* Whether this version of the file has been read. For a remote one, `entry->modified` is known only after
 * opening. */
bool file_history_has(const FileHistory *h, const FileEntry *entry);
/* What to ask a server with; members are NULL when the file is unknown. */
FileValidators file_history_validators(const FileHistory *h, const char *url);

int file_history_put(FileHistory *h, const FileEntry *entry, FileValidators validators);
size_t file_history_size(const FileHistory *h);
int file_history_append(const FileHistory *h, Buffer *b);

/* µs since the epoch of an RFC 3339 time with zone; -EINVAL for anything else. */
int parse_rfc3339(const char *s, int64_t *ret);
