/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Opening somebody else's database to read, while its owner may be writing. One read transaction is begun
 * at once and kept: all tables are of the moment of its first read, whatever is committed meanwhile. In
 * rollback mode that lock also keeps writers from committing; in WAL mode it doesn't.
 *
 * Reading a WAL database writes, into its shared-memory file. Where that can't be done (a read-only
 * directory) the file is opened as immutable, without locks, and only if there is no log that would be
 * missed. The caller looks afterwards whether the file has changed. */

#include <stdio.h>
#include <sys/stat.h>

#include "connectors/source-sqlite/sqlite-util.h"

/* A writer in rollback mode locks the file while it commits. */
#define BUSY_TIMEOUT_MS 30000
/* Pages kept in memory, in KiB: rows are read once, in order. */
#define CACHE_SQL "PRAGMA cache_size = -4096"

/* Errnos by which the caller tells what passes by itself from what a person must mend. */
int sqlite_fail(sqlite3 *db, Error **reterr_error, const char *what) {
        int code = db ? sqlite3_errcode(db) & 0xff : SQLITE_NOMEM, r;

        switch (code) {
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                r = -EBUSY;
                break;
        case SQLITE_CANTOPEN:
                r = -ENOENT;
                break;
        case SQLITE_PERM:
        case SQLITE_AUTH:
        case SQLITE_READONLY:
                r = -EACCES;
                break;
        case SQLITE_NOTADB:
                r = -EINVAL;
                break;
        default:
                r = -EIO;
        }
        return error_set(reterr_error, r, "%s: %s", what, sqlite3_errmsg(db));
}

int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error **reterr_error) {
        if (sqlite3_prepare_v2(db, sql, -1, ret, NULL) != SQLITE_OK)
                return sqlite_fail(db, reterr_error, "the database cannot be read");
        return 0;
}

int sqlite_step(sqlite3_stmt *s, Error **reterr_error) {
        switch (sqlite3_step(s)) {
        case SQLITE_ROW:
                return 1;
        case SQLITE_DONE:
                return 0;
        default:
                return sqlite_fail(sqlite3_db_handle(s), reterr_error, "reading from the database fails");
        }
}

int sqlite_append_name(Buffer *b, const char *name) {
        int r = buffer_append_char(b, '"');

        for (; r >= 0 && *name; name++)
                r = *name == '"' ? buffer_append(b, "\"\"", 2) : buffer_append_char(b, *name);
        return r < 0 ? r : buffer_append_char(b, '"');
}

/* A transaction for the whole run: all tables show the moment of its first read. */
static int exec_all(sqlite3 *db, Error **reterr_error) {
        static const char *const sql[] = { CACHE_SQL, "PRAGMA trusted_schema = OFF", "BEGIN",
                                           "SELECT 1 FROM sqlite_schema LIMIT 1" /* the snapshot is taken here */ };

        for (size_t i = 0; i < ELEMENTSOF(sql); i++)
                if (sqlite3_exec(db, sql[i], NULL, NULL, NULL) != SQLITE_OK)
                        return sqlite_fail(db, reterr_error, "the database cannot be opened");
        return 0;
}

/* Defensive, without trusted schema: the file may come from a stranger, and its triggers and views run
 * code. */
static int try_open(const char *name, int flags, sqlite3 **ret, Error **reterr_error) {
        _cleanup_db_ sqlite3 *db = NULL;
        int r;

        if (sqlite3_open_v2(name, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX | flags,
                            NULL) != SQLITE_OK)
                return sqlite_fail(db, reterr_error, "the database cannot be opened");
        (void) sqlite3_extended_result_codes(db, 1);
        (void) sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        (void) sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        r = exec_all(db, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(db);
        return 0;
}

/* A log holds commits that the file itself does not. */
static bool has_log(const char *path) {
        _cleanup_free_ char *log = NULL;
        struct stat st;

        if (asprintf(&log, "%s-wal", path) < 0) {
                log = NULL;
                return true;
        }
        return stat(log, &st) >= 0 && st.st_size > 0;
}

/* Without locks and without looking for a log; the name goes into a URI, so its special characters are
 * escaped. */
static int open_immutable(const char *path, sqlite3 **ret, Error **reterr_error) {
        _cleanup_buffer_ Buffer uri = {};
        int r;

        r = buffer_append_string(&uri, "file:");
        for (const char *p = path; r >= 0 && *p; p++)
                r = strchr("%?#", *p) ?
                        buffer_appendf(&uri, "%%%02x", (unsigned) *p) : buffer_append_char(&uri, *p);
        if (r >= 0)
                r = buffer_append_string(&uri, "?immutable=1");
        if (r < 0 || !buffer_string(&uri))
                return -ENOMEM;
        return try_open(buffer_string(&uri), SQLITE_OPEN_URI, ret, reterr_error);
}

int sqlite_open(const char *path, sqlite3 **ret, bool *ret_immutable, Error **reterr_error) {
        struct stat st;
        int r;

        *ret_immutable = false;
        if (stat(path, &st) < 0)
                return error_set_errno(reterr_error, -errno, "The database '%s' cannot be read", path);
        if (!S_ISREG(st.st_mode))
                return error_set(reterr_error, -EINVAL, "'%s' is not a regular file", path);
        r = try_open(path, 0, ret, reterr_error);
        if ((r == -ENOENT || r == -EACCES || r == -EIO) && !has_log(path)) {
                if (open_immutable(path, ret, NULL) >= 0) {
                        if (reterr_error)
                                *reterr_error = error_free(*reterr_error);
                        *ret_immutable = true;
                        return 0;
                }
        } else if (r == -ENOENT || r == -EACCES)
                return error_prefix(reterr_error, r,
                                    "'%s' has a write-ahead log; its directory must be writable to read it",
                                            path);
        return r < 0 ? error_prefix(reterr_error, r, "'%s'", path) : 0;
}
