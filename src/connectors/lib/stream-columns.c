/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From a stream's JSON schema to columns, for destinations that have columns. Schemas in the field say
 * the same thing in many ways (unions, references to well-known types, numbers declared as strings with a
 * note beside them), and some say nothing. What is certain becomes a kind of its own, everything else
 * JSON text, which holds any value.
 *
 * Records mostly bring their members in the same order; the search begins where the last one ended, so
 * that the usual case compares one name. */

#include <inttypes.h>

#include "basic/string-table.h"
#include "connectors/lib/stream-columns.h"

#define UNDECLARED_NAMES_MAX 10U

static const char *const column_kind_table[_COLUMN_KIND_MAX] = {
        [COLUMN_STRING] = "string",   [COLUMN_INTEGER] = "integer",     [COLUMN_NUMBER] = "number",
        [COLUMN_BOOLEAN] = "boolean", [COLUMN_DATE] = "date",           [COLUMN_TIME] = "time",
        [COLUMN_TIMESTAMP] = "timestamp", [COLUMN_OBJECT] = "object",   [COLUMN_ARRAY] = "array",
        [COLUMN_SCALAR] = "scalar",   [COLUMN_JSON] = "json",
};

DEFINE_STRING_TABLE_LOOKUP(column_kind, ColumnKind)

/* A set of JSON types. */
enum {
        HAS_STRING = 1 << 0,
        HAS_INTEGER = 1 << 1,
        HAS_NUMBER = 1 << 2,
        HAS_BOOLEAN = 1 << 3,
        HAS_OBJECT = 1 << 4,
        HAS_ARRAY = 1 << 5,
        HAS_NULL = 1 << 6,
        HAS_UNKNOWN = 1 << 7,
};

static unsigned type_bit(const char *name) {
        static const char *const names[] = { "string", "integer", "number", "boolean", "object", "array", "null" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i]))
                        return 1U << i;
        return HAS_UNKNOWN;
}

/* What is no name of a type is unknown, not an error: the record decides. */
static unsigned types_of_value(JsonObject *type) {
        unsigned bits = 0;

        if (json_object_is_type(type, json_type_string))
                return type_bit(json_object_get_string(type));
        if (!json_object_is_type(type, json_type_array))
                return HAS_UNKNOWN;
        for (size_t i = 0; i < json_object_array_length(type); i++) {
                JsonObject *one = json_object_array_get_idx(type, i);

                bits |= json_object_is_type(one,
                                            json_type_string) ? type_bit(json_object_get_string(one)) : HAS_UNKNOWN;
        }
        return bits;
}

/* Protocol v1 names its types by reference: "WellKnownTypes.json#/definitions/Integer". */
static ColumnKind well_known_kind(const char *ref) {
        static const struct {
                const char *name;
                ColumnKind kind;
        } table[] = {
                { "String", COLUMN_STRING },      { "BinaryData", COLUMN_STRING },
                { "Integer", COLUMN_INTEGER },    { "Number", COLUMN_NUMBER },
                { "Boolean", COLUMN_BOOLEAN },    { "Date", COLUMN_DATE },
                { "TimestampWithTimezone", COLUMN_TIMESTAMP }, { "TimestampWithoutTimezone", COLUMN_TIMESTAMP },
                { "TimeWithTimezone", COLUMN_TIME }, { "TimeWithoutTimezone", COLUMN_TIME },
        };
        const char *name = strrchr(ref, '/');

        for (size_t i = 0; name && i < ELEMENTSOF(table); i++)
                if (streq(name + 1, table[i].name))
                        return table[i].kind;
        return COLUMN_JSON;
}

/* The members of a union, one level deep; what nests further is unknown and thus JSON. */
static unsigned types_of_schema(JsonObject *schema) {
        static const char *const unions[] = { "oneOf", "anyOf", "allOf" };
        JsonObject *type = json_member(schema, "type");
        unsigned bits = 0;

        if (type)
                return types_of_value(type);
        for (size_t u = 0; u < ELEMENTSOF(unions); u++) {
                JsonObject *list = json_member(schema, unions[u]);

                if (!json_object_is_type(list, json_type_array))
                        continue;
                for (size_t i = 0; i < json_object_array_length(list); i++) {
                        JsonObject *member_type = json_member(json_object_array_get_idx(list, i), "type");

                        bits |= member_type ? types_of_value(member_type) : HAS_UNKNOWN;
                }
        }
        return bits == 0 ? HAS_UNKNOWN | HAS_NULL : bits;
}

static const char *string_member(JsonObject *o, const char *key) {
        JsonObject *v = json_member(o, key);

        return json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

/* Formats that are no time of any kind say nothing about a column. */
static ColumnKind string_kind(JsonObject *schema) {
        const char *format = string_member(schema, "format"), *airbyte = string_member(schema,
                "airbyte_type");

        /* Some sources declare numbers as strings and say so beside it. */
        if (streq(airbyte, "big_integer") || streq(airbyte, "integer"))
                return COLUMN_INTEGER;
        if (streq(airbyte, "big_number") || streq(airbyte, "number"))
                return COLUMN_NUMBER;
        if (strncmp(airbyte, "timestamp_", STRLEN("timestamp_")) == 0 || streq(format, "date-time"))
                return COLUMN_TIMESTAMP;
        if (strncmp(airbyte, "time_", STRLEN("time_")) == 0 || streq(format, "time"))
                return COLUMN_TIME;
        return streq(format, "date") ? COLUMN_DATE : COLUMN_STRING;
}

ColumnKind column_kind_of_schema(JsonObject *schema, bool *ret_nullable) {
        const char *ref = string_member(schema, "$ref");
        unsigned bits;

        if (*ref) {
                *ret_nullable = true;
                return well_known_kind(ref);
        }
        bits = types_of_schema(schema);
        *ret_nullable = bits & (HAS_NULL | HAS_UNKNOWN);
        switch (bits & ~HAS_NULL) {
        case HAS_STRING:
                return string_kind(schema);
        case HAS_INTEGER:
                return COLUMN_INTEGER;
        case HAS_NUMBER:
        case HAS_NUMBER | HAS_INTEGER:
                /* "airbyte_type": "integer" beside a number is how older sources say integer. */
                return streq(string_member(schema, "airbyte_type"),
                             "integer") ? COLUMN_INTEGER : COLUMN_NUMBER;
        case HAS_BOOLEAN:
                return COLUMN_BOOLEAN;
        case HAS_OBJECT:
                return COLUMN_OBJECT;
        case HAS_ARRAY:
                return COLUMN_ARRAY;
        default:
                return bits & (HAS_OBJECT | HAS_ARRAY | HAS_UNKNOWN) || (bits & ~HAS_NULL) == 0 ? COLUMN_JSON
                                                                                               : COLUMN_SCALAR;
        }
}

/* The index is by name; 0 is "not there", so numbers are kept plus one. */
static int add_column(StreamColumns *c, const char *field, ColumnKind kind, bool nullable) {
        StreamColumn *k = c->items + c->n;
        int r;

        k->field = strdup(field);
        if (!k->field)
                return -ENOMEM;
        k->n_field = strlen(field);
        k->kind = kind;
        k->nullable = nullable;
        k->plain = !strchr(field, '\\');
        c->n++;
        r = hashmap_put(c->by_field, k->field, k->n_field, (void *) (uintptr_t) c->n);
        return r == -EEXIST ? -EINVAL : r;
}

/* A stream that declares nothing and forbids the rest has no columns at all. */
static bool forbids_others(JsonObject *schema) {
        JsonObject *more = json_member(schema, "additionalProperties");

        return json_object_is_type(more, json_type_boolean) && !json_object_get_boolean(more);
}

/* A schema without properties gets one column for the whole record. */
static int fill(StreamColumns *c, const AirbyteStream *stream, Error **reterr_error) {
        JsonObject *properties = json_member(stream->json_schema, "properties");
        size_t n = json_object_is_type(properties,
                                       json_type_object) ? (size_t) json_object_object_length(properties) : 0;
        int r;

        c->by_field = hashmap_new(NULL);
        c->items = calloc(n + 1, sizeof(*c->items));
        if (!c->items || !c->by_field)
                return -ENOMEM;
        if (n == 0) {
                c->whole = !forbids_others(stream->json_schema);
                return c->whole ? add_column(c, COLUMN_WHOLE, COLUMN_JSON, /* nullable= */ false) : 0;
        }
        json_object_object_foreach(properties, field, schema) {
                bool nullable;
                ColumnKind kind = column_kind_of_schema(schema, &nullable);

                r = add_column(c, field, kind, nullable);
                if (r < 0)
                        return r == -ENOMEM ? r : error_set(reterr_error, r,
                                                            "Stream '%s' declares the field '%s' twice",
                                                            stream->name, field);
        }
        return 0;
}

int stream_columns_init(StreamColumns *c, const AirbyteStream *stream, Error **reterr_error) {
        int r;

        *c = (StreamColumns) {};
        r = fill(c, stream, reterr_error);
        if (r < 0)
                stream_columns_done(c);
        return r;
}

void stream_columns_done(StreamColumns *c) {
        for (size_t i = 0; i < c->n; i++)
                free(c->items[i].field);
        free(c->items);
        hashmap_free(c->by_field);
        buffer_done(&c->key);
        strv_free(c->undeclared);
        *c = (StreamColumns) {};
}

ssize_t stream_columns_index(const StreamColumns *c, const char *field) {
        uintptr_t found = (uintptr_t) hashmap_get_string(c->by_field, field);

        return found > 0 ? (ssize_t) found - 1 : -ENOENT;
}

/* Out of the way of stream_columns_find(): a key out of order or with escapes, or one that isn't
 * declared. */
static ssize_t find_slow(StreamColumns *c, JsonSlice key) {
        uintptr_t found;
        int r;

        buffer_reset(&c->key);
        r = json_string_decode(key, &c->key);
        if (r < 0)
                return r;
        found = (uintptr_t) hashmap_get(c->by_field, buffer_bytes(&c->key) ?: "", c->key.len);
        if (found > 0) {
                c->next = found;
                return (ssize_t) found - 1;
        }
        c->n_undeclared++;
        if (strv_length(c->undeclared) < UNDECLARED_NAMES_MAX) {
                const char *name = buffer_string(&c->key);

                if (name && !strv_contains(c->undeclared, name) && strv_extend(&c->undeclared, name) < 0)
                        return -ENOMEM;
        }
        return -ENOENT;
}

ssize_t stream_columns_find(StreamColumns *c, JsonSlice key) {
        if (_likely_(c->next < c->n)) {
                const StreamColumn *k = c->items + c->next;

                if (k->plain && k->n_field == key.n && memcmp(k->field, key.p, key.n) == 0)
                        return (ssize_t) c->next++;
        }
        return find_slow(c, key);
}

int stream_columns_report(const StreamColumns *c, const char *stream, Emitter *out) {
        _cleanup_free_ char *names = NULL;

        if (c->n_undeclared == 0)
                return 0;
        names = strv_join(c->undeclared, "', '");
        if (!names)
                return -ENOMEM;
        return emitter_log(out, "WARN",
                           "Stream '%s': %" PRIu64 " values of fields that its schema doesn't declare were "
                           "left out ('%s')", stream, c->n_undeclared, names);
}
