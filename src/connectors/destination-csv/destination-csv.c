/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* destination-csv: a CSV file a stream. docs/DESTINATIONS.md says what is written how.
 *
 * The files and their life (unfinished files, swaps, locks) are lib/target-set.c's, which knows no
 * format; csv_format tells it how a file begins and how one is added to another. What is left here is the
 * settings, and to pass records on. Columns belong to a stream's schema, the header to its file:
 * csv-stream.c keeps the two together. */

#include "connectors/destination-csv/csv-stream.h"
#include "connectors/lib/emitter.h"
#include "connectors/lib/target-set.h"

extern const char text_destination_csv_spec[];

typedef struct CsvDestination {
        TargetSet targets;
        CsvStream *streams;
        size_t n_streams;
        const ConfiguredCatalog *catalog;
        Emitter *out;
        RecordStamp stamp;
} CsvDestination;

static CsvDestination *destination_free(CsvDestination *d) {
        if (!d)
                return NULL;
        (void) target_set_close(&d->targets, /* clean= */ false, NULL);
        for (size_t i = 0; i < d->n_streams; i++)
                csv_stream_done(d->streams + i);
        free(d->streams);
        free(d);
        return NULL;
}
DEFINE_CLEANUP(CsvDestination, destination_free);

static int open_streams(CsvDestination *d, const char *path, bool neutralize, Error **reterr_error) {
        size_t n = d->catalog->n_streams;
        _cleanup_free_ void **userdata = calloc(n + 1, sizeof(*userdata));
        int r;

        d->streams = calloc(n + 1, sizeof(*d->streams));
        if (!userdata || !d->streams)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                userdata[i] = d->streams + i;
                d->n_streams++;
                r = csv_stream_init(d->streams + i, &d->catalog->streams[i].stream, neutralize,
                                    reterr_error);
                if (r < 0)
                        return r;
        }
        return target_set_open(&d->targets, path, d->catalog, &csv_format, userdata, d->out, reterr_error);
}

static int csv_open(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out,
                    void **ret_destination,
                    Error **reterr_error) {
        _cleanup_(destination_freep) CsvDestination *d = calloc(1, sizeof(*d));
        const char *path = NULL;
        bool neutralize = false;
        int r;

        if (!d)
                return -ENOMEM;
        d->targets.directory = TARGET_DIRECTORY_INIT;
        d->catalog = catalog;
        d->out = out;
        r = json_get_string(config, "path", &path, "configuration", reterr_error);
        if (r >= 0)
                r = json_get_bool(config, "neutralize_formulas", &neutralize, "configuration", reterr_error);
        if (r >= 0)
                r = open_streams(d, path, neutralize, reterr_error);
        if (r < 0)
                return r;
        *ret_destination = TAKE_PTR(d);
        return 0;
}

static int csv_write(void *destination, size_t stream, const DestinationRecord *record,
                     Error **reterr_error) {
        CsvDestination *d = destination;
        TargetFile *f = d->targets.files + stream;
        int r;

        r = csv_stream_write(d->streams + stream, f, &d->stamp, record);
        if (r >= 0)
                r = target_file_wrote(f, reterr_error);
        return r < 0 ? r : 1;
}

static int csv_commit(void *destination, Error **reterr_error) {
        CsvDestination *d = destination;

        return target_set_commit(&d->targets, reterr_error);
}

static int csv_finish_stream(void *destination, size_t stream, Error **reterr_error) {
        CsvDestination *d = destination;

        return target_file_finish(d->targets.files + stream, reterr_error);
}

static int csv_close(void *destination, bool clean, Error **reterr_error) {
        _cleanup_(destination_freep) CsvDestination *d = destination;
        int r = 0;

        for (size_t i = 0; i < d->n_streams && r >= 0; i++)
                r = stream_columns_report(&d->streams[i].columns, d->catalog->streams[i].stream.name, d->out);
        return r < 0 ? r : target_set_close(&d->targets, clean, reterr_error);
}

static int csv_check(JsonObject *config, Emitter *out, Error **reterr_error) {
        const char *path = NULL;
        int r;

        r = json_get_string(config, "path", &path, "configuration", reterr_error);
        return r < 0 ? r : target_directory_check(path, csv_format.extension, reterr_error);
}

static const DestinationOps csv_ops = {
        .open = csv_open,
        .write = csv_write,
        .commit = csv_commit,
        .finish_stream = csv_finish_stream,
        .close = csv_close,
};

int main(int argc, char *argv[]) {
        const ConnectorInfo info = {
                .name = "destination-csv",
                .spec_json = text_destination_csv_spec,
                .check = csv_check,
                .destination = &csv_ops,
        };

        return connector_main(&info, argc, argv);
}
