/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Columns in the order in which they appear, found by name. A header's names are made usable here:
 * trimmed, numbered where they are empty or come twice, never one of those that we add ourselves. Names
 * may be any bytes of the file; what isn't UTF-8 is mended by the writer of JSON strings, the one place
 * that knows how, so a schema, a state and a record all have the same name for a column. */

#include <stdio.h>

#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "connectors/source-file/columns.h"

void columns_done(Columns *c) {
        for (size_t i = 0; i < c->n; i++) {
                free(c->items[i].name);
                free(c->items[i].prefix);
        }
        free(c->items);
        hashmap_free(c->index);
        *c = (Columns) {};
}

/* The key of the column in a record, quoted and with its colon, is made once. */
static int column_init(Column *column, const char *name, size_t n) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = json_write_string(&b, name, n);
        if (r >= 0)
                r = buffer_append_char(&b, ':');
        if (r < 0)
                return r;
        *column = (Column) { .name = strndup(name, n), .n_prefix = b.len };
        column->prefix = buffer_steal_string(&b);
        return column->name && column->prefix ? 0 : -ENOMEM;
}

int columns_add(Columns *c, const char *name, size_t n_name, size_t *ret_index) {
        ssize_t found = columns_find(c, name, n_name);
        int r;

        if (found >= 0) {
                *ret_index = (size_t) found;
                return 0;
        }
        if (c->n >= COLUMNS_MAX)
                return -E2BIG;
        if (!c->index) {
                c->index = hashmap_new(NULL);
                if (!c->index)
                        return -ENOMEM;
        }
        if (c->n == c->n_allocated) {
                size_t want = MAX(c->n_allocated * 2, (size_t) 32);
                Column *more = reallocarray(c->items, want, sizeof(Column));

                if (!more)
                        return -ENOMEM;
                c->items = more;
                c->n_allocated = want;
        }
        r = column_init(&c->items[c->n], name, n_name);
        c->n++; /* counted even when half made: columns_done() frees what is there */
        if (r < 0)
                return r;
        r = hashmap_put(c->index, name, n_name, (void *) (uintptr_t) c->n);
        if (r < 0)
                return r;
        *ret_index = c->n - 1;
        return 0;
}

ssize_t columns_find(const Columns *c, const char *name, size_t n_name) {
        uintptr_t number = (uintptr_t) hashmap_get(c->index, name, n_name);

        return number > 0 ? (ssize_t) number - 1 : -ENOENT;
}

void columns_resolve(Columns *c) {
        for (size_t i = 0; i < c->n; i++)
                if (!c->items[i].type_is_set)
                        c->items[i].type = kind_set_resolve(c->items[i].kinds);
}

static int schema_append_property(Buffer *b, const char *prefix, const char *schema, bool *first) {
        int r = *first ? 0 : buffer_append_char(b, ',');

        *first = false;
        if (r >= 0)
                r = buffer_append_string(b, prefix);
        return r < 0 ? r : buffer_append_string(b, schema);
}

int columns_to_schema(const Columns *c, bool file_columns, JsonObject **ret) {
        _cleanup_buffer_ Buffer b = {};
        bool first = true;
        int r;

        r = buffer_append_string(&b,
                                 "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"type\":\"object\","
                                     "\"additionalProperties\":true,\"properties\":{");
        for (size_t i = 0; r >= 0 && i < c->n; i++)
                r = schema_append_property(&b, c->items[i].prefix, column_type_schema(c->items[i].type),
                                           &first);
        if (r >= 0 && file_columns)
                r = schema_append_property(&b, "\"" COLUMN_FILE_MODIFIED "\":",
                                           column_type_schema(COLUMN_TIMESTAMP_TZ), &first);
        if (r >= 0 && file_columns)
                r = schema_append_property(&b, "\"" COLUMN_FILE_URL "\":", column_type_schema(COLUMN_STRING),
                                           &first);
        if (r >= 0)
                r = buffer_append_string(&b, "}}");
        if (r < 0)
                return r;
        return json_parse(buffer_bytes(&b), b.len, ret, NULL);
}

int columns_from_schema(JsonObject *schema, Columns *ret) {
        JsonObject *properties = json_member(schema, "properties");
        int r;

        *ret = (Columns) {};
        if (!json_object_is_type(properties, json_type_object))
                return 0;
        json_object_object_foreach(properties, name, property) {
                size_t i;

                if (streq(name, COLUMN_FILE_URL) || streq(name, COLUMN_FILE_MODIFIED))
                        continue;
                r = columns_add(ret, name, strlen(name), &i);
                if (r < 0) {
                        columns_done(ret);
                        return r;
                }
                ret->items[i].type = column_type_from_schema(property);
        }
        return 0;
}

/* ASCII only; other spaces may be part of a name. */
static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A header cell without the space around it; NUL bytes, which no name can hold, become "_", invalid UTF-8
 * U+FFFD. */
static char *trimmed_name(const CsvCell *cell, size_t number) {
        _cleanup_buffer_ Buffer json = {}, name = {};
        const char *p = cell->p, *end = cell->p + cell->n;
        int r;

        while (p < end && is_space(*p))
                p++;
        while (end > p && is_space(end[-1]))
                end--;
        if (p == end)
                r = buffer_appendf(&name, "column_%zu", number);
        else {
                /* Through JSON and back: the writer of JSON strings is the one place that mends bytes. */
                r = json_write_string(&json, p, (size_t) (end - p));
                if (r >= 0)
                        r = json_string_decode((JsonSlice) { buffer_bytes(&json) + 1, json.len - 2 }, &name);
        }
        if (r < 0)
                return NULL;
        for (size_t i = 0; i < name.len; i++)
                if (buffer_bytes(&name)[i] == '\0')
                        buffer_bytes(&name)[i] = '_';
        return buffer_steal_string(&name);
}

/* Puts `name` into `taken`, with a suffix where it is there already; gives what it became. */
static int unique_name(Hashmap *taken, const char *name, char **ret) {
        _cleanup_free_ char *candidate = strdup(name);
        int r;

        for (unsigned suffix = 2;; suffix++) {
                if (!candidate)
                        return -ENOMEM;
                r = hashmap_put_string(taken, candidate, taken);
                if (r != -EEXIST)
                        break;
                free(TAKE_PTR(candidate));
                if (asprintf(&candidate, "%s_%u", name, suffix) < 0)
                        candidate = NULL;
        }
        if (r >= 0)
                *ret = TAKE_PTR(candidate);
        return r;
}

int header_names(const CsvCell *cells, size_t n, bool file_columns, char ***ret) {
        _cleanup_hashmap_ Hashmap *taken = hashmap_new(NULL);
        _cleanup_strv_ char **names = calloc(n + 1, sizeof(char *));
        int r;

        if (!taken || !names)
                return -ENOMEM;
        if (file_columns) {
                r = hashmap_put_string(taken, COLUMN_FILE_URL, taken);
                if (r >= 0)
                        r = hashmap_put_string(taken, COLUMN_FILE_MODIFIED, taken);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *name = trimmed_name(&cells[i], i + 1);

                if (!name)
                        return -ENOMEM;
                r = unique_name(taken, name, &names[i]);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(names);
        return 0;
}
