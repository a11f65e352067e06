/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order of the decisions is the whole of it: nothing has changed; the connection takes everything
 * anyway; the change breaks what is configured; and only then what the connection wants. A breaking change
 * is never propagated, not even the part of it that would do no harm: somebody has to look at it as one.
 *
 * What is propagated is a new selection. Schemas are not part of it: the plan takes them from the catalog
 * that the connection goes by, so that "columns are propagated" means no more than to go by the newer one.
 * Only a stream's list of fields, and the list of streams itself, have to follow. */

#include "basic/hashmap.h"
#include "basic/string-table.h"
#include "worker/stream-selection.h"
#include "workflow/schema-policy.h"

static const char *const schema_verdict_table[] = {
        [SCHEMA_UNCHANGED] = "unchanged",
        [SCHEMA_IGNORED] = "ignored",
        [SCHEMA_PROPAGATED] = "propagated",
        [SCHEMA_DISABLED] = "disabled",
        [SCHEMA_BREAKING] = "breaking",
};
DEFINE_STRING_TABLE_TO_STRING(schema_verdict, SchemaVerdict);

void schema_change_done(SchemaChange *c) {
        catalog_diff_done(&c->diff);
        json_putp(&c->configurations);
        json_putp(&c->backfill);
        json_putp(&c->gone);
        *c = (SchemaChange) {};
}

static int append(JsonObject *array, JsonObject *o) {
        if (json_object_array_add(array, o) >= 0)
                return 0;
        json_object_put(o);
        return -ENOMEM;
}

/* The entries of the selection by their streams. */
static int index_entries(JsonObject *streams, Hashmap **ret, Error **reterr_error) {
        _cleanup_hashmap_ Hashmap *h = hashmap_new(NULL);
        _cleanup_buffer_ Buffer key = {};
        int r = h ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(streams); i++) {
                JsonObject *entry = json_object_array_get_idx(streams, i);
                const char *namespace, *name;

                r = stream_selection_name(entry, &namespace, &name, reterr_error);
                if (r >= 0)
                        r = stream_key_make(namespace, name, &key);
                if (r >= 0)
                        r = hashmap_set(h, buffer_bytes(&key), key.len, entry);
        }
        if (r >= 0)
                *ret = TAKE_PTR(h);
        return r;
}

static int find_entry(const Hashmap *entries, const StreamTransform *t, JsonObject **ret) {
        _cleanup_buffer_ Buffer key = {};
        int r = stream_key_make(t->namespace, t->name, &key);

        if (r >= 0)
                *ret = hashmap_get(entries, buffer_bytes(&key), key.len);
        return r;
}

/* --- fields --- */

static bool is_at_the_top(const FieldTransform *f, FieldTransformType type) {
        return f->type == type && strv_length(f->name) == 1;
}

static bool loses(const StreamTransform *t, const char *field) {
        for (size_t i = 0; i < t->n_fields; i++)
                if (is_at_the_top(t->fields + i, FIELD_REMOVED) && streq(t->fields[i].name[0], field))
                        return true;
        return false;
}

static int append_field(JsonObject *array, const char *name) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *path = json_object_new_array();
        int r = o && path ? append(path, json_object_new_string(name)) : -ENOMEM;

        if (r >= 0)
                r = json_add(o, "fieldPath", TAKE_PTR(path));
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

/* An empty field selection means "all": the last field stays, and the plan says what is wrong with it. */
static int update_selected_fields(JsonObject *entry, const StreamTransform *t, Error **reterr_error) {
        _cleanup_strv_ char **selected = NULL;
        _cleanup_json_ JsonObject *array = json_object_new_array();
        int r;

        r = array ? stream_selection_fields(entry, &selected, reterr_error) : -ENOMEM;
        if (r < 0 || !selected)
                return r;
        STRV_FOREACH(f, selected)
                if (r >= 0 && !loses(t, *f))
                        r = append_field(array, *f);
        for (size_t i = 0; r >= 0 && i < t->n_fields; i++)
                if (is_at_the_top(t->fields + i, FIELD_ADDED) && !strv_contains(selected, t->fields[i].name[0]))
                        r = append_field(array, t->fields[i].name[0]);
        if (r < 0 || json_object_array_length(array) == 0)
                return r;
        return json_add(entry, "selectedFields", TAKE_PTR(array));
}

static bool gains_fields(const StreamTransform *t) {
        for (size_t i = 0; i < t->n_fields; i++)
                if (t->fields[i].type == FIELD_ADDED)
                        return true;
        return false;
}

static int append_stream(JsonObject *array, const StreamTransform *t) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "name", t->name) : -ENOMEM;

        if (r >= 0 && t->namespace)
                r = json_add_string(o, "namespace", t->namespace);
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

static int update_stream(SchemaChange *c, StreamTransform *t, JsonObject *entry, const ConfiguredCatalog *configured,
                         Error **reterr_error) {
        const ConfiguredStream *s = configured_catalog_find(configured, t->namespace, t->name);
        int r;

        if (!s)
                return 0;
        r = update_selected_fields(entry, t, reterr_error);
        if (r < 0)
                return r;
        t->applied = true;
        return s->sync_mode == SYNC_MODE_INCREMENTAL && gains_fields(t) ? append_stream(c->backfill, t) : 0;
}

/* --- streams --- */

static int add_stream(const SchemaChangeRequest *q, StreamTransform *t, JsonObject *streams) {
        const SyncModeWish any = { .mode = _PUBLIC_SYNC_MODE_INVALID };
        const AirbyteStream *stream = catalog_find(q->after, t->namespace, t->name);
        _cleanup_(configured_stream_done) ConfiguredStream s = {};
        JsonObject *entry = NULL;
        int r;

        r = sync_modes_choose(stream, q->destination, &any, &s, NULL, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        r = stream_selection_from_configured(&s, &entry);
        if (r >= 0)
                r = append(streams, entry);
        t->applied = r >= 0;
        return r;
}

/* Without any entry the selection would mean "everything": then those that are gone stay. */
static int drop_entries(SchemaChange *c, JsonObject *streams, const Hashmap *gone) {
        _cleanup_json_ JsonObject *kept = json_object_new_array();
        size_t n = json_object_array_length(streams);
        int r = kept ? 0 : -ENOMEM;

        for (size_t i = 0; hashmap_size(gone) == n && i < c->diff.n_transforms; i++)
                c->diff.transforms[i].applied &= c->diff.transforms[i].type != STREAM_REMOVED;
        if (hashmap_size(gone) == n)
                return r;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                JsonObject *entry = json_object_array_get_idx(streams, i);

                if (!hashmap_get(gone, &entry, sizeof(entry)))
                        r = append(kept, json_object_get(entry));
        }
        return r >= 0 ? json_add(c->configurations, "streams", TAKE_PTR(kept)) : r;
}

static int propagate_one(const SchemaChangeRequest *q, SchemaChange *c, StreamTransform *t, JsonObject *streams,
                         const Hashmap *entries, Hashmap *gone, const ConfiguredCatalog *configured,
                         Error **reterr_error) {
        bool fully = q->policy == NON_BREAKING_PROPAGATE_FULLY;
        JsonObject *entry = NULL;
        int r;

        r = find_entry(entries, t, &entry);
        if (r < 0)
                return r;
        if (t->type == STREAM_UPDATED)
                return entry ? update_stream(c, t, entry, configured, reterr_error) : 0;
        if (t->type == STREAM_ADDED)
                return fully && !entry ? add_stream(q, t, streams) : 0;
        if (!fully || !entry)
                return 0;
        t->applied = true;
        return hashmap_set(gone, &entry, sizeof(entry), entry);
}

static int propagate(const SchemaChangeRequest *q, SchemaChange *c, const ConfiguredCatalog *configured,
                     Error **reterr_error) {
        _cleanup_hashmap_ Hashmap *entries = NULL, *gone = hashmap_new(NULL);
        JsonObject *streams;
        int r;

        c->configurations = json_clone(q->configurations);
        streams = json_member(c->configurations, "streams");
        r = c->configurations && gone ? index_entries(streams, &entries, reterr_error) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < c->diff.n_transforms; i++)
                r = propagate_one(q, c, c->diff.transforms + i, streams, entries, gone, configured, reterr_error);
        return r >= 0 && hashmap_size(gone) > 0 ? drop_entries(c, streams, gone) : r;
}

/* `configured` NULL: it moves everything. */
static int list_gone(SchemaChange *c, const ConfiguredCatalog *configured) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < c->diff.n_transforms; i++) {
                const StreamTransform *t = c->diff.transforms + i;

                if (t->type == STREAM_REMOVED &&
                    (!configured || configured_catalog_find(configured, t->namespace, t->name)))
                        r = append_stream(c->gone, t);
        }
        return r;
}

static SchemaVerdict judge(const SchemaChangeRequest *q, const CatalogDiff *d) {
        if (d->n_transforms == 0)
                return SCHEMA_UNCHANGED;
        if (stream_selection_is_everything(q->configurations))
                return SCHEMA_PROPAGATED;
        if (catalog_diff_is_breaking(d))
                return SCHEMA_BREAKING;
        switch (q->policy) {
        case NON_BREAKING_DISABLE:
                return SCHEMA_DISABLED;
        case NON_BREAKING_PROPAGATE_COLUMNS:
        case NON_BREAKING_PROPAGATE_FULLY:
                return SCHEMA_PROPAGATED;
        default:
                return SCHEMA_IGNORED;
        }
}

int schema_change_decide(const SchemaChangeRequest *q, SchemaChange *ret, Error **reterr_error) {
        _cleanup_configured_catalog_ ConfiguredCatalog *configured = NULL;
        _cleanup_schema_change_ SchemaChange c = {};
        bool everything = stream_selection_is_everything(q->configurations);
        int r;

        c.backfill = json_object_new_array();
        c.gone = json_object_new_array();
        r = c.backfill && c.gone ? 0 : -ENOMEM;
        if (r >= 0 && !everything)
                r = stream_selection_configure(q->configurations, q->before, &configured, reterr_error);
        if (r >= 0)
                r = catalog_diff_make(q->before, q->after, configured, &c.diff);
        if (r >= 0)
                r = list_gone(&c, configured);
        if (r < 0)
                return r;
        c.verdict = judge(q, &c.diff);
        for (size_t i = 0; everything && i < c.diff.n_transforms; i++)
                c.diff.transforms[i].applied = true;
        if (c.verdict == SCHEMA_PROPAGATED && !everything)
                r = propagate(q, &c, configured, reterr_error);
        if (r < 0)
                return r;
        *ret = c;
        c = (SchemaChange) {};
        return 0;
}
