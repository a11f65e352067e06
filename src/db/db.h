/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one database of the suite: opening it, and transactions. What is in it is reached through the
 * stores beside this file; docs/DATABASE.md has the tables and says which daemon writes which.
 *
 * What every store's function has in common:
 *
 * - It is whole or nothing, also without a transaction of the caller's; inside one it is a savepoint.
 * - A change is durable (synced) when the outermost transaction's commit has returned 0. What returned an
 *   error may still have been stored when the error was -EIO: repeating it is safe where the function
 *   says so.
 * - Errors: -ENOENT no such row, or it refers to one that isn't there; -EEXIST the name or id is taken;
 *   -ESTALE the row has changed since it was read, or the lease is an old one; -EBUSY the database was
 *   locked for longer than the busy time-out; -ENOSPC, -EIO, -EROFS the disk; -EBADMSG the file is
 *   damaged; -ENOMEM.
 * - `ret` objects belong to the caller; arrays are appended to nothing: give an empty one and free it
 *   with its _done.
 * - `now` is the wall clock of the caller's Env; no function here reads a clock.
 * - Changes append a row to `change` by themselves (db/change-store.h).
 *
 * One Db belongs to one thread. */

#include "basic/error.h"
#include "basic/time-util.h"

#define DB_PATH "/var/lib/gantry/gantry.db"
#define DB_BUSY_USEC (5 * USEC_PER_SEC)

typedef struct Db Db;

typedef enum DbMode {
        DB_READ_WRITE,
        DB_READ_ONLY,
        DB_MIGRATE, /* the bootloader's: makes the file where there is none and doesn't compare the schema */
        _DB_MODE_MAX,
        _DB_MODE_INVALID = -EINVAL,
} DbMode;

/* The path that the environment names ($GANTRY_DATABASE, for development), else DB_PATH. */
const char *db_path(void);

/* Opens the database. -ENOENT: there is no file; -EPROTO: its schema is older or newer than ours, the
 * sentence names both. */
int db_open(const char *path, DbMode mode, Db **ret, Error **reterr_error);
Db *db_free(Db *db);
DEFINE_CLEANUP(Db, db_free);

/* db_open() of `path` has failed with `r`, or what makes the database has: where its disk has no room left,
 * that is why. Returns -ENOSPC then, with a sentence that names both; else `r`, and the sentence stays. */
int db_blame_disk(const char *path, int r, Error **reterr_error);
/* Whether what db_open() has failed with is gone: it opens, or, where it was want of space, there is some
 * again and the rest is gantry-bootloader's. */
bool db_is_mended(const char *path, int r);

/* Begins a transaction that may write; within one, a savepoint. Every begin is ended by db_commit() or by
 * the cleanup:
 *
 *     _cleanup_(db_rollbackp) Db *transaction = NULL;
 *
 *     r = db_begin_immediate(db, &transaction, reterr_error);
 *     …
 *     return db_commit(&transaction, reterr_error);
 */
int db_begin_immediate(Db *db, Db **ret_transaction, Error **reterr_error);
/* Clears *transaction also when it fails: then nothing of the (outermost) transaction is stored. */
int db_commit(Db **transaction, Error **reterr_error);
void db_rollbackp(Db **transaction);

/* The highest seq of `change` that this connection has committed since it was opened, 0 when none: what
 * the Changed signal carries. */
int64_t db_committed_seq(const Db *db);
