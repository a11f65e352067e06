/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One pass over the whole document, whatever keyword a part stands below, notes each "$id" by the URI that
 * it resolves to, and of each object the base that references in it start from. That takes more for schemas
 * than the compiler does (the value of a "default" that looks like one); a name too many does no harm here,
 * one that was missed would leave a secret behind it unseen.
 *
 * A reference is looked up as the compiler does: by its URI, a JSON pointer from the resource that the URI
 * names. What isn't found so is tried as a pointer from the document's top, whatever stands before the "#":
 * there is one document only, and the compiler refuses what it doesn't know.
 *
 * The parser bounds the depth, `max` the breadth. */

#include "basic/hashmap.h"
#include "basic/strv.h"
#include "protocol/json-schema-reference.h"
#include "protocol/json-schema-uri.h"

struct JsonSchemaPlaces {
        JsonObject *document;
        Hashmap *by_uri; /* URI -> object */
        Hashmap *bases;  /* object -> URI, where it isn't the empty one */
        char **uris;
        unsigned left;
};

JsonSchemaPlaces *json_schema_places_free(JsonSchemaPlaces *p) {
        if (!p)
                return NULL;
        hashmap_free(p->by_uri);
        hashmap_free(p->bases);
        strv_free(p->uris);
        free(p);
        return NULL;
}

/* A new base for what is below, or "#name", a name for this place. Beside "$ref" it says nothing. */
static int note_id(JsonSchemaPlaces *p, JsonObject *o, const char **base) {
        JsonObject *id = json_member(o, "$id");
        char *uri, *hash;
        int r;

        if (!json_object_is_type(id, json_type_string) || json_member(o, "$ref"))
                return 0;
        uri = json_schema_uri_resolve(*base, json_object_get_string(id));
        if (!uri)
                return -ENOMEM;
        r = strv_consume(&p->uris, uri);
        if (r < 0)
                return r;
        hash = strchr(uri, '#');
        if (hash && !hash[1])
                *hash = 0;
        if (!hash || !hash[1])
                *base = uri;
        r = hashmap_put_string(p->by_uri, uri, o);
        return r == -EEXIST ? 0 : r; /* the first of two equal names counts */
}

static int note(JsonSchemaPlaces *p, JsonObject *o, const char *base) {
        bool list = json_object_is_type(o, json_type_array);
        int r;

        if (!list && !json_object_is_type(o, json_type_object))
                return 0;
        if (p->left-- == 0)
                return -ELOOP;
        for (size_t i = 0; list && i < json_object_array_length(o); i++) {
                r = note(p, json_object_array_get_idx(o, i), base);
                if (r < 0)
                        return r;
        }
        if (list)
                return 0;
        r = note_id(p, o, &base);
        if (r >= 0 && *base)
                r = hashmap_put(p->bases, &o, sizeof(o), (char *) base);
        if (r < 0)
                return r;
        json_object_object_foreach(o, key, value) {
                (void) key;
                r = note(p, value, base);
                if (r < 0)
                        return r;
        }
        return 0;
}

int json_schema_places_new(JsonObject *document, unsigned max, JsonSchemaPlaces **ret) {
        _cleanup_(json_schema_places_freep) JsonSchemaPlaces *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->document = document;
        p->left = max;
        p->by_uri = hashmap_new(NULL);
        p->bases = hashmap_new(NULL);
        if (!p->by_uri || !p->bases)
                return -ENOMEM;
        r = hashmap_put_string(p->by_uri, "", document);
        if (r >= 0)
                r = note(p, document, "");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

/* A fragment is decoded as one of a URI and then read as a JSON pointer (RFC 6901, section 6). */
static int get_pointer(JsonObject *from, const char *fragment, JsonObject **ret) {
        _cleanup_free_ char *pointer = strdup(fragment);

        if (!pointer)
                return -ENOMEM;
        json_schema_uri_decode(pointer);
        if (json_pointer_get(from, pointer, ret) >= 0)
                return 0;
        *ret = NULL;
        return errno == ENOMEM ? -ENOMEM : 0;
}

static int find(const JsonSchemaPlaces *p, const char *base, const char *reference, JsonObject **ret) {
        _cleanup_free_ char *uri = json_schema_uri_resolve(base, reference);
        JsonObject *resource;
        char *hash;

        if (!uri)
                return -ENOMEM;
        hash = strchr(uri, '#');
        if (hash && hash[1] && hash[1] != '/') {
                *ret = hashmap_get_string(p->by_uri, uri);
                return 0;
        }
        if (hash)
                *hash = 0;
        resource = hashmap_get_string(p->by_uri, uri);
        if (resource && hash)
                return get_pointer(resource, hash + 1, ret);
        *ret = resource;
        return 0;
}

int json_schema_places_follow(const JsonSchemaPlaces *p, JsonObject *schema, JsonObject **ret) {
        JsonObject *reference = json_member(schema, "$ref"), *found = NULL;
        const char *base = hashmap_get(p->bases, &schema, sizeof(schema)), *text, *hash;
        int r;

        *ret = NULL;
        if (!json_object_is_type(reference, json_type_string))
                return 0;
        text = json_object_get_string(reference);
        r = find(p, base ?: "", text, &found);
        hash = strchr(text, '#');
        if (r >= 0 && !found && hash)
                r = get_pointer(p->document, hash + 1, &found);
        if (r >= 0)
                *ret = found;
        return r;
}
