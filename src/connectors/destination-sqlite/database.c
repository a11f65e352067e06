/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file, and who may write to it when. Three locks, from the outside in: of a stream, for the whole
 * sync; the turn, for one transaction, fair among syncs; SQLite's own, for which nobody waits in line. A
 * bulk loader that only had the last would begin its next transaction before the others wake up.
 *
 * SQLite's locks are POSIX locks, which belong to the process: closing any descriptor of the file lets go
 * of all of them. That is why the descriptor for our own locks is opened before SQLite's and closed after
 * it.
 *
 * A commit is durable when it returns, directory included (synchronous=EXTRA), as the state that is
 * echoed after it promises that. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "connectors/destination-sqlite/database.h"
#include "connectors/lib/stream-lock.h"

/* Within the 32 MiB that a destination may use; more gains nothing for rows that are only appended. */
#define CACHE_KIB 12288
/* Measured 10 % faster than 4096 for bulk loads of a fresh file. */
#define FRESH_PAGE_SIZE 16384

static const struct {
        int sqlite, code;
        FailureType type;
        const char *why;
} error_table[] = {
        { SQLITE_FULL, -ENOSPC, FAILURE_SYSTEM_ERROR, "the disk is full" },
        { SQLITE_READONLY, -EROFS, FAILURE_CONFIG_ERROR, "it is read-only" },
        { SQLITE_NOTADB, -EBADF, FAILURE_CONFIG_ERROR, "the file is not an SQLite database" },
        { SQLITE_BUSY, -EBUSY, FAILURE_TRANSIENT_ERROR, "another program holds its lock" },
        { SQLITE_LOCKED, -EBUSY, FAILURE_TRANSIENT_ERROR, "another program holds its lock" },
        { SQLITE_CANTOPEN, -ENOENT, FAILURE_CONFIG_ERROR, "the file cannot be opened or made" },
        { SQLITE_PERM, -EACCES, FAILURE_CONFIG_ERROR, "access is denied" },
        { SQLITE_CORRUPT, -EUCLEAN, FAILURE_SYSTEM_ERROR, "the database is damaged" },
        { SQLITE_NOMEM, -ENOMEM, FAILURE_SYSTEM_ERROR, "out of memory" },
        { SQLITE_TOOBIG, -EFBIG, FAILURE_SYSTEM_ERROR, "a value or statement is too big for SQLite" },
        { SQLITE_IOERR, -EIO, FAILURE_SYSTEM_ERROR, "reading or writing failed" },
};

int database_error(Database *d, int rc, const char *what, Error **reterr_error) {
        const char *detail = d->db ? sqlite3_errmsg(d->db) : sqlite3_errstr(rc);

        for (size_t i = 0; i < ELEMENTSOF(error_table); i++)
                if ((rc & 0xff) == error_table[i].sqlite)
                        return connector_fail(reterr_error, error_table[i].type, error_table[i].code,
                                              "Failed to %s in '%s': %s (SQLite: %s)", what, d->path,
                                              error_table[i].why, detail);
        return connector_fail(reterr_error, FAILURE_SYSTEM_ERROR, -EIO, "Failed to %s in '%s': %s", what, d->path,
                              detail);
}

int database_exec(Database *d, Error **reterr_error, const char *format, ...) {
        _cleanup_sqlite_str_ char *sql = NULL;
        va_list ap;
        int rc;

        va_start(ap, format);
        sql = sqlite3_vmprintf(format, ap);
        va_end(ap);
        if (!sql)
                return -ENOMEM;
        rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
        return rc == SQLITE_OK ? 0 : database_error(d, rc, "change a table", reterr_error);
}

int database_prepare(Database *d, const char *sql, sqlite3_stmt **ret, Error **reterr_error) {
        int rc = sqlite3_prepare_v3(d->db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);

        return rc == SQLITE_OK ? 0 : database_error(d, rc, "prepare a statement", reterr_error);
}

/* Opens the file for the locks and finds out early what SQLite would only say at the first write. */
static int open_file(Database *d, Error **reterr_error) {
        struct stat st;

        d->created = stat(d->path, &st) < 0 && errno == ENOENT;
        if (!d->created && S_ISDIR(st.st_mode))
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EISDIR,
                                      "'%s' is a directory; path names the database file", d->path);
        d->lock_fd = open(d->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
        if (d->lock_fd >= 0)
                return 0;
        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -errno,
                              "Failed to open the database '%s' for "
                              "writing: %s", d->path, strerror(errno));
}

/* Rollback journals make bulk loads 1.4 to 1.7 times as fast as a WAL; a database that is in WAL mode
 * stays in it. EXTRA syncs the directory after the journal is gone: with FULL, a power cut could bring it
 * back and undo a commit whose state was already acknowledged. */
static int configure(Database *d, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *count = NULL;
        bool fresh;
        int r;

        r = database_prepare(d, "PRAGMA page_count", &count, reterr_error);
        if (r < 0)
                return r;
        r = sqlite3_step(count);
        if (r != SQLITE_ROW)
                return database_error(d, r, "read the header", reterr_error);
        fresh = sqlite3_column_int64(count, 0) == 0;
        /* Ends its read of the file: the page size stays what it is, without a word, while one lasts. */
        sqlite3_finalize(TAKE_PTR(count));
        if (fresh) {
                r = database_exec(d, reterr_error, "PRAGMA page_size=%d", FRESH_PAGE_SIZE);
                if (r < 0)
                        return r;
        }
        /* Views on tables that are swapped must not stand in the way of the renaming. */
        return database_exec(d, reterr_error,
                             "PRAGMA synchronous=EXTRA; PRAGMA cache_size=-%d; PRAGMA temp_store=FILE;"
                             "PRAGMA legacy_alter_table=ON; PRAGMA foreign_keys=OFF", CACHE_KIB);
}

int database_open(Database *d, const char *path, int busy_timeout_seconds, Error **reterr_error) {
        int r;

        d->path = strdup(path);
        if (!d->path)
                return -ENOMEM;
        r = open_file(d, reterr_error);
        if (r < 0)
                return r;
        /* One thread: the locks that every bind and allocation takes else cost as much as parsing a
         * record. */
        (void) sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
        r = sqlite3_open_v2(path, &d->db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE, NULL);
        if (r != SQLITE_OK)
                return database_error(d, r, "open the database", reterr_error);
        (void) sqlite3_busy_timeout(d->db, busy_timeout_seconds * 1000);
        (void) sqlite3_db_config(d->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        (void) sqlite3_db_config(d->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
        return 0;
}

/* While another sync's transaction is larger than its cache, not even the header can be read. */
int database_configure(Database *d, bool wait, Error **reterr_error) {
        int r = 0;

        if (wait)
                r = stream_lock_turn_begin(d->lock_fd);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to lock '%s'", d->path);
        r = configure(d, reterr_error);
        if (wait)
                (void) stream_lock_turn_end(d->lock_fd);
        return r;
}

void database_close(Database *d) {
        database_rollback(d);
        /* SQLite's own locks are the process's: they must be gone before another descriptor of the file
         * is closed. */
        (void) sqlite3_close_v2(d->db);
        d->lock_fd = safe_close(d->lock_fd);
        free(d->path);
        *d = DATABASE_INIT;
}

/* The turn comes first and is fair; SQLite's own lock is not, and a bulk loader would starve all others. */
int database_begin(Database *d, Error **reterr_error) {
        int r;

        if (d->in_transaction)
                return 0;
        r = stream_lock_turn_begin(d->lock_fd);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to lock '%s'", d->path);
        r = sqlite3_exec(d->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
        if (r != SQLITE_OK) {
                (void) stream_lock_turn_end(d->lock_fd);
                return database_error(d, r, "begin a transaction", reterr_error);
        }
        d->in_transaction = true;
        return 0;
}

/* A commit that failed leaves nothing behind, so that whoever tries again starts from what is known. */
int database_commit(Database *d, Error **reterr_error) {
        int r;

        if (!d->in_transaction)
                return 0;
        r = sqlite3_exec(d->db, "COMMIT", NULL, NULL, NULL);
        if (r != SQLITE_OK) {
                r = database_error(d, r, "commit", reterr_error);
                database_rollback(d);
                return r;
        }
        d->in_transaction = false;
        (void) stream_lock_turn_end(d->lock_fd);
        return 0;
}

void database_rollback(Database *d) {
        if (!d->in_transaction)
                return;
        (void) sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
        d->in_transaction = false;
        (void) stream_lock_turn_end(d->lock_fd);
}
