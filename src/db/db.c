/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Transactions nest. The outermost is SQLite's own, those within are savepoints, all of one name: RELEASE
 * and ROLLBACK TO find the innermost. So every store's function is whole by itself and can be a part of
 * something larger without knowing. The depth is a programmer's matter, eight is more than any call has.
 *
 * Writers begin with BEGIN IMMEDIATE. A transaction that first reads and then wants to write would get
 * SQLITE_BUSY at once, without the busy time-out, when somebody has written meanwhile: the lock is taken
 * before the first read instead, and waiting happens in one place.
 *
 * `pending` is the number of the last row in `change`, put back by a rollback along with the rows; only
 * the outermost commit makes it `committed`. So the signal that is sent after it never names a change
 * that readers can't see.
 *
 * After some errors (disk full, out of memory) SQLite rolls back everything by itself, savepoints
 * included. db_commit() asks for that, since a RELEASE would otherwise seem to store what is gone. */

#include <inttypes.h>

#include "basic/disk-space.h"
#include "basic/path-util.h"
#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/migrate.h"

/* What SQLite makes beside a database that is opened takes less. */
#define ROOM_MIN UINT64_C(131072)

const char *db_path(void) {
        return getenv("GANTRY_DATABASE") ?: DB_PATH;
}

Db *db_free(Db *db) {
        if (!db)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(db->statements); i++) {
                (void) sqlite3_finalize(db->statements[i].handle);
                free(db->statements[i].columns);
        }
        /* Rolls back what is open. */
        (void) sqlite3_close(db->handle);
        free(db);
        return NULL;
}

int db_open(const char *path, DbMode mode, Db **ret, Error **reterr_error) {
        _cleanup_(db_freep) Db *db = NULL;
        int r;

        db = calloc(1, sizeof(*db));
        if (!db)
                return -ENOMEM;
        db->read_only = mode == DB_READ_ONLY;
        r = engine_open(path, db->read_only, mode == DB_MIGRATE, &db->handle, reterr_error);
        if (r < 0)
                return r;
        if (mode != DB_MIGRATE) {
                r = db_schema_compare(db, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "%s", path);
        }
        *ret = TAKE_PTR(db);
        return 0;
}

static bool disk_is_full(const char *directory) {
        uint64_t room;

        return disk_space_free(directory, &room) >= 0 && room < ROOM_MIN;
}

int db_blame_disk(const char *path, int r, Error **reterr_error) {
        _cleanup_free_ char *directory = path_dirname(path), *disk = NULL;

        if (!directory || (r != -ENOSPC && !disk_is_full(directory)))
                return r;
        if (disk_describe(directory, &disk) < 0)
                disk = NULL;
        return error_set(reterr_error, -ENOSPC, "The disk%s%s of '%s' is full", disk ? " " : "",
                         strempty(disk), path);
}

bool db_is_mended(const char *path, int r) {
        _cleanup_free_ char *directory = path_dirname(path);
        _cleanup_(db_freep) Db *db = NULL;
        int again = db_open(path, DB_READ_WRITE, &db, NULL);

        return again >= 0 || (r == -ENOSPC && again != -ENOSPC && directory && !disk_is_full(directory));
}

int64_t db_committed_seq(const Db *db) {
        return db->committed;
}

static int execute(Db *db, const char *sql, const char *doing, Error **reterr_error) {
        int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

        return result == SQLITE_OK ? 0 : engine_error(db->handle, result, doing, reterr_error);
}

static int begin(Db *db, const char *sql, Db **ret_transaction, Error **reterr_error) {
        int r;

        assert(db->depth < DB_DEPTH_MAX);
        r = execute(db, db->depth == 0 ? sql : "SAVEPOINT s", "begin a transaction", reterr_error);
        if (r < 0)
                return r;
        db->pending_seq[db->depth++] = db->pending;
        *ret_transaction = db;
        return 0;
}

int db_begin_immediate(Db *db, Db **ret_transaction, Error **reterr_error) {
        return begin(db, "BEGIN IMMEDIATE", ret_transaction, reterr_error);
}

int db_begin_read(Db *db, Db **ret_transaction, Error **reterr_error) {
        return begin(db, "BEGIN DEFERRED", ret_transaction, reterr_error);
}

void db_rollbackp(Db **transaction) {
        Db *db = *transaction;

        if (!db)
                return;
        assert(db->depth > 0);
        db->pending = db->pending_seq[--db->depth];
        /* After some errors SQLite has rolled back the whole transaction by itself; the levels above then
         * fail too. */
        if (sqlite3_get_autocommit(db->handle) == 0)
                (void) execute(db, db->depth == 0 ? "ROLLBACK" : "ROLLBACK TO s; RELEASE s", "roll back",
                               NULL);
        *transaction = NULL;
}

int db_commit(Db **transaction, Error **reterr_error) {
        Db *db = *transaction;
        int r;

        assert(db && db->depth > 0);
        if (sqlite3_get_autocommit(db->handle) != 0) {
                db_rollbackp(transaction);
                return error_set(reterr_error, -EIO, "The transaction was rolled back by the database");
        }
        r = execute(db, db->depth == 1 ? "COMMIT" : "RELEASE s", "commit", reterr_error);
        if (r < 0) {
                db_rollbackp(transaction);
                return r;
        }
        if (--db->depth == 0)
                db->committed = MAX(db->committed, db->pending);
        *transaction = NULL;
        return 0;
}

int db_change(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, int kind,
              const char *change_id, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r, n;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        n = db_run(db, id, model, o, binds, reterr_error);
        if (n <= 0)
                return n;
        r = change_append(db, kind, change_id, now, NULL, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : n;
}

int db_change_one(Db *db, SqlId id, const Model *model, const void *o, const Bind *binds, int kind,
                  const char *what, const char *change_id, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, id, model, o, binds, kind, change_id, now, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ENOENT, "There is no %s '%s'", what, change_id);
        return r < 0 ? r : 0;
}

int db_refuse_in_use(Db *db, SqlId query, const char *id, const char *what, Error **reterr_error) {
        int64_t in_use;
        int r;

        r = db_get_i64(db, query, BINDS(B_TEXT("id", id)), &in_use, reterr_error);
        if (r >= 0 && in_use)
                return error_set(reterr_error, -EBUSY, "%s '%s' is in use", what, id);
        return r;
}
