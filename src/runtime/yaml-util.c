/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* YAML as JSON, and no more YAML than that: one document, mappings with plain keys, sequences, scalars,
 * anchors. Tags are refused (they name types of some language), and so are duplicate keys (parsers differ
 * in which one counts). Aliases are followed, and each use counts against the limit of values, so that a
 * few lines cannot stand for billions of them.
 *
 * Only true and false are booleans, and only what JSON calls a number is one: YAML 1.1's `no` for a
 * country and 012 for a postal code stay texts. */

#include <yaml.h>

#include "basic/json-scan.h"
#include "basic/utf8.h"
#include "runtime/yaml-util.h"

/* A configuration of a connector has some dozens of values; a manifest inside one some thousands. */
#define YAML_NODES_MAX 100000U
#define YAML_DEPTH_MAX 64U

/* A mapping or sequence that is being filled, and how far. */
typedef struct Level {
        const yaml_node_t *node;
        JsonObject *object; /* borrowed from its parent, which owns it from the start */
        size_t next;
} Level;

typedef struct Converter {
        yaml_document_t *document;
        const char *what;
        Level levels[YAML_DEPTH_MAX];
        size_t n_levels;
        size_t n_nodes;
} Converter;

/* With the place, since a person wrote this. */
static int refuse(const Converter *c, const yaml_node_t *node, Error **reterr_error, const char *why) {
        return error_set(reterr_error, -EINVAL, "%s, line %zu, column %zu: %s", c->what,
                         node->start_mark.line + 1,
                         node->start_mark.column + 1, why);
}

static bool is_one_of(const char *s, const char *a, const char *b, const char *c) {
        return streq(s, a) || streq(s, b) || streq(s, c);
}

/* An integer or decimal number as JSON writes it. "007" and "+1" are no such numbers: they stay text, so
 * that postal codes and telephone numbers survive. */
static bool is_json_number(const char *s, size_t n) {
        return (s[0] == '-' || (s[0] >= '0' && s[0] <= '9')) && json_validate(s, n, NULL) >= 0;
}

/* Quoted scalars are texts whatever stands in them. */
static int scalar_to_json(const Converter *c, const yaml_node_t *node, JsonObject **ret,
                          Error **reterr_error) {
        const char *s = (const char *) node->data.scalar.value;
        size_t n = node->data.scalar.length;

        if (memchr(s, 0, n) || !utf8_is_valid(s, n))
                return refuse(c, node, reterr_error, "the text holds a NUL byte or is not UTF-8");
        *ret = NULL;
        if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
                if (n == 0 || streq(s, "~") || is_one_of(s, "null", "Null", "NULL"))
                        return 0;
                if (is_one_of(s, "true", "True", "TRUE") || is_one_of(s, "false", "False", "FALSE"))
                        *ret = json_object_new_boolean(s[0] == 't' || s[0] == 'T');
                else if (is_json_number(s, n))
                        return json_parse(s, n, ret, reterr_error);
        }
        if (!*ret)
                *ret = json_object_new_string_len(s, (int) n);
        return *ret ? 0 : -ENOMEM;
}

static const yaml_node_t *node_at(const Converter *c, int index) {
        return yaml_document_get_node(c->document, index);
}

/* libyaml fills in the default tags, so a tag that differs from them is one that the author wrote. */
static bool has_own_tag(const yaml_node_t *node) {
        const char *tag = (const char *) node->tag;

        return tag && !streq(tag, YAML_STR_TAG) && !streq(tag, YAML_SEQ_TAG) && !streq(tag, YAML_MAP_TAG);
}

/* Makes the JSON value of a node; an array or object is put on the stack, to be filled. */
static int open_node(Converter *c, const yaml_node_t *node, JsonObject **ret, Error **reterr_error) {
        if (++c->n_nodes > YAML_NODES_MAX)
                return refuse(c, node, reterr_error,
                              "too many values (aliases count as often as they are used)");
        if (has_own_tag(node))
                return refuse(c, node, reterr_error, "tags are not allowed");
        if (node->type == YAML_SCALAR_NODE)
                return scalar_to_json(c, node, ret, reterr_error);
        if (c->n_levels == YAML_DEPTH_MAX)
                return refuse(c, node, reterr_error, "nested too deeply");
        *ret = node->type == YAML_SEQUENCE_NODE ? json_object_new_array() : json_object_new_object();
        if (!*ret)
                return -ENOMEM;
        c->levels[c->n_levels++] = (Level) { .node = node, .object = *ret };
        return 0;
}

/* The value is put into its parent before it is filled, so that one owner frees all on failure. */
static int add_element(Converter *c, Level *level, Error **reterr_error) {
        const yaml_node_item_t *item = level->node->data.sequence.items.start + level->next++;
        JsonObject *array = level->object, *value = NULL;
        int r;

        r = open_node(c, node_at(c, *item), &value, reterr_error);
        if (r < 0)
                return r;
        if (json_object_array_add(array, value) < 0) {
                json_object_put(value);
                return -ENOMEM;
        }
        return 0;
}

static int add_member(Converter *c, Level *level, Error **reterr_error) {
        const yaml_node_pair_t *pair = level->node->data.mapping.pairs.start + level->next++;
        const yaml_node_t *key = node_at(c, pair->key);
        JsonObject *object = level->object, *value = NULL;
        const char *name;
        int r;

        if (key->type != YAML_SCALAR_NODE || has_own_tag(key))
                return refuse(c, key, reterr_error, "a key must be a plain string");
        name = (const char *) key->data.scalar.value;
        if (strlen(name) != key->data.scalar.length || !utf8_is_valid(name, strlen(name)))
                return refuse(c, key, reterr_error, "the key holds a NUL byte or is not UTF-8");
        if (json_object_object_get_ex(object, name, NULL))
                return refuse(c, key, reterr_error, "the key is there twice");
        r = open_node(c, node_at(c, pair->value), &value, reterr_error);
        if (r < 0)
                return r;
        return json_add(object, name, value);
}

/* Of the node, not of what has been made from it. */
static size_t level_size(const Level *level) {
        const yaml_node_t *n = level->node;

        return n->type == YAML_SEQUENCE_NODE
                ? (size_t) (n->data.sequence.items.top - n->data.sequence.items.start)
                : (size_t) (n->data.mapping.pairs.top - n->data.mapping.pairs.start);
}

/* Level by level, without recursion. */
static int convert(yaml_document_t *document, const char *what, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *root = NULL;
        Converter c = { .document = document, .what = what };
        const yaml_node_t *top = yaml_document_get_root_node(document);
        int r;

        if (!top)
                return error_set(reterr_error, -EINVAL, "%s is empty", what);
        r = open_node(&c, top, &root, reterr_error);
        if (r < 0)
                return r;
        while (c.n_levels > 0) {
                Level *level = c.levels + c.n_levels - 1;

                if (level->next == level_size(level)) {
                        c.n_levels--;
                        continue;
                }
                r = level->node->type == YAML_SEQUENCE_NODE ? add_element(&c, level, reterr_error)
                                                           : add_member(&c, level, reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(root);
        return 0;
}

static int parser_error(const yaml_parser_t *parser, const char *what, Error **reterr_error) {
        if (parser->error == YAML_MEMORY_ERROR)
                return -ENOMEM;
        return error_set(reterr_error, -EINVAL, "%s, line %zu, column %zu: %s", what,
                         parser->problem_mark.line + 1,
                         parser->problem_mark.column + 1, parser->problem ?: "not YAML");
}

/* Loads the one document there may be. */
static int load(yaml_parser_t *parser, const char *what, JsonObject **ret, Error **reterr_error) {
        _cleanup_(yaml_document_delete) yaml_document_t document = {}, second = {};
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (!yaml_parser_load(parser, &document))
                return parser_error(parser, what, reterr_error);
        r = convert(&document, what, &o, reterr_error);
        if (r < 0)
                return r;
        if (!yaml_parser_load(parser, &second))
                return parser_error(parser, what, reterr_error);
        if (yaml_document_get_root_node(&second))
                return error_set(reterr_error, -EINVAL, "%s holds more than one document", what);
        *ret = TAKE_PTR(o);
        return 0;
}

int yaml_to_json(const char *text, size_t n, const char *what, JsonObject **ret, Error **reterr_error) {
        yaml_parser_t parser;
        int r;

        if (!yaml_parser_initialize(&parser))
                return -ENOMEM;
        yaml_parser_set_input_string(&parser, (const unsigned char *) text, n);
        r = load(&parser, what, ret, reterr_error);
        yaml_parser_delete(&parser);
        return r;
}
