/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which files a configuration means: globs expanded, each with what tells one version of it from the
 * next. */

#include "connectors/source-file/file-config.h"

/* More files than this in one glob is a mistake more often than a wish. */
#define FILES_MAX 100000U
#define STREAMS_MAX 10000U

typedef struct FileEntry {
        char *url;      /* how the file is called in messages, records and states: the path as found, or the URL
                         * without credentials; in place of a query a hash of it, behind '#' */
        char *location; /* of a remote file: where to fetch it; NULL for others */
        bool remote;
        int64_t modified; /* µs since the epoch; -1 = not known before it is opened */
        int64_t size;     /* -1 = not known */
        size_t stream;    /* number of the stream that it belongs to */
} FileEntry;

typedef struct FileList {
        FileEntry *entries;
        size_t n;
        char **streams; /* names */
        size_t n_streams;
} FileList;

/* A name given exactly must be a readable regular file (a symbolic link to one is fine: somebody named
 * it); what a glob finds is taken only where it is a regular file itself. Files of one pattern come in
 * the order of their names. No file at all is -ENOENT. */
int file_list_make(const FileConfig *config, FileList *ret, Error **reterr_error);
void file_list_done(FileList *l);
