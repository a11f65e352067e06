/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two catalogs of a thousand streams take a fifth of a second to read and to compare. That is a function of
 * what is in the question, and catalogs never change under their hashes; so nobody's transaction waits for
 * it. What is left for the transaction are texts to be stored. */

#include "db/catalog-store.h"
#include "workflow/schema-decision.h"

/* What a timeline's event may hold of schemas; beyond that it names the fields alone. */
#define EVENT_SIZE_MAX (256U * 1024U)

const char *schema_reason(SchemaVerdict v) {
        return v == SCHEMA_BREAKING ? "SCHEMA_CHANGES_ARE_BREAKING"
               : v == SCHEMA_DISABLED ? "DISABLE_CONNECTION_IF_ANY_SCHEMA_CHANGES" : NULL;
}

static void question_free(void *p) {
        SchemaQuestion *q = p;

        free((char *) q->before);
        free((char *) q->after);
        free((char *) q->selection);
        free((char *) q->destination_spec);
        free(q);
}

static void decision_free(void *p) {
        SchemaDecision *d = p;

        schema_change_done(&d->change);
        free(d->selection);
        free(d->summary);
        free(d);
}

static int load_catalog(Db *db, const char *hash, Catalog **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = catalog_store_get(db, hash, &text, &n, reterr_error);
        if (r >= 0)
                r = json_parse(text, n, &o, reterr_error);
        return r >= 0 ? catalog_from_json(o, ret, reterr_error) : r;
}

static int make_summary(const SchemaDecision *d, CatalogDiffFlags flags, char **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *diff = NULL;
        const char *reason = schema_reason(d->change.verdict);
        int r;

        r = o ? catalog_diff_to_json(&d->change.diff, flags, &diff) : -ENOMEM;
        if (r >= 0)
                r = json_add(o, "catalogDiff", TAKE_PTR(diff));
        if (r >= 0)
                r = json_add_string(o, reason ? "disabledReason" : "updateReason",
                                    reason ?: "SCHEMA_CHANGE_AUTO_PROPAGATE");
        if (r < 0)
                return r;
        *ret = json_to_string(o);
        return *ret ? 0 : -ENOMEM;
}

static bool has_applied(const CatalogDiff *d) {
        for (size_t i = 0; i < d->n_transforms; i++)
                if (d->transforms[i].applied)
                        return true;
        return false;
}

static int add_summary(SchemaDecision *d) {
        bool disabled = schema_reason(d->change.verdict);
        CatalogDiffFlags flags = disabled ? 0 : CATALOG_DIFF_APPLIED_ONLY;
        int r;

        if (!disabled && !has_applied(&d->change.diff))
                return 0;
        r = make_summary(d, flags, &d->summary);
        if (r >= 0 && strlen(d->summary) > EVENT_SIZE_MAX) {
                free(TAKE_PTR(d->summary));
                r = make_summary(d, flags | CATALOG_DIFF_NO_SCHEMAS, &d->summary);
        }
        return r;
}

static int add_selection(SchemaDecision *d, JsonObject *before) {
        if (!d->change.configurations || json_equal(d->change.configurations, before))
                return 0;
        d->selection = json_to_string(d->change.configurations);
        return d->selection ? 0 : -ENOMEM;
}

static int make(Db *db, const void *input, void **ret, Error **reterr_error) {
        const SchemaQuestion *q = input;
        _cleanup_(connector_spec_freep) ConnectorSpec *destination = NULL;
        _cleanup_catalog_ Catalog *before = NULL, *after = NULL;
        _cleanup_json_ JsonObject *selection = NULL;
        SchemaChangeRequest request;
        SchemaDecision *d;
        int r = 0;

        if (q->selection)
                r = json_parse(q->selection, strlen(q->selection), &selection, reterr_error);
        if (r < 0 || (r = load_catalog(db, q->before, &before, reterr_error)) < 0 ||
            (r = load_catalog(db, q->after, &after, reterr_error)) < 0 ||
            (r = connector_spec_from_text(q->destination_spec, &destination, reterr_error)) < 0)
                return r;
        d = calloc(1, sizeof(*d));
        if (!d)
                return -ENOMEM;
        request = (SchemaChangeRequest) { .before = before, .after = after, .configurations = selection,
                                          .destination = destination, .policy = q->policy };
        r = schema_change_decide(&request, &d->change, reterr_error);
        if (r >= 0)
                r = add_summary(d);
        if (r >= 0)
                r = add_selection(d, selection);
        if (r < 0) {
                decision_free(d);
                return r;
        }
        *ret = d;
        return 0;
}

static const PreparationKind schema_decision_kind = { make, question_free, decision_free };

static int copy(const char *s, const char **ret) {
        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

static int question_copy(const SchemaQuestion *q, SchemaQuestion **ret) {
        SchemaQuestion *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        n->policy = q->policy;
        if (copy(q->before, &n->before) < 0 || copy(q->after, &n->after) < 0 ||
            copy(q->selection, &n->selection) < 0 || copy(q->destination_spec, &n->destination_spec) < 0) {
                question_free(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}

int schema_decision_get(Preparations *p, const SchemaQuestion *q, const SchemaDecision **ret,
                        Error **reterr_error) {
        char selection[CATALOG_HASH_MAX], spec[CATALOG_HASH_MAX];
        _cleanup_buffer_ Buffer key = {};
        SchemaQuestion *input = NULL;
        const void *value = NULL;
        int r;

        (void) catalog_store_hash(strempty(q->selection), strlen(strempty(q->selection)), selection);
        (void) catalog_store_hash(strempty(q->destination_spec), strlen(strempty(q->destination_spec)), spec);
        r = buffer_appendf(&key, "%s %s %s %s %d", q->before, q->after, selection, spec, (int) q->policy);
        if (r >= 0)
                r = question_copy(q, &input);
        if (r >= 0)
                r = preparations_get(p, &schema_decision_kind, buffer_string(&key), input, &value, reterr_error);
        if (r >= 0)
                *ret = value;
        return r;
}
