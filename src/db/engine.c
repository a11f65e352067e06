/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SQLite as it is set up here, for every connection that is opened. The mode is WAL, so that readers
 * never wait for the one writer; a commit is synced (synchronous = FULL), since what the API has
 * confirmed must be there after a power cut. SQLite's own locks are off: a connection belongs to one
 * thread.
 *
 * The file is trusted as data, not as code: it may be a backup that somebody brings. Triggers, views and
 * functions in its schema don't run, and a cell that lies about its size is an error.
 *
 * Result codes become errnos here and nowhere else. The extended codes matter: a row that is there
 * already and a row that is missing are both constraints. */

#include <fcntl.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "db/db.h"
#include "db/engine.h"

#define TEXT_OF(x_) #x_
#define TEXT(x_) TEXT_OF(x_)

/* The longest text or blob: a GLOBAL state's message, doubled by escapes. */
#define LENGTH_MAX (64 * 1024 * 1024)

/* Without mmap a read error is an error and not a signal. Deleted secrets and configurations are
 * overwritten. */
static const char settings[] = "PRAGMA foreign_keys = ON;"
                               "PRAGMA synchronous = FULL;"
                               "PRAGMA trusted_schema = OFF;"
                               "PRAGMA case_sensitive_like = ON;"
                               "PRAGMA cell_size_check = ON;"
                               "PRAGMA secure_delete = ON;"
                               "PRAGMA mmap_size = 0;"
                               "PRAGMA temp_store = MEMORY;"
                               "PRAGMA cache_size = -8192;"
                               "PRAGMA journal_size_limit = 67108864;";

static const struct {
        int result, error;
        const char *sentence;
} results[] = {
        /* Extended codes stand before the codes that they extend. */
        { SQLITE_CONSTRAINT_UNIQUE, -EEXIST, "it is there already" },
        { SQLITE_CONSTRAINT_PRIMARYKEY, -EEXIST, "it is there already" },
        { SQLITE_CONSTRAINT_ROWID, -EEXIST, "it is there already" },
        { SQLITE_CONSTRAINT_FOREIGNKEY, -ENOENT,
          "it refers to something that is not there, or is referred to" },
        { SQLITE_CONSTRAINT, -EINVAL, "the value is not allowed there" },
        { SQLITE_BUSY, -EBUSY, "the database is locked by somebody else" },
        { SQLITE_LOCKED, -EBUSY, "the database is locked by somebody else" },
        { SQLITE_NOMEM, -ENOMEM, "out of memory" },
        { SQLITE_FULL, -ENOSPC, "no space left on the disk" },
        { SQLITE_READONLY, -EROFS, "the database can't be written" },
        { SQLITE_CORRUPT, -EBADMSG, "the database file is damaged" },
        { SQLITE_INTERRUPT, -EBADMSG, "its schema has no end" },
        { SQLITE_NOTADB, -EBADMSG, "the file is not a database" },
        { SQLITE_TOOBIG, -E2BIG, "the value is too large" },
        { SQLITE_PERM, -EACCES, "permission denied" },
        { SQLITE_AUTH, -EACCES, "permission denied" },
        { SQLITE_CANTOPEN, -EACCES, "the file can't be opened" },
        /* What all who have the file open share could not be made larger. */
        { SQLITE_IOERR_SHMSIZE, -ENOSPC, "no space left on the disk" },
        { SQLITE_IOERR, -EIO, "the disk has failed" },
};

/* SQLite knows want of space from writing the file; a quota, or no room for a file beside it, are system
 * errors to it. */
static bool is_disk_full(sqlite3 *handle, int result) {
        int error;

        if (!handle || ((result & 0xff) != SQLITE_IOERR && (result & 0xff) != SQLITE_CANTOPEN))
                return false;
        error = sqlite3_system_errno(handle);
        return error == ENOSPC || error == EDQUOT;
}

int engine_error(sqlite3 *handle, int result, const char *doing, Error **reterr_error) {
        int extended = handle ? sqlite3_extended_errcode(handle) : result;

        if ((extended & 0xff) != (result & 0xff))
                extended = result; /* the handle's last error is another call's */
        if (extended == SQLITE_IOERR_NOMEM)
                return error_set(reterr_error, -ENOMEM, "Can't %s: out of memory", doing);
        if (is_disk_full(handle, extended))
                extended = SQLITE_FULL;
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (results[i].result == extended || results[i].result == (extended & 0xff))
                        return error_set(reterr_error, results[i].error, "Can't %s: %s (%s)", doing,
                                         results[i].sentence,
                                         handle ? sqlite3_errmsg(handle) : sqlite3_errstr(result));
        return error_set(reterr_error, -EIO, "Can't %s: %s", doing,
                         handle ? sqlite3_errmsg(handle) : sqlite3_errstr(result));
}

static int execute(sqlite3 *handle, const char *sql, const char *doing, Error **reterr_error) {
        int result = sqlite3_exec(handle, sql, NULL, NULL, NULL);

        return result == SQLITE_OK ? 0 : engine_error(handle, result, doing, reterr_error);
}

static int query_number(sqlite3 *handle, const char *sql, const char *text, int64_t *ret,
                        Error **reterr_error) {
        sqlite3_stmt *statement = NULL;
        int result, r = 0;

        result = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);
        if (result == SQLITE_OK && text)
                result = sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
        if (result == SQLITE_OK)
                result = sqlite3_step(statement);
        if (result == SQLITE_ROW)
                *ret = sqlite3_column_int64(statement, 0);
        else
                r = engine_error(handle, result, "read the database", reterr_error);
        (void) sqlite3_finalize(statement);
        return r;
}

int engine_has_tables(sqlite3 *handle, Error **reterr_error) {
        int64_t n = 0;
        int r;

        r = query_number(handle, "SELECT count(*) FROM sqlite_schema", NULL, &n, reterr_error);
        return r < 0 ? r : n > 0;
}

int engine_has_table(sqlite3 *handle, const char *name, Error **reterr_error) {
        int64_t n = 0;
        int r;

        r = query_number(handle, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?",
                         name, &n, reterr_error);
        return r < 0 ? r : n > 0;
}

/* No trigger, view or function of a file that somebody gave us runs (T76). */
static int set_defences(sqlite3 *handle, Error **reterr_error) {
        static const struct {
                int option, on;
        } defences[] = {
                { SQLITE_DBCONFIG_DEFENSIVE, 1 },      { SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0 },
                { SQLITE_DBCONFIG_ENABLE_TRIGGER, 0 }, { SQLITE_DBCONFIG_ENABLE_VIEW, 0 },
                { SQLITE_DBCONFIG_DQS_DDL, 0 },        { SQLITE_DBCONFIG_DQS_DML, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(defences); i++) {
                int result = sqlite3_db_config(handle, defences[i].option, defences[i].on, NULL);

                if (result != SQLITE_OK)
                        return engine_error(NULL, result, "set up the database", reterr_error);
        }
        (void) sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
        (void) sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
        return 0;
}

/* A file that doesn't exist yet is made by us, so that nobody else can read it, whatever the umask. */
static int create_file(const char *path, Error **reterr_error) {
        _cleanup_close_ int fd = -EBADF;

        fd = RET_NERRNO(open(path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (fd < 0)
                return error_set_errno(reterr_error, fd, "Can't create the database '%s'", path);
        return 0;
}

static int set_up(sqlite3 *handle, bool create, Error **reterr_error) {
        int r;

        (void) sqlite3_extended_result_codes(handle, 1);
        (void) sqlite3_busy_timeout(handle, (int) (DB_BUSY_USEC / USEC_PER_MSEC));
        r = set_defences(handle, reterr_error);
        if (r < 0)
                return r;
        r = execute(handle, settings, "set up the database", reterr_error);
        if (r < 0 || !create)
                return r;
        r = engine_has_tables(handle, reterr_error);
        if (r < 0)
                return r;
        /* auto_vacuum must come before anything is written: freed pages can then be given back a few at a time, while
         * VACUUM would hold everybody up. */
        if (r == 0)
                r = execute(handle,
                            "PRAGMA auto_vacuum = INCREMENTAL;"
                            "PRAGMA application_id = " TEXT(ENGINE_APPLICATION_ID),
                            "set up the database", reterr_error);
        /* Also of a file that is there: a restored backup is in another mode. */
        return r < 0 ? r : execute(handle, "PRAGMA journal_mode = WAL;", "set up the database", reterr_error);
}

int engine_leave_wal(sqlite3 *handle, Error **reterr_error) {
        return execute(handle, "PRAGMA journal_mode = DELETE;", "make the copy one file", reterr_error);
}

static int stop(void *userdata) {
        return 1;
}

static int open_file(const char *path, int flags, int instructions, bool create, sqlite3 **ret,
                     Error **reterr_error) {
        sqlite3 *handle = NULL;
        int result, r;

        result = sqlite3_open_v2(path, &handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
        /* Before anything has been read: the settings already make SQLite read the schema. */
        if (handle && instructions > 0)
                sqlite3_progress_handler(handle, instructions, stop, NULL);
        if (result != SQLITE_OK)
                r = engine_error(handle, result, "open the database", reterr_error);
        else
                r = set_up(handle, create, reterr_error);
        if (r < 0) {
                (void) sqlite3_close(handle);
                return error_prefix(reterr_error, r, "%s", path);
        }
        *ret = handle;
        return 0;
}

int engine_open(const char *path, bool read_only, bool create, sqlite3 **ret, Error **reterr_error) {
        int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, r;

        if (create) {
                r = create_file(path, reterr_error);
                if (r < 0)
                        return r;
        } else if (access(path, F_OK) < 0 && errno == ENOENT)
                return error_set(reterr_error, -ENOENT,
                                 "There is no database '%s'; gantry-bootloader makes it", path);
        return open_file(path, flags, 0, create, ret, reterr_error);
}

int engine_open_strange(const char *path, int instructions, bool read_only, sqlite3 **ret, Error **reterr_error) {
        return open_file(path, read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE, instructions,
                         /* create= */ false, ret, reterr_error);
}

void engine_trust_schema(sqlite3 *handle) {
        sqlite3_progress_handler(handle, 0, NULL, NULL);
}
