/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON files as rows: valid objects, the same whatever the pieces in which the file comes. The first byte says how the
 * rows lie in it, the second how it comes in pieces. */

#include "connectors/source-file/json-reader.h"
#include "fuzz/fuzz.h"

typedef struct Text {
        const char *p;
        size_t left, step;
} Text;

static ssize_t read_text(void *userdata, void *p, size_t n, Error **reterr_error) {
        Text *t = userdata;
        size_t most = MIN(t->left, t->step), k = MIN(n, most);

        if (k > 0)
                memcpy(p, t->p, k);
        t->p += k;
        t->left -= k;
        return (ssize_t) k;
}

static void read_rows(const char *p, size_t n, uint8_t kind, size_t fill, Buffer *out) {
        static char *pointer[] = { (char *) "a", NULL };
        Text text = { .p = p, .left = n, .step = fill };
        JsonSlice row;
        JsonReader r;
        Window w;
        int k;

        window_init(&w, read_text, &text);
        w.fill = fill;
        json_reader_init(&r, &w, kind % 3 == 0, kind % 3 == 1 ? pointer : NULL);
        while ((k = json_reader_next(&r, &row, NULL)) != 0) {
                FUZZ_CHECK(buffer_appendf(out, "%d@%llu:", k, (unsigned long long) r.line) == 0);
                if (k < 0 && k != -EBADMSG)
                        break;
                if (k < 0)
                        continue;
                FUZZ_CHECK(json_slice_type(row) == JSON_OBJECT && json_validate(row.p, row.n, NULL) == 0);
                FUZZ_CHECK(buffer_append(out, row.p, row.n) == 0);
        }
        window_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer whole = {}, pieces = {};

        if (size < 2)
                return 0;
        read_rows((const char *) data + 2, size - 2, data[0], 65536, &whole);
        read_rows((const char *) data + 2, size - 2, data[0], 16 + data[1] % 64, &pieces);
        FUZZ_CHECK(whole.len == pieces.len);
        FUZZ_CHECK(whole.len == 0 || memcmp(buffer_bytes(&whole), buffer_bytes(&pieces), whole.len) == 0);
        return 0;
}
