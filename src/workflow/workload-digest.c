/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs in the transaction that completes an activity, so that a history that says "checked" and an
 * actor's row that says it can't come apart. What is large (a catalog) goes into its own table by its
 * hash and leaves its name in the history, which is read at each run.
 *
 * An error here undoes the completion, and the workload is got again later. What a source can cause is
 * therefore made a result instead: a catalog that isn't one is the source's failure, told to whoever
 * asked. */

#include "basic/uuid.h"
#include "db/actor-store.h"
#include "db/catalog-store.h"
#include "db/spec-store.h"
#include "protocol/catalog.h"
#include "workflow/workload-digest.h"
#include "workflow/workload-request.h"

static const char *label(JsonObject *request, const char *name) {
        return json_object_get_string(json_member(json_member(request, "labels"), name));
}

/* Only of the stored configuration: a check of another one says nothing of it. */
static int digest_check(WorkflowWorld *w, JsonObject *request, JsonObject *result, usec_t now,
                        Error **reterr_error) {
        JsonObject *output = json_member(result, "output");
        const char *actor_id = label(request, "actorId"), *hash = label(request, "configHash");
        const char *status = json_object_get_string(json_member(output, "status"));
        const char *message = json_object_get_string(json_member(output, "message"));
        int r;

        if (!actor_id || !hash || !status)
                return 0;
        r = actor_store_set_check(w->db, actor_id, streq(status, "succeeded") ? CHECK_SUCCEEDED : CHECK_FAILED,
                                  message, hash, now, NULL);
        /* It may have been deleted meanwhile. */
        return r == -ENOENT ? 0 : r;
}

/* The catalog as a text, or what is wrong with it. */
static int condense_catalog(JsonObject *catalog, JsonObject *ret) {
        _cleanup_catalog_ Catalog *parsed = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = catalog_from_json(catalog, &parsed, &error);
        if (r < 0)
                return r == -ENOMEM ? r : json_add_string(ret, "invalid", error_message(error, r));
        text = json_to_string(catalog);
        return text ? json_add_string(ret, "catalogText", text) : -ENOMEM;
}

int workload_condense(const char *name, JsonObject *workload, JsonObject **ret, Error **reterr_error) {
        /* Of one that failed its output says why, and has no catalog. */
        static const char *const kept[] = { "status", "stats", "failure", "refused", "output" };
        bool success = streq_ptr(json_object_get_string(json_member(workload, "status")), "success");
        JsonObject *catalog = json_member(json_member(workload, "output"), "catalog");
        _cleanup_json_ JsonObject *o = NULL;
        int r = 0;

        if (!streq(name, "discover") || json_member(workload, "discovered"))
                return 0;
        o = json_object_new_object();
        if (!o)
                return -ENOMEM;
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(kept) - success; i++)
                if (json_member(workload, kept[i]))
                        r = json_add(o, kept[i], json_object_get(json_member(workload, kept[i])));
        if (r >= 0 && success)
                r = condense_catalog(catalog, o);
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int store_catalog(WorkflowWorld *w, JsonObject *request, const char *text, usec_t now,
                         JsonObject *result, Error **reterr_error) {
        char hash[CATALOG_HASH_MAX], id[UUID_STRING_MAX];
        CatalogFetch f = { .id = id, .actor_id = (char *) label(request, "actorId"),
                           .config_hash = (char *) label(request, "configHash"),
                           .connector_version = (char *) json_object_get_string(json_member(
                                   json_member(json_member(request, "input"), "actor"), "reference")) };
        int r;

        r = uuid7_new(w->env, id);
        if (r >= 0)
                r = catalog_fetch_store_insert(w->db, &f, text, strlen(text), now, hash, reterr_error);
        if (r >= 0)
                r = json_add_string(result, "catalogId", id);
        if (r >= 0)
                r = json_add_string(result, "catalogHash", hash);
        return r >= 0 ? json_add(result, "discoveredAt", json_object_new_int64((int64_t) now)) : r;
}

/* The history keeps where the catalog is, not the catalog. */
static int digest_discover(WorkflowWorld *w, JsonObject *request, JsonObject *workload, JsonObject **result,
                           usec_t now, Error **reterr_error) {
        const char *text = json_object_get_string(json_member(workload, "catalogText"));
        const char *invalid = json_object_get_string(json_member(workload, "invalid"));
        _cleanup_json_ JsonObject *failed = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (!streq_ptr(json_object_get_string(json_member(*result, "status")), "success"))
                return 0;
        r = text ? store_catalog(w, request, text, now, *result, &error) : -EINVAL;
        if (r >= 0 || workflow_error_is_transient(r))
                return r >= 0 ? 0 : error_set(reterr_error, r, "%s", error_message(error, r));
        r = workload_result_failed("source", "system_error", text ? error_message(error, r) : strempty(invalid),
                                   now, &failed);
        if (r < 0)
                return r;
        json_object_put(*result);
        *result = TAKE_PTR(failed);
        return 0;
}

/* Of a package it is kept by version: what has said it once says it always. */
static int digest_spec(WorkflowWorld *w, JsonObject *request, JsonObject *result, usec_t now, Error **reterr_error) {
        const char *reference = json_object_get_string(json_member(
                json_member(json_member(request, "input"), "actor"), "reference"));
        JsonObject *spec = json_member(json_member(result, "output"), "spec");
        _cleanup_free_ char *text = NULL;

        if (!spec || !reference ||
            (strncmp(reference, "pypi:", STRLEN("pypi:")) != 0 && strncmp(reference, "npm:", STRLEN("npm:")) != 0))
                return 0;
        text = json_to_string(spec);
        return text ? spec_store_put(w->db, reference, text, now, reterr_error) : -ENOMEM;
}

int workload_digest(WorkflowWorld *w, const char *name, JsonObject *request, JsonObject *workload,
                    JsonObject **ret, Error **reterr_error) {
        usec_t now = env_now(w->env, ENV_CLOCK_REALTIME);
        _cleanup_json_ JsonObject *result = NULL;
        JsonObject *discovered = json_member(workload, "discovered");
        int r;

        /* Another one's, which is stored already (workflow-dispatch.c). */
        if (discovered) {
                *ret = json_object_get(discovered);
                return 0;
        }
        r = workload_result_make(workload, now, &result);
        if (r >= 0 && streq(name, "check"))
                r = digest_check(w, request, result, now, reterr_error);
        if (r >= 0 && streq(name, "spec"))
                r = digest_spec(w, request, result, now, reterr_error);
        if (r >= 0 && streq(name, "discover"))
                r = digest_discover(w, request, workload, &result, now, reterr_error);
        if (r >= 0)
                *ret = TAKE_PTR(result);
        return r;
}
