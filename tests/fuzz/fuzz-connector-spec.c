/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A ConnectorSpecification in the first line, a configuration in the rest. */

#include "fuzz/fuzz.h"
#include "protocol/connector-spec.h"

static int count_one(const char *pointer, JsonObject *value, void *userdata) {
        FUZZ_CHECK(pointer);
        ++*(size_t *) userdata;
        return 0;
}

static int look_at_path(const char *pointer, const char *path, bool write, void *userdata) {
        FUZZ_CHECK(pointer && path);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = (const char *) data, *newline = size > 0 ? memchr(p, '\n', size) : NULL;
        _cleanup_json_ JsonObject *spec = NULL, *config = NULL;
        _cleanup_(connector_spec_freep) ConnectorSpec *s = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_strv_ char **secrets = NULL;
        size_t n_secrets = 0;

        if (!newline || json_parse(p, (size_t) (newline - p), &spec, NULL) < 0 ||
            json_parse(newline + 1, size - (size_t) (newline + 1 - p), &config, NULL) < 0)
                return 0;
        if (connector_spec_from_json(spec, &s, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        if (connector_spec_check_config(s, config, &error) < 0)
                FUZZ_CHECK(error && error->message);
        FUZZ_CHECK(connector_spec_foreach_secret(s, config, count_one, &n_secrets) >= 0);
        FUZZ_CHECK(connector_spec_secret_strings(s, config, &secrets) >= 0);
        (void) connector_spec_foreach_path(s, config, look_at_path, NULL);
        return 0;
}
