/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing of the file is believed. Its bytes are copied beside the database, so that they can't change any
 * more, and the copy is judged from outside to inside: what its header says it is; then, with all defences
 * of engine.c on and a budget of instructions, whether its schema is word by word what the steps of that
 * version make (so there is no trigger, view, table or index that isn't ours, and no expression to run);
 * only then its content, from end to end. SQLite reads a schema before it does anything else, hence the
 * budget: a tree whose pages lead to each other has more rows than anybody can read.
 *
 * A copy may be in WAL mode: one that SQLite has made of a database in that mode (".backup") says so and is
 * whole; one that was made by cp is whole with the log that lies beside it. Its log is copied, too, and SQLite
 * puts into the copy what it holds, before anything is judged: what is judged is what takes the place. Without a log
 * nothing tells the one from the other, so that is taken and said.
 *
 * The database before stays, by hard links: first its log, then the file. While both names are one file, a
 * restore was cut off between taking the log away and the rename, and what is kept is the whole of it: then
 * it is left alone. */

#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "basic/utf8.h"
#include "db/db-internal.h"
#include "db/maintenance.h"
#include "db/migrate.h"
#include "db/restore.h"

/* https://www.sqlite.org/fileformat2.html, 1.3 */
#define HEADER_SIZE 100U
#define HEADER_MAGIC "SQLite format 3" /* with its NUL */
#define HEADER_WRITE_VERSION 18U       /* 1: no log, so is what db_backup() makes; 2: WAL */
#define HEADER_READ_VERSION 19U
#define HEADER_APPLICATION_ID 68U
#define LOG_MAGIC 0x377f0682U          /* ibid., 4.1; or one more */
/* What every connection in WAL mode keeps locked (ibid., "The Lock-Byte Page"; os.h of SQLite). */
#define SHARED_LOCK_START 0x40000002
#define SHARED_LOCK_SIZE 510
/* Our schema is read in some 10,000 instructions. */
#define SCHEMA_INSTRUCTIONS 5000000
#define COPY_SIZE (64U * 1024U)
#define SHOWN_MAX 64

static int refuse(const char *name, Error **reterr_error, int r, const char *why) {
        return error_set(reterr_error, r, "'%s' is not restored: %s", name, why);
}

static char *beside(const char *path, const char *suffix) {
        char *s;

        return asprintf(&s, "%s%s", path, suffix) < 0 ? NULL : s;
}

static int check_file(int fd, const char *name, Error **reterr_error) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return error_set_errno(reterr_error, -errno, "Can't read '%s'", name);
        return S_ISREG(st.st_mode) ? 0 : refuse(name, reterr_error, -EINVAL, "it is not a file");
}

/* 1: it is in WAL mode. */
static int check_header(int fd, const char *name, Error **reterr_error) {
        unsigned char header[HEADER_SIZE];
        uint32_t id;
        ssize_t n;
        int r;

        r = check_file(fd, name, reterr_error);
        if (r < 0)
                return r;
        n = pread(fd, header, sizeof(header), 0);
        if (n < 0)
                return error_set_errno(reterr_error, -errno, "Can't read '%s'", name);
        if (n < (ssize_t) sizeof(header) || memcmp(header, HEADER_MAGIC, sizeof(HEADER_MAGIC)) != 0)
                return refuse(name, reterr_error, -EINVAL, "it is not a database");
        memcpy(&id, header + HEADER_APPLICATION_ID, sizeof(id));
        if (be32toh(id) != ENGINE_APPLICATION_ID)
                return refuse(name, reterr_error, -EINVAL, "it is a database, but not one of Gantry's");
        if (header[HEADER_WRITE_VERSION] != header[HEADER_READ_VERSION] || header[HEADER_WRITE_VERSION] < 1 ||
            header[HEADER_WRITE_VERSION] > 2)
                return refuse(name, reterr_error, -EINVAL, "it is of a kind that SQLite doesn't make");
        return header[HEADER_WRITE_VERSION] == 2;
}

/* An empty one holds nothing that isn't in the file. */
static int check_log(int fd, const char *name, Error **reterr_error) {
        uint32_t magic = 0;
        ssize_t n;
        int r;

        r = check_file(fd, name, reterr_error);
        if (r < 0)
                return r;
        n = pread(fd, &magic, sizeof(magic), 0);
        if (n < 0)
                return error_set_errno(reterr_error, -errno, "Can't read '%s'", name);
        if (n > 0 && (n < (ssize_t) sizeof(magic) || (be32toh(magic) & ~1U) != LOG_MAGIC))
                return refuse(name, reterr_error, -EINVAL, "it is not a database's log");
        return 0;
}

/* For everybody who has it open. What a process of another host has, no lock tells. */
static int check_unused(const char *path, Error **reterr_error) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = SHARED_LOCK_START,
                              .l_len = SHARED_LOCK_SIZE };

        if (fd < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr_error, -errno, "Can't open '%s'", path);
        if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
                return error_set_errno(reterr_error, -errno, "Can't look at the locks of '%s'", path);
        if (lock.l_type != F_UNLCK)
                return error_set(reterr_error, -EBUSY,
                                 "Somebody has '%s' open; stop what uses it (gantry-cron(8) says how)", path);
        return 0;
}

static int copy_bytes(int from, int to) {
        _cleanup_free_ char *buffer = malloc(COPY_SIZE);
        off_t at = 0;

        if (!buffer)
                return -ENOMEM;
        for (;;) {
                ssize_t n = pread(from, buffer, COPY_SIZE, at);
                int r;

                if (n < 0)
                        return -errno;
                if (n == 0)
                        return fsync(to) < 0 ? -errno : 0;
                r = write_full(to, buffer, (size_t) n);
                if (r < 0)
                        return r;
                at += n;
        }
}

static int copy_file(int from, const char *name, const char *to, Error **reterr_error) {
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (unlink(to) < 0 && errno != ENOENT)
                return error_set_errno(reterr_error, -errno, "Can't remove '%s'", to);
        fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 ? -errno : copy_bytes(from, fd);
        return r < 0 ? error_set_errno(reterr_error, r, "Can't copy '%s' to '%s'", name, to) : 0;
}

/* --- the schema --- */

static const char schema_query[] = "SELECT type, name, tbl_name, sql FROM sqlite_schema "
                                   "ORDER BY type, name, tbl_name, sql";
enum { SCHEMA_TYPE, SCHEMA_NAME, SCHEMA_TABLE, SCHEMA_SQL, _SCHEMA_COLUMNS };

/* What the steps up to this version make, in memory. */
static int open_reference(int version, sqlite3 **ret, Error **reterr_error) {
        int result = sqlite3_open_v2(":memory:", ret, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

        for (int v = 1; result == SQLITE_OK && v <= version; v++)
                result = sqlite3_exec(*ret, schema_steps[v - 1].text, NULL, NULL, NULL);
        return result == SQLITE_OK ? 0 :
                                     engine_error(*ret, result, "make the schema to compare with", reterr_error);
}

static int compare_column(sqlite3_stmt *a, sqlite3_stmt *b, int column) {
        const void *p = sqlite3_column_blob(a, column), *q = sqlite3_column_blob(b, column);
        int n = sqlite3_column_bytes(a, column), m = sqlite3_column_bytes(b, column);
        int r = n > 0 && m > 0 ? memcmp(p, q, (size_t) MIN(n, m)) : 0;

        return r != 0 ? r : n - m;
}

/* Names are the file's: they are shown with what a terminal would act upon escaped. */
static int refuse_row(sqlite3_stmt *s, const char *name, int version, bool is_ours, Error **reterr_error) {
        const void *p = sqlite3_column_blob(s, SCHEMA_NAME);
        size_t n = (size_t) MIN(sqlite3_column_bytes(s, SCHEMA_NAME), SHOWN_MAX);
        _cleanup_(buffer_done) Buffer b = {};
        int r = utf8_append_printable(&b, p, n, /* keep_newlines= */ false);

        if (r < 0)
                return r;
        return error_set(reterr_error, -EBADMSG, "'%s' is not restored: its schema is not version %d's, %s '%.*s'",
                         name, version, is_ours ? "it lacks or has changed" : "see its", (int) b.len,
                         b.len > 0 ? buffer_bytes(&b) : "");
}

/* The next rows of both: 1 they are the same, 0 there are none, else the first difference. */
static int compare_rows(sqlite3 *handle, sqlite3_stmt *file, sqlite3_stmt *ours, const char *name, int version,
                        Error **reterr_error) {
        int a = sqlite3_step(file), b = sqlite3_step(ours), difference = 0;

        if ((a != SQLITE_ROW && a != SQLITE_DONE) || (b != SQLITE_ROW && b != SQLITE_DONE))
                return engine_error(handle, a, "read the schema", reterr_error);
        if (a == SQLITE_DONE && b == SQLITE_DONE)
                return 0;
        for (int i = 0; a == b && difference == 0 && i < _SCHEMA_COLUMNS; i++)
                difference = compare_column(file, ours, i);
        if (a == b && difference == 0)
                return 1;
        /* Sorted alike: the smaller one is what the other side hasn't. */
        if (b == SQLITE_DONE || (a == SQLITE_ROW && difference < 0))
                return refuse_row(file, name, version, /* is_ours= */ false, reterr_error);
        return refuse_row(ours, name, version, /* is_ours= */ true, reterr_error);
}

static int compare_schema(sqlite3 *handle, const char *name, int version, Error **reterr_error) {
        sqlite3_stmt *file = NULL, *ours = NULL;
        sqlite3 *reference = NULL;
        int result, r;

        r = open_reference(version, &reference, reterr_error);
        if (r >= 0) {
                result = sqlite3_prepare_v2(handle, schema_query, -1, &file, NULL);
                if (result == SQLITE_OK)
                        result = sqlite3_prepare_v2(reference, schema_query, -1, &ours, NULL);
                r = result == SQLITE_OK ? 1 : engine_error(handle, result, "read the schema", reterr_error);
        }
        while (r > 0)
                r = compare_rows(handle, file, ours, name, version, reterr_error);
        (void) sqlite3_finalize(file);
        (void) sqlite3_finalize(ours);
        (void) sqlite3_close(reference);
        return r;
}

/* What the copy's log holds goes into the copy, which is one file then. */
static int settle(const char *copy, const char *name, Error **reterr_error) {
        _cleanup_close_ int fd = -EBADF;
        sqlite3 *handle = NULL;
        int r;

        r = engine_open_strange(copy, SCHEMA_INSTRUCTIONS, /* read_only= */ false, &handle, reterr_error);
        if (r >= 0)
                r = engine_leave_wal(handle, reterr_error);
        (void) sqlite3_close(handle);
        if (r < 0)
                return r;
        fd = open(copy, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Can't open '%s'", copy);
        r = check_header(fd, name, reterr_error);
        if (r > 0)
                return refuse(name, reterr_error, -EBADMSG, "its log can't be put into it");
        return r < 0 || fsync(fd) >= 0 ? r : -errno;
}

static int judge(const char *copy, const char *name, int *ret_version, Error **reterr_error) {
        _cleanup_(db_freep) Db *db = calloc(1, sizeof(*db));
        int version, r;

        if (!db)
                return -ENOMEM;
        db->read_only = true;
        r = engine_open_strange(copy, SCHEMA_INSTRUCTIONS, /* read_only= */ true, &db->handle, reterr_error);
        if (r >= 0)
                r = db_schema_version(db, &version, reterr_error);
        if (r >= 0 && version > db_schema_known())
                r = db_schema_compare(db, reterr_error);
        else if (r >= 0 && version < 1)
                r = refuse(name, reterr_error, -EINVAL, "it holds no schema of Gantry's");
        if (r >= 0)
                r = compare_schema(db->handle, name, version, reterr_error);
        if (r < 0)
                return r;
        engine_trust_schema(db->handle);
        r = db_check(db, reterr_error);
        if (r >= 0)
                *ret_version = version;
        return r;
}

/* --- taking its place --- */

static int unlink_beside(const char *path, const char *suffix) {
        _cleanup_free_ char *name = beside(path, suffix);

        if (!name)
                return -ENOMEM;
        return unlink(name) < 0 && errno != ENOENT ? -errno : 0;
}

/* A log or journal of another database would be written into the one that comes. */
static int unlink_logs(const char *path) {
        static const char *const suffixes[] = { "-wal", "-shm", "-journal" };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(suffixes); i++)
                r = unlink_beside(path, suffixes[i]);
        return r;
}

static int keep_log(const char *path) {
        _cleanup_free_ char *log = beside(path, "-wal"), *kept = beside(path, DB_BEFORE_RESTORE "-wal");

        if (!log || !kept)
                return -ENOMEM;
        return link(log, kept) < 0 && errno != ENOENT ? -errno : 0;
}

static int keep_before(const char *path, const char *kept) {
        struct stat now, before;
        int r;

        if (lstat(path, &now) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (lstat(kept, &before) >= 0 && now.st_dev == before.st_dev && now.st_ino == before.st_ino)
                return 0; /* from a restore that was cut off */
        r = unlink_beside(kept, "");
        if (r >= 0)
                r = unlink_beside(kept, "-wal");
        if (r >= 0)
                r = keep_log(path);
        return r < 0 ? r : RET_NERRNO(link(path, kept));
}

static int sync_directory_of(const char *path) {
        _cleanup_free_ char *directory = path_dirname(path);
        _cleanup_close_ int fd = -EBADF;

        if (!directory)
                return -ENOMEM;
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int take_place(const char *copy, const char *path, const char *kept) {
        int r = keep_before(path, kept);

        if (r >= 0)
                r = sync_directory_of(path);
        if (r >= 0)
                r = unlink_logs(path);
        if (r >= 0)
                r = RET_NERRNO(rename(copy, path));
        return r < 0 ? r : sync_directory_of(path);
}

/* What is kept gives way to what is kept next. */
static int check_not_kept(int fd, const char *name, const char *kept, Error **reterr_error) {
        struct stat given, before;

        if (fstat(fd, &given) < 0 || lstat(kept, &before) < 0)
                return 0;
        if (given.st_dev != before.st_dev || given.st_ino != before.st_ino)
                return 0;
        return refuse(name, reterr_error, -EINVAL,
                      "the present database would be kept in its place; rename it first, and its log with it");
}

/* 1: it is in WAL mode, and there was no log. */
static int make_copy(const RestoreSource *s, const char *copy, Error **reterr_error) {
        _cleanup_free_ char *log = beside(s->name, "-wal"), *log_copy = beside(copy, "-wal");
        int wal, r;

        if (!log || !log_copy)
                return -ENOMEM;
        wal = r = check_header(s->fd, s->name, reterr_error);
        if (r > 0 && s->log_fd >= 0)
                r = check_log(s->log_fd, log, reterr_error);
        if (r >= 0)
                r = unlink_logs(copy);
        if (r >= 0)
                r = copy_file(s->fd, s->name, copy, reterr_error);
        if (r >= 0 && wal && s->log_fd >= 0)
                r = copy_file(s->log_fd, log, log_copy, reterr_error);
        if (r >= 0 && wal)
                r = settle(copy, s->name, reterr_error);
        return r < 0 ? r : wal && s->log_fd < 0;
}

int db_restore(const RestoreSource *s, const char *path, int *ret_version, Error **reterr_error) {
        _cleanup_free_ char *copy = beside(path, ".restoring"), *kept = beside(path, DB_BEFORE_RESTORE);
        int version, without_log = 0, r;

        if (!copy || !kept)
                return -ENOMEM;
        r = check_unused(path, reterr_error);
        if (r >= 0)
                r = check_not_kept(s->fd, s->name, kept, reterr_error);
        if (r >= 0)
                r = without_log = make_copy(s, copy, reterr_error);
        if (r >= 0)
                r = judge(copy, s->name, &version, reterr_error);
        if (r >= 0) {
                r = take_place(copy, path, kept);
                if (r < 0)
                        (void) error_set_errno(reterr_error, r, "Can't put '%s' into the place of '%s'", s->name, path);
        }
        if (r < 0) {
                (void) unlink(copy);
                (void) unlink_logs(copy);
                return r;
        }
        *ret_version = version;
        return without_log;
}
