/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Two workloads in a row, both by ids that stand in the workflow's input: a run that is repeated asks for
 * the same ones again. The specification is asked for with what the first has installed, not with what
 * was wanted, as a version may have been chosen on the way. That it has none is no failure of the
 * installation. Telling the journal is a step of its own and the last one, so that it is told once. */

#include "workflow/install-workflow.h"
#include "workflow/workflow-world.h"
#include "workflow/workload-request.h"

/* What an unknown connector may take to say what it is. */
#define SPEC_LIMITS "{\"memoryMax\":2147483648,\"tasksMax\":128}"

static bool output_bool(JsonObject *result, const char *key) {
        return json_object_get_boolean(json_member(json_member(result, "output"), key));
}

static const char *output_string(JsonObject *result, const char *key) {
        return json_object_get_string(json_member(json_member(result, "output"), key));
}

/* A connector without an actor or a definition: its role doesn't matter yet. */
static int make_actor(const char *reference, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object(), *limits = NULL;
        int r;

        r = o ? json_add_string(o, "reference", reference) : -ENOMEM;
        if (r >= 0)
                r = json_add_string(o, "role", "source");
        if (r >= 0)
                r = json_add_string(o, "executor", "service");
        if (r >= 0)
                r = json_add_string(o, "network", "none");
        if (r >= 0)
                r = json_add(o, "configuration", json_object_new_object());
        if (r >= 0)
                r = json_parse(SPEC_LIMITS, STRLEN(SPEC_LIMITS), &limits, NULL);
        if (r >= 0)
                r = json_add(o, "limits", TAKE_PTR(limits));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

static int make_request(Env *env, const char *type, const char *id, const char *reference, usec_t now,
                        JsonObject **ret) {
        _cleanup_json_ JsonObject *input = json_object_new_object(), *actor = NULL;
        const WorkloadRequest q = { .id = id, .type = type, .high_priority = true, .input = input };
        int r;

        r = input ? make_actor(reference, &actor) : -ENOMEM;
        if (r >= 0)
                r = json_add(input, "actor", TAKE_PTR(actor));
        return r < 0 ? r : workload_request_make(env, &q, now, ret);
}

/* What was asked for. */
static const char *wanted(WorkflowContext *c) {
        JsonObject *input = json_member(json_member(workflow_input(c), "request"), "input");

        return json_object_get_string(json_member(json_member(input, "actor"), "reference"));
}

static int give_request(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        WorkflowWorld *w = workflow_userdata(c);

        *ret = json_object_get(json_member(workflow_input(c), "request"));
        if (!*ret)
                return -EBADMSG;
        job_journal_note(&w->journal,
                         &(JobNoteOptions) { .level = LOG_LEVEL_INFO, .message_id = MESSAGE_INSTALL_STARTED,
                                             .attempt = -1, .connector = wanted(c) },
                         "Installing %s", strempty(wanted(c)));
        return 0;
}

static void note_failure(WorkflowContext *c, JsonObject *failure) {
        const char *type = json_object_get_string(json_member(failure, "failureType")),
                   *why = json_object_get_string(json_member(failure, "externalMessage"));
        WorkflowWorld *w = workflow_userdata(c);

        job_journal_note(&w->journal,
                         &(JobNoteOptions) { .level = LOG_LEVEL_WARNING, .message_id = MESSAGE_INSTALL_FAILED,
                                             .attempt = -1, .connector = wanted(c),
                                             .failure_type = type ?: "system_error" },
                         "%s is not installed: %s", strempty(wanted(c)), why ?: "without a reason");
}

/* The last step: what came of it. */
static int tell_journal(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        const char *reference = output_string(userdata, "reference"),
                   *silent = output_string(userdata, "specMessage");
        JsonObject *result = userdata;
        WorkflowWorld *w = workflow_userdata(c);

        if (json_member(result, "failure") || !reference) {
                note_failure(c, json_member(result, "failure"));
                return 0;
        }
        job_journal_note(&w->journal,
                         &(JobNoteOptions) { .level = LOG_LEVEL_INFO, .message_id = MESSAGE_INSTALL_DONE,
                                             .attempt = -1, .connector = reference },
                         "%s %s%s%s%s", reference,
                         output_bool(result, "already") ? "was installed already" : "is installed",
                         output_bool(result, "builtFromSource") ? ", with parts built from source" : "",
                         silent ? "; it says no specification: " : "", strempty(silent));
        return 0;
}

/* Of the version that was installed, which nobody may have known before. */
static int request_spec(WorkflowContext *c, void *userdata, JsonObject **ret, Error **reterr_error) {
        const char *id = json_object_get_string(json_member(workflow_input(c), "specId"));
        WorkflowWorld *w = workflow_userdata(c);

        return make_request(w->env, "spec", id, userdata, workflow_run_time(c), ret);
}

/* A connector without a specification is one all the same: source-declarative-manifest, for one, has it only
 * once it has a manifest. */
static int conclude(WorkflowContext *c, JsonObject *installed, JsonObject *asked) {
        _cleanup_json_ JsonObject *result = json_clone(installed), *told = NULL;
        JsonObject *output = json_member(result, "output");
        const char *message = json_object_get_string(json_member(json_member(asked, "failure"), "externalMessage"));
        int r;

        if (!result)
                return -ENOMEM;
        r = json_add(output, "spec", json_object_get(json_member(json_member(asked, "output"), "spec")));
        if (r >= 0 && message)
                r = json_add_string(output, "specMessage", message);
        if (r >= 0)
                r = workflow_step(c, "tell", tell_journal, result, &told);
        if (r >= 0)
                workflow_set_result(c, TAKE_PTR(result));
        return r;
}

int install_workflow(WorkflowContext *c) {
        const char *id = json_object_get_string(json_member(workflow_input(c), "activityId")),
                   *spec_id = json_object_get_string(json_member(workflow_input(c), "specId")), *reference;
        _cleanup_json_ JsonObject *installed = NULL, *asked = NULL, *told = NULL;
        int r;

        if (!id || !spec_id)
                return -EBADMSG;
        r = workflow_await(c, "install", id, INSTALL_LIMIT_USEC, /* cancellable= */ true, give_request, NULL,
                           &installed);
        if (r < 0)
                return r;
        reference = output_string(installed, "reference");
        if (json_member(installed, "failure") || !reference) {
                r = workflow_step(c, "tell", tell_journal, installed, &told);
                if (r >= 0)
                        workflow_set_result(c, TAKE_PTR(installed));
                return r;
        }
        r = workflow_await(c, "spec", spec_id, SPEC_LIMIT_USEC, /* cancellable= */ true, request_spec,
                           (void *) reference, &asked);
        return r < 0 ? r : conclude(c, installed, asked);
}

/* Run and kind of both ids are those of the workflow: it is found by them (workflow_id_of_activity()). */
int install_workflow_input(Env *env, const char *reference, const char *run, usec_t now, JsonObject **ret) {
        _cleanup_free_ char *id = workload_id_make("connector", run, 0, "install"),
                            *spec_id = workload_id_make("connector-spec", run, 0, "install");
        _cleanup_json_ JsonObject *o = json_object_new_object(), *request = NULL;
        int r;

        r = id && spec_id && o ? make_request(env, "install", id, reference, now, &request) : -ENOMEM;
        if (r >= 0)
                r = json_add_string(o, "activityId", id);
        if (r >= 0)
                r = json_add_string(o, "specId", spec_id);
        if (r >= 0)
                r = json_add(o, "request", TAKE_PTR(request));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}
