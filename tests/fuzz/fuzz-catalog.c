/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Catalogs and configured catalogs: what is accepted is written and read back as the same. */

#include "fuzz/fuzz.h"
#include "protocol/catalog.h"

static void check_catalog(JsonObject *o) {
        _cleanup_json_ JsonObject *written = NULL, *again = NULL;
        _cleanup_catalog_ Catalog *c = NULL, *second = NULL;

        if (catalog_from_json(o, &c, NULL) < 0)
                return;
        for (size_t i = 0; i < c->n_streams; i++)
                FUZZ_CHECK(catalog_find(c, c->streams[i].namespace, c->streams[i].name) == c->streams + i);
        FUZZ_CHECK(catalog_to_json(c, &written) == 0);
        FUZZ_CHECK(catalog_from_json(written, &second, NULL) == 0);
        FUZZ_CHECK(second->n_streams == c->n_streams);
        FUZZ_CHECK(catalog_to_json(second, &again) == 0);
        FUZZ_CHECK(json_equal(written, again));
}

static void check_configured(JsonObject *o) {
        _cleanup_json_ JsonObject *written = NULL, *again = NULL;
        _cleanup_configured_catalog_ ConfiguredCatalog *c = NULL, *second = NULL;
        _cleanup_error_ Error *error = NULL;

        if (configured_catalog_from_json(o, &c, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return;
        }
        FUZZ_CHECK(configured_catalog_to_json(c, &written) == 0);
        FUZZ_CHECK(configured_catalog_from_json(written, &second, NULL) == 0);
        FUZZ_CHECK(configured_catalog_to_json(second, &again) == 0);
        FUZZ_CHECK(json_equal(written, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_json_ JsonObject *o = NULL;

        if (json_parse((const char *) data, size, &o, NULL) < 0)
                return 0;
        check_catalog(o);
        check_configured(o);
        return 0;
}
