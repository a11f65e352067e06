/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The target files of a whole catalog: what the file destinations have in common. */

#include "connectors/lib/target-file.h"

typedef struct TargetSet {
        TargetDirectory directory;
        TargetFile *files;
        size_t n_files;
} TargetSet;

/* `userdata`: one pointer a stream, for the format's functions; may be NULL. */
int target_set_open(TargetSet *s, const char *path, const ConfiguredCatalog *catalog,
                    const TargetFormat *format,
                    void *const *userdata, Emitter *out, Error **reterr_error);
int target_set_commit(TargetSet *s, Error **reterr_error);
/* `clean`: everything was committed and the files are to be remembered as closed in order. Frees in any
 * case. */
int target_set_close(TargetSet *s, bool clean, Error **reterr_error);
