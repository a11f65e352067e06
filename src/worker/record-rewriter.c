/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A line is never parsed into a tree. What has to change in it is a handful of edits by place, kept in
 * the order of the line and applied in one copy from left to right; everything between them goes out as
 * the source wrote it, members that we don't know included.
 *
 * A prefix is the part of a line before its data with these edits made. It can be kept for all lines of
 * one shape (see RecordScanner) if nothing behind the data has to change. */

#include "basic/json-write.h"
#include "worker/record-rewriter.h"

/* Replace [at, at + n) by up to three pieces. n == 0 inserts. */
typedef struct Edit {
        const char *at;
        size_t n;
        JsonSlice with[3];
} Edit;

#define EDITS_MAX 5
#define TEXT(s) ((JsonSlice) { s, STRLEN(s) })

typedef struct EditList {
        Edit edits[EDITS_MAX];
        size_t n;
} EditList;

static JsonSlice text_slice(const char *s) {
        return (JsonSlice) { s, strlen(s) };
}

static int json_text(const char *s, char **ret) {
        _cleanup_buffer_ Buffer b = {};
        int r = s ? json_write_cstring(&b, s) : buffer_append_string(&b, "null");

        if (r < 0)
                return r;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}

int record_target_init(RecordTarget *t, const char *source_name, const char *source_namespace,
                       const char *name,
                       const char *namespace) {
        const char *from = source_namespace && *source_namespace ? source_namespace : NULL;
        const char *to = namespace && *namespace ? namespace : NULL;
        int r;

        *t = (RecordTarget) { .renamed = !streq(source_name, name) || !streq_ptr(from, to), .has_namespace = to };
        r = json_text(name, &t->name);
        return r < 0 ? r : json_text(to, &t->namespace);
}

void record_target_done(RecordTarget *t) {
        free(t->name);
        free(t->namespace);
        *t = (RecordTarget) {};
}

/* Keeps the list in the order of the line. Of two insertions at one place the first one stays first. */
static void add_edit(EditList *l, Edit e) {
        size_t i = l->n++;

        assert(l->n <= EDITS_MAX);
        for (; i > 0 && l->edits[i - 1].at > e.at; i--)
                l->edits[i] = l->edits[i - 1];
        l->edits[i] = e;
}

static void edit_names(EditList *l, const Envelope *e, const RecordTarget *t) {
        JsonSlice null_namespace;

        add_edit(l, (Edit) { e->stream.p - 1, e->stream.n + 2, { text_slice(t->name) } });
        if (e->namespace.p)
                add_edit(l, (Edit) { e->namespace.p - 1, e->namespace.n + 2, { text_slice(t->namespace) } });
        else if (!t->has_namespace)
                return;
        else if (json_find_member(e->payload, "namespace", &null_namespace) > 0)
                add_edit(l, (Edit) { null_namespace.p, null_namespace.n, { text_slice(t->namespace) } });
        else
                add_edit(l, (Edit) { e->payload.p + 1, 0, { TEXT("\"namespace\":"), text_slice(t->namespace),
                                                            TEXT(",") } });
}

/* An object or array is empty when nothing stands between its brackets. */
static bool is_empty_container(JsonSlice value) {
        return json_skip_space(value.p + 1, value.p + value.n) == value.p + value.n - 1;
}

static void edit_changes(EditList *l, const Envelope *e, JsonSlice changes) {
        JsonSlice value;

        if (!e->meta.p && json_find_member(e->payload, "meta", &value) > 0)
                add_edit(l, (Edit) { value.p, value.n, { TEXT("{\"changes\":["), changes, TEXT("]}") } });
        else if (!e->meta.p)
                add_edit(l,
                         (Edit) { e->payload.p + 1, 0, { TEXT("\"meta\":{\"changes\":["), changes, TEXT("]},") } });
        else if (json_find_member(e->meta, "changes", &value) <= 0)
                add_edit(l, (Edit) { e->meta.p + 1, 0, { TEXT("\"changes\":["), changes,
                                                         is_empty_container(e->meta) ? TEXT("]") : TEXT("],") } });
        else if (json_slice_type(value) != JSON_ARRAY)
                add_edit(l, (Edit) { value.p, value.n, { TEXT("["), changes, TEXT("]") } });
        else
                add_edit(l, (Edit) { value.p + value.n - 1, 0,
                                     { is_empty_container(value) ? TEXT("") : TEXT(","), changes } });
}

/* Appends [from, end) with the edits that lie in it. */
static int apply_edits(Buffer *b, const EditList *l, const char *from, const char *end) {
        int r;

        for (size_t i = 0; i < l->n; i++) {
                const Edit *e = &l->edits[i];

                if (e->at >= end)
                        break;
                if ((r = buffer_append(b, from, (size_t) (e->at - from))) < 0)
                        return r;
                for (size_t k = 0; k < ELEMENTSOF(e->with); k++)
                        if (e->with[k].n > 0 && (r = buffer_append(b, e->with[k].p, e->with[k].n)) < 0)
                                return r;
                from = e->at + e->n;
        }
        return buffer_append(b, from, (size_t) (end - from));
}

int record_rewrite(Buffer *b, const Envelope *e, const RecordTarget *t, JsonSlice data, JsonSlice changes) {
        EditList l = {};
        int r;

        if (t->renamed)
                edit_names(&l, e, t);
        if (data.p != e->data.p)
                add_edit(&l, (Edit) { e->data.p, e->data.n, { data } });
        if (changes.n > 0)
                edit_changes(&l, e, changes);
        r = apply_edits(b, &l, e->line.p, e->line.p + e->line.n);
        return r < 0 ? r : buffer_append_char(b, '\n');
}

int record_prefix_init(RecordPrefix *p, const Envelope *e, const RecordTarget *t) {
        _cleanup_buffer_ Buffer b = {};
        EditList l = {};
        int r;

        *p = (RecordPrefix) {};
        if (e->stream.p > e->data.p || e->namespace.p > e->data.p || e->emitted_at.p < e->data.p)
                return 0;
        if (t->renamed)
                edit_names(&l, e, t);
        /* An explicit null namespace behind the data would stay as it is: no prefix for such lines. */
        if (l.n > 0 && l.edits[l.n - 1].at > e->data.p)
                return 0;
        r = apply_edits(&b, &l, e->line.p, e->data.p);
        if (r < 0)
                return r;
        p->n = b.len;
        p->bytes = buffer_steal_string(&b);
        return p->bytes ? 0 : -ENOMEM;
}
