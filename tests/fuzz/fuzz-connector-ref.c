/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a person types for a connector. Names of files are left out: they would be read. */

#include "fuzz/fuzz.h"
#include "runtime/connector-ref.h"

static void parse(const char *text, ConnectorRole role) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL, *second = NULL;
        _cleanup_free_ char *written = NULL;
        _cleanup_error_ Error *error = NULL;

        if (connector_ref_parse(text, role, &ref, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return;
        }
        FUZZ_CHECK(ref->name && *ref->name);
        written = connector_ref_to_string(ref);
        FUZZ_CHECK(written);
        if (ref->kind == CONNECTOR_PYPI || ref->kind == CONNECTOR_NPM) {
                FUZZ_CHECK(connector_ref_parse(written, role, &second, NULL) == 0);
                FUZZ_CHECK(second->kind == ref->kind && streq(second->name, ref->name));
                FUZZ_CHECK(streq_ptr(second->version, ref->version));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup(size > 0 ? (const char *) data : "", size);

        FUZZ_CHECK(text);
        if (strstr(text, ".y") || strstr(text, ".Y"))
                return 0;
        for (ConnectorRole role = CONNECTOR_SOURCE; role <= CONNECTOR_ANY_ROLE; role++)
                parse(text, role);
        return 0;
}
