/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The logs of attempts: JSON lines `{"t":µs,"level","origin","message"}` in numbered files of zstd frames below
 * one directory, `<root>/<place>/00000001.jsonl.zst`. One upload is one frame with a checksum. A frame that a
 * crash cut off is found by the next append and overwritten, and readers stop before it. `zstdcat` and
 * `jq` read the files as they are. */

#include "basic/buffer.h"
#include "basic/error.h"

/* One upload, one line, one file (compressed, plain), and how many files an attempt may fill. */
#define LOG_UPLOAD_MAX (1024U * 1024U)
#define LOG_LINE_MAX (256U * 1024U)
#define LOG_CHUNK_SIZE (1024U * 1024U)
#define LOG_CHUNK_PLAIN_SIZE (32U * 1024U * 1024U)
#define LOG_CHUNKS_MAX 64U

/* What one read gives at most. */
#define LOG_READ_LINES_MAX 10000U
#define LOG_READ_BYTES_MAX (4U * 1024U * 1024U)

/* Where the logs of a job's attempt lie, below the root: "12/0". NULL when out of memory. */
char *log_place_of_attempt(int64_t job_id, uint32_t attempt);
/* The same for a workload that no job has; `auto_id` is its UUID. */
char *log_place_of_workload(const char *auto_id);

/* Whether `p` is whole log lines as above: -EINVAL says which line is not. Returns how many there are. */
int log_lines_check(const char *p, size_t n, Error **reterr_error);

/* Appends one upload that log_lines_check() has passed; durable when it returns. Returns 1; 0 when nothing was
 * written: it is the last upload once more (its answer was lost), or the attempt's logs are full, which a last
 * line in them says. `now` (µs UTC) dates that line. */
int log_store_append(const char *root, const char *place, const char *lines, size_t n, uint64_t now,
                     Error **reterr_error);

typedef struct LogRead {
        Buffer lines;    /* JSON lines, each with its newline */
        uint64_t cursor; /* where to go on */
        bool more;       /* there was more than fits into one answer */
} LogRead;
void log_read_done(LogRead *l);

/* Reads up to `max` lines (at most LOG_READ_LINES_MAX) from `cursor` on, 0 being the beginning. A cursor is
 * what an earlier read gave; others give lines too, never an error. No logs at all are no error either. */
int log_store_read(const char *root, const char *place, uint64_t cursor, uint32_t max, LogRead *ret,
                   Error **reterr_error);
