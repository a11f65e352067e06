/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* destination-sqlite: a table a stream in one SQLite file. docs/DESTINATIONS.md says what is stored how.
 *
 * Rows are gathered for each stream without a transaction, so that another sync may write to the same
 * file, and go into the table a batch at a time. A commit writes what is gathered and ends the
 * transaction; states are echoed after it. Refreshes write into tables beside, and all swaps of a sync
 * are one transaction, which close() commits if the input has ended in order: readers see all of the new
 * tables or all of the old ones. */

#include <unistd.h>

#include "connectors/destination-sqlite/stream-writer.h"
#include "connectors/lib/emitter.h"

extern const char text_destination_sqlite_spec[];

#define BUSY_TIMEOUT_SECONDS 60
#define ROWS_MAX 32U
/* With more streams than this, statements and rows are gathered for this many only: memory stays bounded. */
#define OPEN_WRITERS_MAX 64U
#define ROWS_MAX_MANY_STREAMS 4U

typedef struct SqliteDestination {
        Database database;
        Emitter *out;
        StreamWriter *writers;
        size_t n_writers;
        size_t n_open; /* writers that hold memory */
        RecordStamp stamp;
} SqliteDestination;

static SqliteDestination *destination_free(SqliteDestination *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_writers; i++)
                stream_writer_done(s->writers + i);
        free(s->writers);
        database_close(&s->database);
        free(s);
        return NULL;
}
DEFINE_CLEANUP(SqliteDestination, destination_free);

typedef struct Settings {
        const char *path, *separator;
        int64_t busy_timeout;
} Settings;

static int read_settings(JsonObject *config, Settings *ret, Error **reterr_error) {
        static const char what[] = "configuration";
        int r;

        *ret = (Settings) { .separator = "__", .busy_timeout = BUSY_TIMEOUT_SECONDS };
        r = json_get_string(config, "path", &ret->path, what, reterr_error);
        if (r >= 0)
                r = json_get_string(config, "schema_separator", &ret->separator, what, reterr_error);
        return r < 0 ? r : json_get_i64(config, "busy_timeout_seconds", &ret->busy_timeout, what,
                                        reterr_error);
}

static int open_streams(SqliteDestination *s, const ConfiguredCatalog *catalog, const char *separator,
                        Error **reterr_error) {
        unsigned rows = catalog->n_streams > OPEN_WRITERS_MAX ? ROWS_MAX_MANY_STREAMS : ROWS_MAX;
        int r;

        s->writers = calloc(MAX(catalog->n_streams, (size_t) 1), sizeof(*s->writers));
        if (!s->writers)
                return -ENOMEM;
        /* All locks first: who would write the same stream hears so at once, not after the other's
         * transaction. */
        for (size_t i = 0; i < catalog->n_streams; i++) {
                r = stream_writer_lock(&s->database, catalog->streams + i, reterr_error);
                if (r < 0)
                        return r;
        }
        r = database_configure(&s->database, /* wait= */ true, reterr_error);
        if (r >= 0)
                r = database_begin(&s->database, reterr_error);
        if (r >= 0)
                r = registry_create(&s->database, reterr_error);
        for (size_t i = 0; i < catalog->n_streams && r >= 0; i++) {
                s->n_writers++;
                r = stream_writer_open(s->writers + i, &s->database, catalog->streams + i, separator, rows, s->out,
                                       reterr_error);
        }
        return r < 0 ? r : database_commit(&s->database, reterr_error);
}

static int sqlite_open(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out,
                       void **ret_destination,
                       Error **reterr_error) {
        _cleanup_(destination_freep) SqliteDestination *s = calloc(1, sizeof(*s));
        Settings settings;
        int r;

        if (!s)
                return -ENOMEM;
        s->database = DATABASE_INIT;
        s->out = out;
        r = read_settings(config, &settings, reterr_error);
        if (r >= 0)
                r = database_open(&s->database, settings.path, (int) settings.busy_timeout, reterr_error);
        if (r >= 0)
                r = open_streams(s, catalog, settings.separator, reterr_error);
        if (r < 0)
                return r;
        *ret_destination = TAKE_PTR(s);
        return 0;
}

/* With `release`, what the writers gathered memory for is given back as well. */
static int flush_all(SqliteDestination *s, bool release, Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; i < s->n_writers && r >= 0; i++) {
                r = stream_writer_flush(s->writers + i, &s->database, reterr_error);
                if (r >= 0 && release)
                        stream_writer_release(s->writers + i);
        }
        if (release)
                s->n_open = 0;
        return r;
}

/* Rows are gathered without a transaction: another sync may write until ours are worth one. */
static int sqlite_write(void *destination, size_t stream, const DestinationRecord *record,
                        Error **reterr_error) {
        SqliteDestination *s = destination;
        StreamWriter *w = s->writers + stream;
        int r;

        if (!w->cells && ++s->n_open > OPEN_WRITERS_MAX) {
                r = database_begin(&s->database, reterr_error);
                if (r >= 0)
                        r = flush_all(s, /* release= */ true, reterr_error);
                if (r < 0)
                        return r;
                s->n_open = 1;
        }
        r = stream_writer_add(w, &s->stamp, record, reterr_error);
        if (r > 0) {
                r = database_begin(&s->database, reterr_error);
                if (r >= 0)
                        r = stream_writer_flush(w, &s->database, reterr_error);
        }
        return r < 0 ? r : 1;
}

/* A transaction that is begun for nothing would take the lock from others for nothing. */
static bool has_rows(const SqliteDestination *s) {
        for (size_t i = 0; i < s->n_writers; i++)
                if (s->writers[i].n_rows > 0)
                        return true;
        return false;
}

/* Everything that came before is durable when this returns; what is deleted at its source goes with it. */
static int sqlite_commit(void *destination, Error **reterr_error) {
        SqliteDestination *s = destination;
        int r = 0;

        if (has_rows(s)) {
                r = database_begin(&s->database, reterr_error);
                if (r >= 0)
                        r = flush_all(s, /* release= */ false, reterr_error);
        }
        for (size_t i = 0; i < s->n_writers && r >= 0; i++)
                r = stream_writer_settle(s->writers + i, &s->database, reterr_error);
        return r < 0 ? r : database_commit(&s->database, reterr_error);
}

/* All swaps of a sync are one transaction, which close() commits: the new tables appear together. */
static int sqlite_finish_stream(void *destination, size_t stream, Error **reterr_error) {
        SqliteDestination *s = destination;
        int r;

        r = database_begin(&s->database, reterr_error);
        return r < 0 ? r : stream_writer_finish(s->writers + stream, &s->database, reterr_error);
}

/* What was not committed is dropped: no state speaks for it. */
static int sqlite_close(void *destination, bool clean, Error **reterr_error) {
        _cleanup_(destination_freep) SqliteDestination *s = destination;
        int r = 0;

        for (size_t i = 0; i < s->n_writers && r >= 0; i++)
                r = stream_columns_report(&s->writers[i].columns, s->writers[i].configured->stream.name, s->out);
        for (size_t i = 0; i < s->n_writers; i++)
                s->writers[i].n_rows = 0;
        if (!clean || r < 0)
                return r;
        return database_commit(&s->database, reterr_error);
}

/* Tries to write a table and takes it back, without waiting: a database that is being written is one that
 * works. */
static int sqlite_check(JsonObject *config, Emitter *out, Error **reterr_error) {
        Database d = DATABASE_INIT;
        Settings settings;
        bool created;
        int r;

        r = read_settings(config, &settings, reterr_error);
        if (r >= 0)
                r = database_open(&d, settings.path, /* busy_timeout_seconds= */ 0, reterr_error);
        if (r >= 0)
                r = database_configure(&d, /* wait= */ false, reterr_error);
        if (r >= 0)
                r = database_exec(&d, reterr_error,
                                  "BEGIN IMMEDIATE; CREATE TABLE _gantry_check (x); ROLLBACK");
        created = d.created && d.lock_fd >= 0;
        database_close(&d);
        /* Nothing was written, so a file that this made is empty. */
        if (created)
                (void) unlink(settings.path);
        return r == -EBUSY ? 0 : r;
}

static const DestinationOps sqlite_ops = {
        .open = sqlite_open,
        .write = sqlite_write,
        .commit = sqlite_commit,
        .finish_stream = sqlite_finish_stream,
        .close = sqlite_close,
};

int main(int argc, char *argv[]) {
        const ConnectorInfo info = {
                .name = "destination-sqlite",
                .spec_json = text_destination_sqlite_spec,
                .check = sqlite_check,
                .destination = &sqlite_ops,
        };

        return connector_main(&info, argc, argv);
}
