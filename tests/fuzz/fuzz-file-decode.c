/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Compressed bytes of any encoding: the first byte chooses both. It ends, within the limits. */

#include "connectors/source-file/decompress.h"
#include "connectors/source-file/encoding.h"
#include "fuzz/fuzz.h"

#define SIZE_LIMIT (1024U * 1024U)

typedef struct Bytes {
        const uint8_t *p;
        size_t left;
} Bytes;

static ssize_t read_bytes(void *userdata, void *p, size_t n, Error **reterr_error) {
        Bytes *b = userdata;
        size_t k = MIN(n, b->left);

        if (k > 0)
                memcpy(p, b->p, k);
        b->p += k;
        b->left -= k;
        return (ssize_t) k;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const char *const encodings[] = { "utf-8", "latin-1", "utf-16", "shift_jis", "utf-8-bom" };
        static const FileCompression kinds[] = { FILE_COMPRESSION_AUTO, FILE_COMPRESSION_GZIP, FILE_COMPRESSION_ZSTD };
        FileConfig limits = { .size_max = SIZE_LIMIT, .ratio_max = 1000 };
        Bytes bytes;
        Decompressor *d = NULL;
        Encoding *e = NULL;
        size_t total = 0;
        char chunk[4096];
        ssize_t k;

        if (size < 1)
                return 0;
        bytes = (Bytes) { .p = data + 1, .left = size - 1 };
        FUZZ_CHECK(decompressor_new(kinds[data[0] / 5 % 3], read_bytes, &bytes, &limits, &d) == 0);
        FUZZ_CHECK(encoding_new(encodings[data[0] % 5], decompressor_read, d, &e, NULL) == 0);
        while ((k = encoding_read(e, chunk, 16 + total % 4000, NULL)) > 0)
                total += (size_t) k;
        /* A byte becomes at most three: those of U+FFFD. */
        FUZZ_CHECK(total <= 4 * SIZE_LIMIT);
        encoding_free(e);
        decompressor_free(d);
        return 0;
}
