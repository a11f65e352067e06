/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A backup is written under another name, opened, checked and only then named as one: what has the name
 * is sound. The old ones are removed at the very end, so a disk that is full or a copy that is damaged
 * costs no backup. Names sort by time, UTC to the second, which is all that BackupsKeep= needs. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "cron/duty-backup.h"
#include "db/maintenance.h"
#include "shared/journal.h"

#define PREFIX "gantry-"
#define SUFFIX ".db"
#define PARTIAL ".partial"
#define NAME_MAX_OURS 64U
/* Room that a backup leaves to the database, which may lie on the same disk. */
#define ROOM_LEFT (UINT64_C(64) << 20)

static bool has_suffix(const char *name, const char *suffix) {
        size_t n = strlen(name), m = strlen(suffix);

        return n >= m && streq(name + n - m, suffix);
}

/* "gantry-20261126T011253Z.db": the order of the names is that of the times. */
static bool is_backup(const char *name) {
        return strncmp(name, PREFIX, STRLEN(PREFIX)) == 0 && has_suffix(name, SUFFIX);
}

static bool is_partial(const char *name) {
        return strncmp(name, PREFIX, STRLEN(PREFIX)) == 0 && (has_suffix(name, PARTIAL) || strstr(name, PARTIAL "-"));
}

static int backup_filter(const struct dirent *e) {
        return is_backup(e->d_name);
}

static int partial_filter(const struct dirent *e) {
        return is_partial(e->d_name);
}

/* Removes those of the directory that the filter takes, but for the last `keep`. */
static int remove_but(const char *directory, int (*filter)(const struct dirent *), uint64_t keep,
                      Error **reterr_error) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(directory, &entries, filter, alphasort);
        if (n < 0)
                return error_set_errno(reterr_error, -errno, "Can't read '%s'", directory);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (r >= 0 && (uint64_t) (n - i) > keep) {
                        path = path_join(directory, entries[i]->d_name);
                        r = path ? RET_NERRNO(unlink(path)) : -ENOMEM;
                        if (r < 0)
                                r = error_set_errno(reterr_error, r, "Can't remove '%s'", strempty(path));
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

/* A disk that a backup has filled would stop every sync. */
static int check_room(Cron *c, Error **reterr_error) {
        uint64_t size, unused;
        struct statvfs fs;
        int r;

        r = db_measure(c->db, &size, &unused, reterr_error);
        if (r < 0)
                return r;
        if (statvfs(c->backups, &fs) < 0)
                return error_set_errno(reterr_error, -errno, "Can't measure '%s'", c->backups);
        if ((uint64_t) fs.f_bavail * fs.f_frsize < size + ROOM_LEFT) {
                char need[FORMAT_BYTES_MAX], have[FORMAT_BYTES_MAX];

                return error_set(reterr_error, -ENOSPC, "A backup takes %s of %s, and only %s are free",
                                 format_bytes(size + ROOM_LEFT, need), c->backups,
                                 format_bytes((uint64_t) fs.f_bavail * fs.f_frsize, have));
        }
        return 0;
}

static int make_names(Cron *c, char **ret_path, char **ret_partial) {
        time_t now = (time_t) (cron_now(c) / USEC_PER_SEC);
        char name[NAME_MAX_OURS];
        struct tm tm;

        if (!gmtime_r(&now, &tm) || strftime(name, sizeof(name), PREFIX "%Y%m%dT%H%M%SZ" SUFFIX, &tm) == 0)
                return -EOVERFLOW;
        *ret_path = path_join(c->backups, name);
        if (!*ret_path || asprintf(ret_partial, "%s" PARTIAL, *ret_path) < 0)
                return -ENOMEM;
        return 0;
}

static int sync_directory(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* What is kept for the worst day has been opened once. */
static int verify(const char *path, Error **reterr_error) {
        _cleanup_(db_freep) Db *copy = NULL;
        int r;

        r = db_open(path, DB_READ_ONLY, &copy, reterr_error);
        return r < 0 ? r : db_check(copy, reterr_error);
}

static int make_backup(Cron *c, const char *path, const char *partial, Error **reterr_error) {
        int r;

        r = db_backup(c->db, partial, reterr_error);
        if (r < 0)
                return r;
        r = verify(partial, reterr_error);
        if (r >= 0) {
                r = RET_NERRNO(rename(partial, path));
                if (r >= 0)
                        r = sync_directory(c->backups);
                if (r < 0)
                        return error_set_errno(reterr_error, r, "Can't name the backup '%s'", path);
        }
        if (r < 0)
                (void) unlink(partial);
        return r;
}

int duty_backup(Cron *c, Error **reterr_error) {
        _cleanup_free_ char *path = NULL, *partial = NULL;
        int r;

        if (c->keep.backups == 0)
                return 0;
        r = mkdir_parents(c->backups, 0700);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Can't make the directory '%s'", c->backups);
        r = remove_but(c->backups, partial_filter, 0, reterr_error);
        if (r >= 0)
                r = check_room(c, reterr_error);
        if (r >= 0)
                r = make_names(c, &path, &partial);
        if (r >= 0)
                r = make_backup(c, path, partial, reterr_error);
        if (r < 0)
                return r;
        journal_message(LOG_LEVEL_INFO, MESSAGE_BACKUP_DONE, JOURNAL_FIELDS({ "GANTRY_BACKUP", path }),
                        "Backed up and checked: %s", path);
        return remove_but(c->backups, backup_filter, c->keep.backups, reterr_error);
}
