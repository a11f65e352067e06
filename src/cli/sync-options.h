/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of `gantry sync`. */

#include "basic/strv.h"
#include "shared/progress.h"
#include "worker/sync-catalog.h"

typedef struct SyncOptions {
        const char *source, *destination; /* references as they were typed */
        const char *source_config, *destination_config; /* files */
        char **streams, **excludes;
        const char *mode;   /* one of the public names, NULL = the best */
        const char *cursor;
        char **primary_key;
        NamespaceDefinition namespace_definition;
        const char *namespace_format;
        const char *prefix;
        char **selects; /* STREAM:FIELD,FIELD */
        char **mappers; /* STREAM:MAPPER */
        const char *state_file;
        bool no_state, full_refresh, refresh_catalog, dry_run;
        uint64_t limit;
        const char *name;
        char **read_paths, **write_paths;
        ProgressMode progress;
        bool json, verbose;
        bool tolerate_count_mismatch;
} SyncOptions;

void sync_options_done(SyncOptions *o);

/* 1: go on. 0: --help was printed. Negative: a usage error, already told. Strings borrow from argv. */
int sync_options_parse(SyncOptions *o, int argc, char *argv[]);
