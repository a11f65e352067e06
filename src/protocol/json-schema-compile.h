/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A compiled schema, as json-schema-compile.c makes it and json-schema-validate.c walks it.
 *
 * Each schema object (or boolean) of the document becomes one SchemaNode with the keywords that assert
 * something; all nodes lie in one table, so that "$ref" loops are plain pointers and need no care when
 * freeing. */

#include "basic/decimal.h"
#include "basic/hashmap.h"
#include "protocol/json-schema-format.h"
#include "protocol/json-schema-regex.h"
#include "protocol/json-schema.h"

/* Nodes of one schema: the largest public catalog has 60,000 for one stream. */
#define SCHEMA_NODES_MAX 1000000U

typedef struct SchemaNode SchemaNode;
typedef struct SchemaKeyword SchemaKeyword;
typedef struct Validation Validation;

/* What the value of a keyword holds in the way of further schemas. */
typedef enum KeywordShape {
        SHAPE_VALUE,          /* none */
        SHAPE_SCHEMA,         /* it is one */
        SHAPE_LIST,           /* an array of them */
        SHAPE_MAP,            /* an object of them */
        SHAPE_SCHEMA_OR_LIST, /* "items" */
        SHAPE_DEPENDENCIES,   /* an object of them or of lists of names */
} KeywordShape;

typedef enum InstanceTypes {
        INSTANCE_NULL = 1 << 0,
        INSTANCE_BOOLEAN = 1 << 1,
        INSTANCE_NUMBER = 1 << 2,
        INSTANCE_STRING = 1 << 3,
        INSTANCE_ARRAY = 1 << 4,
        INSTANCE_OBJECT = 1 << 5,
        INSTANCE_INTEGER = 1 << 6, /* only in the "type" keyword */
        INSTANCE_ANY = 0x3f,
} InstanceTypes;

typedef struct KeywordType {
        const char *name;
        KeywordShape shape;
        unsigned applies; /* to instances of these types; others pass */
        /* its schemas look at the same instance, not at a part of it: a loop of these would not end */
        bool in_place;
        /* 1 passes, 0 not (the problem is told), negative errno. NULL: another keyword looks at it. */
        int (*check)(Validation *v, const SchemaNode *node, const SchemaKeyword *k, JsonObject *instance);
} KeywordType;

/* Of the keyword's value, whatever of these its type needs. */
struct SchemaKeyword {
        const KeywordType *type;
        JsonObject *value;      /* borrowed from the document */
        SchemaNode **children;  /* in the order of the value; NULL entries in "dependencies" are lists of names */
        size_t n_children;
        SchemaRegex **regexes;  /* "pattern": one; "patternProperties": one for each child */
        size_t n_regexes;
        char *number_text;
        Decimal number;         /* of number_text */
        uint64_t count;         /* "maxLength" and its like */
        unsigned types;         /* "type" */
        SchemaFormat format;
};

struct SchemaNode {
        JsonObject *source;    /* borrowed from the document */
        const char *base;      /* the URI that references in it start from; owned by JsonSchema.uris */
        bool boolean, value;   /* the schemas `true` and `false` */
        const char *reference; /* "$ref" */
        SchemaNode *target;    /* what it leads to */
        SchemaKeyword *keywords;
        size_t n_keywords;
        unsigned visit;        /* of the search for loops */
};

struct JsonSchema {
        JsonObject *document;
        SchemaNode **nodes;
        size_t n_nodes, nodes_allocated;
        Hashmap *by_source; /* JsonObject* → SchemaNode* */
        Hashmap *by_uri;    /* absolute URI, "#name" included → SchemaNode* */
        char **uris;        /* every base URI */
        SchemaNode *root;
};

/* The keyword of a node by its name; NULL when it hasn't got it. */
const SchemaKeyword *schema_node_keyword(const SchemaNode *node, const char *name);
