/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table `_gantry_streams` of the destination: which tables are ours, and what of a stream each of
 * them holds. Names are chosen once and kept, since renaming a table because another stream came would
 * break every query that people have on it. A table that carries a stream's name but is in no row of ours
 * belongs to somebody else, and is refused rather than written to.
 *
 * It lives in the same database as the data and changes in the same transactions, so that after a crash
 * both tell the same story. */

#include <strings.h>

#include "connectors/destination-sqlite/registry.h"

/* Names of ours begin so; a stream that is called like it gets an underscore before its name. */
#define INTERNAL_PREFIX "_gantry_"
#define SQLITE_PREFIX "sqlite_"

void stream_tables_done(StreamTables *s) {
        free(s->namespace);
        free(s->stream);
        free(s->table_name);
        table_free(s->final);
        table_free(s->new);
        *s = (StreamTables) {};
}

int registry_create(Database *d, Error **reterr_error) {
        return database_exec(d, reterr_error,
                             "CREATE TABLE IF NOT EXISTS _gantry_streams (namespace TEXT NOT NULL, "
                             "stream TEXT NOT NULL, "
                             "table_name TEXT NOT NULL COLLATE NOCASE UNIQUE, final TEXT, generation_id INTEGER, "
                             "new TEXT, new_generation_id INTEGER, PRIMARY KEY (namespace, stream)) WITHOUT ROWID");
}

static JsonObject *strv_to_json(char *const *l) {
        JsonObject *a = json_object_new_array();

        STRV_FOREACH(s, l)
                if (a && json_object_array_add(a, json_object_new_string(*s)) < 0) {
                        json_object_put(a);
                        return NULL;
                }
        return a;
}

/* A column of JSON: what a table is made of is read and written whole, never searched. */
static int table_to_text(const Table *t, char **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (!t) {
                *ret = NULL;
                return 0;
        }
        o = json_object_new_object();
        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "name", t->name);
        if (r >= 0)
                r = json_add(o, "fields", strv_to_json(t->fields));
        if (r >= 0)
                r = json_add(o, "columns", strv_to_json(t->columns));
        if (r >= 0)
                r = json_add(o, "kinds", strv_to_json(t->kinds));
        if (r >= 0 && t->key)
                r = json_add_string(o, "key", t->key);
        if (r >= 0 && t->key_index)
                r = json_add_string(o, "key_index", t->key_index);
        if (r < 0)
                return r;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

/* The registry is a table like any other, so people can damage it. */
static int read_members(Table *t, JsonObject *o, Error **reterr_error) {
        static const char what[] = "_gantry_streams";
        const char *name = NULL, *key = NULL, *index = NULL;
        int r;

        r = json_get_string(o, "name", &name, what, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "fields", &t->fields, what, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "columns", &t->columns, what, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "kinds", &t->kinds, what, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "key", &key, what, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "key_index", &index, what, reterr_error);
        if (r < 0)
                return r;
        if (!name || strv_length(t->fields) != strv_length(t->columns) ||
            strv_length(t->fields) != strv_length(t->kinds))
                return error_set(reterr_error, -EINVAL, "The table _gantry_streams is damaged");
        t->name = strdup(name);
        t->key = key ? strdup(key) : NULL;
        t->key_index = index ? strdup(index) : NULL;
        return t->name && (t->key || !key) && (t->key_index || !index) ? 0 : -ENOMEM;
}

/* A table that somebody dropped is as good as one that never was. */
static int table_exists(Database *d, const char *name, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r;

        r = database_prepare(d, "SELECT 1 FROM sqlite_schema WHERE name = ? COLLATE NOCASE", &s,
                             reterr_error);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        r = sqlite3_step(s);
        if (r == SQLITE_ROW || r == SQLITE_DONE)
                return r == SQLITE_ROW;
        return database_error(d, r, "read the schema", reterr_error);
}

static int table_from_text(Database *d, const char *text, Table **ret, Error **reterr_error) {
        _cleanup_(table_freep) Table *t = calloc(1, sizeof(*t));
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (!t)
                return -ENOMEM;
        *ret = NULL;
        if (!text)
                return 0;
        r = json_parse(text, strlen(text), &o, reterr_error);
        if (r >= 0)
                r = read_members(t, o, reterr_error);
        if (r >= 0)
                r = table_exists(d, t->name, reterr_error);
        if (r > 0)
                *ret = TAKE_PTR(t);
        return r < 0 ? r : 0;
}

/* Whether a stream of ours has the name already. */
static int name_taken(Database *d, const char *name, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r;

        r = database_prepare(d, "SELECT 1 FROM _gantry_streams WHERE table_name = ?", &s, reterr_error);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
        r = sqlite3_step(s);
        if (r == SQLITE_ROW || r == SQLITE_DONE)
                return r == SQLITE_ROW;
        return database_error(d, r, "read the registry", reterr_error);
}

/* FNV-1a; the separator keeps "a" + "bc" and "ab" + "c" apart. The names that it makes are in databases:
 * it may not change. */
static uint32_t stream_hash(const char *namespace, const char *stream) {
        uint32_t h = 0x811c9dc5;

        for (const char *p = strempty(namespace); *p; p++)
                h = (h ^ (uint8_t) *p) * 0x01000193;
        h = (h ^ 0xff) * 0x01000193;
        for (const char *p = stream; *p; p++)
                h = (h ^ (uint8_t) *p) * 0x01000193;
        return h;
}

/* SQLite keeps names with its own prefix for itself, and so do we. */
static int plain_name(const char *separator, const char *namespace, const char *stream, Buffer *b) {
        bool has = namespace && *namespace;
        const char *first = has ? namespace : stream;
        int r = 0;

        if (strncasecmp(first, INTERNAL_PREFIX, STRLEN(INTERNAL_PREFIX)) == 0 ||
            strncasecmp(first, SQLITE_PREFIX, STRLEN(SQLITE_PREFIX)) == 0 || *first == 0)
                r = buffer_append_char(b, '_');
        return r < 0 ? r : buffer_appendf(b, "%s%s%s", has ? namespace : "", has ? separator : "", stream);
}

/* Counting up from the hash ends, since each round is another name. */
static int choose_name(Database *d, const char *separator, StreamTables *s, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        size_t n;
        int r;

        r = plain_name(separator, s->namespace, s->stream, &b);
        if (r < 0)
                return r;
        n = b.len;
        r = name_taken(d, buffer_string(&b) ?: "", reterr_error);
        for (uint32_t h = stream_hash(s->namespace, s->stream); r > 0; h++) {
                b.len = n;
                r = buffer_appendf(&b, "_%08x", h);
                if (r >= 0)
                        r = name_taken(d, buffer_string(&b) ?: "", reterr_error);
        }
        if (r >= 0)
                r = table_exists(d, buffer_string(&b) ?: "", reterr_error);
        if (r > 0)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EEXIST,
                                      "'%s' holds a table '%s' that was not "
                                      "made by a sync of stream '%s'; rename or drop it, or sync with a prefix",
                                      d->path, buffer_string(&b), s->stream);
        if (r < 0)
                return r;
        s->table_name = buffer_steal_string(&b);
        return s->table_name ? 0 : -ENOMEM;
}

static int read_row(Database *d, sqlite3_stmt *row, StreamTables *s, Error **reterr_error) {
        int r;

        s->table_name = strdup((const char *) sqlite3_column_text(row, 0) ?: "");
        if (!s->table_name)
                return -ENOMEM;
        s->has_generation = sqlite3_column_type(row, 2) == SQLITE_INTEGER;
        s->generation_id = sqlite3_column_int64(row, 2);
        s->new_has_generation = sqlite3_column_type(row, 4) == SQLITE_INTEGER;
        s->new_generation_id = sqlite3_column_int64(row, 4);
        r = table_from_text(d, (const char *) sqlite3_column_text(row, 1), &s->final, reterr_error);
        return r < 0 ? r : table_from_text(d, (const char *) sqlite3_column_text(row, 3), &s->new,
                                           reterr_error);
}

int registry_load(Database *d, const char *separator, const char *namespace, const char *stream,
                  StreamTables *ret,
                  Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *row = NULL;
        int r;

        *ret = (StreamTables) { .namespace = strdup(strempty(namespace)), .stream = strdup(stream) };
        if (!ret->namespace || !ret->stream)
                return -ENOMEM;
        r = database_prepare(d,
                             "SELECT table_name, final, generation_id, new, new_generation_id FROM _gantry_streams "
                             "WHERE namespace = ? AND stream = ?", &row, reterr_error);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(row, 1, ret->namespace, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(row, 2, stream, -1, SQLITE_STATIC);
        r = sqlite3_step(row);
        if (r == SQLITE_ROW)
                return read_row(d, row, ret, reterr_error);
        return r == SQLITE_DONE ? choose_name(d, separator, ret, reterr_error)
                                : database_error(d, r, "read the registry", reterr_error);
}

static int bind_generation(sqlite3_stmt *s, int at, bool has, int64_t id) {
        return has ? sqlite3_bind_int64(s, at, id) : sqlite3_bind_null(s, at);
}

int registry_store(Database *d, const StreamTables *s, Error **reterr_error) {
        _cleanup_free_ char *final = NULL, *new = NULL;
        _cleanup_stmt_ sqlite3_stmt *row = NULL;
        int r;

        r = table_to_text(s->final, &final);
        if (r >= 0)
                r = table_to_text(s->new, &new);
        if (r >= 0)
                r = database_prepare(d,
                                     "INSERT OR REPLACE INTO _gantry_streams VALUES (?, ?, ?, ?, ?, ?, ?)", &row,
                                     reterr_error);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(row, 1, s->namespace, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(row, 2, s->stream, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(row, 3, s->table_name, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(row, 4, final, -1, SQLITE_STATIC);
        (void) bind_generation(row, 5, s->has_generation, s->generation_id);
        (void) sqlite3_bind_text(row, 6, new, -1, SQLITE_STATIC);
        (void) bind_generation(row, 7, s->new && s->new_has_generation, s->new_generation_id);
        r = sqlite3_step(row);
        return r == SQLITE_DONE ? 0 : database_error(d, r, "write the registry", reterr_error);
}
