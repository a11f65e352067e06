/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gzip and zstd as a stream, with limits: what a stranger compressed may be a bomb. */

#include "connectors/source-file/file-config.h"
#include "connectors/source-file/window.h"

typedef struct Decompressor Decompressor;

/* AUTO looks at the first bytes. NONE hands everything through. `reader` and its userdata stay the
 * caller's; the limits are those of the configuration. */
int decompressor_new(FileCompression kind, ByteReader reader, void *userdata, const FileConfig *limits,
                     Decompressor **ret);
Decompressor *decompressor_free(Decompressor *d);
DEFINE_CLEANUP(Decompressor, decompressor_free);

/* A ByteReader; `userdata` is the Decompressor. -EBADMSG for damaged or cut data, -EFBIG over a limit. */
ssize_t decompressor_read(void *userdata, void *p, size_t n, Error **reterr_error);
