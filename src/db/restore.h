/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A backup becomes the database again. Whose file it is nobody knows: it is judged before it counts
 * (T76). */

#include "db/db.h"

/* Where the database that was there before is kept, beside it; its log, where it had one, is this and
 * "-wal". */
#define DB_BEFORE_RESTORE ".before-restore"

typedef struct RestoreSource {
        int fd;           /* the file */
        int log_fd;       /* the log beside it, its name with "-wal"; -1: there is none */
        const char *name; /* for messages */
} RestoreSource;

/* Puts a copy of a database, as db_backup() makes it, SQLite itself, or cp with its log, into the place of the
 * database `path`, whether there is one or not. The caller holds the bootloader's lock. 1: the copy is in WAL
 * mode and came without a log, if it was made by cp it lacks what the log had. -EBUSY: somebody has the
 * database open; -EINVAL: the file is no copy of Gantry's; -EPROTO: its schema is newer than ours; -EBADMSG: it
 * is damaged or prepared. After an error, and after a crash, the database before is there, under its name or the
 * other one. */
int db_restore(const RestoreSource *s, const char *path, int *ret_version, Error **reterr_error);
