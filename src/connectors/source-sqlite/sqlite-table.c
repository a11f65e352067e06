/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What tables there are and of what type their columns are. SQLite does not hold anybody to a declared
 * type, so the declaration is where we begin and the values that are there have the last word: a column
 * declared INTEGER that holds texts is a text column, or its records would not fit their schema. Looking
 * costs a pass over the table, which is why `scan_rows` bounds it; a value of another type that comes
 * later is emitted as what it is, and reported. */

#include <math.h>
#include <strings.h>

#include "basic/json-write.h"
#include "connectors/source-sqlite/sqlite-table.h"

static void table_done(SqliteTable *t) {
        for (size_t i = 0; i < t->n_columns; i++) {
                free(t->columns[i].name);
                free(t->columns[i].prefix);
        }
        free(t->columns);
        free(t->name);
        strv_free(t->key);
        *t = (SqliteTable) {};
}

void sqlite_tables_done(SqliteTables *t) {
        for (size_t i = 0; i < t->n; i++)
                table_done(&t->items[i]);
        free(t->items);
        *t = (SqliteTables) {};
}

ssize_t sqlite_table_find(const SqliteTable *t, const char *column) {
        for (size_t i = 0; i < t->n_columns; i++)
                if (streq(t->columns[i].name, column))
                        return (ssize_t) i;
        return -ENOENT;
}

static bool contains(const char *declared, const char *word) {
        return strcasestr(declared, word) != NULL;
}

/* SQLite's own rules of affinity (datatype3.html, section 3.1), in their order, with booleans before
 * them. */
static SqliteType type_from_declaration(const char *declared) {
        if (contains(declared, "BOOL"))
                return SQLITE_TYPE_BOOLEAN;
        if (contains(declared, "INT"))
                return SQLITE_TYPE_INTEGER;
        if (contains(declared, "CHAR") || contains(declared, "CLOB") || contains(declared, "TEXT"))
                return SQLITE_TYPE_STRING;
        if (contains(declared, "BLOB"))
                return SQLITE_TYPE_BASE64;
        if (contains(declared, "REAL") || contains(declared, "FLOA") || contains(declared, "DOUB") ||
            contains(declared, "NUM") || contains(declared, "DEC"))
                return SQLITE_TYPE_NUMBER;
        return SQLITE_TYPE_STRING; /* dates, times, and nothing at all */
}

static int add_column(SqliteTable *t, const char *name, SqliteType type, unsigned key) {
        _cleanup_buffer_ Buffer prefix = {};
        SqliteColumn *more, *c;
        int r;

        r = json_write_cstring(&prefix, name);
        if (r >= 0)
                r = buffer_append_char(&prefix, ':');
        more = r < 0 ? NULL : reallocarray(t->columns, t->n_columns + 1, sizeof(SqliteColumn));
        if (!more)
                return -ENOMEM;
        t->columns = more;
        c = &t->columns[t->n_columns++];
        *c = (SqliteColumn) { .name = strdup(name), .type = type, .key = key, .n_prefix = prefix.len };
        c->prefix = buffer_steal_string(&prefix);
        return c->name && c->prefix ? 0 : -ENOMEM;
}

static const char *text_of(sqlite3_stmt *s, int i) {
        return (const char *) sqlite3_column_text(s, i) ?: "";
}

/* Hidden columns of virtual tables are left out, generated ones are not. */
static int load_columns(sqlite3 *db, SqliteTable *t, bool *ret_integer_key, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r;

        *ret_integer_key = false;
        r = sqlite_prepare(db, "SELECT name, type, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1",
                           &s,
                           reterr_error);
        if (r < 0)
                return r;
        if (sqlite3_bind_text(s, 1, t->name, -1, SQLITE_STATIC) != SQLITE_OK)
                return -ENOMEM;
        while ((r = sqlite_step(s, reterr_error)) > 0) {
                unsigned key = (unsigned) sqlite3_column_int(s, 2);

                if (key > 0 && strcasecmp(text_of(s, 1), "INTEGER") == 0)
                        *ret_integer_key = true;
                r = add_column(t, text_of(s, 0), type_from_declaration(text_of(s, 1)), key);
                if (r < 0)
                        return r;
        }
        return r;
}

/* The columns of the primary key in its own order, which need not be theirs in the table. */
static int find_key(SqliteTable *t) {
        int r;

        for (unsigned place = 1;; place++) {
                size_t i = 0;

                while (i < t->n_columns && t->columns[i].key != place)
                        i++;
                if (i == t->n_columns)
                        return 0;
                r = strv_extend(&t->key, t->columns[i].name);
                if (r < 0)
                        return r;
        }
}

/* Any column may be called "rowid", and then the word means the column. */
static const char *free_rowid_name(const SqliteTable *t) {
        static const char *const names[] = { "_rowid_", "rowid", "oid" };

        for (size_t k = 0; k < ELEMENTSOF(names); k++) {
                size_t i = 0;

                while (i < t->n_columns && strcasecmp(t->columns[i].name, names[k]) != 0)
                        i++;
                if (i == t->n_columns)
                        return names[k];
        }
        return NULL;
}

/* A table whose key is no rowid gets the rowid as a column: something to go on from, for tables without
 * any key. */
static int load_table(sqlite3 *db, const SqliteConfig *config, SqliteTable *t, bool without_rowid,
                      Error **reterr_error) {
        bool integer_key;
        int r;

        r = load_columns(db, t, &integer_key, reterr_error);
        if (r >= 0)
                r = find_key(t);
        if (r < 0 || t->kind != SQLITE_TABLE || without_rowid)
                return r;
        t->rowid = free_rowid_name(t);
        t->key_is_rowid = integer_key && strv_length(t->key) == 1;
        if (config->add_rowid && t->rowid && !t->key_is_rowid) {
                r = add_column(t, t->rowid, SQLITE_TYPE_INTEGER, 0);
                t->shows_rowid = true;
        }
        return r;
}

/* Storage classes as bits, as the scan finds them. */
enum {
        SEEN_INTEGER = 1,
        SEEN_REAL = 2,
        SEEN_TEXT = 4,
        SEEN_BLOB = 8,
        SEEN_OTHER_INTEGER = 16, /* not 0 or 1 */
};

/* The narrowest type that holds all classes that were seen. Nothing seen says nothing. */
static SqliteType widen(SqliteType declared, unsigned seen) {
        unsigned classes = seen & (SEEN_INTEGER | SEEN_REAL | SEEN_TEXT | SEEN_BLOB);

        if (classes == 0)
                return declared;
        if (declared == SQLITE_TYPE_BOOLEAN && classes == SEEN_INTEGER && !(seen & SEEN_OTHER_INTEGER))
                return declared;
        switch (classes) {
        case SEEN_INTEGER:
                return declared == SQLITE_TYPE_NUMBER ? SQLITE_TYPE_NUMBER : SQLITE_TYPE_INTEGER;
        case SEEN_REAL:
        case SEEN_INTEGER | SEEN_REAL:
                return SQLITE_TYPE_NUMBER;
        case SEEN_BLOB:
                return SQLITE_TYPE_BASE64;
        default:
                return SQLITE_TYPE_STRING;
        }
}

static unsigned class_of(sqlite3_stmt *s, int i) {
        switch (sqlite3_column_type(s, i)) {
        case SQLITE_INTEGER:
                return SEEN_INTEGER | ((uint64_t) sqlite3_column_int64(s, i) > 1 ? SEEN_OTHER_INTEGER : 0);
        case SQLITE_FLOAT: /* JSON has no infinity: with one, the column is text */
                return SEEN_REAL | (isinf(sqlite3_column_double(s, i)) ? SEEN_TEXT : 0);
        case SQLITE_TEXT:
                return SEEN_TEXT;
        case SQLITE_BLOB:
                return SEEN_BLOB;
        default:
                return 0;
        }
}

/* The first rows in storage order, since a random sample would read the whole file for it. */
static int scan_types(sqlite3 *db, const SqliteConfig *config, SqliteTable *t, Error **reterr_error) {
        _cleanup_free_ unsigned *seen = calloc(t->n_columns + 1, sizeof(unsigned));
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        _cleanup_buffer_ Buffer sql = {};
        size_t n = t->n_columns - t->shows_rowid;
        int r;

        r = buffer_append_string(&sql, "SELECT * FROM main.");
        if (r >= 0)
                r = sqlite_append_name(&sql, t->name);
        if (r >= 0 && config->scan_rows > 0)
                r = buffer_appendf(&sql, " LIMIT %lld", (long long) config->scan_rows);
        if (r < 0 || !seen || !buffer_string(&sql))
                return -ENOMEM;
        r = sqlite_prepare(db, buffer_string(&sql), &s, reterr_error);
        if (r < 0)
                return r;
        n = MIN(n, (size_t) sqlite3_column_count(s));
        while ((r = sqlite_step(s, reterr_error)) > 0)
                for (size_t i = 0; i < n; i++)
                        seen[i] |= class_of(s, (int) i);
        for (size_t i = 0; i < n; i++)
                t->columns[i].type = widen(t->columns[i].type, seen[i]);
        return r;
}

/* Shadow tables are the insides of virtual ones. */
static bool is_wanted(const SqliteConfig *config, const char *name, const char *kind) {
        if (strncasecmp(name, "sqlite_", 7) == 0 || streq(kind, "shadow"))
                return false;
        if (streq(kind, "view") && !config->include_views && !strv_contains(config->tables, name))
                return false;
        return !config->tables || strv_contains(config->tables, name);
}

static int add_table(sqlite3 *db, const SqliteConfig *config, bool scan, sqlite3_stmt *s,
                     SqliteTables *tables,
                     Error **reterr_error) {
        const char *kind = text_of(s, 1);
        SqliteTable *more, *t;
        int r;

        if (tables->n >= STREAMS_MAX)
                return error_set(reterr_error, -E2BIG,
                                 "the database has more than %u tables; name some in 'tables'",
                                 STREAMS_MAX);
        more = reallocarray(tables->items, tables->n + 1, sizeof(SqliteTable));
        if (!more)
                return -ENOMEM;
        tables->items = more;
        t = &tables->items[tables->n++];
        *t = (SqliteTable) {
                .name = strdup(text_of(s, 0)),
                .kind = streq(kind, "view") ? SQLITE_VIEW : streq(kind, "virtual") ?
                        SQLITE_VIRTUAL : SQLITE_TABLE,
                .is_strict = sqlite3_column_int(s, 3) != 0,
        };
        if (!t->name)
                return -ENOMEM;
        r = load_table(db, config, t, sqlite3_column_int(s, 2) != 0, reterr_error);
        if (r >= 0 && scan)
                r = scan_types(db, config, t, reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "table '%s'", t->name) : 0;
}

/* A table that was named and is not there would be a stream that silently stays empty. */
static int check_names(const SqliteConfig *config, const SqliteTables *tables, Error **reterr_error) {
        STRV_FOREACH(name, config->tables) {
                size_t i = 0;

                while (i < tables->n && !streq(tables->items[i].name, *name))
                        i++;
                if (i == tables->n)
                        return error_set(reterr_error, -ENOENT, "tables: the database has no table '%s'",
                                         *name);
        }
        return 0;
}

int sqlite_tables_load(sqlite3 *db, const SqliteConfig *config, bool scan, SqliteTables *ret,
                       Error **reterr_error) {
        _cleanup_(sqlite_tables_done) SqliteTables tables = {};
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r;

        r = sqlite_prepare(db,
                           "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' "
                           "ORDER BY name", &s, reterr_error);
        if (r < 0)
                return r;
        while ((r = sqlite_step(s, reterr_error)) > 0)
                if (is_wanted(config, text_of(s, 0), text_of(s, 1))) {
                        r = add_table(db, config, scan, s, &tables, reterr_error);
                        if (r < 0)
                                return r;
                }
        if (r >= 0)
                r = check_names(config, &tables, reterr_error);
        if (r < 0)
                return r;
        *ret = tables;
        tables = (SqliteTables) {};
        return 0;
}

/* ---- schemas ---- */

static const char *const type_schemas[] = {
        [SQLITE_TYPE_STRING] = "{\"type\":[\"null\",\"string\"]}",
        [SQLITE_TYPE_INTEGER] = "{\"type\":[\"null\",\"integer\"]}",
        [SQLITE_TYPE_NUMBER] = "{\"type\":[\"null\",\"number\"]}",
        [SQLITE_TYPE_BOOLEAN] = "{\"type\":[\"null\",\"boolean\"]}",
        [SQLITE_TYPE_BASE64] = "{\"type\":[\"null\",\"string\"],\"contentEncoding\":\"base64\"}",
        [SQLITE_TYPE_ANY] = "{}",
};

int sqlite_table_schema(const SqliteTable *t, JsonObject **ret) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = buffer_append_string(&b,
                                 "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\","
                                     "\"additionalProperties\":true,\"properties\":{");
        for (size_t i = 0; r >= 0 && i < t->n_columns; i++) {
                r = i > 0 ? buffer_append_char(&b, ',') : 0;
                if (r >= 0)
                        r = buffer_append_string(&b, t->columns[i].prefix);
                if (r >= 0)
                        r = buffer_append_string(&b, type_schemas[t->columns[i].type]);
        }
        if (r >= 0)
                r = buffer_append_string(&b, "}}");
        return r < 0 ? r : json_parse(buffer_bytes(&b), b.len, ret, NULL);
}

/* Of the configured catalog, which may come from elsewhere: what we would not have written ourselves
 * takes any value. */
SqliteType sqlite_type_from_schema(JsonObject *property) {
        _cleanup_free_ char *text = json_to_string(json_member(property, "type"));
        bool base64 = streq(strempty(json_object_get_string(json_member(property, "contentEncoding"))),
                            "base64");
        static const struct {
                const char *a, *b;
                SqliteType type;
        } table[] = {
                { "[\"null\",\"string\"]", "\"string\"", SQLITE_TYPE_STRING },
                { "[\"null\",\"integer\"]", "\"integer\"", SQLITE_TYPE_INTEGER },
                { "[\"null\",\"number\"]", "\"number\"", SQLITE_TYPE_NUMBER },
                { "[\"null\",\"boolean\"]", "\"boolean\"", SQLITE_TYPE_BOOLEAN },
        };

        for (size_t i = 0; text && i < ELEMENTSOF(table); i++)
                if (streq(text, table[i].a) || streq(text, table[i].b))
                        return table[i].type == SQLITE_TYPE_STRING && base64 ?
                                SQLITE_TYPE_BASE64 : table[i].type;
        return SQLITE_TYPE_ANY;
}
