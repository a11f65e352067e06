/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a connector says of itself (SPEC), and what is done with it: check a configuration, find the
 * secrets in one, find the paths in one.
 *
 * The check compiles the connectionSpecification as a JSON Schema each time; specs are small and checks
 * are rare. The two searches don't use the compiled schema. They walk the JSON of the schema and the
 * configuration side by side, for they must answer where the check can't: a spec that doesn't compile, a
 * configuration that fits none of the forms. Where the check looks for the one form that was meant, the
 * walk takes them all, conditions and patterns included. It errs to one side on purpose: a value that
 * passes for a secret and is none costs a masked word, the other mistake would put a password into the
 * database and the logs.
 *
 * The spec is the connector's and so may be hostile. Steps and depth of the walk are limited and the
 * limits are errors: a search that was cut short must not pass for one that found nothing.
 *
 * "gantry_path" is this tree's own annotation, "read" or "write", for connectors that work on files of
 * the host: only the directories of these paths are mounted in their sandbox. */

#include "basic/hashmap.h"
#include "protocol/connector-spec.h"
#include "protocol/json-schema-reference.h"
#include "protocol/json-schema.h"

/* Problems told of one configuration. */
#define PROBLEMS_MAX 50U
/* The walk over a spec beside a configuration: both are at most 512 deep, and each level takes a few
 * steps. */
#define WALK_DEPTH_MAX 2048U
#define WALK_STEPS_MAX 1000000U
/* Parts of a secret that are shorter are words that turn up everywhere. */
#define SECRET_LINE_MIN 8U
#define SECRET_INNER_MIN 32U

ConnectorSpec *connector_spec_free(ConnectorSpec *s) {
        if (!s)
                return NULL;
        json_putp(&s->raw);
        free(s);
        return NULL;
}

/* A list that names only modes we do not know counts as none: the destination is then asked to do what it
 * is told. */
static int get_destination_modes(JsonObject *o, ConnectorSpec *s, Error **reterr_error) {
        _cleanup_strv_ char **modes = NULL;
        int r;

        r = json_get_strv(o, "supported_destination_sync_modes", &modes, "Specification", reterr_error);
        if (r < 0)
                return r;
        STRV_FOREACH(word, modes) {
                DestinationSyncMode m = destination_sync_mode_from_string(*word);

                if (m < 0) /* a newer protocol's */
                        continue;
                s->supported_destination_sync_modes[m] = true;
                s->lists_destination_sync_modes = true;
        }
        return 0;
}

int connector_spec_from_json(JsonObject *o, ConnectorSpec **ret, Error **reterr_error) {
        _cleanup_(connector_spec_freep) ConnectorSpec *s = calloc(1, sizeof(ConnectorSpec));
        static const char what[] = "Specification";
        int r;

        if (!s)
                return -ENOMEM;
        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "%s: not an object", what);
        s->raw = json_object_get(o);
        r = json_get_object(o, "connectionSpecification", &s->connection_specification, what, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EINVAL, "%s: 'connectionSpecification' is missing", what);
        if (r < 0 || (r = json_get_string(o, "documentationUrl", &s->documentation_url, what,
                                          reterr_error)) < 0 ||
            (r = json_get_string(o, "protocol_version", &s->protocol_version, what, reterr_error)) < 0 ||
            (r = json_get_bool(o, "supportsIncremental", &s->supports_incremental, what,
                               reterr_error)) < 0 ||
            (r = get_destination_modes(o, s, reterr_error)) < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int connector_spec_from_text(const char *text, ConnectorSpec **ret, Error **reterr_error) {
        const char *known = text ?: "{\"connectionSpecification\":{}}";
        _cleanup_json_ JsonObject *o = NULL;
        int r = json_parse(known, strlen(known), &o, reterr_error);

        return r < 0 ? r : connector_spec_from_json(o, ret, reterr_error);
}

/* One problem a line, by its place; the values themselves may be secrets and are never shown. */
static int tell_problems(const JsonSchemaProblem *problems, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};

        for (size_t i = 0; problems[i].path; i++)
                if (buffer_appendf(&b, "%s%s: %s", i > 0 ? "\n" : "",
                                   *problems[i].path ? problems[i].path : "the configuration",
                                   problems[i].message) < 0)
                        return -ENOMEM;
        if (!buffer_string(&b))
                return -ENOMEM;
        return error_set(reterr_error, -EINVAL, "%s", buffer_bytes(&b));
}

int connector_spec_check_config(const ConnectorSpec *s, JsonObject *config, Error **reterr_error) {
        _cleanup_(json_schema_freep) JsonSchema *schema = NULL;
        JsonSchemaProblem *problems = NULL;
        int r;

        /* Of 508 public specs, ten give examples that break their own "format", and two others have a
         * pattern that no value of the format matches: to connectors it says which widget the form shows. */
        r = json_schema_compile_without_formats(s->connection_specification, &schema, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The connector's specification");
        r = json_schema_validate(schema, config, PROBLEMS_MAX, &problems);
        if (r < 0)
                return error_set(reterr_error, r, "The configuration could not be checked: %s",
                                 r == -ETIME ? "the specification asks for too many steps" : strerror(-r));
        if (r > 0)
                return 0;
        r = tell_problems(problems, reterr_error);
        json_schema_problems_free(problems);
        return r;
}

/* A walk over the schema and the configuration side by side that stops at annotations. It goes into every
 * branch of oneOf and its like: what one branch calls a secret is one. It reads the bare JSON, so that a
 * spec with, say, a broken pattern still has its secrets found. */
typedef int (*Visit)(const char *pointer, JsonObject *value, void *userdata);

typedef struct Walk {
        JsonSchemaPlaces *places; /* of the schema: where references lead */
        const char *annotation;
        bool (*says)(JsonObject *mark); /* whether the annotation's value is one to stop at */
        Visit visit;
        void *userdata;
        Buffer pointer;
        Hashmap *seen; /* pointers that were visited: branches name the same field */
        unsigned depth, steps;
} Walk;

static int walk(Walk *w, JsonObject *schema, JsonObject *value);

static int walk_part(Walk *w, JsonObject *schema, const char *key, size_t index, JsonObject *value) {
        size_t length = w->pointer.len;
        int r;

        r = buffer_append_char(&w->pointer, '/');
        if (!key && r >= 0)
                r = buffer_appendf(&w->pointer, "%zu", index);
        for (; key && r >= 0 && *key; key++)
                r = *key == '~' ? buffer_append(&w->pointer, "~0", 2)
                        : *key == '/' ? buffer_append(&w->pointer, "~1", 2)
                                      : buffer_append_char(&w->pointer, *key);
        if (r >= 0)
                r = walk(w, schema, value);
        w->pointer.len = length;
        return r;
}

/* Members that only "additionalProperties" or a pattern describe are walked as well. */
static int walk_object(Walk *w, JsonObject *schema, JsonObject *value) {
        JsonObject *properties = json_member(schema, "properties"), *child;
        JsonObject *rest = json_member(schema, "additionalProperties");
        JsonObject *patterns = json_member(schema, "patternProperties");
        int r;

        json_object_object_foreach(value, key, part) {
                child = json_member(properties, key);
                r = child ? walk_part(w, child, key, 0, part) : 0;
                if (!child && r >= 0)
                        r = walk_part(w, rest, key, 0, part);
                if (r < 0)
                        return r;
                if (!json_object_is_type(patterns, json_type_object))
                        continue;
                /* Without looking at the pattern: rather one secret too many than one too few. */
                json_object_object_foreach(patterns, pattern, pattern_child) {
                        (void) pattern;
                        r = walk_part(w, pattern_child, key, 0, part);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int walk_array(Walk *w, JsonObject *schema, JsonObject *value) {
        JsonObject *items = json_member(schema, "items"), *rest = json_member(schema, "additionalItems");
        bool list = json_object_is_type(items, json_type_array);
        int r;

        for (size_t i = 0; i < json_object_array_length(value); i++) {
                JsonObject *child = !list                                        ? items
                                    : i < json_object_array_length(items) ? json_object_array_get_idx(items, i)
                                                                          : rest;

                r = walk_part(w, child, NULL, i, json_object_array_get_idx(value, i));
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Which branch was meant does not matter for an annotation: a field that one of them calls secret is
 * treated so. */
static int walk_branches(Walk *w, JsonObject *schema, JsonObject *value) {
        static const char *const lists[] = { "oneOf", "anyOf", "allOf" }, *const singles[] = { "if", "then", "else" };
        JsonObject *target;
        int r;

        for (size_t i = 0; i < ELEMENTSOF(lists); i++) {
                JsonObject *list = json_member(schema, lists[i]);

                if (!json_object_is_type(list, json_type_array))
                        continue;
                for (size_t k = 0; k < json_object_array_length(list); k++) {
                        r = walk(w, json_object_array_get_idx(list, k), value);
                        if (r < 0)
                                return r;
                }
        }
        for (size_t i = 0; i < ELEMENTSOF(singles); i++) {
                r = walk(w, json_member(schema, singles[i]), value);
                if (r < 0)
                        return r;
        }
        r = json_schema_places_follow(w->places, schema, &target);
        return r < 0 ? r : walk(w, target, value);
}

/* Branches that share a field would otherwise call back for it several times. One that doesn't say so takes
 * nothing from those that do. */
static int visit_once(Walk *w, JsonObject *schema, JsonObject *value) {
        JsonObject *mark = json_member(schema, w->annotation);
        int r;

        if (!mark || !w->says(mark))
                return 0;
        if (!buffer_string(&w->pointer))
                return -ENOMEM;
        r = hashmap_put(w->seen, buffer_bytes(&w->pointer), w->pointer.len, NULL);
        if (r < 0)
                return r == -EEXIST ? 0 : r;
        return w->visit(buffer_bytes(&w->pointer), value, w->userdata);
}

/* Both limits are needed: "$ref" can lead in circles, and 2^n branches can lie in n lines. */
static int walk(Walk *w, JsonObject *schema, JsonObject *value) {
        int r;

        if (!json_object_is_type(schema, json_type_object) || !value)
                return 0;
        if (w->depth >= WALK_DEPTH_MAX || ++w->steps > WALK_STEPS_MAX)
                return -ELOOP;
        w->depth++;
        r = visit_once(w, schema, value);
        if (r >= 0 && json_object_is_type(value, json_type_object))
                r = walk_object(w, schema, value);
        if (r >= 0 && json_object_is_type(value, json_type_array))
                r = walk_array(w, schema, value);
        if (r >= 0)
                r = walk_branches(w, schema, value);
        w->depth--;
        return r;
}

static int walk_config(const ConnectorSpec *s, JsonObject *config, Walk *w) {
        _cleanup_(json_schema_places_freep) JsonSchemaPlaces *places = NULL;
        int r;

        r = json_schema_places_new(s->connection_specification, WALK_STEPS_MAX, &places);
        if (r < 0)
                return r;
        w->places = places;
        r = walk(w, s->connection_specification, config);
        buffer_done(&w->pointer);
        return r;
}

/* Some specs write "true" as a string. */
static bool says_secret(JsonObject *mark) {
        return json_object_get_boolean(mark) && !(json_object_is_type(mark, json_type_string) &&
                                                  streq(json_object_get_string(mark), "false"));
}

int connector_spec_foreach_secret(const ConnectorSpec *s, JsonObject *config, SecretHandler handler,
                                  void *userdata) {
        _cleanup_hashmap_ Hashmap *seen = hashmap_new(NULL);
        Walk w = { .annotation = "airbyte_secret", .says = says_secret, .visit = handler, .userdata = userdata,
                   .seen = seen };

        return seen ? walk_config(s, config, &w) : -ENOMEM;
}

/* Short lines (a lone brace, "--") would mask half of every log. */
static int add_lines(const char *text, char ***l) {
        _cleanup_strv_ char **lines = strv_split(text, "\r\n");
        int r;

        if (!lines)
                return -ENOMEM;
        STRV_FOREACH(line, lines) {
                r = strlen(*line) >= SECRET_LINE_MIN ? strv_extend(l, *line) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_strings(JsonObject *value, size_t min, char ***l);

/* A key of many lines is printed line by line, and a service account is JSON in a string: their parts are
 * secrets too. */
static int add_string(JsonObject *value, size_t min, char ***l) {
        const char *text = json_object_get_string(value);
        _cleanup_json_ JsonObject *inner = NULL;
        size_t n = strlen(text);
        int r;

        if (n < MAX(min, (size_t) 1))
                return 0;
        r = strv_extend(l, text);
        if (r >= 0 && strpbrk(text, "\r\n"))
                r = add_lines(text, l);
        if (r < 0)
                return r;
        /* Once only: `min` is set inside. */
        if (min == 0 && *text == '{' && json_parse(text, n, &inner, NULL) >= 0)
                return add_strings(inner, SECRET_INNER_MIN, l);
        return 0;
}

/* All strings in a value; numbers only where the number is the secret. Depth is bounded by the parser's
 * limit. */
static int add_strings(JsonObject *value, size_t min, char ***l) {
        int r = 0;

        switch (json_object_get_type(value)) {
        case json_type_string:
                return add_string(value, min, l);
        case json_type_int:
        case json_type_double:
                return min == 0 ? strv_extend(l, json_object_get_string(value)) : 0;
        case json_type_array:
                for (size_t i = 0; r >= 0 && i < json_object_array_length(value); i++)
                        r = add_strings(json_object_array_get_idx(value, i), min, l);
                return r;
        case json_type_object: {
                json_object_object_foreach(value, key, part) {
                        (void) key;
                        r = add_strings(part, min, l);
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        default:
                return 0;
        }
}

static int collect_secret(const char *pointer, JsonObject *value, void *userdata) {
        return add_strings(value, 0, userdata);
}

int connector_spec_secret_strings(const ConnectorSpec *s, JsonObject *config, char ***ret) {
        _cleanup_strv_ char **l = NULL;
        int r;

        r = connector_spec_foreach_secret(s, config, collect_secret, &l);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(l);
        return 0;
}

typedef struct PathVisit {
        PathHandler handler;
        void *userdata;
        bool write;
} PathVisit;

static bool says_write(JsonObject *mark) {
        return json_object_is_type(mark, json_type_string) && streq(json_object_get_string(mark), "write");
}

static bool says_path(JsonObject *mark) {
        return json_object_is_type(mark, json_type_string);
}

static int visit_path(const char *pointer, JsonObject *value, void *userdata) {
        PathVisit *v = userdata;

        if (!json_object_is_type(value, json_type_string))
                return 0;
        /* A path that C would cut short is not the one that was checked. */
        if (strlen(json_object_get_string(value)) != (size_t) json_object_get_string_len(value))
                return -EINVAL;
        return v->handler(pointer, json_object_get_string(value), v->write, v->userdata);
}

/* Those that are written first: what one branch only reads and another writes is written. */
int connector_spec_foreach_path(const ConnectorSpec *s, JsonObject *config, PathHandler handler,
                                void *userdata) {
        PathVisit writes = { handler, userdata, true }, reads = { handler, userdata, false };
        _cleanup_hashmap_ Hashmap *seen = hashmap_new(NULL);
        Walk w = { .annotation = "gantry_path", .says = says_write, .visit = visit_path, .userdata = &writes,
                   .seen = seen };
        int r;

        if (!seen)
                return -ENOMEM;
        r = walk_config(s, config, &w);
        if (r < 0)
                return r;
        w = (Walk) { .annotation = "gantry_path", .says = says_path, .visit = visit_path, .userdata = &reads,
                     .seen = seen };
        return walk_config(s, config, &w);
}
