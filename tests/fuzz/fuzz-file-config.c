/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration of source-file: taken, or refused with a sentence. */

#include "connectors/source-file/file-config.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(file_config_freep) FileConfig *config = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;

        if (size == 0 || json_parse((const char *) data, size, &o, NULL) < 0 || !json_object_is_type(o, json_type_object))
                return 0;
        if (file_config_parse(o, &config, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        FUZZ_CHECK(config->locations && config->locations[0]);
        FUZZ_CHECK(config->format >= 0 && config->format < _FILE_FORMAT_MAX);
        return 0;
}
