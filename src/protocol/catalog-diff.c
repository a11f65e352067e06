/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Both catalogs are walked once. Streams find each other by a map of both names, fields by json-c's own maps, so that
 * 10,000 streams of 1,000 fields cost what reading them costs.
 *
 * Two schemas of the same field are first compared as a whole: where they are equal nothing below needs a look,
 * which is nearly always. Where they differ, the field itself is told, and then what is below it: a nested field that
 * is new changes every object around it, and both facts are wanted. A side that is missing is NULL: the walk goes on
 * below it, so that an object that is gone takes its fields with it, and a cursor in it is missed. */

#include "basic/hashmap.h"
#include "basic/string-table.h"
#include "protocol/catalog-diff.h"

/* Fields below this depth are part of the field above them. */
#define DEPTH_MAX 64

static const char *const stream_transform_type_table[] = {
        [STREAM_ADDED] = "add_stream",
        [STREAM_REMOVED] = "remove_stream",
        [STREAM_UPDATED] = "update_stream",
};
DEFINE_STRING_TABLE_TO_STRING(stream_transform_type, StreamTransformType);

static const char *const field_transform_type_table[] = {
        [FIELD_ADDED] = "add_field",
        [FIELD_REMOVED] = "remove_field",
        [FIELD_SCHEMA_UPDATED] = "update_field_schema",
};
DEFINE_STRING_TABLE_TO_STRING(field_transform_type, FieldTransformType);

static void field_transform_done(FieldTransform *f) {
        strv_free(f->name);
        json_object_put(f->old_schema);
        json_object_put(f->new_schema);
}

static void stream_transform_done(StreamTransform *t) {
        for (size_t i = 0; i < t->n_fields; i++)
                field_transform_done(t->fields + i);
        free(t->fields);
        free(t->name);
        free(t->namespace);
        field_paths_free(t->old_key);
        field_paths_free(t->new_key);
}

void catalog_diff_done(CatalogDiff *d) {
        for (size_t i = 0; i < d->n_transforms; i++)
                stream_transform_done(d->transforms + i);
        free(d->transforms);
        *d = (CatalogDiff) {};
}

/* Room for one more element: the array is full whenever its length is a power of two (or nothing). */
static int grow(void **array, size_t n, size_t size) {
        void *p;

        if (n & (n - 1))
                return 0;
        p = reallocarray(*array, n ? 2 * n : 1, size);
        if (!p)
                return -ENOMEM;
        *array = p;
        return 0;
}

/* --- streams by their names --- */

static int index_put(Hashmap *h, const AirbyteStream *s, const void *value) {
        _cleanup_buffer_ Buffer key = {};
        int r = stream_key_make(s->namespace, s->name, &key);

        return r >= 0 ? hashmap_put(h, buffer_bytes(&key), key.len, (void *) value) : r;
}

static int index_get(const Hashmap *h, const AirbyteStream *s, const void **ret) {
        _cleanup_buffer_ Buffer key = {};
        int r = stream_key_make(s->namespace, s->name, &key);

        if (r >= 0)
                *ret = hashmap_get(h, buffer_bytes(&key), key.len);
        return r;
}

static int index_catalog(const Catalog *c, Hashmap **ret) {
        _cleanup_hashmap_ Hashmap *h = hashmap_new(NULL);
        int r = h ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < c->n_streams; i++)
                r = index_put(h, c->streams + i, c->streams + i);
        if (r >= 0)
                *ret = TAKE_PTR(h);
        return r;
}

static int index_configured(const ConfiguredCatalog *c, Hashmap **ret) {
        _cleanup_hashmap_ Hashmap *h = hashmap_new(NULL);
        int r = h ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && c && i < c->n_streams; i++)
                r = index_put(h, &c->streams[i].stream, c->streams + i);
        if (r >= 0)
                *ret = TAKE_PTR(h);
        return r;
}

/* --- what breaks --- */

static bool paths_contain(FieldPath *paths, FieldPath path) {
        for (; paths && *paths; paths++)
                if (strv_equal(*paths, path))
                        return true;
        return false;
}

/* The order of a key's fields doesn't matter. */
static bool same_key(FieldPath *a, FieldPath *b) {
        for (FieldPath *p = a; p && *p; p++)
                if (!paths_contain(b, *p))
                        return false;
        for (FieldPath *p = b; p && *p; p++)
                if (!paths_contain(a, *p))
                        return false;
        return true;
}

static bool deduplicates(const ConfiguredStream *c) {
        return c && (c->destination_sync_mode == DESTINATION_SYNC_MODE_APPEND_DEDUP ||
                     c->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP);
}

static bool removal_breaks(const ConfiguredStream *c, FieldPath path) {
        if (c && c->sync_mode == SYNC_MODE_INCREMENTAL && c->cursor_field && strv_equal(c->cursor_field, path))
                return true;
        return deduplicates(c) && paths_contain(c->primary_key, path);
}

/* --- fields --- */

/* Where the walk is: at a schema that is on one side, or on both. */
typedef struct Walk {
        StreamTransform *t;
        const ConfiguredStream *configured;
        char **path;
        size_t depth;
} Walk;

static int add_field(Walk *w, FieldTransformType type, JsonObject *old, JsonObject *new) {
        FieldTransform *f;
        int r;

        r = grow((void **) &w->t->fields, w->t->n_fields, sizeof(FieldTransform));
        if (r < 0)
                return r;
        f = w->t->fields + w->t->n_fields;
        *f = (FieldTransform) { .type = type, .name = strv_copy(w->path) };
        if (!f->name)
                return -ENOMEM;
        f->old_schema = json_object_get(old);
        f->new_schema = json_object_get(new);
        f->breaking = type == FIELD_REMOVED && removal_breaks(w->configured, w->path);
        w->t->n_fields++;
        return 0;
}

/* Back to the field above: takes the last part off the path. */
static void leave(Walk *w) {
        size_t n = strv_length(w->path);

        free(w->path[n - 1]);
        w->path[n - 1] = NULL;
        w->depth--;
}

static int walk_children(Walk *w, JsonObject *old, JsonObject *new);

/* One field, of which at least one side is there. A boolean is a schema, too. */
static int walk_field(Walk *w, const char *name, JsonObject *old, bool has_old, JsonObject *new, bool has_new) {
        int r;

        if (w->depth >= DEPTH_MAX || (has_old && has_new && json_equal(old, new)))
                return 0;
        r = strv_extend(&w->path, name);
        if (r < 0)
                return r;
        w->depth++;
        r = add_field(w, !has_old ? FIELD_ADDED : !has_new ? FIELD_REMOVED : FIELD_SCHEMA_UPDATED, old, new);
        if (r >= 0)
                r = walk_children(w, old, new);
        leave(w);
        return r;
}

static JsonObject *properties_of(JsonObject *schema) {
        JsonObject *o = json_member(schema, "properties");

        return json_object_is_type(o, json_type_object) ? o : NULL;
}

/* A list of schemas, one for each place, is no element that has a name. */
static JsonObject *items_of(JsonObject *schema) {
        JsonObject *o = json_member(schema, "items");

        return json_object_is_type(o, json_type_object) ? o : NULL;
}

/* Alternatives (oneOf, …) are not walked into: what changes in them changes the field that has them. */
static int walk_children(Walk *w, JsonObject *old, JsonObject *new) {
        JsonObject *before = properties_of(old), *after = properties_of(new), *a = items_of(old), *b = items_of(new);
        int r = 0;

        if (before) {
                json_object_object_foreach(before, name, schema) {
                        JsonObject *other = NULL;
                        bool there = after && json_object_object_get_ex(after, name, &other);

                        r = walk_field(w, name, schema, true, other, there);
                        if (r < 0)
                                return r;
                }
        }
        if (after) {
                json_object_object_foreach(after, name, schema) {
                        if (before && json_object_object_get_ex(before, name, NULL))
                                continue;
                        r = walk_field(w, name, NULL, false, schema, true);
                        if (r < 0)
                                return r;
                }
        }
        return a || b ? walk_field(w, "items", a, !!a, b, !!b) : 0;
}

static int compare_fields(StreamTransform *t, const AirbyteStream *before, const AirbyteStream *after,
                          const ConfiguredStream *configured) {
        Walk w = { .t = t, .configured = configured };
        int r;

        r = walk_children(&w, before->json_schema, after->json_schema);
        strv_free(w.path);
        return r;
}

static int compare_keys(StreamTransform *t, const AirbyteStream *before, const AirbyteStream *after,
                        const ConfiguredStream *configured) {
        FieldPath *old = before->source_defined_primary_key, *new = after->source_defined_primary_key;

        /* In its order: another one is a change that the source tells, even if nothing breaks. */
        if (field_paths_equal(old, new))
                return 0;
        t->key_changed = true;
        /* A source that no longer says what its key is leaves ours as it was. */
        t->key_breaking = field_paths_length(new) > 0 && deduplicates(configured) &&
                !same_key(configured->primary_key, new);
        t->old_key = old ? field_paths_copy(old) : NULL;
        t->new_key = new ? field_paths_copy(new) : NULL;
        return !t->old_key != !old || !t->new_key != !new ? -ENOMEM : 0;
}

/* --- streams --- */

static int add_transform(CatalogDiff *d, StreamTransformType type, const AirbyteStream *s, StreamTransform **ret) {
        StreamTransform *t;
        int r;

        r = grow((void **) &d->transforms, d->n_transforms, sizeof(StreamTransform));
        if (r < 0)
                return r;
        t = d->transforms + d->n_transforms;
        *t = (StreamTransform) { .type = type, .name = strdup(s->name),
                                 .namespace = s->namespace ? strdup(s->namespace) : NULL };
        d->n_transforms++;
        if (!t->name || !t->namespace != !s->namespace)
                return -ENOMEM;
        if (ret)
                *ret = t;
        return 0;
}

/* The transform is made first, for the walk to fill, and taken back where nothing has come of it: a change of
 * the default cursor or of the supported modes is none that the API has a word for. */
static int compare_stream(CatalogDiff *d, const AirbyteStream *before, const AirbyteStream *after,
                          const ConfiguredStream *configured) {
        StreamTransform *t = NULL;
        int r;

        r = add_transform(d, STREAM_UPDATED, after, &t);
        if (r >= 0)
                r = compare_fields(t, before, after, configured);
        if (r >= 0)
                r = compare_keys(t, before, after, configured);
        if (r >= 0 && t->n_fields == 0 && !t->key_changed)
                stream_transform_done(d->transforms + --d->n_transforms);
        return r;
}

int catalog_diff_make(const Catalog *before, const Catalog *after, const ConfiguredCatalog *configured,
                      CatalogDiff *ret) {
        _cleanup_hashmap_ Hashmap *old = NULL, *new = NULL, *selected = NULL;
        _cleanup_catalog_diff_ CatalogDiff d = {};
        int r;

        if ((r = index_catalog(before, &old)) < 0 || (r = index_catalog(after, &new)) < 0 ||
            (r = index_configured(configured, &selected)) < 0)
                return r;
        for (size_t i = 0; r >= 0 && i < before->n_streams; i++) {
                const AirbyteStream *s = before->streams + i;
                const void *other = NULL, *c = NULL;

                r = index_get(new, s, &other);
                if (r >= 0)
                        r = index_get(selected, s, &c);
                if (r >= 0 && !other)
                        r = add_transform(&d, STREAM_REMOVED, s, NULL);
                else if (r >= 0 && (c || !configured))
                        r = compare_stream(&d, s, other, c);
        }
        for (size_t i = 0; r >= 0 && i < after->n_streams; i++) {
                const void *other = NULL;

                r = index_get(old, after->streams + i, &other);
                if (r >= 0 && !other)
                        r = add_transform(&d, STREAM_ADDED, after->streams + i, NULL);
        }
        if (r < 0)
                return r;
        *ret = d;
        d = (CatalogDiff) {};
        return 0;
}

bool catalog_diff_is_breaking(const CatalogDiff *d) {
        for (size_t i = 0; i < d->n_transforms; i++) {
                if (d->transforms[i].key_breaking)
                        return true;
                for (size_t k = 0; k < d->transforms[i].n_fields; k++)
                        if (d->transforms[i].fields[k].breaking)
                                return true;
        }
        return false;
}

/* --- JSON --- */

/* Of a member the other function makes the value: NULL from it is want of memory. */
static int add_made(JsonObject *o, const char *key, JsonObject *value) {
        return value ? json_add(o, key, value) : -ENOMEM;
}

static int wrap_schema(JsonObject *schema, JsonObject *o, const char *key) {
        JsonObject *wrapped = json_object_new_object();
        int r;

        if (!wrapped)
                return -ENOMEM;
        r = json_add(wrapped, "schema", json_object_get(schema));
        if (r < 0) {
                json_object_put(wrapped);
                return r;
        }
        return json_add(o, key, wrapped);
}

static int add_schemas(const FieldTransform *f, JsonObject *o) {
        _cleanup_json_ JsonObject *both = NULL;
        int r;

        if (f->type == FIELD_ADDED)
                return wrap_schema(f->new_schema, o, "addField");
        if (f->type == FIELD_REMOVED)
                return wrap_schema(f->old_schema, o, "removeField");
        both = json_object_new_object();
        if (!both)
                return -ENOMEM;
        r = wrap_schema(f->old_schema, both, "oldSchema");
        if (r >= 0)
                r = wrap_schema(f->new_schema, both, "newSchema");
        return r >= 0 ? json_add(o, "updateFieldSchema", TAKE_PTR(both)) : r;
}

static int append(JsonObject *array, JsonObject *o) {
        if (json_object_array_add(array, o) >= 0)
                return 0;
        json_object_put(o);
        return -ENOMEM;
}

static int field_to_json(const FieldTransform *f, CatalogDiffFlags flags, JsonObject *array) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        r = o ? json_add_string(o, "transformType", field_transform_type_to_string(f->type)) : -ENOMEM;
        if (r >= 0)
                r = add_made(o, "fieldName", field_path_to_json(f->name));
        if (r >= 0)
                r = json_add(o, "breaking", json_object_new_boolean(f->breaking));
        if (r >= 0 && !(flags & CATALOG_DIFF_NO_SCHEMAS))
                r = add_schemas(f, o);
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

static int key_to_json(const StreamTransform *t, JsonObject *array) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *keys = json_object_new_object();
        int r = o && keys ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "transformType", "update_primary_key");
        if (r >= 0)
                r = json_add(o, "breaking", json_object_new_boolean(t->key_breaking));
        if (r >= 0)
                r = add_made(keys, "oldPrimaryKey", field_paths_to_json(t->old_key));
        if (r >= 0)
                r = add_made(keys, "newPrimaryKey", field_paths_to_json(t->new_key));
        if (r >= 0)
                r = json_add(o, "updatePrimaryKey", TAKE_PTR(keys));
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

static int update_to_json(const StreamTransform *t, CatalogDiffFlags flags, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *fields = json_object_new_array(),
                                  *attributes = json_object_new_array();
        int r = o && fields && attributes ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < t->n_fields; i++)
                r = field_to_json(t->fields + i, flags, fields);
        if (r >= 0 && t->key_changed)
                r = key_to_json(t, attributes);
        if (r >= 0)
                r = json_add(o, "fieldTransforms", TAKE_PTR(fields));
        if (r >= 0)
                r = json_add(o, "streamAttributeTransforms", TAKE_PTR(attributes));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int transform_to_json(const StreamTransform *t, CatalogDiffFlags flags, JsonObject *array) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *descriptor = json_object_new_object();
        JsonObject *update = NULL;
        int r = o && descriptor ? 0 : -ENOMEM;

        if (r >= 0)
                r = json_add_string(descriptor, "name", t->name);
        if (r >= 0 && t->namespace)
                r = json_add_string(descriptor, "namespace", t->namespace);
        if (r >= 0)
                r = json_add_string(o, "transformType", stream_transform_type_to_string(t->type));
        if (r >= 0)
                r = json_add(o, "streamDescriptor", TAKE_PTR(descriptor));
        if (r >= 0 && t->type == STREAM_UPDATED) {
                r = update_to_json(t, flags, &update);
                if (r >= 0)
                        r = json_add(o, "updateStream", update);
        }
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

int catalog_diff_to_json(const CatalogDiff *d, CatalogDiffFlags flags, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *array = json_object_new_array();
        int r = o && array ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < d->n_transforms; i++)
                if (d->transforms[i].applied || !(flags & CATALOG_DIFF_APPLIED_ONLY))
                        r = transform_to_json(d->transforms + i, flags, array);
        if (r >= 0)
                r = json_add(o, "transforms", TAKE_PTR(array));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
