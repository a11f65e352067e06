/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The first byte chooses the dialect, the second how the file comes in pieces: the rows are the same whatever the
 * pieces, and each cell becomes valid JSON of every type. */

#include "connectors/source-file/csv-reader.h"
#include "connectors/source-file/value-type.h"
#include "basic/json-scan.h"
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

static void check_cell(const char *p, size_t n) {
        char *to = malloc(VALUE_TEXT_MAX(n));
        bool fits = true, valid = true;

        FUZZ_CHECK(to);
        FUZZ_CHECK(text_classify(p, n) < _KIND_MAX);
        for (ColumnType t = 0; t < _COLUMN_TYPE_MAX; t++) {
                char *behind = value_write_text(to, t, p, n, &fits, &valid);

                FUZZ_CHECK(behind > to && (size_t) (behind - to) <= VALUE_TEXT_MAX(n));
                FUZZ_CHECK(json_validate(to, (size_t) (behind - to), NULL) == 0);
        }
        free(to);
}

/* Appends what was read, one entry after the other. */
static void read_rows(const char *p, size_t n, const CsvDialect *dialect, size_t fill, bool check, Buffer *out) {
        Text text = { .p = p, .left = n, .step = fill };
        CsvReader r;
        Window w;
        int k;

        window_init(&w, read_text, &text);
        w.fill = fill;
        csv_reader_init(&r, &w, dialect);
        while ((k = csv_reader_next(&r, NULL)) != 0) {
                FUZZ_CHECK(k == 1 || k == -EBADMSG);
                FUZZ_CHECK(buffer_appendf(out, "%d@%llu:", k, (unsigned long long) r.line) == 0);
                for (size_t i = 0; k > 0 && i < r.n_cells; i++) {
                        FUZZ_CHECK(buffer_appendf(out, "%d,%zu,", r.cells[i].quoted, r.cells[i].n) == 0);
                        FUZZ_CHECK(buffer_append(out, r.cells[i].p, r.cells[i].n) == 0);
                        if (check)
                                check_cell(r.cells[i].p, r.cells[i].n);
                }
        }
        csv_reader_done(&r);
        window_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const CsvDialect dialects[] = {
                { ',', '"', 0 }, { '\t', '"', 0 }, { ';', '\'', '\\' }, { 0, '"', 0 }, { ',', 0, 0 }, { '|', '"', '\\' },
        };
        _cleanup_buffer_ Buffer whole = {}, pieces = {};
        const CsvDialect *dialect;

        if (size < 2)
                return 0;
        dialect = dialects + data[0] % ELEMENTSOF(dialects);
        read_rows((const char *) data + 2, size - 2, dialect, 65536, true, &whole);
        read_rows((const char *) data + 2, size - 2, dialect, 16 + data[1] % 64, false, &pieces);
        FUZZ_CHECK(whole.len == pieces.len);
        FUZZ_CHECK(whole.len == 0 || memcmp(buffer_bytes(&whole), buffer_bytes(&pieces), whole.len) == 0);
        return 0;
}
