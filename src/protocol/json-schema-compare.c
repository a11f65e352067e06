/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The keywords that compare whole values: "type", "const", "enum", "uniqueItems".
 *
 * Numbers are compared as decimal texts, so 1, 1.0 and 1e0 are one value and an integer of twenty digits
 * is not its neighbour; the order of an object's members doesn't count. Uniqueness is decided over sorted
 * keyed hashes, and values are compared only where hashes are equal: n log n for the long arrays that
 * records have. Long "enum" lists count as more steps than one, for they are searched from the front each time. */

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

        r = validation_take_steps(v, n / 16);
        if (r < 0)
                return r;
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

/* Equal values hash equally: numbers by value, members in any order. Under a key, for who writes the values
 * could else make ten thousand that collide, to be compared each with each. Depth is bounded by the parser's
 * limit. */
static uint64_t hash_value(const HashKey *key, JsonObject *o) {
        uint64_t h = 0;
        char buf[24];
        Decimal d;

        switch (json_object_get_type(o)) {
        case json_type_int:
        case json_type_double:
                h = schema_number(o, buf, &d) < 0 ? 0 : decimal_hash(&d, key);
                break;
        case json_type_boolean:
                h = (uint64_t) json_object_get_boolean(o);
                break;
        case json_type_string:
                h = keyed_hash(key, json_object_get_string(o), (size_t) json_object_get_string_len(o));
                break;
        case json_type_array:
                for (size_t i = 0; i < json_object_array_length(o); i++)
                        h = keyed_hash_pair(key, h, hash_value(key, json_object_array_get_idx(o, i)));
                break;
        case json_type_object: {
                json_object_object_foreach(o, name, value)
                        h += keyed_hash_pair(key, keyed_hash(key, name, strlen(name)),
                                             hash_value(key, value));
                break;
        }
        default:
                break;
        }
        return keyed_hash_pair(key, schema_instance_type(o), h);
}

typedef struct HashedItem {
        uint64_t hash;
        JsonObject *value;
} HashedItem;

static int compare_hashes(const void *a, const void *b) {
        uint64_t x = ((const HashedItem *) a)->hash, y = ((const HashedItem *) b)->hash;

        return x < y ? -1 : x > y;
}

static int hash_items(Validation *v, JsonObject *instance, size_t n, HashedItem **ret) {
        HashedItem *items = calloc(n + 1, sizeof(HashedItem));

        if (!items)
                return -ENOMEM;
        if (v->hash_key.k[0] == 0)
                hash_key_init(&v->hash_key);
        for (size_t i = 0; i < n; i++) {
                items[i].value = json_object_array_get_idx(instance, i);
                items[i].hash = hash_value(&v->hash_key, items[i].value);
        }
        qsort(items, n, sizeof(HashedItem), compare_hashes);
        *ret = items;
        return 0;
}

/* Each element is a step, and each comparison of two that hash alike. */
int validation_check_unique(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                            JsonObject *instance) {
        size_t n = json_object_array_length(instance);
        _cleanup_free_ HashedItem *items = NULL;
        int r;

        if (!json_object_get_boolean(k->value))
                return 1;
        r = validation_take_steps(v, n);
        if (r >= 0)
                r = hash_items(v, instance, n, &items);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                for (size_t j = i + 1; j < n && items[j].hash == items[i].hash; j++) {
                        if (json_equal(items[i].value, items[j].value))
                                return validation_problem(v, "has an element twice");
                        r = validation_take_steps(v, 1);
                        if (r < 0)
                                return r;
                }
        return 1;
}
