/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run is one transaction that holds the database. To compare two catalogs of a thousand streams, or to
 * plan a sync of them, takes a second of which the database need not know: both are functions of texts that
 * the step has read. So the step says what it wants of which texts and gives the run up; what it has written
 * is undone. When that has been made, the run begins anew and finds it, if it asks for the same once more:
 * the key is made of the content, so what was made can't be out of date. A run asks for two or three such
 * things. */

#include "workflow/preparation.h"

struct Preparation {
        const PreparationKind *kind;
        char *key;
        void *input, *value;
        bool made;
        int r;
        Error *error;
        Preparation *next;
};

static void preparation_free(Preparation *p) {
        if (p->input)
                p->kind->free_input(p->input);
        if (p->value)
                p->kind->free_value(p->value);
        error_free(p->error);
        free(p->key);
        free(p);
}

void preparations_clear(Preparations *p) {
        while (p->first) {
                Preparation *next = p->first->next;

                preparation_free(p->first);
                p->first = next;
        }
}

static int ask(Preparations *p, const PreparationKind *kind, const char *key, void *input) {
        Preparation *n = calloc(1, sizeof(*n));

        if (n)
                *n = (Preparation) { .kind = kind, .key = strdup(key), .next = p->first };
        if (!n || !n->key) {
                free(n);
                return -ENOMEM;
        }
        n->input = input;
        p->first = n;
        return 0;
}

int preparations_get(Preparations *p, const PreparationKind *kind, const char *key, void *input,
                     const void **ret, Error **reterr_error) {
        int r;

        for (Preparation *i = p->first; i; i = i->next) {
                if (i->kind != kind || !streq(i->key, key))
                        continue;
                kind->free_input(input);
                if (!i->made)
                        return -ERESTART;
                if (i->r < 0)
                        return error_set(reterr_error, i->r, "%s", error_message(i->error, i->r));
                *ret = i->value;
                return 0;
        }
        r = ask(p, kind, key, input);
        if (r < 0)
                kind->free_input(input);
        return r < 0 ? r : -ERESTART;
}

void preparations_make(Preparations *p, Db *db) {
        for (Preparation *i = p->first; i; i = i->next) {
                if (i->made)
                        continue;
                i->r = i->kind->make(db, i->input, &i->value, &i->error);
                i->made = true;
                i->kind->free_input(i->input);
                i->input = NULL;
        }
}
