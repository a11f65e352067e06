/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done to the file as a whole. A copy is made by SQLite's backup in one step, from a reader of
 * WAL mode: writers go on meanwhile, and the copy is of one moment. It is then taken out of WAL mode, so
 * that it is one file that can be carried away; a copy that failed leaves nothing behind.
 *
 * Unused pages are given back a few at a time, and checkpoints can be moved out of commits to a moment of
 * the daemon's choice: its loop stands still for as long as either takes. */

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "db/db-internal.h"
#include "db/maintenance.h"

int db_check(Db *db, Error **reterr_error) {
        static const char *const checks[] = { "PRAGMA integrity_check(1)", "PRAGMA foreign_key_check" };

        for (size_t i = 0; i < ELEMENTSOF(checks); i++) {
                sqlite3_stmt *s = NULL;
                int result, r = 0;

                result = sqlite3_prepare_v2(db->handle, checks[i], -1, &s, NULL);
                if (result == SQLITE_OK)
                        result = sqlite3_step(s);
                /* One says "ok", the other says nothing. */
                if (result == SQLITE_ROW && !streq((const char *) sqlite3_column_text(s, 0) ?: "", "ok"))
                        r = error_set(reterr_error, -EBADMSG, "The database is damaged: %s",
                                      (const char *) sqlite3_column_text(s, 0) ?: "?");
                else if (result != SQLITE_ROW && result != SQLITE_DONE)
                        r = engine_error(db->handle, result, "check the database", reterr_error);
                (void) sqlite3_finalize(s);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int copy(sqlite3 *from, sqlite3 *to, Error **reterr_error) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
        int result, end;

        if (!backup)
                return engine_error(to, sqlite3_errcode(to), "copy the database", reterr_error);
        /* All at once: a reader in WAL mode holds nobody up, and the copy is of one moment. */
        result = sqlite3_backup_step(backup, -1);
        end = sqlite3_backup_finish(backup);
        if (result == SQLITE_DONE)
                result = end;
        return result == SQLITE_OK ? 0 : engine_error(to, result, "copy the database", reterr_error);
}

/* SQLite has synced what it wrote; this is for whoever would replace it by a file system that buffers more. */
static int sync_file(const char *path, Error **reterr_error) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 || fsync(fd) < 0 ? error_set_errno(reterr_error, -errno, "Can't sync '%s'", path) : 0;
}

int db_backup(Db *db, const char *path, Error **reterr_error) {
        _cleanup_free_ char *log = NULL;
        sqlite3 *target = NULL;
        int r;

        if (access(path, F_OK) >= 0)
                return error_set(reterr_error, -EEXIST, "There is a file '%s' already", path);
        if (asprintf(&log, "%s-wal", path) < 0) {
                log = NULL;
                return -ENOMEM;
        }
        r = engine_open(path, /* read_only= */ false, /* create= */ true, &target, reterr_error);
        if (r >= 0) {
                r = copy(db->handle, target, reterr_error);
                /* A copied file names the mode of the original, and the copy its log. */
                if (r >= 0)
                        r = engine_leave_wal(target, reterr_error);
                (void) sqlite3_close(target);
        }
        if (r >= 0 && access(log, F_OK) >= 0)
                r = error_set(reterr_error, -EIO, "The copy '%s' still has a log beside it", path);
        if (r >= 0)
                r = sync_file(path, reterr_error);
        if (r < 0) {
                (void) unlink(path);
                (void) unlink(log);
        }
        return r;
}

static int pragma_number(Db *db, const char *sql, uint64_t *ret, Error **reterr_error) {
        sqlite3_stmt *s = NULL;
        int result, r = 0;

        result = sqlite3_prepare_v2(db->handle, sql, -1, &s, NULL);
        if (result == SQLITE_OK)
                result = sqlite3_step(s);
        if (result == SQLITE_ROW)
                *ret = (uint64_t) sqlite3_column_int64(s, 0);
        else
                r = engine_error(db->handle, result, "measure the database", reterr_error);
        (void) sqlite3_finalize(s);
        return r;
}

int db_measure(Db *db, uint64_t *ret_size, uint64_t *ret_free, Error **reterr_error) {
        uint64_t page = 0, pages = 0, unused = 0;
        int r;

        r = pragma_number(db, "PRAGMA page_size", &page, reterr_error);
        if (r >= 0)
                r = pragma_number(db, "PRAGMA page_count", &pages, reterr_error);
        if (r >= 0)
                r = pragma_number(db, "PRAGMA freelist_count", &unused, reterr_error);
        if (r < 0)
                return r;
        *ret_size = page * pages;
        *ret_free = page * unused;
        return 0;
}

int db_vacuum(Db *db, unsigned pages, Error **reterr_error) {
        uint64_t before = 0, after = 0;
        char sql[64];
        int result, r;

        r = pragma_number(db, "PRAGMA freelist_count", &before, reterr_error);
        if (r < 0 || before == 0)
                return r;
        /* 0 would mean all of them. */
        (void) snprintf(sql, sizeof(sql), "PRAGMA incremental_vacuum(%u)", MAX(pages, 1U));
        result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
        if (result != SQLITE_OK)
                return engine_error(db->handle, result, "give back unused pages", reterr_error);
        r = pragma_number(db, "PRAGMA freelist_count", &after, reterr_error);
        return r < 0 ? r : after > 0 && after < before;
}

void db_checkpoint_apart(Db *db) {
        (void) sqlite3_wal_autocheckpoint(db->handle, 0);
}

void db_checkpoint(Db *db) {
        /* What can't be moved now is moved by the next one, or by whoever closes the file last. */
        (void) sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
}
