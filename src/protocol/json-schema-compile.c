/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the document to nodes: find every schema in it with its base URI, then follow the references, then
 * make sure that none of them runs in a circle over one and the same value. All three walk lists, not the
 * stack.
 *
 * A node is found by the address of its JSON object, which the document keeps alive: a schema that
 * several references lead to is one node, and recursion is a pointer back. Filling in nodes appends more
 * of them to the table, and the loop over the table runs until it has caught up. A reference may lead to
 * a place that no keyword led to (Airbyte's specs keep parts under names of their own); that place
 * becomes a schema only then, with all below it, which is why references are resolved in a loop of the
 * same kind.
 *
 * Base URIs matter even though nothing is fetched: "$id" opens a scope, and a reference is looked up by
 * the URI that it resolves to there. The empty URI is the document. Beside "$ref" draft-7 ignores
 * everything.
 *
 * The last pass is what lets the validator follow references without counting: among edges that stay at
 * one value ("$ref", allOf, if, …) there is no circle. Recursion through properties and items ends with
 * the data. */

#include <inttypes.h>
#include <stdio.h>

#include "protocol/json-schema-compile.h"
#include "protocol/json-schema-uri.h"
#include "protocol/json-schema-validate.h"

typedef struct Compiler {
        JsonSchema *schema;
        bool formats;
        const char *where; /* the keyword that is read, for messages */
        Error **reterr_error;
} Compiler;

static SchemaKeyword *keyword_done(SchemaKeyword *k) {
        free(k->children);
        for (size_t i = 0; i < k->n_regexes; i++)
                schema_regex_free(k->regexes[i]);
        free(k->regexes);
        free(k->number_text);
        return NULL;
}

static SchemaNode *node_free(SchemaNode *n) {
        for (size_t i = 0; i < n->n_keywords; i++)
                keyword_done(&n->keywords[i]);
        free(n->keywords);
        free(n);
        return NULL;
}

JsonSchema *json_schema_free(JsonSchema *s) {
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_nodes; i++)
                node_free(s->nodes[i]);
        free(s->nodes);
        hashmap_free(s->by_source);
        hashmap_free(s->by_uri);
        strv_free(s->uris);
        json_putp(&s->document);
        free(s);
        return NULL;
}

/* The node of a schema in the document, made when it is not there yet. Nodes that were made are filled in
 * later, by walking the table. */
static int node_of(Compiler *c, JsonObject *source, const char *base, SchemaNode **ret) {
        JsonSchema *s = c->schema;
        SchemaNode *node = hashmap_get(s->by_source, &source, sizeof(source));
        int r;

        if (node) {
                *ret = node;
                return 0;
        }
        if (!json_object_is_type(source, json_type_object) && !json_object_is_type(source,
                json_type_boolean))
                return error_set(c->reterr_error, -EINVAL,
                                 "Schema: %s%s%s is neither an object nor a boolean",
                                 c->where ? "something in '" : "it", strempty(c->where), c->where ? "'" : "");
        if (s->n_nodes >= SCHEMA_NODES_MAX)
                return error_set(c->reterr_error, -E2BIG, "Schema: more than %u subschemas",
                                 SCHEMA_NODES_MAX);
        if (s->n_nodes == s->nodes_allocated) {
                size_t n = MAX(s->nodes_allocated * 2, (size_t) 16);
                SchemaNode **nodes = reallocarray(s->nodes, n, sizeof(SchemaNode *));

                if (!nodes)
                        return -ENOMEM;
                s->nodes = nodes;
                s->nodes_allocated = n;
        }
        node = calloc(1, sizeof(SchemaNode));
        if (!node)
                return -ENOMEM;
        node->source = source;
        node->base = base;
        s->nodes[s->n_nodes++] = node;
        r = hashmap_put(s->by_source, &source, sizeof(source), node);
        if (r < 0)
                return r;
        *ret = node;
        return 0;
}

static int add_child(Compiler *c, SchemaNode *node, SchemaKeyword *k, JsonObject *source) {
        return node_of(c, source, node->base, &k->children[k->n_children++]);
}

/* Makes the nodes of all schemas in a keyword's value, in its order. */
static int add_children(Compiler *c, SchemaNode *node, SchemaKeyword *k) {
        bool list = json_object_is_type(k->value, json_type_array);
        bool map = json_object_is_type(k->value, json_type_object);
        size_t n = list ? json_object_array_length(k->value) : map ? (size_t) json_object_object_length(k->value) : 0;
        int r;

        k->children = calloc(n + 1, sizeof(SchemaNode *));
        if (!k->children)
                return -ENOMEM;
        if (k->type->shape == SHAPE_SCHEMA || (k->type->shape == SHAPE_SCHEMA_OR_LIST && !list))
                return add_child(c, node, k, k->value);
        if (k->type->shape == SHAPE_LIST || k->type->shape == SHAPE_SCHEMA_OR_LIST) {
                for (size_t i = 0; i < n; i++) {
                        r = add_child(c, node, k, json_object_array_get_idx(k->value, i));
                        if (r < 0)
                                return r;
                }
                return 0;
        }
        json_object_object_foreach(k->value, key, value) {
                (void) key;
                if (k->type->shape == SHAPE_DEPENDENCIES && json_object_is_type(value, json_type_array))
                        k->n_children++;
                else {
                        r = add_child(c, node, k, value);
                        if (r < 0)
                                return r;
                }
        }
        return 0;
}

static int add_regex(Compiler *c, SchemaKeyword *k, const char *pattern, size_t n) {
        int r;

        r = schema_regex_compile(pattern, n, /* strict= */ false, &k->regexes[k->n_regexes], c->reterr_error);
        if (r < 0)
                return error_prefix(c->reterr_error, r, "Schema: '%s' has", k->type->name);
        k->n_regexes++;
        return 0;
}

static int compile_patterns(Compiler *c, SchemaKeyword *k) {
        int r;

        if (json_object_is_type(k->value, json_type_string)) {
                k->regexes = calloc(1, sizeof(SchemaRegex *));
                return k->regexes ? add_regex(c, k, json_object_get_string(k->value),
                                              (size_t) json_object_get_string_len(k->value))
                                  : -ENOMEM;
        }
        k->regexes = calloc((size_t) json_object_object_length(k->value) + 1, sizeof(SchemaRegex *));
        if (!k->regexes)
                return -ENOMEM;
        json_object_object_foreach(k->value, key, value) {
                (void) value;
                r = add_regex(c, k, key, strlen(key));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compile_number(Compiler *c, SchemaKeyword *k) {
        char buf[24];
        Decimal d;
        int r;

        r = schema_number(k->value, buf, &d);
        if (r < 0)
                return error_set(c->reterr_error, r, "Schema: '%s' is not a number", k->type->name);
        /* json-c's text does not outlive other uses of the object. */
        k->number_text = strdup(json_object_get_string(k->value));
        if (!k->number_text)
                return -ENOMEM;
        r = decimal_parse(k->number_text, strlen(k->number_text), &k->number);
        if (r < 0)
                return r;
        if (streq(k->type->name, "multipleOf") &&
            (k->number.negative || decimal_is_multiple(&k->number, &k->number) < 0))
                return error_set(c->reterr_error, -EINVAL, 
                                 "Schema: 'multipleOf' is not positive or has more than 18 digits");
        return 0;
}

static int compile_count(Compiler *c, SchemaKeyword *k) {
        int r;

        r = compile_number(c, k);
        if (r < 0)
                return r;
        if (k->number.negative || !decimal_is_integer(&k->number))
                return error_set(c->reterr_error, -EINVAL, "Schema: '%s' is not a count", k->type->name);
        if (k->number.n_digits + (uint64_t) k->number.exponent > 18)
                k->count = UINT64_MAX;
        else
                k->count = (uint64_t) json_object_get_double(k->value);
        return 0;
}

static unsigned type_by_name(const char *name) {
        static const char *const names[] = { "null", "boolean", "number", "string", "array", "object", "integer" };

        for (unsigned i = 0; i < ELEMENTSOF(names); i++)
                if (streq(names[i], name))
                        return 1U << i;
        return 0;
}

static int compile_type(Compiler *c, SchemaKeyword *k) {
        bool list = json_object_is_type(k->value, json_type_array);
        size_t n = list ? json_object_array_length(k->value) : 1;

        for (size_t i = 0; i < n; i++) {
                JsonObject *name = list ? json_object_array_get_idx(k->value, i) : k->value;
                unsigned type = json_object_is_type(name, json_type_string)
                                        ? type_by_name(json_object_get_string(name))
                                        : 0;

                if (type == 0)
                        return error_set(c->reterr_error, -EINVAL,
                                         "Schema: 'type' is %s, which is not a type",
                                         json_object_to_json_string(name));
                k->types |= type;
        }
        return 0;
}

/* Reads the value of a keyword that holds no schemas. */
static int compile_value(Compiler *c, SchemaNode *node, SchemaKeyword *k) {
        static const char *const numbers[] = { "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum",
                                               "multipleOf" };
        static const char *const counts[] = { "maxLength", "minLength", "maxItems", "minItems", "maxProperties",
                                              "minProperties" };
        JsonObject *airbyte_type = json_member(node->source, "airbyte_type");

        for (size_t i = 0; i < ELEMENTSOF(numbers); i++)
                if (streq(k->type->name, numbers[i]))
                        return compile_number(c, k);
        for (size_t i = 0; i < ELEMENTSOF(counts); i++)
                if (streq(k->type->name, counts[i]))
                        return compile_count(c, k);
        if (streq(k->type->name, "type"))
                return compile_type(c, k);
        if (streq(k->type->name, "pattern"))
                return compile_patterns(c, k);
        if (streq(k->type->name, "format") && c->formats)
                k->format = schema_format_find(json_object_get_string(k->value),
                                               json_object_is_type(airbyte_type, json_type_string)
                                                       ? json_object_get_string(airbyte_type)
                                                       : NULL);
        return 0;
}

/* Whether the value is of the type that the keyword wants. Draft-4's booleans ("required": true beside a
 * property, "exclusiveMaximum": true) are in many connectors' specs; they say nothing in draft-7 and are
 * passed over. */
static int check_value_type(Compiler *c, const KeywordType *type, JsonObject *value) {
        static const struct {
                const char *name;
                json_type type;
        } wanted[] = {
                { "enum", json_type_array },    { "required", json_type_array }, { "pattern", json_type_string },
                { "format", json_type_string }, { "uniqueItems", json_type_boolean },
        };

        if (json_object_is_type(value, json_type_boolean) &&
            (streq(type->name, "required") || strncmp(type->name, "exclusiveM", 10) == 0))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(wanted); i++)
                if (streq(type->name, wanted[i].name) && !json_object_is_type(value, wanted[i].type))
                        return error_set(c->reterr_error, -EINVAL, "Schema: '%s' is not of the right type",
                                         type->name);
        if (type->shape == SHAPE_LIST && !json_object_is_type(value, json_type_array))
                return error_set(c->reterr_error, -EINVAL, "Schema: '%s' is not an array", type->name);
        if ((type->shape == SHAPE_MAP || type->shape == SHAPE_DEPENDENCIES) &&
            !json_object_is_type(value, json_type_object))
                return error_set(c->reterr_error, -EINVAL, "Schema: '%s' is not an object", type->name);
        return 1;
}

static int add_keyword(Compiler *c, SchemaNode *node, const KeywordType *type, JsonObject *value) {
        SchemaKeyword *k;
        int r;

        r = check_value_type(c, type, value);
        if (r <= 0)
                return r;
        k = &node->keywords[node->n_keywords++];
        *k = (SchemaKeyword) { .type = type, .value = value };
        if (type->shape == SHAPE_VALUE)
                return compile_value(c, node, k);
        c->where = type->name;
        r = add_children(c, node, k);
        if (r < 0)
                return r;
        return streq(type->name, "patternProperties") ? compile_patterns(c, k) : 0;
}

/* "$id": a new base for what is below, or "#name", a name for this schema. */
static int apply_id(Compiler *c, SchemaNode *node) {
        JsonObject *id = json_member(node->source, "$id");
        char *uri, *hash;
        int r;

        if (!json_object_is_type(id, json_type_string))
                return 0;
        uri = json_schema_uri_resolve(node->base, json_object_get_string(id));
        if (!uri)
                return -ENOMEM;
        r = strv_consume(&c->schema->uris, uri);
        if (r < 0)
                return r;
        hash = strchr(uri, '#');
        if (hash && hash[1])
                r = hashmap_put_string(c->schema->by_uri, uri, node);
        else {
                if (hash)
                        *hash = 0;
                node->base = uri;
                r = hashmap_put_string(c->schema->by_uri, uri, node);
        }
        return r == -EEXIST ? 0 : r; /* the first of two equal names counts */
}

/* Reads one schema and makes the nodes below it. */
static int fill_node(Compiler *c, SchemaNode *node) {
        JsonObject *reference;
        int r;

        if (json_object_is_type(node->source, json_type_boolean)) {
                node->boolean = true;
                node->value = json_object_get_boolean(node->source);
                return 0;
        }
        reference = json_member(node->source, "$ref");
        if (json_object_is_type(reference, json_type_string))
                node->reference = json_object_get_string(reference);
        else {
                r = apply_id(c, node);
                if (r < 0)
                        return r;
        }
        node->keywords = calloc((size_t) json_object_object_length(node->source) + 1, sizeof(SchemaKeyword));
        if (!node->keywords)
                return -ENOMEM;
        json_object_object_foreach(node->source, key, value) {
                const KeywordType *type = schema_keyword_type_find(key);

                /* Beside "$ref" all is ignored, but references may lead into definitions there. */
                if (!type || (node->reference && !streq(key, "definitions")))
                        continue;
                r = add_keyword(c, node, type, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int fill_from(Compiler *c, size_t i) {
        for (; i < c->schema->n_nodes; i++) {
                int r = fill_node(c, c->schema->nodes[i]);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* One step of a JSON pointer: decoded in place. */
static JsonObject *pointer_step(JsonObject *o, char *token) {
        char *out = token;
        size_t index;

        for (char *p = token; *p; p++) {
                if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
                        *out++ = *++p == '0' ? '~' : '/';
                else
                        *out++ = *p;
        }
        *out = 0;
        if (!json_object_is_type(o, json_type_array))
                return json_member(o, token);
        if (!*token || strspn(token, "0123456789") != strlen(token) || strlen(token) > 9)
                return NULL;
        index = (size_t) strtoul(token, NULL, 10);
        return index < json_object_array_length(o) ? json_object_array_get_idx(o, index) : NULL;
}

/* Follows a pointer below `resource`. A place that no keyword led to gets a node now, with the base that
 * the schemas on the way to it give. */
static int resolve_pointer(Compiler *c, SchemaNode *resource, char *pointer, SchemaNode **ret) {
        const char *base = resource->base;
        JsonObject *o = resource->source;
        size_t before = c->schema->n_nodes;
        char *token = pointer + 1, *slash;
        SchemaNode *on_the_way;
        int r;

        do {
                slash = strchrnul(token, '/');
                if (*slash)
                        *slash++ = 0;
                else
                        slash = NULL;
                o = pointer_step(o, token);
                if (!o)
                        return -ENOENT;
                on_the_way = hashmap_get(c->schema->by_source, &o, sizeof(o));
                if (on_the_way)
                        base = on_the_way->base;
                token = slash;
        } while (token);
        r = node_of(c, o, base, ret);
        return r < 0 ? r : fill_from(c, before);
}

/* By draft-7 a fragment is either a JSON Pointer, which begins with a slash, or the name that an "$id"
 * elsewhere in the document gave a place. Nothing is fetched: another document is an error that says so. */
static int resolve_reference(Compiler *c, SchemaNode *node) {
        _cleanup_free_ char *uri = json_schema_uri_resolve(node->base, node->reference), *fragment = NULL;
        SchemaNode *resource;
        char *hash;
        int r;

        if (!uri)
                return -ENOMEM;
        hash = strchr(uri, '#');
        if (hash && hash[1] && hash[1] != '/') {
                node->target = hashmap_get_string(c->schema->by_uri, uri);
                return node->target ? 0 : error_set(c->reterr_error, -ENOENT,
                                                    "Schema: no place '%s' for \"$ref\"",
                                                    node->reference);
        }
        if (hash) {
                fragment = strdup(hash + 1);
                if (!fragment)
                        return -ENOMEM;
                json_schema_uri_decode(fragment);
                *hash = 0;
        }
        resource = hashmap_get_string(c->schema->by_uri, uri);
        if (!resource)
                return error_set(c->reterr_error, -EREMOTE,
                                 "Schema: \"$ref\" to '%s', which is another document",
                                 node->reference);
        if (!fragment || !*fragment) {
                node->target = resource;
                return 0;
        }
        r = resolve_pointer(c, resource, fragment, &node->target);
        if (r == -ENOENT)
                return error_set(c->reterr_error, r, "Schema: no place '%s' for \"$ref\"", node->reference);
        return r;
}

/* Depth-first over the edges that stay at one instance: "$ref" and the keywords that are in place. */
typedef struct Step {
        SchemaNode *node;
        size_t next; /* edge to take */
} Step;

enum { VISIT_NEW, VISIT_OPEN, VISIT_DONE };

/* The `i`th edge of a node; false behind the last. NULL entries are holes. */
static bool in_place_edge(const SchemaNode *node, size_t i, SchemaNode **ret) {
        *ret = NULL;
        if (node->reference) {
                *ret = node->target;
                return i == 0;
        }
        for (size_t k = 0; k < node->n_keywords; k++) {
                const SchemaKeyword *keyword = &node->keywords[k];

                if (!keyword->type->in_place)
                        continue;
                if (i < keyword->n_children) {
                        *ret = keyword->children[i];
                        return true;
                }
                i -= keyword->n_children;
        }
        return false;
}

/* A node that is met again while it is open would be asked about the same instance for ever. An edge that goes
 * down into a part of the instance is no such loop: recursive schemas are legal, and end with the data. */
static int search_loop(Compiler *c, Step *stack, SchemaNode *start) {
        size_t depth = 0;

        if (start->visit == VISIT_DONE)
                return 0;
        stack[depth++] = (Step) { start, 0 };
        start->visit = VISIT_OPEN;
        while (depth > 0) {
                Step *top = &stack[depth - 1];
                SchemaNode *to;

                if (!in_place_edge(top->node, top->next++, &to)) {
                        top->node->visit = VISIT_DONE;
                        depth--;
                } else if (to && to->visit == VISIT_OPEN)
                        return error_set(c->reterr_error, -ELOOP,
                                         "Schema: \"$ref\" '%s' leads back to itself",
                                         strempty(top->node->reference ?: start->reference));
                else if (to && to->visit == VISIT_NEW) {
                        to->visit = VISIT_OPEN;
                        stack[depth++] = (Step) { to, 0 };
                }
        }
        return 0;
}

static int refuse_loops(Compiler *c) {
        _cleanup_free_ Step *stack = calloc(c->schema->n_nodes + 1, sizeof(Step));
        int r;

        if (!stack)
                return -ENOMEM;
        for (size_t i = 0; i < c->schema->n_nodes; i++) {
                r = search_loop(c, stack, c->schema->nodes[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int compile(JsonObject *schema, bool formats, JsonSchema **ret, Error **reterr_error) {
        _cleanup_(json_schema_freep) JsonSchema *s = calloc(1, sizeof(JsonSchema));
        Compiler c = { .schema = s, .formats = formats, .reterr_error = reterr_error };
        int r;

        if (!s)
                return -ENOMEM;
        s->document = json_object_get(schema);
        s->by_source = hashmap_new(NULL);
        s->by_uri = hashmap_new(NULL);
        if (!s->by_source || !s->by_uri)
                return -ENOMEM;
        r = node_of(&c, schema, "", &s->root);
        if (r >= 0)
                r = hashmap_put_string(s->by_uri, "", s->root);
        if (r >= 0)
                r = fill_from(&c, 0);
        /* References may add nodes, which may have references. */
        for (size_t i = 0; r >= 0 && i < s->n_nodes; i++)
                if (s->nodes[i]->reference)
                        r = resolve_reference(&c, s->nodes[i]);
        if (r >= 0)
                r = refuse_loops(&c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int json_schema_compile(JsonObject *schema, JsonSchema **ret, Error **reterr_error) {
        return compile(schema, /* formats= */ true, ret, reterr_error);
}

int json_schema_compile_without_formats(JsonObject *schema, JsonSchema **ret, Error **reterr_error) {
        return compile(schema, /* formats= */ false, ret, reterr_error);
}

const SchemaKeyword *schema_node_keyword(const SchemaNode *node, const char *name) {
        for (size_t i = 0; i < node->n_keywords; i++)
                if (streq(node->keywords[i].type->name, name))
                        return &node->keywords[i];
        return NULL;
}

int schema_number(JsonObject *o, char buf[static 24], Decimal *ret) {
        const char *s;

        if (json_object_is_type(o, json_type_int)) {
                int n = snprintf(buf, 24, "%" PRId64, json_object_get_int64(o));

                return decimal_parse(buf, (size_t) n, ret);
        }
        if (!json_object_is_type(o, json_type_double))
                return -EINVAL;
        s = json_object_get_string(o);
        return s ? decimal_parse(s, strlen(s), ret) : -ENOMEM;
}
