/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "worker/mapper-config.h"

/* What mappers make of a stream's description. The names of the errors are Airbyte's, so that they can be
 * shown and told apart in the same way. */

static JsonObject *stream_properties(const ConfiguredStream *s) {
        JsonObject *properties = json_member(s->stream.json_schema, "properties");

        return json_object_is_type(properties, json_type_object) ? properties : NULL;
}

static bool has_field(const ConfiguredStream *s, const char *field) {
        JsonObject *properties = stream_properties(s);

        /* A stream that declares no fields may have any. */
        return !properties || json_object_object_get_ex(properties, field, NULL);
}

static int check_field(const ConfiguredStream *s, const char *field, Error **reterr_error) {
        if (has_field(s, field))
                return 0;
        return error_set(reterr_error, -ENOENT, "FIELD_NOT_FOUND: the schema has no field '%s'", field);
}

/* Builds the members of an object anew with `old` called `new` (NULL: left out) at its place. `value`
 * replaces its schema; NULL keeps it. */
static int rebuild_properties(JsonObject *properties, const char *old, const char *new, JsonObject *value,
                              JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        json_object_object_foreach(properties, key, v) {
                bool here = streq(key, old);

                if (here && !new)
                        continue;
                r = json_add(o, here ? new : key, json_object_get(here && value ? value : v));
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(o);
        return 0;
}

static int rebuild_required(JsonObject *required, const char *old, const char *new, JsonObject **ret) {
        _cleanup_json_ JsonObject *l = json_object_new_array();

        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < json_object_array_length(required); i++) {
                JsonObject *v = json_object_array_get_idx(required, i);
                bool here = json_object_is_type(v, json_type_string) && streq(json_object_get_string(v), old);

                if (here && !new)
                        continue;
                v = here ? json_object_new_string(new) : json_object_get(v);
                if ((here && !v) || json_object_array_add(l, v) < 0) {
                        json_object_put(v);
                        return -ENOMEM;
                }
        }
        *ret = TAKE_PTR(l);
        return 0;
}

/* The schema may be shared with the source's catalog, so a changed one is a new object. */
static int replace_in_schema(ConfiguredStream *s, const char *old, const char *new, JsonObject *value) {
        _cleanup_json_ JsonObject *schema = json_object_new_object();
        int r;

        if (!schema)
                return -ENOMEM;
        if (!stream_properties(s))
                return 0;
        json_object_object_foreach(s->stream.json_schema, key, v) {
                JsonObject *copy = NULL;

                if (streq(key, "properties"))
                        r = rebuild_properties(v, old, new, value, &copy);
                else if (streq(key, "required") && json_object_is_type(v, json_type_array))
                        r = rebuild_required(v, old, new, &copy);
                else {
                        copy = json_object_get(v);
                        r = 0;
                }
                if (r >= 0)
                        r = json_add(schema, key, copy);
                if (r < 0)
                        return r;
        }
        json_object_put(s->stream.json_schema);
        s->stream.json_schema = TAKE_PTR(schema);
        return 0;
}

static bool path_starts_with(FieldPath path, const char *field) {
        return path && path[0] && streq(path[0], field);
}

static bool key_uses(FieldPath *key, const char *field) {
        for (; key && *key; key++)
                if (path_starts_with(*key, field))
                        return true;
        return false;
}

static int rename_in_path(FieldPath path, const char *old, const char *new) {
        char *copy;

        if (!path_starts_with(path, old))
                return 0;
        copy = strdup(new);
        if (!copy)
                return -ENOMEM;
        free(path[0]);
        path[0] = copy;
        return 0;
}

static int rename_in_key(FieldPath *key, const char *old, const char *new) {
        int r = 0;

        for (; r >= 0 && key && *key; key++)
                r = rename_in_path(*key, old, new);
        return r;
}

static int rename_everywhere(ConfiguredStream *s, const char *old, const char *new, JsonObject *value) {
        int r;

        r = replace_in_schema(s, old, new, value);
        if (r >= 0)
                r = rename_in_path(s->cursor_field, old, new);
        if (r >= 0)
                r = rename_in_path(s->stream.default_cursor_field, old, new);
        if (r >= 0)
                r = rename_in_key(s->primary_key, old, new);
        return r < 0 ? r : rename_in_key(s->stream.source_defined_primary_key, old, new);
}

/* Hashing, encryption and renaming: `field` becomes `new_field`. */
static int apply_redefinition(const Mapper *m, ConfiguredStream *s, Error **reterr_error) {
        _cleanup_json_ JsonObject *text = NULL;
        int r;

        r = check_field(s, m->field, reterr_error);
        if (r < 0)
                return r;
        if (stream_properties(s) && !streq(m->field, m->new_field) && has_field(s, m->new_field))
                return error_set(reterr_error, -EEXIST,
                                 "FIELD_ALREADY_EXISTS: the schema already has a field '%s'",
                                 m->new_field);
        if (m->type != MAPPER_FIELD_RENAMING) {
                if ((path_starts_with(s->cursor_field, m->field) && s->cursor_field[1]))
                        return error_set(reterr_error, -EINVAL,
                                         "INVALID_MAPPER_CONFIG: the cursor lies inside '%s', which would become text",
                                         m->field);
                /* Null stays null, whatever the field was before. */
                r = json_parse("{\"type\":[\"null\",\"string\"]}",
                               STRLEN("{\"type\":[\"null\",\"string\"]}"), &text,
                               reterr_error);
                if (r < 0)
                        return r;
        }
        return rename_everywhere(s, m->field, m->new_field, text);
}

static int apply_field_filtering(const Mapper *m, ConfiguredStream *s, Error **reterr_error) {
        int r;

        r = check_field(s, m->field, reterr_error);
        if (r < 0)
                return r;
        if (path_starts_with(s->cursor_field, m->field))
                return error_set(reterr_error, -EINVAL,
                                 "INVALID_MAPPER_CONFIG: '%s' is the cursor and cannot be left out",
                                 m->field);
        if (key_uses(s->primary_key, m->field))
                return error_set(reterr_error, -EINVAL,
                                 "INVALID_MAPPER_CONFIG: '%s' is part of the primary key and cannot be left out",
                                 m->field);
        /* What the source alone declares, and nobody uses, goes with the field. */
        if (path_starts_with(s->stream.default_cursor_field, m->field))
                s->stream.default_cursor_field = strv_free(s->stream.default_cursor_field);
        if (key_uses(s->stream.source_defined_primary_key, m->field))
                s->stream.source_defined_primary_key = field_paths_free(s->stream.source_defined_primary_key);
        return replace_in_schema(s, m->field, NULL, NULL);
}

static int apply_row_filtering(const Mapper *m, ConfiguredStream *s, Error **reterr_error) {
        for (size_t i = 0; i < m->row_filter->n_conditions; i++) {
                const char *field = m->row_filter->conditions[i].field;
                int r = field ? check_field(s, field, reterr_error) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int apply(const Mapper *m, ConfiguredStream *s, Error **reterr_error) {
        switch (m->type) {
        case MAPPER_FIELD_FILTERING:
                return apply_field_filtering(m, s, reterr_error);
        case MAPPER_ROW_FILTERING:
                return apply_row_filtering(m, s, reterr_error);
        default:
                return apply_redefinition(m, s, reterr_error);
        }
}

int mappers_apply_to_stream(Mapper *const *l, ConfiguredStream *stream, Error **reterr_error) {
        for (; l && *l; l++) {
                int r = apply(*l, stream, reterr_error);

                if (r < 0)
                        return error_prefix(reterr_error, r, "Stream '%s': mapper %s", stream->stream.name,
                                            mapper_type_to_string((*l)->type));
        }
        return 0;
}
