/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A backup becomes the database again. Whose file it is nobody knows: it is judged before it counts
 * (T76). */

#include "db/db.h"

/* Where the database that was there before is kept, beside it; its log, where it had one, is this and
 * "-wal". */
#define DB_BEFORE_RESTORE ".before-restore"

/* Puts what the descriptor has, a backup of db_backup(), into the place of the database `path`, whether
 * there is one or not. `name` is for messages. The caller holds the bootloader's lock. -EBUSY: somebody
 * has the database open; -EINVAL: the file is no backup of Gantry's; -EPROTO: its schema is newer than
 * ours; -EBADMSG: it is damaged or prepared. After an error, and after a crash, the database before is
 * there, under its name or the other one. */
int db_restore(int fd, const char *name, const char *path, int *ret_version, Error **reterr_error);
