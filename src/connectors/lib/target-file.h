/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file a stream, for destinations that write files.
 *
 * Beneath the configured directory lie the files (`[NAMESPACE/]STREAM.EXT`, names encoded so that none
 * can leave it) and `.gantry/` with a journal for each stream: two slots of text, written in turn, that
 * say how long the file was at the last commit. What is behind that after a crash was never acknowledged
 * and is cut off (D03, D27). A truncate refresh writes `.gantry/….new` and renames it when the stream is
 * complete. With a configured file instead of a directory, the same lies in `.FILE.gantry/` beside it. */

#include "connectors/lib/emitter.h"
#include "connectors/lib/generation-place.h"
#include "connectors/lib/target-directory.h"

typedef struct TargetJournal {
        uint64_t sequence;
        uint64_t length, new_length;
        uint64_t rewrite_length; /* a rename of a rewritten file is due or done; 0 = none */
        bool rewrite_is_new;     /* it is the new file that was rewritten */
        bool clean;              /* closed in order: what changed since is the owner's */
        GenerationHistory history;
} TargetJournal;

typedef struct TargetFile {
        TargetDirectory *directory;
        const ConfiguredStream *configured;
        char *display; /* its path, for messages */
        char *name;    /* in parent_fd */
        char *journal_name, *new_name, *rewrite_name; /* in the side directory */
        int parent_fd, journal_fd, fd;
        bool writes_new; /* `fd` is the new file's */
        bool dirty;
        bool journal_dirty; /* what the journal says isn't durable yet; it must be before bytes are written */
        uint64_t length; /* written to `fd` */
        Buffer buffer;
        TargetJournal journal;
} TargetFile;

typedef struct TargetFormat {
        const char *extension;
        /* The file is placed and cut: write what it begins with, or adapt to what is there. */
        int (*start)(TargetFile *f, void *userdata, Error **reterr_error);
        /* Append the records of an interrupted refresh, `length` bytes of `fd`. */
        int (*merge)(TargetFile *f, int fd, uint64_t length, void *userdata, Error **reterr_error);
} TargetFormat;

int target_file_open(TargetFile *f, TargetDirectory *d, const ConfiguredStream *stream,
                     const TargetFormat *format,
                     void *userdata, Emitter *out, Error **reterr_error);
void target_file_close(TargetFile *f);

/* After appending to f->buffer: writes it when it is large. */
int target_file_wrote(TargetFile *f, Error **reterr_error);
int target_file_flush(TargetFile *f, Error **reterr_error);
/* Durable when it returns. */
int target_file_commit(TargetFile *f, Error **reterr_error);
/* The same for many files with few waits for the disk: after the flush of all, sync the file system, note
 * the lengths of all, sync again. */
int target_file_note_length(TargetFile *f, Error **reterr_error);
/* The new file becomes the file. */
int target_file_finish(TargetFile *f, Error **reterr_error);
/* Remembers that the file was closed in order. */
int target_file_settle(TargetFile *f, Error **reterr_error);

/* Replaces the whole content: `fill` writes the new one to `to`, the old one is f->fd with f->length
 * bytes. Atomic. */
int target_file_rewrite(TargetFile *f, int (*fill)(TargetFile *f, int to, void *userdata,
                                                   Error **reterr_error),
                        void *userdata, Error **reterr_error);
