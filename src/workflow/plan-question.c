/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A plan reads one catalog or two and writes two; for a thousand streams that takes half a second. It is a
 * pure function of texts, which the key is the hash of; what a person changes in between is another
 * question. The two catalogs come as texts already, so that to record the workload's request is to copy
 * them. */

#include "db/catalog-store.h"
#include "workflow/plan-question.h"

static void question_free(void *p) {
        PlanQuestion *q = p;

        free((char *) q->discovered);
        free((char *) q->offered);
        free((char *) q->selection);
        free((char *) q->request.destination_spec);
        free((char *) q->request.namespace_format);
        free((char *) q->request.prefix);
        json_object_put(q->request.streams);
        json_object_put(q->request.again);
        json_object_put(q->request.generations);
        free(q);
}

static void plan_free(void *p) {
        job_plan_done(p);
        free(p);
}

static int load(Db *db, const char *hash, JsonObject **ret, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        if (!hash)
                return 0;
        r = catalog_store_get(db, hash, &text, &n, reterr_error);
        return r >= 0 ? json_parse(text, n, ret, reterr_error) : r;
}

static int make(Db *db, const void *input, void **ret, Error **reterr_error) {
        const PlanQuestion *question = input;
        JobPlanRequest q = question->request;
        _cleanup_json_ JsonObject *discovered = NULL, *offered = NULL, *selection = NULL;
        JobPlan *plan;
        int r;

        r = load(db, question->discovered, &discovered, reterr_error);
        if (r >= 0)
                r = load(db, question->offered, &offered, reterr_error);
        if (r >= 0 && question->selection)
                r = json_parse(question->selection, strlen(question->selection), &selection, reterr_error);
        if (r < 0)
                return r;
        q.discovered = discovered;
        q.offered = offered;
        q.configurations = selection;
        plan = calloc(1, sizeof(*plan));
        if (!plan)
                return -ENOMEM;
        r = job_plan_make(&q, plan, reterr_error);
        if (r >= 0)
                r = json_freeze(plan->source_catalog);
        if (r >= 0)
                r = json_freeze(plan->destination_catalog);
        if (r < 0) {
                plan_free(plan);
                return r;
        }
        *ret = plan;
        return 0;
}

static const PreparationKind plan_kind = { make, question_free, plan_free };

static int copy(const char *s, const char **ret) {
        *ret = s ? strdup(s) : NULL;
        return s && !*ret ? -ENOMEM : 0;
}

static int question_copy(const PlanQuestion *q, PlanQuestion **ret) {
        PlanQuestion *n = calloc(1, sizeof(*n));

        if (!n)
                return -ENOMEM;
        n->request = q->request;
        n->request.destination_spec = n->request.namespace_format = n->request.prefix = NULL;
        n->request.streams = json_object_get(q->request.streams);
        n->request.again = json_object_get(q->request.again);
        n->request.generations = json_object_get(q->request.generations);
        if (copy(q->discovered, &n->discovered) < 0 || copy(q->offered, &n->offered) < 0 ||
            copy(q->selection, &n->selection) < 0 ||
            copy(q->request.destination_spec, &n->request.destination_spec) < 0 ||
            copy(q->request.namespace_format, &n->request.namespace_format) < 0 ||
            copy(q->request.prefix, &n->request.prefix) < 0) {
                question_free(n);
                return -ENOMEM;
        }
        *ret = n;
        return 0;
}

static int add_text(Buffer *b, const char *s) {
        int r = buffer_append_char(b, s ? '+' : '-');

        return r >= 0 ? buffer_append(b, strempty(s), strlen(strempty(s)) + 1) : r;
}

/* Each text with its end, so that no two questions have one key. */
static int make_key(const PlanQuestion *q, char ret[static CATALOG_HASH_MAX]) {
        const JobPlanRequest *j = &q->request;
        const char *texts[] = { q->discovered, q->offered, q->selection, j->destination_spec,
                                j->namespace_definition, j->namespace_format, j->prefix };
        _cleanup_free_ char *streams = json_to_string(j->streams);
        _cleanup_free_ char *again = json_to_string(j->again);
        _cleanup_free_ char *generations = json_to_string(j->generations);
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (!streams || !again || !generations)
                return -ENOMEM;
        r = buffer_appendf(&b, "%d %d %lld %d", (int) j->kind, j->destination_supports_refreshes,
                           (long long) j->sync_id, j->first_attempt);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(texts); i++)
                r = add_text(&b, texts[i]);
        if (r >= 0)
                r = add_text(&b, streams);
        if (r >= 0)
                r = add_text(&b, again);
        if (r >= 0)
                r = add_text(&b, generations);
        return r >= 0 ? catalog_store_hash(buffer_bytes(&b), b.len, ret) : r;
}

/* The states that are to go are added to by others. */
static int share(const JobPlan *plan, JobPlan *ret) {
        *ret = (JobPlan) {
                .source_catalog = json_object_get(plan->source_catalog),
                .destination_catalog = json_object_get(plan->destination_catalog),
                .streams = json_object_get(plan->streams),
                .generations = json_object_get(plan->generations),
                .drop_states = json_clone(plan->drop_states),
        };
        return ret->drop_states ? 0 : -ENOMEM;
}

int plan_question_ask(Preparations *p, const PlanQuestion *q, JobPlan *ret, Error **reterr_error) {
        char key[CATALOG_HASH_MAX];
        PlanQuestion *input = NULL;
        const void *value = NULL;
        int r;

        r = make_key(q, key);
        if (r >= 0)
                r = question_copy(q, &input);
        if (r >= 0)
                r = preparations_get(p, &plan_kind, key, input, &value, reterr_error);
        return r >= 0 ? share(value, ret) : r;
}
