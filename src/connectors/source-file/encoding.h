/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text of any encoding as UTF-8 without a byte order mark, as a stream. */

#include "connectors/source-file/window.h"

typedef struct Encoding Encoding;

/* `name`: "utf-8", "utf-8-bom", "latin-1", or what iconv knows. Text that is said to be UTF-8 and begins
 * with the mark of UTF-16 is taken for what it is. -EINVAL for an unknown name. */
int encoding_new(const char *name, ByteReader reader, void *userdata, Encoding **ret, Error **reterr_error);
Encoding *encoding_free(Encoding *e);
DEFINE_CLEANUP(Encoding, encoding_free);

/* A ByteReader; `userdata` is the Encoding. UTF-8 is handed through unchecked: whoever writes values
 * replaces what is invalid. In other encodings bytes without meaning become U+FFFD and are counted. */
ssize_t encoding_read(void *userdata, void *p, size_t n, Error **reterr_error);
uint64_t encoding_replaced(const Encoding *e);
