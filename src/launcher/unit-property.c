/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* sd-bus wants each value with its type spelled out. Signature and value walk along together here: an
 * array's content type is repeated for each entry, a struct's types are used up one by one. Only the
 * basic types that the properties used here have are known. */

#include "launcher/unit-property.h"

/* Longer than any signature that systemd takes here. */
#define SIGNATURE_MAX 32U

int unit_property_add(JsonObject *set, const char *name, const char *signature, JsonObject *value) {
        JsonObject *pair = json_object_new_array();
        JsonObject *text = json_object_new_string(signature);

        if (!pair || !text || !value || json_object_array_add(pair, text) < 0) {
                json_object_put(text);
                json_object_put(pair);
                json_object_put(value);
                return -ENOMEM;
        }
        if (json_object_array_add(pair, value) < 0) {
                json_object_put(pair);
                json_object_put(value);
                return -ENOMEM;
        }
        return json_add(set, name, pair);
}

int unit_property_add_string(JsonObject *set, const char *name, const char *value) {
        return unit_property_add(set, name, "s", json_object_new_string(value));
}

int unit_property_add_bool(JsonObject *set, const char *name, bool value) {
        return unit_property_add(set, name, "b", json_object_new_boolean(value));
}

int unit_property_add_u64(JsonObject *set, const char *name, uint64_t value) {
        return unit_property_add(set, name, "t", json_object_new_uint64(value));
}

int unit_property_add_table(JsonObject *set, const UnitProperty table[], size_t n) {
        for (size_t i = 0; i < n; i++) {
                JsonObject *value = NULL;
                int r = json_parse(table[i].value, strlen(table[i].value), &value, NULL);

                if (r >= 0)
                        r = unit_property_add(set, table[i].name, table[i].signature, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* How long the first complete type of a signature is. */
static size_t type_length(const char *s) {
        size_t depth = 0, n = 0;

        if (s[0] == 'a')
                return 1 + type_length(s + 1);
        do {
                if (s[n] == '(')
                        depth++;
                else if (s[n] == ')')
                        depth--;
                n++;
        } while (depth > 0 && s[n]);
        return n;
}

static int append_value(sd_bus_message *m, const char *type, size_t n, JsonObject *value);

static int append_container(sd_bus_message *m, char kind, const char *content, size_t n, JsonObject *value) {
        char text[SIGNATURE_MAX];
        size_t at = 0;
        int r;

        if (n >= sizeof(text) || !json_object_is_type(value, json_type_array))
                return -EINVAL;
        memcpy(text, content, n);
        text[n] = 0;
        r = sd_bus_message_open_container(m, kind, text);
        for (size_t i = 0; r >= 0 && i < json_object_array_length(value); i++) {
                size_t length = type_length(text + at);

                r = text[at] ? append_value(m, text + at, length, json_object_array_get_idx(value, i))
                        : -EINVAL;
                if (kind == SD_BUS_TYPE_STRUCT)
                        at += length;
        }
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, const char *type, size_t n, JsonObject *value) {
        switch (type[0]) {
        case 'a':
                return append_container(m, SD_BUS_TYPE_ARRAY, type + 1, n - 1, value);
        case '(':
                return append_container(m, SD_BUS_TYPE_STRUCT, type + 1, n - 2, value);
        case 's':
                return sd_bus_message_append(m, "s", json_object_get_string(value));
        case 'b':
                return sd_bus_message_append(m, "b", json_object_get_boolean(value));
        case 'y':
                return sd_bus_message_append(m, "y", (uint8_t) json_object_get_int(value));
        case 'i':
                return sd_bus_message_append(m, "i", json_object_get_int(value));
        case 'u':
                return sd_bus_message_append(m, "u", (uint32_t) json_object_get_int64(value));
        case 't':
                return sd_bus_message_append(m, "t", json_object_get_uint64(value));
        default:
                return -EINVAL;
        }
}

static int append_property(sd_bus_message *m, const char *name, JsonObject *pair) {
        const char *type = json_object_get_string(json_object_array_get_idx(pair, 0));
        int r = sd_bus_message_open_container(m, SD_BUS_TYPE_STRUCT, "sv");

        if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r >= 0)
                r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, type);
        if (r >= 0)
                r = append_value(m, type, strlen(type), json_object_array_get_idx(pair, 1));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int unit_properties_append(sd_bus_message *m, JsonObject *set) {
        json_object_object_foreach(set, name, pair) {
                int r = append_property(m, name, pair);

                if (r < 0)
                        return r;
        }
        return 0;
}
