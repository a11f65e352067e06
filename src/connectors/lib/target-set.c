/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of one sync. A commit is durable for all of them before any state is echoed, and costs two
 * waits for the disk for each file; from some sixteen files on the whole file system is synced twice
 * instead, first the data, then the lengths, unless the files lie on more than one. In both ways the
 * order is the same: a journal never speaks of bytes that may be lost. */

#include <unistd.h>

#include "basic/hashmap.h"
#include "connectors/lib/target-set.h"

/* Names are encoded without loss, but a cut one carries a hash, which somebody could make collide. */
static int refuse_shared_file(Hashmap *names, const TargetFile *f, Error **reterr_error) {
        int r = hashmap_put_string(names, f->display, (void *) f);

        if (r == -EEXIST)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, r,
                                      "Two streams would be written into '%s'",
                                      f->display);
        return r;
}

/* From so many files on, syncing the whole file system twice is quicker than each of them twice. */
#define SYNCFS_FILES 16U

/* The names of new files must be durable before a state speaks of their content. */
static int sync_directories(TargetSet *s, Error **reterr_error) {
        int last = -EBADF;

        for (size_t i = 0; i < s->n_files; i++) {
                const AirbyteStream *stream = &s->files[i].configured->stream;

                if (s->directory.single || !stream->namespace || !*stream->namespace)
                        continue;
                if (fsync(s->files[i].parent_fd) < 0)
                        last = -errno;
        }
        if (last == -EBADF && (fsync(s->directory.root_fd) < 0 || fsync(s->directory.side_fd) < 0))
                last = -errno;
        return last == -EBADF ? 0 : error_set_errno(reterr_error, last, "Failed to sync '%s'",
                                                    s->directory.path);
}

int target_set_open(TargetSet *s, const char *path, const ConfiguredCatalog *catalog,
                    const TargetFormat *format,
                    void *const *userdata, Emitter *out, Error **reterr_error) {
        _cleanup_hashmap_ Hashmap *names = hashmap_new(NULL);
        int r;

        s->directory = TARGET_DIRECTORY_INIT;
        s->files = calloc(catalog->n_streams + 1, sizeof(*s->files));
        if (!s->files || !names)
                return -ENOMEM;
        r = target_directory_open(&s->directory, path, format->extension, catalog->n_streams, reterr_error);
        for (size_t i = 0; i < catalog->n_streams && r >= 0; i++) {
                s->n_files++;
                r = target_file_open(s->files + i, &s->directory, catalog->streams + i, format,
                                     userdata ? userdata[i] : NULL, out, reterr_error);
                if (r >= 0)
                        r = refuse_shared_file(names, s->files + i, reterr_error);
        }
        return r < 0 ? r : sync_directories(s, reterr_error);
}

/* Waits for everything of the file system, other programs' writes included. */
static int sync_all(TargetSet *s, Error **reterr_error) {
        return syncfs(s->directory.root_fd) < 0 ? error_set_errno(reterr_error, -errno,
                                                                  "Failed to sync '%s'",
                                                                  s->directory.path) : 0;
}

/* Data first, lengths after it, with a wait for the disk behind each. */
static int commit_many(TargetSet *s, Error **reterr_error) {
        int r;

        r = sync_all(s, reterr_error);
        for (size_t i = 0; i < s->n_files && r >= 0; i++)
                r = target_file_note_length(s->files + i, reterr_error);
        if (r >= 0)
                r = sync_all(s, reterr_error);
        for (size_t i = 0; i < s->n_files && r >= 0; i++)
                s->files[i].journal_dirty = false;
        return r;
}

/* Before many files are written: their journals in one go. */
static int flush_all(TargetSet *s, size_t *ret_dirty, Error **reterr_error) {
        size_t unsynced = 0, dirty = 0;
        int r = 0;

        for (size_t i = 0; i < s->n_files; i++)
                unsynced += s->files[i].buffer.len > 0 && s->files[i].journal_dirty;
        if (unsynced > SYNCFS_FILES && !s->directory.many_devices) {
                r = sync_all(s, reterr_error);
                for (size_t i = 0; i < s->n_files && r >= 0; i++)
                        s->files[i].journal_dirty = false;
        }
        for (size_t i = 0; i < s->n_files && r >= 0; i++) {
                r = target_file_flush(s->files + i, reterr_error);
                dirty += s->files[i].dirty;
        }
        *ret_dirty = dirty;
        return r;
}

int target_set_commit(TargetSet *s, Error **reterr_error) {
        size_t dirty;
        int r;

        r = flush_all(s, &dirty, reterr_error);
        if (r >= 0 && dirty > SYNCFS_FILES && !s->directory.many_devices)
                return commit_many(s, reterr_error);
        for (size_t i = 0; i < s->n_files && r >= 0; i++)
                r = target_file_commit(s->files + i, reterr_error);
        return r;
}

int target_set_close(TargetSet *s, bool clean, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < s->n_files; i++) {
                if (clean && r >= 0)
                        r = target_file_settle(s->files + i, reterr_error);
                target_file_close(s->files + i);
        }
        free(s->files);
        target_directory_close(&s->directory);
        *s = (TargetSet) { .directory = TARGET_DIRECTORY_INIT };
        return r;
}
