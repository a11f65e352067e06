/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Care of the file as a whole: whether it is sound, a copy of it, giving freed pages back. Called by gantry-cron. */

#include "db/db.h"

/* Whether the file is sound: 0, or -EBADMSG with what is wrong. Reads everything; nobody is held up. */
int db_check(Db *db, Error **reterr_error);

/* Copies the database to a new file while others go on using this one. The copy is of one moment, whole in its
 * one file, and on the disk when this returns. -EEXIST when the file is there. */
int db_backup(Db *db, const char *path, Error **reterr_error);

/* How many bytes the database takes, and how many of them are in pages that hold nothing. */
int db_measure(Db *db, uint64_t *ret_size, uint64_t *ret_free, Error **reterr_error);

/* Gives up to `pages` pages that hold nothing back to the file system, from the end of the file. 1: there are
 * more; 0: there are none, or the file was made without room for this. */
int db_vacuum(Db *db, unsigned pages, Error **reterr_error);

/* Has commits of this connection leave the log alone, whose moving into the file is no part of what holds the lock;
 * db_checkpoint() moves it, as far as readers let it. */
void db_checkpoint_apart(Db *db);
void db_checkpoint(Db *db);
