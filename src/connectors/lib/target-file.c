/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One file that is written to while it can be lost at any moment. Its journal says how many bytes count;
 * the rest is what an interrupted run left, and goes when the file is opened again. The order of writes
 * is what all depends on:
 *
 *   append      bytes, fdatasync, then the journal with the new length, fdatasync, then the state is echoed
 *   rewrite     the new file, fsync, the journal announces it, rename, directory, the journal with the new length
 *   refresh     appends to FILE.new; at its end rename, both directories, the journal
 *
 * Wherever it is cut, recover() finds out from what is there how far it came: a rewritten file that is
 * gone was renamed, an unfinished file that is gone has become the file. A file that was closed in order
 * and has changed since belongs to its owner, and is taken as it is. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "connectors/lib/stream-lock.h"
#include "connectors/lib/target-file.h"
#include "connectors/lib/target-name.h"
#include "connectors/lib/target-journal.h"

static int fail(const TargetFile *f, int r, const char *what, Error **reterr_error) {
        FailureType type = r == -ENOSPC || r == -EIO || r == -ENOMEM || r == -EDQUOT ? FAILURE_SYSTEM_ERROR
                                                                                     : FAILURE_CONFIG_ERROR;

        return connector_fail(reterr_error, type, r, "Failed to %s '%s': %s", what, f->display,
                              strerror(-r));
}

/* Without `sync` it is durable before the next bytes are, see target_file_flush(). */
static int write_journal(TargetFile *f, bool sync, Error **reterr_error) {
        int r = target_journal_write(f->journal_fd, &f->journal, sync);

        if (r < 0)
                return fail(f, r, "write the journal of", reterr_error);
        f->journal_dirty = !sync;
        return 0;
}

static int sync_directory(const TargetFile *f, int fd, Error **reterr_error) {
        return fsync(fd) < 0 ? fail(f, -errno, "sync the directory of", reterr_error) : 0;
}

/* --- names --- */

/* A name that has been encoded, so it may go into a format. */
static int suffixed(const Buffer *base, const char *suffix, char **ret) {
        return asprintf(ret, "%.*s%s", (int) base->len, buffer_bytes(base), suffix) < 0 ? -ENOMEM : 0;
}

/* Three files of the side directory, by the same rule as the file itself. */
static int name_side_files(TargetFile *f, const AirbyteStream *s) {
        _cleanup_buffer_ Buffer base = {};
        int r = 0;

        /* A namespace has no dots left, so the first one ends it. A single file has one journal whoever
         * writes it. */
        if (f->directory->single)
                r = buffer_append_string(&base, "file");
        else if (s->namespace && *s->namespace)
                r = target_encode_name(s->namespace, /* dots= */ false, &base);
        if (r >= 0)
                r = buffer_append_char(&base, '.');
        if (r >= 0 && !f->directory->single)
                r = target_encode_name(s->name, /* dots= */ true, &base);
        if (r >= 0)
                r = suffixed(&base, ".journal", &f->journal_name);
        if (r >= 0)
                r = suffixed(&base, ".new", &f->new_name);
        return r < 0 ? r : suffixed(&base, ".rewrite", &f->rewrite_name);
}

/* A namespace that is a mount point of its own would make syncing the one file system not enough. */
static int open_parent(TargetFile *f, const AirbyteStream *s, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        struct stat here, root;
        const char *name;
        int r;

        if (f->directory->single || !s->namespace || !*s->namespace) {
                f->parent_fd = fcntl(f->directory->root_fd, F_DUPFD_CLOEXEC, 3);
                return f->parent_fd < 0 ? -errno : 0;
        }
        r = target_encode_name(s->namespace, /* dots= */ false, &b);
        if (r < 0)
                return r;
        name = buffer_string(&b);
        if (!name)
                return -ENOMEM;
        if (mkdirat(f->directory->root_fd, name, 0777) < 0 && errno != EEXIST)
                return fail(f, -errno, "make the directory of", reterr_error);
        f->parent_fd = openat(f->directory->root_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (f->parent_fd < 0)
                return fail(f, -errno, "open the directory of", reterr_error);
        if (fstat(f->parent_fd, &here) < 0 || fstat(f->directory->root_fd, &root) < 0)
                return -errno;
        f->directory->many_devices = f->directory->many_devices || here.st_dev != root.st_dev;
        return 0;
}

/* `display` is for messages, and the only form that holds the whole path. */
static int name_file(TargetFile *f, const AirbyteStream *s, const char *extension) {
        _cleanup_buffer_ Buffer b = {}, shown = {};
        int r = 0;

        if (f->directory->single) {
                f->name = strdup(f->directory->single);
                f->display = strdup(f->directory->path);
                return f->name && f->display ? 0 : -ENOMEM;
        }
        r = target_encode_name(s->name, /* dots= */ true, &b);
        if (r >= 0)
                r = suffixed(&b, extension, &f->name);
        if (r >= 0)
                r = buffer_appendf(&shown, "%s/", f->directory->path);
        if (r >= 0 && s->namespace && *s->namespace) {
                r = target_encode_name(s->namespace, /* dots= */ false, &shown);
                if (r >= 0)
                        r = buffer_append_char(&shown, '/');
        }
        if (r >= 0)
                r = buffer_append_string(&shown, f->name);
        if (r < 0)
                return r;
        f->display = buffer_steal_string(&shown);
        return f->display ? 0 : -ENOMEM;
}

/* --- after a crash --- */

/* Size of a regular file, -ENOENT, or the error of something else that stands there. */
static int64_t size_at(int at, const char *name) {
        struct stat st;

        if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        if (S_ISLNK(st.st_mode))
                return -ELOOP;
        return S_ISREG(st.st_mode) ? st.st_size : -EINVAL;
}

/* A rewritten file is renamed after the journal says so: where it is gone, the rename was done. */
static int recover_rewrite(TargetFile *f) {
        int side = f->directory->side_fd;
        int64_t left = size_at(side, f->rewrite_name);

        if (left >= 0 && unlinkat(side, f->rewrite_name, 0) < 0)
                return -errno;
        if (f->journal.rewrite_length > 0 && left == -ENOENT) {
                if (f->journal.rewrite_is_new)
                        f->journal.new_length = f->journal.rewrite_length;
                else
                        f->journal.length = f->journal.rewrite_length;
        }
        f->journal.rewrite_length = 0;
        return 0;
}

/* The same for the swap at the end of a refresh. */
static int recover_new(TargetFile *f, Error **reterr_error) {
        GenerationHistory *h = &f->journal.history;
        int64_t size = size_at(f->directory->side_fd, f->new_name), final = size_at(f->parent_fd, f->name);

        if (size >= 0 && !h->has_new)
                return unlinkat(f->directory->side_fd, f->new_name, 0) < 0 ? -errno : 0;
        if (!h->has_new)
                return 0;
        if (size >= 0 && (uint64_t) size < f->journal.new_length)
                return error_set(reterr_error, -EUCLEAN,
                                 "The unfinished file of '%s' is shorter than what was "
                                 "acknowledged: the file system lost data", f->display);
        if (size >= 0)
                return 0;
        h->has_new = false;
        if (final >= 0 && (uint64_t) final == f->journal.new_length) {
                f->journal.length = f->journal.new_length;
                h->has_final = true;
                h->final_has_generation = h->new_has_generation;
                h->final_generation_id = h->new_generation_id;
        }
        return 0;
}

/* How much of the file as it is counts. */
static int recover_final(TargetFile *f, Emitter *out, Error **reterr_error) {
        TargetJournal *j = &f->journal;
        int64_t size = size_at(f->parent_fd, f->name);

        if (size < 0 && size != -ENOENT)
                return fail(f, (int) size, "write", reterr_error);
        if (size == -ENOENT) {
                j->history.has_final = false;
                j->length = 0;
                return 0;
        }
        /* Not ours, or closed in order and perhaps changed since: that is its owner's right. */
        if (!j->history.has_final || j->clean) {
                j->length = (uint64_t) size;
                return 0;
        }
        if ((uint64_t) size < j->length) {
                j->length = (uint64_t) size;
                return emitter_log(out, "WARN",
                                   "'%s' is shorter than what was acknowledged; somebody cut it", f->display);
        }
        if ((uint64_t) size > j->length)
                return emitter_log(out, "INFO",
                                   "'%s': %" PRIu64 " bytes that an interrupted sync left unacknowledged are "
                                   "removed", f->display, (uint64_t) size - j->length);
        return 0;
}

static int recover(TargetFile *f, Emitter *out, Error **reterr_error) {
        int r;

        r = target_journal_read(f->journal_fd, &f->journal);
        if (r < 0)
                return fail(f, r, "read the journal of", reterr_error);
        r = recover_rewrite(f);
        if (r >= 0)
                r = recover_new(f, reterr_error);
        return r < 0 ? r : recover_final(f, out, reterr_error);
}

/* --- placing --- */

static int busy(const TargetFile *f, Error **reterr_error) {
        return connector_fail(reterr_error, FAILURE_TRANSIENT_ERROR, -EBUSY, "Another sync is writing '%s'",
                              f->display);
}

/* Opens, locks, cuts to what counts and stands at its end. */
static int place_at(TargetFile *f, int at, const char *name, uint64_t length, Error **reterr_error) {
        struct stat st;
        char last;
        int r;

        f->fd = openat(at, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0666);
        if (f->fd < 0)
                return fail(f, -errno, "open", reterr_error);
        /* A file can be named by itself or by its directory, and each has a journal and locks of its own. */
        r = file_lock_take(f->fd);
        if (r < 0)
                return r == -EAGAIN ? busy(f, reterr_error) : fail(f, r, "lock", reterr_error);
        if (fstat(f->fd, &st) >= 0 && st.st_nlink == 0) /* replaced in between */
                return busy(f, reterr_error);
        if (fstat(f->fd, &st) < 0 || lseek(f->fd, (off_t) length, SEEK_SET) < 0)
                return fail(f, -errno, "open", reterr_error);
        if ((uint64_t) st.st_size != length && ftruncate(f->fd, (off_t) length) < 0)
                return fail(f, -errno, "cut", reterr_error);
        f->length = length;
        /* A file of somebody else's may end within a line. */
        if (length > 0 && pread(f->fd, &last, 1, (off_t) length - 1) == 1 && last != '\n')
                return buffer_append_char(&f->buffer, '\n');
        return 0;
}

/* That there is none is as good. */
static int drop_new(TargetFile *f, Error **reterr_error) {
        if (unlinkat(f->directory->side_fd, f->new_name, 0) < 0 && errno != ENOENT)
                return fail(f, -errno, "remove the unfinished file of", reterr_error);
        return 0;
}

static int place_new(TargetFile *f, Error **reterr_error) {
        GenerationHistory *h = &f->journal.history;
        int r;

        /* A journal that still speaks of a file which is gone would be read as a swap that was done. */
        if (h->has_new) {
                h->has_new = false;
                r = write_journal(f, /* sync= */ true, reterr_error);
                if (r < 0)
                        return r;
        }
        r = drop_new(f, reterr_error);
        if (r < 0)
                return r;
        h->has_new = true;
        h->new_has_generation = f->configured->has_generation;
        h->new_generation_id = f->configured->generation_id;
        f->journal.new_length = 0;
        f->writes_new = true;
        return place_at(f, f->directory->side_fd, f->new_name, 0, reterr_error);
}

/* The merged rows and the end of the unfinished file are one write of the journal: they are kept once. */
static int merge_new(TargetFile *f, const TargetFormat *format, void *userdata, Error **reterr_error) {
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        if (generation_keeps_new(f->configured, &f->journal.history)) {
                fd = openat(f->directory->side_fd, f->new_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return fail(f, -errno, "open the unfinished file of", reterr_error);
                r = format->merge(f, fd, f->journal.new_length, userdata, reterr_error);
        }
        if (r < 0)
                return r;
        f->journal.history.has_new = false;
        f->dirty = true;
        r = target_file_commit(f, reterr_error);
        return r < 0 ? r : drop_new(f, reterr_error);
}

/* The journal is written before the first byte: should we die now, it is known whose bytes follow. */
static int place(TargetFile *f, const TargetFormat *format, void *userdata, Error **reterr_error) {
        GenerationPlace where = generation_place(f->configured, &f->journal.history, reterr_error);
        int r;

        switch (where) {
        case PLACE_NEW:
                r = place_new(f, reterr_error);
                break;
        case PLACE_NEW_RESUME:
                f->writes_new = true;
                r = place_at(f, f->directory->side_fd, f->new_name, f->journal.new_length, reterr_error);
                break;
        case PLACE_FINAL:
                r = place_at(f, f->parent_fd, f->name, f->journal.length, reterr_error);
                f->journal.history.has_final = true;
                break;
        default:
                return where;
        }
        if (r >= 0)
                r = write_journal(f, /* sync= */ false, reterr_error);
        if (r >= 0)
                r = format->start(f, userdata, reterr_error);
        if (r >= 0 && !f->writes_new && f->journal.history.has_new)
                r = merge_new(f, format, userdata, reterr_error);
        return r;
}

int target_file_open(TargetFile *f, TargetDirectory *d, const ConfiguredStream *stream,
                     const TargetFormat *format,
                     void *userdata, Emitter *out, Error **reterr_error) {
        const AirbyteStream *s = &stream->stream;
        int r;

        *f = (TargetFile) { .directory = d, .configured = stream, .parent_fd = -EBADF, .journal_fd = -EBADF,
                            .fd = -EBADF };
        r = name_file(f, s, format->extension);
        if (r >= 0)
                r = name_side_files(f, s);
        if (r < 0)
                return r;
        /* One file has one writer, whatever its stream is called. */
        r = d->single ? stream_lock_take(d->lock_fd, NULL, "") : stream_lock_take(d->lock_fd, s->namespace, s->name);
        if (r == -EAGAIN)
                return busy(f, reterr_error);
        if (r < 0)
                return fail(f, r, "lock", reterr_error);
        r = open_parent(f, s, reterr_error);
        if (r < 0)
                return r;
        f->journal_fd = openat(d->side_fd, f->journal_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (f->journal_fd < 0)
                return fail(f, -errno, "open the journal of", reterr_error);
        r = recover(f, out, reterr_error);
        f->journal.clean = false;
        return r < 0 ? r : place(f, format, userdata, reterr_error);
}

void target_file_close(TargetFile *f) {
        (void) safe_close(f->fd);
        (void) safe_close(f->journal_fd);
        (void) safe_close(f->parent_fd);
        free(f->display);
        free(f->name);
        free(f->journal_name);
        free(f->new_name);
        free(f->rewrite_name);
        buffer_done(&f->buffer);
        *f = (TargetFile) { .parent_fd = -EBADF, .journal_fd = -EBADF, .fd = -EBADF };
}

/* --- writing --- */

int target_file_flush(TargetFile *f, Error **reterr_error) {
        int r;

        if (f->buffer.len == 0)
                return 0;
        if (f->journal_dirty) {
                if (fdatasync(f->journal_fd) < 0)
                        return fail(f, -errno, "sync the journal of", reterr_error);
                f->journal_dirty = false;
        }
        r = write_full(f->fd, buffer_bytes(&f->buffer), f->buffer.len);
        if (r < 0)
                return fail(f, r, "write", reterr_error);
        f->length += f->buffer.len;
        f->dirty = true;
        /* A huge record must not keep its memory. */
        if (f->buffer.allocated > 8 * f->directory->flush_size)
                buffer_done(&f->buffer);
        else
                buffer_reset(&f->buffer);
        return 0;
}

int target_file_wrote(TargetFile *f, Error **reterr_error) {
        return f->buffer.len >= f->directory->flush_size ? target_file_flush(f, reterr_error) : 0;
}

/* Of whichever of the two files is being written. */
static void set_length(TargetFile *f) {
        if (f->writes_new)
                f->journal.new_length = f->length;
        else
                f->journal.length = f->length;
}

int target_file_note_length(TargetFile *f, Error **reterr_error) {
        if (!f->dirty)
                return 0;
        set_length(f);
        f->dirty = false;
        return write_journal(f, /* sync= */ false, reterr_error);
}

int target_file_commit(TargetFile *f, Error **reterr_error) {
        int r;

        r = target_file_flush(f, reterr_error);
        if (r < 0)
                return r;
        if (!f->dirty)
                return 0;
        if (fdatasync(f->fd) < 0)
                return fail(f, -errno, "sync", reterr_error);
        set_length(f);
        r = write_journal(f, /* sync= */ true, reterr_error);
        if (r >= 0)
                f->dirty = false;
        return r;
}

int target_file_finish(TargetFile *f, Error **reterr_error) {
        _cleanup_close_ int old = -EBADF;
        GenerationHistory *h = &f->journal.history;
        int r;

        if (!f->writes_new)
                return 0;
        r = target_file_commit(f, reterr_error);
        if (r < 0)
                return r;
        /* Nobody's rows are replaced while they are being written. */
        old = openat(f->parent_fd, f->name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (old >= 0 && file_lock_take(old) == -EAGAIN)
                return busy(f, reterr_error);
        if (renameat(f->directory->side_fd, f->new_name, f->parent_fd, f->name) < 0)
                return fail(f, -errno, "replace", reterr_error);
        r = sync_directory(f, f->parent_fd, reterr_error);
        if (r >= 0)
                r = sync_directory(f, f->directory->side_fd, reterr_error);
        if (r < 0)
                return r;
        h->has_new = f->writes_new = false;
        h->has_final = true;
        h->final_has_generation = h->new_has_generation;
        h->final_generation_id = h->new_generation_id;
        f->journal.length = f->length;
        return write_journal(f, /* sync= */ true, reterr_error);
}

int target_file_settle(TargetFile *f, Error **reterr_error) {
        int r;

        r = target_file_commit(f, reterr_error);
        if (r < 0)
                return r;
        f->journal.clean = true;
        /* Not worth a wait: a journal that isn't clean leads to the same length. */
        return write_journal(f, /* sync= */ false, reterr_error);
}

int target_file_rewrite(TargetFile *f, int (*fill)(TargetFile *f, int to, void *userdata,
                                                   Error **reterr_error),
                        void *userdata, Error **reterr_error) {
        _cleanup_close_ int to = -EBADF;
        int side = f->directory->side_fd, r;
        struct stat st;

        r = target_file_flush(f, reterr_error);
        if (r < 0)
                return r;
        to = openat(side, f->rewrite_name, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (to < 0 || file_lock_take(to) < 0)
                return fail(f, -errno, "rewrite", reterr_error);
        r = fill(f, to, userdata, reterr_error);
        if (r < 0)
                return r;
        if (fsync(to) < 0 || fstat(to, &st) < 0 || lseek(to, 0, SEEK_END) < 0)
                return fail(f, -errno, "rewrite", reterr_error);
        f->journal.rewrite_length = (uint64_t) st.st_size;
        f->journal.rewrite_is_new = f->writes_new;
        r = write_journal(f, /* sync= */ true, reterr_error);
        if (r < 0)
                return r;
        r = renameat(side, f->rewrite_name, f->writes_new ? side : f->parent_fd,
                     f->writes_new ? f->new_name : f->name);
        if (r < 0)
                return fail(f, -errno, "replace", reterr_error);
        r = sync_directory(f, f->writes_new ? side : f->parent_fd, reterr_error);
        if (r < 0)
                return r;
        (void) safe_close(f->fd);
        f->fd = TAKE_FD(to);
        f->length = (uint64_t) st.st_size;
        f->journal.rewrite_length = 0;
        f->dirty = true;
        return target_file_commit(f, reterr_error);
}
