/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* source-sqlite: the four verbs over the parts of this directory. A read takes one transaction for all
 * tables, so that they show one moment (scenario S29). Where that is impossible, in a WAL database whose
 * directory cannot be written, the file is opened as if it were immutable, and the read fails afterwards
 * when the file has changed under it: rather no data than a mix. */

#include <sys/stat.h>

#include "connectors/source-sqlite/sqlite-read.h"

extern const char text_source_sqlite_spec[];

static void config_done(SqliteConfig *c) {
        free(c->path);
        strv_free(c->tables);
}

static int parse_config(JsonObject *o, SqliteConfig *ret, Error **reterr_error) {
        const char *path;
        int r;

        *ret = (SqliteConfig) { .add_rowid = true, .scan_rows = 100000, .checkpoint_rows = 50000 };
        r = json_get_string(o, "path", &path, "the configuration", reterr_error);
        if (r < 0)
                return r;
        if (r == 0 || !*path)
                return error_set(reterr_error, -EINVAL, "path: name the database to read");
        ret->path = strdup(path);
        if (!ret->path)
                return -ENOMEM;
        r = json_get_strv(o, "tables", &ret->tables, "the configuration", reterr_error);
        if (r >= 0 && strv_length(ret->tables) == 0)
                ret->tables = strv_free(ret->tables); /* an empty list in a form means all */
        if (r >= 0)
                r = json_get_bool(o, "include_views", &ret->include_views, "the configuration",
                                  reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "add_rowid", &ret->add_rowid, "the configuration", reterr_error);
        if (r >= 0)
                r = json_get_i64(o, "scan_rows", &ret->scan_rows, "the configuration", reterr_error);
        if (r >= 0)
                r = json_get_i64(o, "checkpoint_rows", &ret->checkpoint_rows, "the configuration",
                                 reterr_error);
        if (r >= 0 && (ret->checkpoint_rows < 1 || ret->scan_rows < 0))
                return error_set(reterr_error, -EINVAL,
                                 "checkpoint_rows must be positive, scan_rows not negative");
        return r;
}

/* What a person can mend is the configuration's; a lock that was held too long passes by itself. */
static FailureType failure_of(int r) {
        switch (-r) {
        case EBUSY:
                return FAILURE_TRANSIENT_ERROR;
        case EINVAL:
        case ENOENT:
        case EACCES:
        case E2BIG:
                return FAILURE_CONFIG_ERROR;
        default:
                return FAILURE_SYSTEM_ERROR;
        }
}

static int fail(int r, Error **reterr_error) {
        _cleanup_free_ char *message = NULL;

        if (r >= 0 || !reterr_error || !*reterr_error)
                return r;
        message = strdup((*reterr_error)->message);
        return message ? connector_fail(reterr_error, failure_of(r), r, "%s", message) : -ENOMEM;
}

static int open_database(const SqliteConfig *config, Emitter *out, sqlite3 **ret, bool *ret_immutable,
                         Error **reterr_error) {
        int r;

        r = sqlite_open(config->path, ret, ret_immutable, reterr_error);
        if (r >= 0 && *ret_immutable)
                return emitter_log(out, "WARN",
                                   "'%s' is in WAL mode and its directory is not writable: it is read as "
                                   "if nobody wrote "
                                   "to it meanwhile", config->path);
        return r;
}

/* A view has neither rowid nor key: nothing to go on from, so full refreshes only. */
static int describe_table(const SqliteTable *t, AirbyteStream *ret) {
        const char *cursor = sqlite_table_default_cursor(t);
        size_t n = strv_length(t->key);
        int r;

        *ret = (AirbyteStream) {
                .name = strdup(t->name),
                .supports_full_refresh = true,
                .supports_incremental = t->kind == SQLITE_TABLE,
                .is_resumable = t->kind == SQLITE_TABLE && (t->rowid || n > 0),
        };
        if (!ret->name)
                return -ENOMEM;
        r = sqlite_table_schema(t, &ret->json_schema);
        if (r >= 0 && cursor)
                r = strv_extend(&ret->default_cursor_field, cursor);
        if (r < 0 || n == 0)
                return r;
        ret->source_defined_primary_key = calloc(n + 1, sizeof(FieldPath));
        if (!ret->source_defined_primary_key)
                return -ENOMEM;
        for (size_t i = 0; i < n && r >= 0; i++)
                r = strv_extend(&ret->source_defined_primary_key[i], t->key[i]);
        return r;
}

/* Looking at values finds what declared types do not say; `scan` is left out where names are enough. */
static int make_catalog(JsonObject *o, bool scan, Emitter *out, Catalog **ret, Error **reterr_error) {
        _cleanup_(config_done) SqliteConfig config = {};
        _cleanup_(sqlite_tables_done) SqliteTables tables = {};
        _cleanup_catalog_ Catalog *c = calloc(1, sizeof(*c));
        _cleanup_db_ sqlite3 *db = NULL;
        bool immutable;
        int r;

        if (!c)
                return -ENOMEM;
        r = parse_config(o, &config, reterr_error);
        if (r >= 0)
                r = open_database(&config, out, &db, &immutable, reterr_error);
        if (r >= 0)
                r = sqlite_tables_load(db, &config, scan, &tables, reterr_error);
        if (r < 0)
                return fail(r, reterr_error);
        c->streams = calloc(tables.n + 1, sizeof(AirbyteStream));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < tables.n; i++) {
                r = describe_table(&tables.items[i], &c->streams[c->n_streams++]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(c);
        return 0;
}

static int check(JsonObject *o, Emitter *out, Error **reterr_error) {
        _cleanup_catalog_ Catalog *c = NULL;
        int r;

        r = make_catalog(o, /* scan= */ false, out, &c, reterr_error);
        if (r >= 0 && c->n_streams == 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -ENOENT,
                                      "The database has no tables");
        return r;
}

static int discover(JsonObject *o, Emitter *out, Catalog **ret, Error **reterr_error) {
        return make_catalog(o, /* scan= */ true, out, ret, reterr_error);
}

static int list_streams(JsonObject *o, Emitter *out, Catalog **ret, Error **reterr_error) {
        return make_catalog(o, /* scan= */ false, out, ret, reterr_error);
}

static const SqliteTable *find_table(const SqliteTables *tables, const char *name) {
        for (size_t i = 0; i < tables->n; i++)
                if (streq(tables->items[i].name, name))
                        return &tables->items[i];
        return NULL;
}

/* Without locks only the file's own time and size tell that somebody wrote to it. */
static int check_unchanged(const char *path, const struct stat *before, Error **reterr_error) {
        struct stat after;

        if (stat(path, &after) >= 0 && after.st_ino == before->st_ino && after.st_size == before->st_size &&
            after.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                    after.st_mtim.tv_nsec == before->st_mtim.tv_nsec)
                return 0;
        return error_set(reterr_error, -EBUSY, "'%s' was changed while it was read", path);
}

static int read_stream(sqlite3 *db, const SqliteConfig *config, const SqliteTables *tables,
                       const ConfiguredStream *c,
                       const StateSet *state, Emitter *out, Error **reterr_error) {
        const SqliteTable *t = find_table(tables, c->stream.name);
        const char *text;
        size_t n = 0;

        if (!t)
                return error_set(reterr_error, -ENOENT, "the database has no table '%s'", c->stream.name);
        text = state ? state_set_get_stream(state, c->stream.namespace, c->stream.name, &n) : NULL;
        return sqlite_table_read(db, config, t, c, text, n, out, reterr_error);
}

static int read_tables(JsonObject *o, const ConfiguredCatalog *catalog, const StateSet *state, Emitter *out,
                       Error **reterr_error) {
        _cleanup_(config_done) SqliteConfig config = {};
        _cleanup_(sqlite_tables_done) SqliteTables tables = {};
        _cleanup_db_ sqlite3 *db = NULL;
        struct stat before = {};
        bool immutable = false;
        int r;

        r = parse_config(o, &config, reterr_error);
        if (r >= 0)
                (void) stat(config.path, &before); /* opening says what is wrong */
        if (r >= 0)
                r = open_database(&config, out, &db, &immutable, reterr_error);
        if (r >= 0)
                r = sqlite_tables_load(db, &config, /* scan= */ false, &tables, reterr_error);
        for (size_t i = 0; r >= 0 && i < catalog->n_streams; i++)
                r = read_stream(db, &config, &tables, &catalog->streams[i], state, out, reterr_error);
        if (r >= 0 && immutable)
                r = check_unchanged(config.path, &before, reterr_error);
        return fail(r, reterr_error);
}

int main(int argc, char *argv[]) {
        static const ConnectorInfo info = {
                .name = "source-sqlite",
                .spec_json = text_source_sqlite_spec,
                .check = check,
                .discover = discover,
                .list_streams = list_streams,
                .read = read_tables,
        };

        return connector_main(&info, argc, argv);
}
