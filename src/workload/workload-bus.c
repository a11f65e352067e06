/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Thin by intention: each method reads its arguments, calls the manager and translates the error.
 * Whatever may be large comes and goes as a memfd, since dbus-daemon bounds messages and holds what it
 * relays in its own memory; the reader checks the seals (shared/memfd.h), so that the sender can't change
 * what has been validated.
 *
 * -ESTALE of a cancel means here that the workload has ended otherwise, which bus callers know as
 * NotRunning (-ESRCH): they have no lease that could be stale. */

#include "basic/fd-util.h"
#include "shared/bus-error.h"
#include "shared/bus-sender.h"
#include "shared/json-util.h"
#include "shared/memfd.h"
#include "workload/log-store.h"
#include "workload/workload-bus.h"
#include "workload/workload-json.h"

/* Every state of a connection, each at most of STATE_SIZE_MAX. */
#define STATES_MAX (256U * 1024U * 1024U)

/* A call is activity, and only root and the suite's own user may make one. */
static int check_sender(WorkloadBus *b, sd_bus_message *m, Error **reterr_error) {
        b->touch(b->userdata);
        return bus_sender_check(m, reterr_error);
}

/* The memfd that a method's next argument is. */
static int read_memfd(sd_bus_message *m, size_t max, char **ret, size_t *ret_n, Error **reterr_error) {
        int fd, r;

        r = sd_bus_message_read(m, "h", &fd);
        return r < 0 ? r : memfd_read(fd, max, ret, ret_n, reterr_error);
}

static int method_create(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *text = NULL;
        WorkloadBus *b = userdata;
        bool created = false;
        size_t n = 0;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = read_memfd(m, WORKLOAD_JSON_MAX, &text, &n, &error);
        if (r >= 0)
                r = workload_manager_create(b->manager, text, n, &created, &error);
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return sd_bus_reply_method_return(m, "b", created);
}

static int method_cancel(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        const char *id, *source, *reason;
        _cleanup_error_ Error *error = NULL;
        WorkloadBus *b = userdata;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "sss", &id, &source, &reason);
        if (r >= 0)
                r = workload_manager_cancel(b->manager, id, source, reason, &error);
        if (r == -ESTALE)
                r = -ESRCH;
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return sd_bus_reply_method_return(m, NULL);
}

static int reply_json(sd_bus_message *m, JsonObject *o) {
        _cleanup_free_ char *text = json_to_string(o);
        _cleanup_close_ int fd = -EBADF;

        if (!text)
                return -ENOMEM;
        fd = memfd_new("workload", text, strlen(text));
        return fd < 0 ? fd : sd_bus_reply_method_return(m, "h", fd);
}

static int method_get(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_error_ Error *error = NULL;
        WorkloadBus *b = userdata;
        const char *id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &id);
        if (r >= 0)
                r = workload_manager_get(b->manager, id, &w, &error);
        if (r >= 0)
                r = workload_to_json(w, &o);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : reply_json(m, o);
}

static int method_state_set(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *text = NULL;
        WorkloadBus *b = userdata;
        const char *connection_id;
        size_t n = 0;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &connection_id);
        if (r >= 0)
                r = read_memfd(m, STATES_MAX, &text, &n, &error);
        if (r >= 0)
                r = workload_manager_state_set(b->manager, connection_id, text, n, &error);
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return sd_bus_reply_method_return(m, NULL);
}

static int reply_logs(WorkloadBus *b, sd_bus_message *m, const char *place, sd_bus_error *reterr_bus) {
        _cleanup_(log_read_done) LogRead logs = {};
        _cleanup_error_ Error *error = NULL;
        _cleanup_close_ int fd = -EBADF;
        uint64_t cursor;
        uint32_t max;
        int r;

        r = sd_bus_message_read(m, "tu", &cursor, &max);
        if (r >= 0)
                r = log_store_read(b->log_root, place, cursor, max, &logs, &error);
        if (r >= 0)
                r = fd = memfd_new("logs", buffer_bytes(&logs.lines), logs.lines.len);
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return sd_bus_reply_method_return(m, "htb", fd, logs.cursor, logs.more);
}

static int method_read_logs(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *place = NULL;
        WorkloadBus *b = userdata;
        uint32_t attempt;
        int64_t job_id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "xu", &job_id, &attempt);
        if (r >= 0 && job_id <= 0)
                r = error_set(&error, -EINVAL, "%lld is no job", (long long) job_id);
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        place = log_place_of_attempt(job_id, attempt);
        return place ? reply_logs(b, m, place, reterr_bus) : -ENOMEM;
}

static int method_read_workload_logs(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *place = NULL;
        WorkloadBus *b = userdata;
        const char *id;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = sd_bus_message_read(m, "s", &id);
        if (r >= 0)
                r = workload_manager_log_place(b->manager, id, &place, &error);
        return r < 0 ? bus_error_from(reterr_bus, r, error) : reply_logs(b, m, place, reterr_bus);
}

static int method_sweep(sd_bus_message *m, void *userdata, sd_bus_error *reterr_bus) {
        _cleanup_error_ Error *error = NULL;
        WorkloadBus *b = userdata;
        int r;

        r = check_sender(b, m, &error);
        if (r >= 0)
                r = workload_manager_sweep(b->manager, &error);
        if (r < 0)
                return bus_error_from(reterr_bus, r, error);
        return sd_bus_reply_method_return(m, "u", (uint32_t) r);
}

/* Who may call is decided by the methods, not by the capabilities that sd-bus would ask for. */
#define METHOD(member_, in_, in_names_, out_, out_names_, handler_)                                          \
        SD_BUS_METHOD_WITH_NAMES(member_, in_, in_names_, out_, out_names_, handler_,                        \
                                 SD_BUS_VTABLE_UNPRIVILEGED)

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        METHOD("Create", "h", SD_BUS_PARAM(workload), "b", SD_BUS_PARAM(created), method_create),
        METHOD("Cancel", "sss", SD_BUS_PARAM(workload_id) SD_BUS_PARAM(source) SD_BUS_PARAM(reason), "", ,
               method_cancel),
        METHOD("Get", "s", SD_BUS_PARAM(workload_id), "h", SD_BUS_PARAM(workload), method_get),
        METHOD("StateSet", "sh", SD_BUS_PARAM(connection_id) SD_BUS_PARAM(states), "", , method_state_set),
        METHOD("ReadLogs", "xutu",
               SD_BUS_PARAM(job_id) SD_BUS_PARAM(attempt) SD_BUS_PARAM(cursor) SD_BUS_PARAM(max), "htb",
               SD_BUS_PARAM(lines) SD_BUS_PARAM(cursor) SD_BUS_PARAM(more), method_read_logs),
        METHOD("ReadWorkloadLogs", "stu", SD_BUS_PARAM(workload_id) SD_BUS_PARAM(cursor) SD_BUS_PARAM(max), "htb",
               SD_BUS_PARAM(lines) SD_BUS_PARAM(cursor) SD_BUS_PARAM(more), method_read_workload_logs),
        METHOD("Sweep", "", , "u", SD_BUS_PARAM(expired), method_sweep),
        SD_BUS_SIGNAL_WITH_NAMES("Changed", "t", SD_BUS_PARAM(seq), 0),
        SD_BUS_VTABLE_END,
};

int workload_bus_add(sd_bus *bus, WorkloadBus *b) {
        return sd_bus_add_object_vtable(bus, NULL, WORKLOAD_BUS_PATH, WORKLOAD_BUS_NAME ".Manager", vtable, b);
}
