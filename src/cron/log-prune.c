/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Directories without a row, those whose owner ended too long ago, and then the oldest until the rest
 * fits. Sizes are what files take on the disk, for that is what runs out. Only what has ended may go for
 * want of room: a running attempt's log is written to.
 *
 * A directory that can't be removed is told and passed over, and the duty fails at its end: one file with
 * a wrong owner must not stop all others from going. */

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/log.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "cron/log-prune.h"
#include "db/prune-store.h"

/* Deeper than any log lies. */
#define DEPTH_MAX 4U

/* Logs of one job or workload. */
typedef struct Logs {
        char *path;
        usec_t ended; /* of their owner */
        uint64_t bytes;
} Logs;

typedef struct LogScan {
        Cron *cron;
        usec_t before;          /* what ended earlier goes */
        Logs *kept;             /* of what has ended: may go for want of room */
        size_t n_kept, capacity;
        uint64_t total;         /* bytes of all that stay */
        uint64_t *n_removed, *n_bytes;
        int failed;             /* the first that can't be removed; the others go all the same */
} LogScan;

static void scan_done(LogScan *s) {
        for (size_t i = 0; i < s->n_kept; i++)
                free(s->kept[i].path);
        free(s->kept);
}

typedef int (*EntryHandler)(LogScan *s, const char *path, const char *name, Error **reterr_error);

static DIR *close_directory(DIR *d) {
        if (d)
                (void) closedir(d);
        return NULL;
}
DEFINE_CLEANUP(DIR, close_directory);

/* Calls the handler for each directory in `path`. A missing one has none. */
static int each_directory(LogScan *s, const char *path, EntryHandler handler, Error **reterr_error) {
        _cleanup_(close_directoryp) DIR *d = opendir(path);

        if (!d)
                return errno == ENOENT ? 0 : error_set_errno(reterr_error, -errno, "Can't read '%s'", path);
        for (;;) {
                _cleanup_free_ char *child = NULL;
                struct dirent *e;
                int r;

                errno = 0;
                e = readdir(d);
                if (!e)
                        return errno > 0 ? error_set_errno(reterr_error, -errno, "Can't read '%s'", path) : 0;
                if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
                        continue;
                child = path_join(path, e->d_name);
                r = child ? handler(s, child, e->d_name, reterr_error) : -ENOMEM;
                if (r < 0)
                        return r;
        }
}

/* What the files below take on the disk. */
static uint64_t measure(int parent, const char *name, unsigned depth) {
        _cleanup_close_ int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        _cleanup_(close_directoryp) DIR *d = fd < 0 || depth == 0 ? NULL : fdopendir(fd);
        uint64_t sum = 0;
        struct dirent *e;
        struct stat st;

        if (!d)
                return 0;
        while ((e = readdir(d))) {
                if (streq(e->d_name, ".") || streq(e->d_name, "..") ||
                    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        continue;
                sum += (uint64_t) st.st_blocks * 512;
                if (S_ISDIR(st.st_mode))
                        sum += measure(fd, e->d_name, depth - 1);
        }
        (void) TAKE_FD(fd); /* was the directory's */
        return sum;
}

static void remove_logs(LogScan *s, const char *path, uint64_t bytes) {
        int r = remove_tree(path);

        if (r < 0) {
                log_warning_errno(r, "Can't remove the logs '%s'", path);
                s->failed = s->failed ?: r;
                return;
        }
        (*s->n_removed)++;
        *s->n_bytes += bytes;
}

/* Takes or keeps the logs of an owner: `found` < 0: there is none; ended 0: it has not. */
static int judge(LogScan *s, const char *path, int found, usec_t ended) {
        uint64_t bytes = measure(AT_FDCWD, path, DEPTH_MAX);
        Logs *more;

        if (found < 0 || (ended > 0 && ended < s->before)) {
                remove_logs(s, path, bytes);
                return 0;
        }
        s->total += bytes;
        if (ended == 0)
                return 0;
        if (s->n_kept == s->capacity) {
                s->capacity = MAX(2 * s->capacity, 64U);
                more = reallocarray(s->kept, s->capacity, sizeof(*more));
                if (!more)
                        return -ENOMEM;
                s->kept = more;
        }
        s->kept[s->n_kept] = (Logs) { strdup(path), ended, bytes };
        if (!s->kept[s->n_kept].path)
                return -ENOMEM;
        s->n_kept++;
        return 0;
}

/* The row of a job is there before its logs are, so one that isn't there when its logs are seen is gone for good. */
static int on_job(LogScan *s, const char *path, const char *name, Error **reterr_error) {
        _cleanup_(job_freep) Job *job = NULL;
        int64_t id;
        int r;

        if (parse_i64(name, &id) < 0 || id <= 0)
                return 0;
        r = prune_get_job(s->cron->db, id, &job, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        return judge(s, path, r, job && job_status_is_terminal(job->status) ? job->ended_at ?: job->updated_at : 0);
}

static int on_workload(LogScan *s, const char *path, const char *name, Error **reterr_error) {
        _cleanup_(workload_freep) Workload *w = NULL;
        int r;

        r = prune_get_workload(s->cron->db, name, &w, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        return judge(s, path, r, w ? w->ended_at : 0);
}

static int compare(const void *a, const void *b) {
        const Logs *x = a, *y = b;

        return x->ended < y->ended ? -1 : x->ended > y->ended;
}

static void make_room(LogScan *s) {
        if (s->n_kept == 0)
                return;
        qsort(s->kept, s->n_kept, sizeof(*s->kept), compare);
        for (size_t i = 0; i < s->n_kept && s->total > s->cron->keep.logs_use; i++) {
                remove_logs(s, s->kept[i].path, s->kept[i].bytes);
                s->total -= s->kept[i].bytes;
        }
}

int log_prune(Cron *c, uint64_t *n_removed, uint64_t *n_bytes, Error **reterr_error) {
        _cleanup_(scan_done) LogScan s = { .cron = c, .before = retention_before(cron_now(c), c->keep.logs),
                                           .n_removed = n_removed, .n_bytes = n_bytes };
        _cleanup_free_ char *other = path_join(c->logs, "other");
        int r;

        r = other ? each_directory(&s, c->logs, on_job, reterr_error) : -ENOMEM;
        if (r >= 0)
                r = each_directory(&s, other, on_workload, reterr_error);
        if (r < 0)
                return r;
        make_room(&s);
        if (s.failed < 0)
                return error_set_errno(reterr_error, s.failed, "Some logs in '%s' can't be removed", c->logs);
        return 0;
}
