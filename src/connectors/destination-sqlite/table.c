/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A table and how it follows a schema that changes. The registry keeps for each field its column and its
 * type, since the two names may differ: SQLite compares columns without regard to case, JSON doesn't.
 * Columns are only added. A field that is gone leaves its column, a type that has changed leaves the rows
 * that are there and applies to new ones.
 *
 * Declared types are for people who look at the table, and SQLite acts on them: a column's affinity
 * converts what is stored. So a column declares something only where no value of its type could be
 * converted, and loses its declaration when its type changes (loosen()).
 *
 * Names come from strangers and get into SQL by "%w" inside quotes alone. */

#include <strings.h>

#include "connectors/destination-sqlite/table.h"
#include "connectors/lib/emitter.h"
#include "connectors/lib/record-stamp.h"

/* What SQLite is built with (SQLITE_MAX_COLUMN); asked for so that the message names the stream. */
#define COLUMNS_MAX 2000U

Table *table_free(Table *t) {
        if (!t)
                return NULL;
        free(t->name);
        strv_free(t->fields);
        strv_free(t->columns);
        strv_free(t->kinds);
        free(t->key);
        free(t->key_index);
        free(t);
        return NULL;
}

const char *table_column(const Table *t, const char *field) {
        for (size_t i = 0; t->fields && t->fields[i]; i++)
                if (streq(t->fields[i], field))
                        return t->columns[i];
        return NULL;
}

/* Declared types are for people. Numbers get none: a column of SQLite's numeric affinity would turn the
 * text of a number beyond 64 bits into a double, and lose what it is. */
static const char *declared_type(ColumnKind k) {
        switch (k) {
        case COLUMN_STRING:
        case COLUMN_DATE:
        case COLUMN_TIME:
        case COLUMN_TIMESTAMP:
        case COLUMN_OBJECT:
        case COLUMN_ARRAY:
        case COLUMN_JSON:
                return " TEXT";
        case COLUMN_BOOLEAN:
                return " BOOLEAN";
        default:
                return "";
        }
}

/* Without regard to case, as SQLite compares names of columns (ASCII only). */
static bool has_name(char *const *columns, const char *name) {
        static const char *const meta[META_COLUMNS] = { COLUMN_RAW_ID, COLUMN_EXTRACTED_AT, COLUMN_META,
                                                        COLUMN_GENERATION_ID };

        for (size_t i = 0; i < META_COLUMNS; i++)
                if (strcasecmp(meta[i], name) == 0)
                        return true;
        STRV_FOREACH(c, columns)
                if (strcasecmp(*c, name) == 0)
                        return true;
        return false;
}

/* FNV-1a, as in the registry; it may not change either. */
static uint32_t name_hash(const char *s) {
        uint32_t h = 0x811c9dc5;

        for (; *s; s++)
                h = (h ^ (uint8_t) *s) * 0x01000193;
        return h;
}

/* The field's own name, unless SQLite takes it for one that is there ("Id" and "id"): then a hash of it
 * follows. */
static int add_mapping(Table *t, const StreamColumn *c) {
        int r;

        r = strv_extend(&t->fields, c->field);
        if (r >= 0)
                r = strv_extend(&t->kinds, column_kind_to_string(c->kind));
        if (r < 0)
                return r;
        if (*c->field && !has_name(t->columns, c->field))
                return strv_extend(&t->columns, c->field);
        for (uint32_t h = name_hash(c->field);; h++) {
                _cleanup_strv_ char **one = NULL;

                r = strv_extendf(&one, "%s_%08x", c->field, h);
                if (r < 0)
                        return r;
                if (!has_name(t->columns, one[0]))
                        return strv_extend(&t->columns, one[0]);
        }
}

static int check_width(const char *name, size_t n, Error **reterr_error) {
        if (n + META_COLUMNS <= COLUMNS_MAX)
                return 0;
        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -E2BIG,
                              "The table '%s' would have %zu columns; SQLite "
                              "takes %u. Select fewer fields", name, n + META_COLUMNS, COLUMNS_MAX);
}

/* With "%w" for names, the one way in which they get into SQL. */
static int append_sql(Buffer *b, const char *format, ...) {
        _cleanup_sqlite_str_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = sqlite3_vmprintf(format, ap);
        va_end(ap);
        return text ? buffer_append_string(b, text) : -ENOMEM;
}

int table_create(Database *d, const char *name, const StreamColumns *columns, Table **ret,
                 Error **reterr_error) {
        _cleanup_(table_freep) Table *t = calloc(1, sizeof(*t));
        _cleanup_buffer_ Buffer sql = {};
        int r;

        if (!t)
                return -ENOMEM;
        t->name = strdup(name);
        if (!t->name)
                return -ENOMEM;
        r = check_width(name, columns->n, reterr_error);
        if (r >= 0)
                r = append_sql(&sql,
                               "CREATE TABLE \"%w\" (" COLUMN_RAW_ID " TEXT, " COLUMN_EXTRACTED_AT " TEXT, "
                               COLUMN_META " TEXT, " COLUMN_GENERATION_ID " INTEGER", name);
        for (size_t i = 0; i < columns->n && r >= 0; i++) {
                r = add_mapping(t, columns->items + i);
                if (r >= 0)
                        r = append_sql(&sql, ", \"%w\"%s", t->columns[i],
                                       declared_type(columns->items[i].kind));
        }
        if (r >= 0)
                r = buffer_append_char(&sql, ')');
        if (r >= 0)
                r = database_exec(d, reterr_error, "%s", buffer_string(&sql));
        if (r < 0)
                return r;
        *ret = TAKE_PTR(t);
        return 0;
}

/* Whether `field` is compared with what is stored: values of another type would be other keys, or be
 * older or newer whatever they say. */
static bool is_compared(const ConfiguredStream *s, const char *field) {
        for (FieldPath *key = s->primary_key; key && *key; key++)
                if (**key && streq(**key, field))
                        return true;
        return s->cursor_field && s->cursor_field[0] && streq(s->cursor_field[0], field);
}

static int declared_now(Database *d, const Table *t, size_t i, char **ret, Error **reterr_error) {
        _cleanup_stmt_ sqlite3_stmt *s = NULL;
        int r;

        r = database_prepare(d, "SELECT type FROM pragma_table_info(?) WHERE name = ?", &s, reterr_error);
        if (r < 0)
                return r;
        (void) sqlite3_bind_text(s, 1, t->name, -1, SQLITE_STATIC);
        (void) sqlite3_bind_text(s, 2, t->columns[i], -1, SQLITE_STATIC);
        r = sqlite3_step(s);
        if (r != SQLITE_ROW && r != SQLITE_DONE)
                return database_error(d, r, "read the schema", reterr_error);
        *ret = strdup(r == SQLITE_ROW ? strempty((const char *) sqlite3_column_text(s, 0)) : "");
        return *ret ? 0 : -ENOMEM;
}

/* Takes the type out of the table's own text, the way that SQLite describes for changes that touch no
 * row: the table is not copied, and its views, indexes and foreign columns stay. */
static int undeclare(Database *d, const Table *t, size_t i, const char *type, Error **reterr_error) {
        _cleanup_sqlite_str_ char *with = sqlite3_mprintf(", \"%w\" %s", t->columns[i], type),
                                  *without = sqlite3_mprintf(", \"%w\"", t->columns[i]);
        _cleanup_free_ char *left = NULL;
        int r;

        if (!with || !without)
                return -ENOMEM;
        r = database_exec(d, reterr_error, "PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql = "
                          "replace(sql, %Q, %Q) WHERE type = 'table' AND name = %Q COLLATE NOCASE; "
                          "PRAGMA writable_schema=RESET", with, without, t->name);
        /* An ordinary change after it makes other connections read the schema again. */
        if (r >= 0)
                r = database_exec(d, reterr_error,
                                  "CREATE TABLE _gantry_changed (x); DROP TABLE _gantry_changed");
        if (r >= 0)
                r = declared_now(d, t, i, &left, reterr_error);
        if (r < 0)
                return r;
        return *left ? connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EINVAL,
                                      "Table '%s': column '%s' is declared "
                                      "%s, which would change values of the type that it has now; refresh the stream",
                                      t->name, t->columns[i], left) : 0;
}

/* A declared type converts what is stored later: "007" becomes 7 in a BOOLEAN, a double loses digits in a
 * TEXT. So a column whose type changes keeps none. */
static int loosen(Database *d, const Table *t, size_t i, ColumnKind kind, const ConfiguredStream *s,
                  Error **reterr_error) {
        _cleanup_free_ char *type = NULL;
        int r;

        r = declared_now(d, t, i, &type, reterr_error);
        if (r < 0 || !*type || (*declared_type(kind) && streq(type, declared_type(kind) + 1)))
                return r;
        if (streq(type, "TEXT") && is_compared(s, t->fields[i]))
                return 0;
        return undeclare(d, t, i, type, reterr_error);
}

/* Told once, when it happens: rows of two types lie in one column from then on. */
static int note_kind(Database *d, Table *t, size_t i, const StreamColumn *c, const ConfiguredStream *s,
                     Emitter *out,
                     Error **reterr_error) {
        const char *now = column_kind_to_string(c->kind);
        char *copy;
        int r;

        if (streq(t->kinds[i], now))
                return 0;
        r = loosen(d, t, i, c->kind, s, reterr_error);
        if (r >= 0)
                r = emitter_log(out, "INFO",
                                "Table '%s': column '%s' was %s and is %s from now on; rows that are there "
                                "stay as they are", t->name, t->columns[i], t->kinds[i], now);
        if (r < 0)
                return r;
        copy = strdup(now);
        if (!copy)
                return -ENOMEM;
        free(t->kinds[i]);
        t->kinds[i] = copy;
        return 0;
}

int table_evolve(Database *d, Table *t, const StreamColumns *columns, const ConfiguredStream *stream,
                 Emitter *out,
                 Error **reterr_error) {
        size_t n = strv_length(t->fields);
        int r = 0;

        for (size_t i = 0; i < columns->n && r >= 0; i++) {
                const StreamColumn *c = columns->items + i;
                size_t k;

                for (k = 0; k < n && !streq(t->fields[k], c->field); k++)
                        ;
                if (k < n) {
                        r = note_kind(d, t, k, c, stream, out, reterr_error);
                        continue;
                }
                r = check_width(t->name, n + 1, reterr_error);
                if (r >= 0)
                        r = add_mapping(t, c);
                if (r >= 0)
                        r = database_exec(d, reterr_error, "ALTER TABLE \"%w\" ADD COLUMN \"%w\"%s", t->name,
                                          t->columns[n], declared_type(c->kind));
                n++;
        }
        return r;
}

int table_drop(Database *d, Table *t, Error **reterr_error) {
        return database_exec(d, reterr_error, "DROP TABLE IF EXISTS \"%w\"", t->name);
}

int table_rename(Database *d, Table *t, const char *name, Error **reterr_error) {
        char *copy;
        int r;

        r = database_exec(d, reterr_error, "ALTER TABLE \"%w\" RENAME TO \"%w\"", t->name, name);
        if (r < 0)
                return r;
        copy = strdup(name);
        if (!copy)
                return -ENOMEM;
        free(t->name);
        t->name = copy;
        return 0;
}

int table_merge(Database *d, const Table *from, const Table *to, const char *upsert, Error **reterr_error) {
        _cleanup_buffer_ Buffer into = {}, select = {};
        static const char meta[] = COLUMN_RAW_ID ", " COLUMN_EXTRACTED_AT ", " COLUMN_META ", " COLUMN_GENERATION_ID;
        int r;

        r = append_sql(&into, "INSERT INTO \"%w\" (%s", to->name, meta);
        if (r >= 0)
                r = append_sql(&select, "SELECT %s", meta);
        for (size_t i = 0; from->fields && from->fields[i] && r >= 0; i++) {
                const char *column = table_column(to, from->fields[i]);

                if (!column)
                        continue;
                r = append_sql(&into, ", \"%w\"", column);
                if (r >= 0)
                        r = append_sql(&select, ", \"%w\"", from->columns[i]);
        }
        /* "WHERE true" keeps SQLite's parser from reading ON CONFLICT as the join's ON. */
        if (r >= 0)
                r = append_sql(&into, ") %s FROM \"%w\" WHERE true %s", buffer_string(&select), from->name, upsert);
        return r < 0 ? r : database_exec(d, reterr_error, "%s", buffer_string(&into));
}
