/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A list of mappers in the first line, one data object a line behind it. What goes in as valid JSON comes out as such. */

#include "fuzz/fuzz.h"
#include "worker/mapper.h"

static int not_random(void *p, size_t n, void *userdata) {
        memset(p, 7, n);
        return 0;
}

static void map_line(RecordMapper *m, JsonSlice line) {
        bool valid = json_slice_type(line) == JSON_OBJECT && json_validate(line.p, line.n, NULL) == 0;
        MappedRecord out = {};
        int r;

        r = record_mapper_apply(m, line, &out);
        if (r < 0 || out.filtered || !valid)
                return;
        FUZZ_CHECK(json_slice_type(out.data) == JSON_OBJECT);
        FUZZ_CHECK(json_validate(out.data.p, out.data.n, NULL) == 0);
        if (out.changes.n > 0) {
                _cleanup_buffer_ Buffer b = {};

                FUZZ_CHECK(buffer_append_char(&b, '[') == 0 && buffer_append(&b, out.changes.p, out.changes.n) == 0 &&
                           buffer_append_char(&b, ']') == 0);
                FUZZ_CHECK(json_validate(buffer_bytes(&b), b.len, NULL) == 0);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char *selected[] = { (char *) "a", (char *) "id", NULL };
        const char *p = (const char *) data, *end = p + size, *newline = size > 0 ? memchr(p, '\n', size) : NULL;
        _cleanup_(record_mapper_freep) RecordMapper *m = NULL;
        _cleanup_json_ JsonObject *list = NULL;
        _cleanup_error_ Error *error = NULL;
        Mapper **mappers = NULL;

        if (!newline || json_parse(p, (size_t) (newline - p), &list, NULL) < 0)
                return 0;
        if (mappers_from_json(list, &mappers, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        if (record_mapper_new(size % 2 ? selected : NULL, mappers, not_random, NULL, &m, NULL) >= 0)
                for (p = newline + 1; p < end; p = newline + 1) {
                        newline = memchr(p, '\n', (size_t) (end - p)) ?: end;
                        if (newline > p)
                                map_line(m, (JsonSlice) { p, (size_t) (newline - p) });
                }
        m = record_mapper_free(m);
        mappers_free(mappers);
        return 0;
}
