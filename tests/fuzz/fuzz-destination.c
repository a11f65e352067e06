/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The frame of native destinations: whatever comes in, the connector is given valid objects of streams that it knows,
 * and a state is echoed only after the commit of all records before it. */

#include <sys/mman.h>
#include <unistd.h>

#include "connectors/lib/destination.h"
#include "connectors/lib/emitter.h"
#include "fuzz/fuzz.h"

typedef struct Told {
        int out;
        size_t n_uncommitted;
        bool is_open;
} Told;

static Told told;

static int open_it(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out, void **ret, Error **reterr_error) {
        told.is_open = true;
        *ret = &told;
        return 0;
}

static int write_it(void *destination, size_t stream, const DestinationRecord *record, Error **reterr_error) {
        FUZZ_CHECK(told.is_open && stream < 2);
        FUZZ_CHECK(json_slice_type(record->data) == JSON_OBJECT);
        FUZZ_CHECK(json_validate(record->data.p, record->data.n, NULL) == 0);
        if (record->meta_changes.p)
                FUZZ_CHECK(json_validate(record->meta_changes.p, record->meta_changes.n, NULL) == 0);
        told.n_uncommitted++;
        return 1;
}

static int commit_it(void *destination, Error **reterr_error) {
        told.n_uncommitted = 0;
        return 0;
}

static int finish_it(void *destination, size_t stream, Error **reterr_error) {
        FUZZ_CHECK(told.n_uncommitted == 0);
        return 0;
}

static int close_it(void *destination, bool clean, Error **reterr_error) {
        FUZZ_CHECK(told.is_open && (!clean || told.n_uncommitted == 0));
        told.is_open = false;
        return 0;
}

/* All that was said is whole lines of messages. */
static void check_output(int fd) {
        _cleanup_buffer_ Buffer b = {};
        const char *p, *end, *newline;
        ssize_t k;

        FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
        do {
                char *to = buffer_reserve(&b, 65536);

                FUZZ_CHECK(to);
                k = read(fd, to, 65536);
                FUZZ_CHECK(k >= 0);
                buffer_commit(&b, (size_t) k);
        } while (k > 0);
        for (p = buffer_bytes(&b), end = p + b.len; p < end; p = newline + 1) {
                Envelope e;

                newline = memchr(p, '\n', (size_t) (end - p));
                FUZZ_CHECK(newline);
                FUZZ_CHECK(json_validate(p, (size_t) (newline - p), NULL) == 0);
                FUZZ_CHECK(envelope_parse((JsonSlice) { p, (size_t) (newline - p) }, &e) == 0);
                FUZZ_CHECK(e.type == MESSAGE_LOG || e.type == MESSAGE_STATE);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const DestinationOps ops = { open_it, write_it, commit_it, finish_it, close_it };
        static const ConnectorInfo info = { .name = "destination-fuzz", .destination = &ops };
        static const char catalog_text[] =
                "{\"streams\":[{\"stream\":{\"name\":\"a\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]},"
                "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"append\"},"
                "{\"stream\":{\"name\":\"b\",\"namespace\":\"n\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]},"
                "\"sync_mode\":\"full_refresh\",\"destination_sync_mode\":\"overwrite\"}]}";
        _cleanup_configured_catalog_ ConfiguredCatalog *catalog = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        int in = memfd_create("in", MFD_CLOEXEC), out = memfd_create("out", MFD_CLOEXEC);
        Emitter *e = emitter_new(out);

        FUZZ_CHECK(in >= 0 && out >= 0 && e);
        FUZZ_CHECK(json_parse(catalog_text, sizeof(catalog_text) - 1, &o, NULL) == 0);
        FUZZ_CHECK(configured_catalog_from_json(o, &catalog, NULL) == 0);
        FUZZ_CHECK(size == 0 || write(in, data, size) == (ssize_t) size);
        FUZZ_CHECK(lseek(in, 0, SEEK_SET) == 0);
        told = (Told) { .out = out };
        if (destination_run(&info, NULL, catalog, in, e, &error) < 0)
                FUZZ_CHECK(error && error->message);
        FUZZ_CHECK(!told.is_open);
        emitter_free(e);
        check_output(out);
        close(in);
        close(out);
        return 0;
}
