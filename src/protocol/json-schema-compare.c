/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keywords that compare whole values: "type", "const", "enum", "uniqueItems".
 *
 * Numbers are compared as decimal texts, so 1, 1.0 and 1e0 are one value and an integer of twenty digits
 * is not its neighbour; the order of an object's members doesn't count. Uniqueness is decided over sorted
 * hashes, and values are compared only where hashes are equal: n log n for the long arrays that records
 * have. Long "enum" lists count as more steps than one, for they are searched from the front each time. */

#include "protocol/json-schema-compare.h"

/* What a message shows of an "enum"; the whole is in the schema. */
#define SHOWN_MAX 12U

static bool is_integer(JsonObject *o) {
        char buf[24];
        Decimal d;

        return json_object_is_type(o, json_type_int) || (schema_number(o, buf, &d) >= 0 &&
                                                         decimal_is_integer(&d));
}

static const char *type_phrase(unsigned type) {
        switch (type) {
        case INSTANCE_NULL:
                return "null";
        case INSTANCE_BOOLEAN:
                return "true or false";
        case INSTANCE_NUMBER:
                return "a number";
        case INSTANCE_STRING:
                return "a string";
        case INSTANCE_ARRAY:
                return "an array";
        case INSTANCE_OBJECT:
                return "an object";
        default:
                return "an integer";
        }
}

int validation_check_type(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance) {
        unsigned type = schema_instance_type(instance);
        _cleanup_buffer_ Buffer b = {};
        int r;

        if ((k->types & type) || ((k->types & INSTANCE_INTEGER) && type == INSTANCE_NUMBER &&
                                  is_integer(instance)))
                return 1;
        for (unsigned bit = 1; bit <= INSTANCE_INTEGER; bit <<= 1) {
                if (!(k->types & bit))
                        continue;
                if ((b.len > 0 && (r = buffer_append_string(&b, " or ")) < 0) ||
                    (r = buffer_append_string(&b, type_phrase(bit))) < 0)
                        return r;
        }
        if (b.len > 0 && !buffer_string(&b))
                return -ENOMEM;
        return validation_problem(v, "must be %s, not %s", b.len > 0 ? buffer_bytes(&b) : "nothing",
                                  type == INSTANCE_BOOLEAN ? "a boolean" : type_phrase(type));
}

int validation_check_const(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                           JsonObject *instance) {
        if (json_equal(k->value, instance))
                return 1;
        return validation_problem(v, "must be %s",
                                  json_object_to_json_string_ext(k->value, JSON_C_TO_STRING_NOSLASHESCAPE));
}

int validation_check_enum(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance) {
        size_t n = json_object_array_length(k->value);
        _cleanup_buffer_ Buffer b = {};
        int r;

        v->steps += n / 16;
        for (size_t i = 0; i < n; i++)
                if (json_equal(json_object_array_get_idx(k->value, i), instance))
                        return 1;
        for (size_t i = 0; i < n && i < SHOWN_MAX; i++)
                if ((i > 0 && (r = buffer_append_string(&b, ", ")) < 0) ||
                    (r = json_append(&b, json_object_array_get_idx(k->value, i))) < 0)
                        return r;
        if (n > SHOWN_MAX && (r = buffer_append_string(&b, ", …")) < 0)
                return r;
        if (!buffer_string(&b))
                return -ENOMEM;
        return validation_problem(v, "must be one of %s", buffer_bytes(&b));
}

static uint64_t hash_bytes(uint64_t h, const char *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                h = (h ^ (unsigned char) p[i]) * 1099511628211U;
        return h;
}

/* Equal values hash equally: numbers by value, members in any order. Depth is bounded by the parser's
 * limit. */
static uint64_t hash_value(JsonObject *o) {
        uint64_t h = 14695981039346656037U + schema_instance_type(o);
        char buf[24];
        Decimal d;

        switch (json_object_get_type(o)) {
        case json_type_int:
        case json_type_double:
                return schema_number(o, buf, &d) < 0 ? h : h * 31 + decimal_hash(&d);
        case json_type_boolean:
                return h * 31 + (uint64_t) json_object_get_boolean(o);
        case json_type_string:
                return hash_bytes(h, json_object_get_string(o), (size_t) json_object_get_string_len(o));
        case json_type_array:
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        h = h * 1099511628211U + hash_value(json_object_array_get_idx(o, i));
                return h;
        case json_type_object: {
                json_object_object_foreach(o, key, value)
                        h += hash_bytes(7, key, strlen(key)) * 31 ^ hash_value(value);
                return h;
        }
        default:
                return h;
        }
}

typedef struct HashedItem {
        uint64_t hash;
        JsonObject *value;
} HashedItem;

static int compare_hashes(const void *a, const void *b) {
        uint64_t x = ((const HashedItem *) a)->hash, y = ((const HashedItem *) b)->hash;

        return x < y ? -1 : x > y;
}

int validation_check_unique(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                            JsonObject *instance) {
        size_t n = json_object_array_length(instance);
        _cleanup_free_ HashedItem *items = NULL;

        if (!json_object_get_boolean(k->value))
                return 1;
        items = calloc(n + 1, sizeof(HashedItem));
        if (!items)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                items[i].value = json_object_array_get_idx(instance, i);
                items[i].hash = hash_value(items[i].value);
        }
        qsort(items, n, sizeof(HashedItem), compare_hashes);
        for (size_t i = 0; i < n; i++)
                for (size_t j = i + 1; j < n && items[j].hash == items[i].hash; j++) {
                        if (json_equal(items[i].value, items[j].value))
                                return validation_problem(v, "has an element twice");
                        v->steps++;
                }
        return 1;
}
