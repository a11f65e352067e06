/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* YAML that is accepted is JSON. */

#include "fuzz/fuzz.h"
#include "runtime/yaml-util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ JsonObject *o = NULL, *again = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_buffer_ Buffer b = {};

        if (yaml_to_json(size > 0 ? (const char *) data : "", size, "text", &o, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        FUZZ_CHECK(json_append(&b, o) == 0);
        FUZZ_CHECK(json_parse(buffer_bytes(&b), b.len, &again, NULL) == 0);
        FUZZ_CHECK(json_equal(o, again));
        return 0;
}
