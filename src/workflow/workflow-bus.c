/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Answers that come later are Pendings: the message is kept with a reference until there is something to
 * say. A Pending is unlinked before it is answered, and by one way only: the manager's callback for Run…
 * and StartJob, workflow_bus_settled() for WorkloadFinished. A caller that has gone meanwhile costs
 * nothing, since the answer to a name that is gone is dropped by the bus.
 *
 * WorkloadFinished is answered when the end is durable and no earlier, for gantry-workload forgets what
 * has been answered. Between the two lies a call of ours to gantry-workload (Get), and a crash there
 * leaves the workload untold: it is told again.
 *
 * The daemon leaves when idle, and a timer of the launcher's wakes it. `wake_at` is what we want,
 * `wake_promised` what the launcher has said yes to; as long as they differ we stay, since otherwise a
 * schedule would depend on somebody else's coming by. */

#include "basic/fd-util.h"
#include "basic/log.h"
#include "shared/bus-error.h"
#include "shared/bus-sender.h"
#include "shared/memfd.h"
#include "workflow/workflow-port.h"

#define CONFIG_MAX (1024U * 1024U)

/* A call is activity, and only root and the suite's own user may make one. */
static int check_sender(WorkflowBus *b, sd_bus_message *m, Error **reterr_error) {
        b->touch(b->userdata);
        return bus_sender_check(m, reterr_error);
}

/* --- answers that come later --- */

static int pend(WorkflowBus *b, sd_bus_message *m, const char *workload_id, Pending **ret) {
        Pending *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->workload_id = workload_id ? strdup(workload_id) : NULL;
        if (workload_id && !p->workload_id) {
                free(p);
                return -ENOMEM;
        }
        p->bus = b;
        p->message = sd_bus_message_ref(m);
        p->next = b->pending;
        b->pending = p;
        if (ret)
                *ret = p;
        return 0;
}

static void pending_free(Pending *p) {
        sd_bus_message_unref(p->message);
        free(p->workload_id);
        free(p);
}

static void unlink_pending(WorkflowBus *b, Pending *p) {
        for (Pending **at = &b->pending; *at; at = &(*at)->next)
                if (*at == p) {
                        *at = p->next;
                        return;
                }
}

void workflow_bus_settled(WorkflowBus *b, const char *workload_id, bool stored) {
        Pending **at = &b->pending;

        while (*at) {
                Pending *p = *at;

                if (!streq_ptr(p->workload_id, workload_id)) {
                        at = &p->next;
                        continue;
                }
                *at = p->next;
                (void) (stored ? sd_bus_reply_method_return(p->message, NULL)
                               : sd_bus_reply_method_errorf(p->message, BUS_ERROR_UNAVAILABLE,
                                                            "The workload has not ended"));
                pending_free(p);
        }
}

/* The failure of a result as the answer's members. */
static int add_failure(JsonObject *answer, JsonObject *result, const char *reason) {
        JsonObject *failure = json_member(result, "failure");
        const char *message = json_object_get_string(json_member(failure, "externalMessage"));
        const char *type = json_object_get_string(json_member(failure, "failureType"));
        int r;

        r = json_add_string(answer, "status", "failed");
        if (r >= 0)
                r = json_add_string(answer, "message", message ?: reason);
        return r < 0 ? r : json_add_string(answer, "failureType", type ?: "system_error");
}

static int reply_json(sd_bus_message *m, JsonObject *o) {
        _cleanup_free_ char *text = json_to_string(o);

        return text ? sd_bus_reply_method_return(m, "s", text) : -ENOMEM;
}

static int answer_check(sd_bus_message *m, JsonObject *result, const char *reason) {
        _cleanup_json_ JsonObject *answer = json_object_new_object();
        JsonObject *output = json_member(result, "output");
        int r;

        if (!answer)
                return -ENOMEM;
        if (!output || json_member(result, "failure"))
                r = add_failure(answer, result, strempty(reason));
        else {
                r = json_add_string(answer, "status", json_object_get_string(json_member(output, "status")));
                if (r >= 0)
                        r = json_add_string(answer, "message",
                                            json_object_get_string(json_member(output, "message")));
        }
        return r < 0 ? r : reply_json(m, answer);
}

static int answer_discover(sd_bus_message *m, JsonObject *result, const char *reason) {
        _cleanup_json_ JsonObject *answer = json_object_new_object(), *failure = NULL;
        static const char *const keys[] = { "catalogId", "catalogHash", "discoveredAt" };
        int r = answer ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(keys) && json_member(result, "catalogId"); i++)
                r = json_add(answer, keys[i], json_object_get(json_member(result, keys[i])));
        if (r >= 0 && !json_member(result, "catalogId")) {
                failure = json_object_get(json_member(result, "failure"));
                if (!failure) {
                        failure = json_object_new_object();
                        r = failure ? json_add_string(failure, "externalMessage", strempty(reason)) : -ENOMEM;
                }
                if (r >= 0)
                        r = json_add(answer, "failure", TAKE_PTR(failure));
        }
        return r < 0 ? r : reply_json(m, answer);
}

/* One that was installed may have no specification: "specMessage" says why. */
static int answer_output(sd_bus_message *m, JsonObject *result, JsonObject *what, const char *reason) {
        JsonObject *output = json_member(result, "output"),
                   *message = json_member(json_member(result, "failure"), "externalMessage") ?:
                           json_member(output, "specMessage");
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -EBADF;

        if (!what)
                return sd_bus_reply_method_errorf(m, BUS_ERROR_FAILED, "%s",
                                                  message ? json_object_get_string(message) : strempty(reason));
        text = json_to_string(what);
        fd = text ? memfd_new("answer", text, strlen(text)) : -ENOMEM;
        return fd < 0 ? fd : sd_bus_reply_method_return(m, "h", fd);
}

static int answer(sd_bus_message *m, JsonObject *result, const char *reason) {
        if (sd_bus_message_is_method_call(m, NULL, "RunCheck"))
                return answer_check(m, result, reason);
        if (sd_bus_message_is_method_call(m, NULL, "RunDiscover"))
                return answer_discover(m, result, reason);
        if (sd_bus_message_is_method_call(m, NULL, "RunInstall"))
                return answer_output(m, result, json_member(result, "failure") ? NULL : json_member(result, "output"),
                                     reason);
        return answer_output(m, result, json_member(json_member(result, "output"), "spec"), reason);
}

static void on_done(JsonObject *result, const char *reason, void *userdata) {
        Pending *p = userdata;
        int r;

        unlink_pending(p->bus, p);
        p->bus->touch(p->bus->userdata);
        r = answer(p->message, result, reason);
        if (r < 0)
                (void) sd_bus_reply_method_errno(p->message, r, NULL);
        pending_free(p);
}

/* --- methods --- */

static void on_job_started(int64_t job_id, int r, const Error *error, void *userdata) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        Pending *p = userdata;

        unlink_pending(p->bus, p);
        p->bus->touch(p->bus->userdata);
        if (r < 0) {
                (void) bus_error_from(&e, r, error);
                (void) sd_bus_reply_method_error(p->message, &e);
        } else
                (void) sd_bus_reply_method_return(p->message, "x", job_id);
        pending_free(p);
}

static int method_start_job(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        const char *connection_id, *job_type, *options;
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        Pending *p = NULL;
        int64_t job_id = 0;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "sss", &connection_id, &job_type, &options);
        if (r >= 0)
                r = pend(b, m, /* workload_id= */ NULL, &p);
        if (r >= 0)
                r = workflow_manager_replace_job(b->manager, connection_id, job_type, options, on_job_started, p,
                                                 &job_id, &error);
        if (r > 0)
                return 1;
        if (p) {
                unlink_pending(b, p);
                pending_free(p);
        }
        return r < 0 ? bus_error_from(reterr_bus, r, error) : sd_bus_reply_method_return(m, "x", job_id);
}

static int method_cancel_job(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        int64_t job_id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "x", &job_id);
        if (r >= 0)
                r = workflow_manager_cancel_job(b->manager, job_id, &error);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : sd_bus_reply_method_return(m, NULL);
}

/* Ends a Run… method: `r` of the manager. */
static int run_started(WorkflowBus *b, Pending *p, int r, const Error *error, sd_bus_error *reterr_bus) {
        if (r >= 0)
                return 1;
        if (p) {
                workflow_manager_forget(b->manager, p);
                unlink_pending(b, p);
                pending_free(p);
        }
        return bus_error_from(reterr_bus, r, error);
}

static int method_run_check(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_wipe_ char *config = NULL;
        WorkflowBus *b = userdata;
        const char *actor_id;
        Pending *p = NULL;
        size_t n = 0;
        int fd, r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "sh", &actor_id, &fd);
        if (r >= 0)
                r = memfd_read(fd, CONFIG_MAX, &config, &n, &error);
        if (r >= 0)
                r = pend(b, m, /* workload_id= */ NULL, &p);
        if (r >= 0)
                r = workflow_manager_check(b->manager, actor_id, config, n, on_done, p, &error);
        return run_started(b, p, r, error, reterr_bus);
}

static int method_run_discover(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_json_ JsonObject *cached = NULL;
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        const char *source_id;
        Pending *p = NULL;
        int ignore_cache, r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "sb", &source_id, &ignore_cache);
        if (r >= 0)
                r = pend(b, m, /* workload_id= */ NULL, &p);
        if (r >= 0)
                r = workflow_manager_discover(b->manager, source_id, ignore_cache, on_done, p, &cached, &error);
        if (r <= 0)
                return run_started(b, p, r, error, reterr_bus);
        unlink_pending(b, p);
        pending_free(p);
        return answer_discover(m, cached, NULL);
}

static int method_run_spec(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        const char *definition_id;
        Pending *p = NULL;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &definition_id);
        if (r >= 0)
                r = pend(b, m, /* workload_id= */ NULL, &p);
        if (r >= 0)
                r = workflow_manager_spec(b->manager, definition_id, on_done, p, &error);
        return run_started(b, p, r, error, reterr_bus);
}

static int method_run_install(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        const char *reference;
        Pending *p = NULL;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &reference);
        if (r >= 0)
                r = pend(b, m, /* workload_id= */ NULL, &p);
        if (r >= 0)
                r = workflow_manager_install(b->manager, reference, on_done, p, &error);
        return run_started(b, p, r, error, reterr_bus);
}

static int method_connection_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        const char *connection_id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &connection_id);
        if (r >= 0)
                r = workflow_manager_connection_changed(b->manager, connection_id, &error);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : sd_bus_reply_method_return(m, NULL);
}

/* Answered when the end is stored: gantry-workload tells until then. */
static int method_workload_finished(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        const char *id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &id);
        if (r >= 0)
                r = workflow_manager_finished(b->manager, id, &error);
        if (r > 0)
                r = pend(b, m, id, NULL) >= 0 ? 1 : -ENOMEM;
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return r > 0 ? 1 : sd_bus_reply_method_return(m, NULL);
}

static int method_review_schedules(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkflowBus *b = userdata;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = workflow_manager_review_schedules(b->manager);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : sd_bus_reply_method_return(m, NULL);
}

#define METHOD(member_, in_, in_names_, out_, out_names_, handler_)                                          \
        SD_BUS_METHOD_WITH_NAMES(member_, in_, in_names_, out_, out_names_, handler_,                        \
                                 SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("StartJob", "sss", SD_BUS_PARAM(connection_id) SD_BUS_PARAM(job_type) SD_BUS_PARAM(options), "x",
               SD_BUS_PARAM(job_id), method_start_job),
        METHOD("CancelJob", "x", SD_BUS_PARAM(job_id), "", , method_cancel_job),
        METHOD("RunCheck", "sh", SD_BUS_PARAM(actor_id) SD_BUS_PARAM(config), "s", SD_BUS_PARAM(result),
               method_run_check),
        METHOD("RunDiscover", "sb", SD_BUS_PARAM(source_id) SD_BUS_PARAM(ignore_cache), "s", SD_BUS_PARAM(result),
               method_run_discover),
        METHOD("RunSpec", "s", SD_BUS_PARAM(definition_id), "h", SD_BUS_PARAM(spec), method_run_spec),
        METHOD("RunInstall", "s", SD_BUS_PARAM(reference), "h", SD_BUS_PARAM(installed), method_run_install),
        METHOD("ConnectionChanged", "s", SD_BUS_PARAM(connection_id), "", , method_connection_changed),
        SD_BUS_METHOD("ReviewSchedules", "", "", method_review_schedules, SD_BUS_VTABLE_UNPRIVILEGED),
        METHOD("WorkloadFinished", "s", SD_BUS_PARAM(workload_id), "", , method_workload_finished),
        SD_BUS_SIGNAL_WITH_NAMES("Changed", "t", SD_BUS_PARAM(seq), 0),
        SD_BUS_VTABLE_END,
};

int workflow_bus_new(sd_bus *bus, void (*touch)(void *userdata), void *userdata, WorkflowBus **ret) {
        WorkflowBus *b = calloc(1, sizeof(*b));

        if (!b)
                return -ENOMEM;
        *b = (WorkflowBus) { .bus = bus, .touch = touch, .userdata = userdata, .wake_at = USEC_INFINITY,
                             .wake_promised = USEC_INFINITY, .polkit = polkit_new() };
        if (!b->polkit) {
                free(b);
                return -ENOMEM;
        }
        *ret = b;
        return 0;
}

WorkflowPort workflow_bus_port(WorkflowBus *b) {
        return workflow_port_of(b);
}

int workflow_bus_add(WorkflowBus *b, WorkflowManager *m) {
        int r;

        b->manager = m;
        r = sd_bus_add_object_vtable(b->bus, &b->object, "/org/gantry/Workflow1", "org.gantry.Workflow1.Manager",
                                     vtable, b);
        if (r < 0)
                return r;
        return sd_bus_add_object_vtable(b->bus, &b->workflows, "/org/gantry/Workflow1",
                                        "org.gantry.Workflow1.Workflows", workflow_bus_workflows, b);
}

bool workflow_bus_is_busy(WorkflowBus *b) {
        if (b->pending || b->timer_call || polkit_is_busy(b->polkit))
                return true;
        if (b->wake_promised == b->wake_at || b->wake_at == USEC_INFINITY)
                return false;
        workflow_port_send_timer(b);
        return true;
}

WorkflowBus *workflow_bus_free(WorkflowBus *b) {
        if (!b)
                return NULL;
        sd_bus_slot_unref(b->object);
        sd_bus_slot_unref(b->workflows);
        polkit_free(b->polkit);
        sd_bus_slot_unref(b->timer_call);
        while (b->pending) {
                Pending *p = b->pending;

                b->pending = p->next;
                pending_free(p);
        }
        free(b);
        return NULL;
}
