/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Walks a compiled schema beside a value. Problems tell the place and the rule, never the value.
 *
 * A schema is only read, all that changes lies in the Validation. Three answers exist, and the third must
 * not be lost: fits, does not, could not be decided (steps, depth, a pattern's limit, memory). Each check
 * hands the negative number up at once, else "not" and "oneOf" would make a decision of it.
 *
 * With problems wanted, all keywords of a node are looked at, so that a person sees everything at once;
 * as soon as there are enough, or below "not" and in the trial of a form, the first failure ends it. The
 * branches of anyOf and oneOf are tried quietly and explained after (json-schema-explain.c). */

#include <inttypes.h>
#include <stdio.h>

#include "basic/utf8.h"
#include "protocol/json-schema-compare.h"
#include "protocol/json-schema-explain.h"
#include "protocol/json-schema-validate.h"

/* Nodes looked at for one value: half a second. A schema can ask for 2^n looks with n lines (threat T38). */
#define STEPS_MAX 5000000U
/* Schemas inside each other, counted along one path: values are at most 512 deep and take a few for each
 * level. */
#define DEPTH_MAX 4096U

unsigned schema_instance_type(JsonObject *o) {
        switch (json_object_get_type(o)) {
        case json_type_boolean:
                return INSTANCE_BOOLEAN;
        case json_type_int:
        case json_type_double:
                return INSTANCE_NUMBER;
        case json_type_string:
                return INSTANCE_STRING;
        case json_type_array:
                return INSTANCE_ARRAY;
        case json_type_object:
                return INSTANCE_OBJECT;
        default:
                return INSTANCE_NULL;
        }
}

/* Below "not" and in the branches of "anyOf" a failure is no problem of the value, and beyond the wanted
 * number nobody reads them. */
static bool is_collecting(const Validation *v) {
        return v->quiet == 0 && v->n_problems < v->max;
}

int validation_problem(Validation *v, const char *format, ...) {
        _cleanup_free_ char *message = NULL, *path = NULL;
        va_list ap;
        int n;

        if (!is_collecting(v))
                return 0;
        va_start(ap, format);
        n = vasprintf(&message, format, ap);
        va_end(ap);
        if (n < 0) {
                message = NULL;
                return -ENOMEM;
        }
        path = strndup(v->path.len > 0 ? buffer_bytes(&v->path) : "", v->path.len);
        if (!path)
                return -ENOMEM;
        v->problems[v->n_problems++] = (JsonSchemaProblem) { TAKE_PTR(path), TAKE_PTR(message) };
        return 0;
}

/* The place of what is looked at, kept only while somebody wants to know it. */
static int push_key(Validation *v, const char *key) {
        int r;

        if (!is_collecting(v))
                return 0;
        r = buffer_append_char(&v->path, '/');
        for (; r >= 0 && *key; key++)
                r = *key == '~' ? buffer_append(&v->path, "~0", 2)
                        : *key == '/' ? buffer_append(&v->path, "~1", 2)
                                      : buffer_append_char(&v->path, *key);
        return r;
}

static int push_index(Validation *v, size_t i) {
        return is_collecting(v) ? buffer_appendf(&v->path, "/%zu", i) : 0;
}

/* Checks a part of the instance; exactly one of `key` and `index` counts. */
static int check_part(Validation *v, const SchemaNode *node, const char *key, size_t index,
                      JsonObject *part) {
        size_t length = v->path.len;
        int r;

        r = key ? push_key(v, key) : push_index(v, index);
        if (r >= 0)
                r = validation_check(v, node, part);
        v->path.len = length;
        return r;
}

int validation_problem_at(Validation *v, const char *key, const char *message) {
        size_t length = v->path.len;
        int r;

        r = push_key(v, key);
        if (r >= 0)
                r = validation_problem(v, "%s", message);
        v->path.len = length;
        return r;
}

int validation_take_steps(Validation *v, uint64_t n) {
        v->steps += n;
        return v->steps > STEPS_MAX ? -ETIME : 0;
}

/* Steps are counted, not time: a schema of a few lines can ask for an exponential number of them (nested
 * "anyOf"), and a catalog comes from a connector. A chain of "$ref" ends, since the compiler has refused
 * loops. Unless somebody wants all problems, the first one settles it. */
int validation_check(Validation *v, const SchemaNode *node, JsonObject *instance) {
        unsigned type = schema_instance_type(instance);
        int r, result = 1;

        if (validation_take_steps(v, 1) < 0)
                return -ETIME;
        if (v->depth >= DEPTH_MAX)
                return -ELOOP;
        while (node->reference)
                node = node->target;
        if (node->boolean) {
                if (node->value)
                        return 1;
                r = validation_problem(v, "is not allowed here");
                return r < 0 ? r : 0;
        }
        v->depth++;
        for (size_t i = 0; i < node->n_keywords; i++) {
                const SchemaKeyword *k = &node->keywords[i];

                if (!k->type->check || !(k->type->applies & type))
                        continue;
                r = k->type->check(v, node, k, instance);
                if (r < 0)
                        return r;
                if (r == 0) {
                        result = 0;
                        if (!is_collecting(v))
                                break;
                }
        }
        v->depth--;
        return result;
}

int validation_check_quietly(Validation *v, const SchemaNode *node, JsonObject *instance) {
        unsigned depth = v->depth;
        int r;

        v->quiet++;
        r = validation_check(v, node, instance);
        v->quiet--;
        v->depth = depth;
        return r;
}

/* Lengths are in code points, as the standard has it; the text is valid UTF-8, so every byte that is no
 * continuation begins one. */
static size_t count_characters(const char *s, size_t n) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
                count += ((unsigned char) s[i] & 0xc0) != 0x80;
        return count;
}

static int check_length(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                        JsonObject *instance) {
        size_t n = count_characters(json_object_get_string(instance),
                                    (size_t) json_object_get_string_len(instance));
        bool most = streq(k->type->name, "maxLength");

        if (most ? n <= k->count : n >= k->count)
                return 1;
        return validation_problem(v, "must have at %s %" PRIu64 " characters", most ? "most" : "least",
                                  k->count);
}

static int check_n_items(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                         JsonObject *instance) {
        size_t n = json_object_array_length(instance);
        bool most = streq(k->type->name, "maxItems");

        if (most ? n <= k->count : n >= k->count)
                return 1;
        return validation_problem(v, "must have at %s %" PRIu64 " elements", most ? "most" : "least",
                                  k->count);
}

static int check_n_properties(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                              JsonObject *instance) {
        size_t n = (size_t) json_object_object_length(instance);
        bool most = streq(k->type->name, "maxProperties");

        if (most ? n <= k->count : n >= k->count)
                return 1;
        return validation_problem(v, "must have at %s %" PRIu64 " members", most ? "most" : "least",
                                  k->count);
}

static int check_pattern(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                         JsonObject *instance) {
        JsonObject *descriptor = json_member(node->source, "pattern_descriptor");
        int r;

        r = schema_regex_match(k->regexes[0], json_object_get_string(instance),
                               (size_t) json_object_get_string_len(instance));
        if (r != 0)
                return r;
        if (json_object_is_type(descriptor, json_type_string))
                return validation_problem(v, "must look like %s", json_object_get_string(descriptor));
        return validation_problem(v, "does not match the pattern %s", json_object_get_string(k->value));
}

static int check_format(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                        JsonObject *instance) {
        if (!k->format || k->format(json_object_get_string(instance),
                                    (size_t) json_object_get_string_len(instance)))
                return 1;
        return validation_problem(v, "is not a %s", json_object_get_string(k->value));
}

/* Compared as decimal texts: 0.1 is not the double nearest to it, and 9007199254740993 not its neighbour.
 */
static int check_bound(Validation *v, const SchemaNode *node, const SchemaKeyword *k, JsonObject *instance) {
        const char *words;
        char buf[24];
        Decimal d;
        bool good;
        int c;

        if (schema_number(instance, buf, &d) < 0)
                return validation_problem(v, "is not a number that JSON has");
        c = decimal_compare(&d, &k->number);
        if (streq(k->type->name, "maximum")) {
                good = c <= 0;
                words = "at most";
        } else if (streq(k->type->name, "exclusiveMaximum")) {
                good = c < 0;
                words = "less than";
        } else if (streq(k->type->name, "minimum")) {
                good = c >= 0;
                words = "at least";
        } else {
                good = c > 0;
                words = "more than";
        }
        return good ? 1 : validation_problem(v, "must be %s %s", words, k->number_text);
}

static int check_multiple_of(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                             JsonObject *instance) {
        char buf[24];
        Decimal d;

        if (schema_number(instance, buf, &d) >= 0 && decimal_is_multiple(&d, &k->number) > 0)
                return 1;
        return validation_problem(v, "must be a multiple of %s", k->number_text);
}

static int check_items(Validation *v, const SchemaNode *node, const SchemaKeyword *k, JsonObject *instance) {
        bool list = json_object_is_type(k->value, json_type_array);
        size_t n = json_object_array_length(instance);
        int r, result = 1;

        if (list)
                n = MIN(n, k->n_children);
        for (size_t i = 0; i < n; i++) {
                r = check_part(v, k->children[list ? i : 0], NULL, i, json_object_array_get_idx(instance, i));
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
                if (result == 0 && !is_collecting(v))
                        break;
        }
        return result;
}

/* What a list of "items" does not reach. */
static int check_additional_items(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                                  JsonObject *instance) {
        const SchemaKeyword *items = schema_node_keyword(node, "items");
        int r, result = 1;

        if (!items || !json_object_is_type(items->value, json_type_array))
                return 1;
        for (size_t i = items->n_children; i < json_object_array_length(instance); i++) {
                r = check_part(v, k->children[0], NULL, i, json_object_array_get_idx(instance, i));
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
                if (result == 0 && !is_collecting(v))
                        break;
        }
        return result;
}

/* A match needs no place: which element it was that fits is nobody's question. */
static int check_contains(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance) {
        int r;

        for (size_t i = 0; i < json_object_array_length(instance); i++) {
                r = validation_check_quietly(v, k->children[0], json_object_array_get_idx(instance, i));
                if (r != 0)
                        return r;
        }
        return validation_problem(v, "has no element of the kind that it must contain");
}

/* Told for each missing member at its own path, so that a form can mark the field. */
static int check_required(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance) {
        int r, result = 1;

        for (size_t i = 0; i < json_object_array_length(k->value); i++) {
                JsonObject *name = json_object_array_get_idx(k->value, i);

                if (!json_object_is_type(name, json_type_string) ||
                    json_object_object_get_ex(instance, json_object_get_string(name), NULL))
                        continue;
                r = validation_problem_at(v, json_object_get_string(name), "is required and missing");
                if (r < 0)
                        return r;
                result = 0;
        }
        return result;
}

static int check_properties(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                            JsonObject *instance) {
        int r, result = 1;
        size_t i = 0;

        json_object_object_foreach(k->value, key, unused) {
                const SchemaNode *child = k->children[i++];
                JsonObject *part;

                (void) unused;
                if (!json_object_object_get_ex(instance, key, &part))
                        continue;
                r = check_part(v, child, key, 0, part);
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
                if (result == 0 && !is_collecting(v))
                        break;
        }
        return result;
}

/* A key that several patterns match must satisfy the schema of each. */
static int check_pattern_properties(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                                    JsonObject *instance) {
        int r, result = 1;

        json_object_object_foreach(instance, key, part)
                for (size_t i = 0; i < k->n_regexes; i++) {
                        r = schema_regex_match(k->regexes[i], key, strlen(key));
                        if (r > 0)
                                r = check_part(v, k->children[i], key, 0, part);
                        else if (r == 0)
                                continue;
                        if (r < 0)
                                return r;
                        if (r == 0)
                                result = 0;
                }
        return result;
}

/* Whether "properties" or "patternProperties" speak for this key: 1, 0, negative errno. */
static int is_named(const SchemaNode *node, const char *key) {
        const SchemaKeyword *properties = schema_node_keyword(node, "properties");
        const SchemaKeyword *patterns = schema_node_keyword(node, "patternProperties");
        int r;

        if (properties && json_object_object_get_ex(properties->value, key, NULL))
                return 1;
        for (size_t i = 0; patterns && i < patterns->n_regexes; i++) {
                r = schema_regex_match(patterns->regexes[i], key, strlen(key));
                if (r != 0)
                        return r;
        }
        return 0;
}

/* The common `false` is told in words of its own; "is not allowed here" would leave people guessing. */
static int check_additional_properties(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                                       JsonObject *instance) {
        bool refused = k->children[0]->boolean && !k->children[0]->value;
        int r, result = 1;

        if (k->children[0]->boolean && !refused)
                return 1;
        json_object_object_foreach(instance, key, part) {
                r = is_named(node, key);
                if (r > 0)
                        continue;
                if (r == 0)
                        r = refused ? validation_problem_at(v, key, "is not a member that it may have")
                                    : check_part(v, k->children[0], key, 0, part);
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
                if (result == 0 && !is_collecting(v))
                        break;
        }
        return result;
}

static int check_names_present(Validation *v, JsonObject *names, const char *because, JsonObject *instance) {
        _cleanup_free_ char *message = NULL;
        int r, result = 1;

        for (size_t i = 0; i < json_object_array_length(names); i++) {
                JsonObject *name = json_object_array_get_idx(names, i);

                if (!json_object_is_type(name, json_type_string) ||
                    json_object_object_get_ex(instance, json_object_get_string(name), NULL))
                        continue;
                result = 0;
                if (!message && asprintf(&message, "is required beside '%s' and missing", because) < 0) {
                        message = NULL;
                        return -ENOMEM;
                }
                r = validation_problem_at(v, json_object_get_string(name), message);
                if (r < 0)
                        return r;
        }
        return result;
}

static int check_dependencies(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                              JsonObject *instance) {
        int r, result = 1;
        size_t i = 0;

        json_object_object_foreach(k->value, key, names) {
                const SchemaNode *child = k->children[i++];

                if (!json_object_object_get_ex(instance, key, NULL))
                        continue;
                r = child ? validation_check(v, child, instance) : check_names_present(v, names, key,
                        instance);
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
        }
        return result;
}

static int check_property_names(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                                JsonObject *instance) {
        int r, result = 1;

        json_object_object_foreach(instance, key, unused) {
                _cleanup_json_ JsonObject *name = json_object_new_string(key);

                (void) unused;
                if (!name)
                        return -ENOMEM;
                r = validation_check_quietly(v, k->children[0], name);
                if (r == 0) {
                        r = validation_problem_at(v, key, "has a name that is not allowed");
                        result = 0;
                }
                if (r < 0)
                        return r;
        }
        return result;
}

static int check_if(Validation *v, const SchemaNode *node, const SchemaKeyword *k, JsonObject *instance) {
        const SchemaKeyword *branch;
        int r;

        r = validation_check_quietly(v, k->children[0], instance);
        if (r < 0)
                return r;
        branch = schema_node_keyword(node, r > 0 ? "then" : "else");
        return branch ? validation_check(v, branch->children[0], instance) : 1;
}

static int check_not(Validation *v, const SchemaNode *node, const SchemaKeyword *k, JsonObject *instance) {
        int r;

        r = validation_check_quietly(v, k->children[0], instance);
        if (r <= 0)
                return r < 0 ? r : 1;
        return validation_problem(v, "is of a kind that is not allowed");
}

static int check_all_of(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                        JsonObject *instance) {
        int r, result = 1;

        for (size_t i = 0; i < k->n_children; i++) {
                r = validation_check(v, k->children[i], instance);
                if (r < 0)
                        return r;
                if (r == 0)
                        result = 0;
                if (result == 0 && !is_collecting(v))
                        break;
        }
        return result;
}

static int check_some_of(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                         JsonObject *instance) {
        bool one = streq(k->type->name, "oneOf");
        size_t n = 0;
        int r;

        for (size_t i = 0; i < k->n_children; i++) {
                r = validation_check_quietly(v, k->children[i], instance);
                if (r < 0)
                        return r;
                n += r > 0;
                if (n > 0 && !one)
                        return 1;
        }
        if (n == 1)
                return 1;
        if (n > 1)
                return validation_problem(v, "fits %zu of the allowed forms and must fit exactly one", n);
        return is_collecting(v) ? validation_explain_branches(v, k, instance) : 0;
}

/* In the order in which problems are told. "then", "else", "additionalItems" and "definitions" are read
 * by others. */
const KeywordType schema_keyword_types[] = {
        { "type", SHAPE_VALUE, INSTANCE_ANY, false, validation_check_type },
        { "const", SHAPE_VALUE, INSTANCE_ANY, false, validation_check_const },
        { "enum", SHAPE_VALUE, INSTANCE_ANY, false, validation_check_enum },
        { "required", SHAPE_VALUE, INSTANCE_OBJECT, false, check_required },
        { "properties", SHAPE_MAP, INSTANCE_OBJECT, false, check_properties },
        { "patternProperties", SHAPE_MAP, INSTANCE_OBJECT, false, check_pattern_properties },
        { "additionalProperties", SHAPE_SCHEMA, INSTANCE_OBJECT, false, check_additional_properties },
        { "propertyNames", SHAPE_SCHEMA, INSTANCE_OBJECT, false, check_property_names },
        { "dependencies", SHAPE_DEPENDENCIES, INSTANCE_OBJECT, true, check_dependencies },
        { "maxProperties", SHAPE_VALUE, INSTANCE_OBJECT, false, check_n_properties },
        { "minProperties", SHAPE_VALUE, INSTANCE_OBJECT, false, check_n_properties },
        { "items", SHAPE_SCHEMA_OR_LIST, INSTANCE_ARRAY, false, check_items },
        { "additionalItems", SHAPE_SCHEMA, INSTANCE_ARRAY, false, check_additional_items },
        { "contains", SHAPE_SCHEMA, INSTANCE_ARRAY, false, check_contains },
        { "maxItems", SHAPE_VALUE, INSTANCE_ARRAY, false, check_n_items },
        { "minItems", SHAPE_VALUE, INSTANCE_ARRAY, false, check_n_items },
        { "uniqueItems", SHAPE_VALUE, INSTANCE_ARRAY, false, validation_check_unique },
        { "pattern", SHAPE_VALUE, INSTANCE_STRING, false, check_pattern },
        { "format", SHAPE_VALUE, INSTANCE_STRING, false, check_format },
        { "maxLength", SHAPE_VALUE, INSTANCE_STRING, false, check_length },
        { "minLength", SHAPE_VALUE, INSTANCE_STRING, false, check_length },
        { "maximum", SHAPE_VALUE, INSTANCE_NUMBER, false, check_bound },
        { "exclusiveMaximum", SHAPE_VALUE, INSTANCE_NUMBER, false, check_bound },
        { "minimum", SHAPE_VALUE, INSTANCE_NUMBER, false, check_bound },
        { "exclusiveMinimum", SHAPE_VALUE, INSTANCE_NUMBER, false, check_bound },
        { "multipleOf", SHAPE_VALUE, INSTANCE_NUMBER, false, check_multiple_of },
        { "allOf", SHAPE_LIST, INSTANCE_ANY, true, check_all_of },
        { "anyOf", SHAPE_LIST, INSTANCE_ANY, true, check_some_of },
        { "oneOf", SHAPE_LIST, INSTANCE_ANY, true, check_some_of },
        { "not", SHAPE_SCHEMA, INSTANCE_ANY, true, check_not },
        { "if", SHAPE_SCHEMA, INSTANCE_ANY, true, check_if },
        { "then", SHAPE_SCHEMA, INSTANCE_ANY, true, NULL },
        { "else", SHAPE_SCHEMA, INSTANCE_ANY, true, NULL },
        { "definitions", SHAPE_MAP, INSTANCE_ANY, false, NULL },
};

const KeywordType *schema_keyword_type_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(schema_keyword_types); i++)
                if (streq(schema_keyword_types[i].name, name))
                        return &schema_keyword_types[i];
        return NULL;
}

JsonSchemaProblem *json_schema_problems_free(JsonSchemaProblem *p) {
        for (size_t i = 0; p && p[i].path; i++) {
                free(p[i].path);
                free(p[i].message);
        }
        free(p);
        return NULL;
}

int json_schema_validate(const JsonSchema *s, JsonObject *instance, size_t max,
                         JsonSchemaProblem **ret_problems) {
        Validation v = { .max = ret_problems ? max : 0 };
        int r;

        if (ret_problems) {
                v.problems = calloc(max + 1, sizeof(JsonSchemaProblem));
                if (!v.problems)
                        return -ENOMEM;
        }
        r = validation_check(&v, s->root, instance);
        buffer_done(&v.path);
        if (r != 0) {
                json_schema_problems_free(v.problems);
                return r;
        }
        if (ret_problems)
                *ret_problems = v.problems;
        return 0;
}
