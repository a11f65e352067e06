/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state of source-sqlite, as a person or another version may have left it. */

#include "connectors/source-sqlite/sqlite-state.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_error_ Error *error = NULL;
        SqliteState state = {};

        if (size == 0)
                return 0;
        if (sqlite_state_parse((const char *) data, size, "updated", &state, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        if (state.resume_after)
                FUZZ_CHECK(json_object_is_type(state.resume_after, json_type_array));
        sqlite_state_done(&state);
        return 0;
}
