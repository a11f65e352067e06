/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/string-table.h"
#include "model/model.h"

const char *enum_to_string(const EnumTable *table, int value) {
        return string_table_name(table->names, (size_t) table->n, value);
}

int enum_from_string(const EnumTable *table, const char *s) {
        return string_table_find(table->names, (size_t) table->n, s);
}

void model_done(const Model *model, void *o) {
        for (size_t i = 0; i < model->n_fields; i++) {
                const Field *f = &model->fields[i];

                if (f->type == FIELD_TEXT)
                        free(*(char **) field_of(f, o));
                else if (f->type == FIELD_BLOB)
                        free(((Blob *) field_of(f, o))->p);
        }
        memset(o, 0, model->size);
}

void *model_free(const Model *model, void *o) {
        if (!o)
                return NULL;
        model_done(model, o);
        free(o);
        return NULL;
}

static int copy_field(const Field *f, void *to, const void *from) {
        if (f->type == FIELD_TEXT) {
                const char *s = *(char *const *) field_of_const(f, from);
                char **copy = field_of(f, to);

                *copy = s ? strdup(s) : NULL;
                return s && !*copy ? -ENOMEM : 0;
        }
        if (f->type == FIELD_BLOB) {
                const Blob *b = field_of_const(f, from);
                Blob *copy = field_of(f, to);

                *copy = (Blob) { b->p ? malloc(b->n ?: 1) : NULL, b->n };
                if (b->p && !copy->p)
                        return -ENOMEM;
                if (b->n > 0)
                        memcpy(copy->p, b->p, b->n);
        }
        return 0;
}

void *model_copy(const Model *model, const void *o) {
        void *copy = malloc(model->size);
        int r = 0;

        if (!copy)
                return NULL;
        memcpy(copy, o, model->size);
        /* Every pointer of the copy is set, also after a failure: freeing it touches nothing of the original. */
        for (size_t i = 0; i < model->n_fields; i++) {
                int q = copy_field(&model->fields[i], copy, o);

                r = r < 0 ? r : q;
        }
        return r < 0 ? model_free(model, copy) : copy;
}

const Field *model_field(const Model *model, const char *name) {
        for (size_t i = 0; i < model->n_fields; i++)
                if (streq(model->fields[i].name, name))
                        return &model->fields[i];
        return NULL;
}

int model_array_append(void ***items, size_t *n, void *o) {
        void **p;

        /* Grows at powers of two, so that no capacity has to be kept. */
        if ((*n & (*n - 1)) == 0) {
                p = reallocarray(*items, *n ? *n * 2 : 1, sizeof(*p));
                if (!p)
                        return -ENOMEM;
                *items = p;
        }
        (*items)[(*n)++] = o;
        return 0;
}
