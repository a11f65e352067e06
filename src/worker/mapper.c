/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading of mappers: the type chooses a reader, each of which takes the members that it knows in the
 * spelling of the platform or of the public API. Everything that can be wrong is found here and not at a
 * record. Which fields there are is the stream's matter (mapper-stream.c): mappers are applied one after
 * the other, and each sees what the one before has made of the schema. */

#include <stdio.h>

#include "basic/string-table.h"
#include "worker/mapper-config.h"

/* More than a person writes, few enough that a stream's mappers stay cheap. */
#define MAPPERS_MAX 100U

static const char *const mapper_type_table[_MAPPER_TYPE_MAX] = {
        [MAPPER_HASHING] = "hashing",
        [MAPPER_ENCRYPTION] = "encryption",
        [MAPPER_FIELD_RENAMING] = "field-renaming",
        [MAPPER_FIELD_FILTERING] = "field-filtering",
        [MAPPER_ROW_FILTERING] = "row-filtering",
};

DEFINE_STRING_TABLE_LOOKUP(mapper_type, MapperType)

Mapper *mapper_free(Mapper *m) {
        if (!m)
                return NULL;
        free(m->id);
        free(m->field);
        free(m->new_field);
        hashing_free(m->hashing);
        encryption_free(m->encryption);
        row_filter_free(m->row_filter);
        free(m);
        return NULL;
}

Mapper **mappers_free(Mapper **l) {
        for (Mapper **m = l; m && *m; m++)
                mapper_free(*m);
        free(l);
        return NULL;
}

/* The platform's configuration calls members in camel case, the public API's clients in snake case. */
static JsonObject *member_of_two(JsonObject *o, const char *camel, const char *snake) {
        return json_member(o, camel) ?: json_member(o, snake);
}

static int get_field_name(JsonObject *config, const char *camel, const char *snake, char **ret,
                          Error **reterr_error) {
        JsonObject *v = member_of_two(config, camel, snake);

        if (!json_object_is_type(v, json_type_string) || json_object_get_string_len(v) == 0)
                return error_set(reterr_error, -EINVAL, "'%s' is missing", camel);
        *ret = strdup(json_object_get_string(v));
        return *ret ? 0 : -ENOMEM;
}

/* `targetField` and what it is called afterwards, with `fieldNameSuffix`. */
static int read_target(Mapper *m, JsonObject *config, Error **reterr_error) {
        JsonObject *suffix = member_of_two(config, "fieldNameSuffix", "field_name_suffix");
        int r;

        r = get_field_name(config, "targetField", "target_field", &m->field, reterr_error);
        if (r < 0)
                return r;
        if (suffix && !json_object_is_type(suffix, json_type_string))
                return error_set(reterr_error, -EINVAL, "'fieldNameSuffix' is not a string");
        if (asprintf(&m->new_field, "%s%s", m->field, suffix ? json_object_get_string(suffix) : "") < 0) {
                m->new_field = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int read_hashing(Mapper *m, JsonObject *config, Error **reterr_error) {
        JsonObject *method = json_member(config, "method");
        int r = read_target(m, config, reterr_error);

        if (r < 0)
                return r;
        if (!json_object_is_type(method, json_type_string))
                return error_set(reterr_error, -EINVAL, "'method' is missing");
        return hashing_new(json_object_get_string(method), &m->hashing, reterr_error);
}

static int read_encryption(Mapper *m, JsonObject *config, Error **reterr_error) {
        int r = read_target(m, config, reterr_error);

        return r < 0 ? r : encryption_from_json(config, &m->encryption, reterr_error);
}

static int read_renaming(Mapper *m, JsonObject *config, Error **reterr_error) {
        int r = get_field_name(config, "originalFieldName", "original_field_name", &m->field, reterr_error);

        return r < 0 ? r : get_field_name(config, "newFieldName", "new_field_name", &m->new_field,
                                          reterr_error);
}

static int read_field_filtering(Mapper *m, JsonObject *config, Error **reterr_error) {
        return get_field_name(config, "targetField", "target_field", &m->field, reterr_error);
}

static int read_row_filtering(Mapper *m, JsonObject *config, Error **reterr_error) {
        return row_filter_from_json(json_member(config, "conditions"), &m->row_filter, reterr_error);
}

static int (*const readers[_MAPPER_TYPE_MAX])(Mapper *m, JsonObject *config, Error **reterr_error) = {
        [MAPPER_HASHING] = read_hashing,
        [MAPPER_ENCRYPTION] = read_encryption,
        [MAPPER_FIELD_RENAMING] = read_renaming,
        [MAPPER_FIELD_FILTERING] = read_field_filtering,
        [MAPPER_ROW_FILTERING] = read_row_filtering,
};

int mapper_from_json(JsonObject *o, Mapper **ret, Error **reterr_error) {
        _cleanup_(mapper_freep) Mapper *m = calloc(1, sizeof(Mapper));
        JsonObject *config = member_of_two(o, "mapperConfiguration", "mapper_configuration");
        const char *type = NULL, *id = NULL;
        int r;

        if (!m)
                return -ENOMEM;
        r = json_get_string(o, "type", &type, "Mapper", reterr_error);
        if (r >= 0)
                r = json_get_string(o, "id", &id, "Mapper", reterr_error) < 0 ? -EINVAL : r;
        if (r < 0)
                return error_prefix(reterr_error, r, "INVALID_MAPPER_CONFIG");
        m->type = type ? mapper_type_from_string(type) : _MAPPER_TYPE_INVALID;
        if (m->type < 0)
                return error_set(reterr_error, -EINVAL,
                                 "MISSING_MAPPER: there is no mapper '%s'; there are hashing, encryption, "
                                 "field-renaming, field-filtering and row-filtering", strempty(type));
        if (id && !(m->id = strdup(id)))
                return -ENOMEM;
        if (!json_object_is_type(config, json_type_object))
                return error_set(reterr_error, -EINVAL,
                                 "INVALID_MAPPER_CONFIG: %s: 'mapperConfiguration' is missing",
                                 type);
        r = readers[m->type](m, config, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "INVALID_MAPPER_CONFIG: %s", type);
        *ret = TAKE_PTR(m);
        return 0;
}

int mappers_from_json(JsonObject *array, Mapper ***ret, Error **reterr_error) {
        _cleanup_(mappers_freep) Mapper **l = NULL;
        size_t n;
        int r;

        *ret = NULL;
        if (!array)
                return 0;
        if (!json_object_is_type(array, json_type_array))
                return error_set(reterr_error, -EINVAL, "INVALID_MAPPER_CONFIG: the mappers are not a list");
        n = json_object_array_length(array);
        if (n > MAPPERS_MAX)
                return error_set(reterr_error, -E2BIG, "INVALID_MAPPER_CONFIG: more than %u mappers",
                                 MAPPERS_MAX);
        if (n == 0)
                return 0;
        l = calloc(n + 1, sizeof(Mapper *));
        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                r = mapper_from_json(json_object_array_get_idx(array, i), &l[i], reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(l);
        return 0;
}

int mappers_secret_strings(Mapper *const *l, char ***secrets) {
        for (; l && *l; l++) {
                const char *secret = (*l)->encryption ? encryption_secret((*l)->encryption) : NULL;
                int r = secret ? strv_extend(secrets, secret) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}
