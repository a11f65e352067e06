/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state of source-file: what was read of it is written and read back as the same. */

#include "connectors/source-file/file-history.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_buffer_ Buffer once = {}, twice = {};
        _cleanup_error_ Error *error = NULL;
        FileHistory h = {}, second = {};

        if (size == 0)
                return 0;
        if (file_history_parse((const char *) data, size, &h, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        FUZZ_CHECK(file_history_append(&h, &once) == 0);
        FUZZ_CHECK(file_history_parse(buffer_bytes(&once), once.len, &second, NULL) == 0);
        FUZZ_CHECK(file_history_append(&second, &twice) == 0);
        FUZZ_CHECK(once.len == twice.len && memcmp(buffer_bytes(&once), buffer_bytes(&twice), once.len) == 0);
        file_history_done(&second);
        file_history_done(&h);
        return 0;
}
