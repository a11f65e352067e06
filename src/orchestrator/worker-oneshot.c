/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connector's answer is read by the runtime (connector-oneshot.h), as `gantry check` has it read;
 * here it becomes the workload's output. A failed check is an answer, thus a success of the workload; a
 * failure is when no answer came. Whatever a connector says reaches people only through the masker.
 *
 * An installation has no connector and no answer that counts: when the installer has ended well the
 * worker leaves without a last word, which is the launcher's. */

#include <stdio.h>

#include "basic/log.h"
#include "orchestrator/worker-oneshot.h"
#include "orchestrator/worker-output.h"
#include "runtime/connector-oneshot.h"
#include "worker/masker.h"

struct WorkerOneshot {
        Env *env;
        WorkerLink *link;
        ConnectorOneshot *oneshot;
        Masker *masker;
        char *type;
        const char *origin; /* source, destination or, of an installation, airbyte_platform */
};

static void on_log(const char *level, const char *message, void *userdata) {
        WorkerOneshot *o = userdata;
        _cleanup_free_ char *masked = masker_apply(o->masker, message);

        if (masked)
                worker_link_log(o->link, o->origin, level, masked);
}

static int make_output(WorkerOneshot *o, const OneshotResult *result, JsonObject **ret) {
        _cleanup_json_ JsonObject *output = json_object_new_object(), *catalog = NULL;
        _cleanup_free_ char *message = NULL;
        int r;

        if (!output)
                return -ENOMEM;
        if (streq(o->type, "spec"))
                r = json_add(output, "spec", json_object_get(result->spec));
        else if (streq(o->type, "discover")) {
                r = catalog_to_json(result->catalog, &catalog);
                if (r >= 0)
                        r = json_add(output, "catalog", TAKE_PTR(catalog));
        } else {
                message = masker_apply(o->masker, result->status.message);
                r = json_add_string(output, "status", result->status.succeeded ? "succeeded" : "failed");
                if (r >= 0 && message)
                        r = json_add_string(output, "message", message);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(output);
        return 0;
}

static void on_done(ConnectorOneshot *oneshot, const OneshotResult *result, void *userdata) {
        _cleanup_free_ char *message = NULL;
        WorkerOneshot *o = userdata;
        JsonObject *output = NULL;
        int r = 0;

        /* An installation is one once the launcher has put it into its place: it says so. */
        if (!result->error && streq(o->type, "install")) {
                worker_link_leave(o->link);
                return;
        }
        if (result->error)
                message = masker_apply(o->masker, result->error->message);
        if (!result->error)
                r = make_output(o, result, &output);
        else
                (void) worker_output_failure(o->origin, result->failure_type, strempty(message),
                                             env_now(o->env, ENV_CLOCK_REALTIME), &output);
        if (message)
                worker_link_log(o->link, o->origin, "ERROR", message);
        if (result->config)
                worker_link_control(o->link, o->origin, result->config);
        worker_link_finish(o->link, r < 0 ? "Out of memory" : result->error ? strempty(message) : NULL,
                           output);
}

int worker_oneshot_new(Env *env, WorkerStart *start, WorkerLink *link, WorkerOneshot **ret,
                       Error **reterr_error) {
        _cleanup_(worker_oneshot_freep) WorkerOneshot *o = calloc(1, sizeof(*o));
        JsonObject *actor = json_member(start->input, "actor");
        const char *role = NULL, *name = NULL;
        int r;

        if (!o)
                return -ENOMEM;
        o->env = env;
        o->link = link;
        o->masker = masker_new();
        o->type = strdup(start->type);
        if (!o->masker || !o->type)
                return -ENOMEM;
        (void) json_get_string(actor, "role", &role, "actor", NULL);
        (void) json_get_string(actor, "reference", &name, "actor", NULL);
        o->origin = worker_start_is_install(start)     ? "airbyte_platform"
                : streq_ptr(role, "destination") ? "destination"
                                                 : "source";
        r = masker_add_strv(o->masker, start->secrets);
        if (r < 0)
                return r;
        r = connector_oneshot_attach(env, start->type, name ?: o->origin, start->connector.memory_max,
                                     TAKE_FD(start->connector.control), start->connector.fds, on_log, on_done, o,
                                     &o->oneshot, reterr_error);
        for (size_t i = 0; i < 3; i++)
                start->connector.fds[i] = -EBADF;
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

WorkerOneshot *worker_oneshot_free(WorkerOneshot *o) {
        if (!o)
                return NULL;
        connector_oneshot_free(o->oneshot);
        masker_free(o->masker);
        free(o->type);
        free(o);
        return NULL;
}
