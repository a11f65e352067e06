/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-workflow: jobs and their attempts, retries and schedules; checks, discovers and specs that
 * somebody waits for.
 *
 * The object is on the bus before the workflows are taken up, and the name is taken last: a call that
 * activated the daemon waits in the bus until all of this stands. The manager goes before the bus, which
 * its port points to. */

#include "basic/log.h"
#include "shared/daemon.h"
#include "shared/daemon-options.h"
#include "workflow/workflow-bus.h"

typedef struct Service {
        const char *database;
        usec_t idle;
        Daemon *daemon;
        Db *db;
        SealingKeys *keys;
        WorkflowBus *bus;
        WorkflowManager *manager;
} Service;

static void service_done(Service *s) {
        workflow_manager_free(s->manager);
        workflow_bus_free(s->bus);
        daemon_free(s->daemon);
        sealing_keys_free(s->keys);
        db_free(s->db);
}

static bool is_busy(void *userdata) {
        Service *s = userdata;

        return workflow_manager_is_busy(s->manager) || workflow_bus_is_busy(s->bus);
}

static void on_touch(void *userdata) {
        daemon_touch(((Service *) userdata)->daemon);
}

static int open_stores(Service *s) {
        _cleanup_error_ Error *error = NULL;
        int r;

        r = db_open(s->database ?: db_path(), DB_READ_WRITE, &s->db, &error);
        if (r >= 0)
                r = sealing_keys_load(&s->keys, &error);
        if (r < 0)
                daemon_start_failed(r, error_message(error, r));
        return r;
}

static int start_manager(Service *s) {
        _cleanup_error_ Error *error = NULL;
        WorkflowManagerOptions options = { .env = daemon_env(s->daemon), .db = s->db, .keys = s->keys };
        int r;

        r = workflow_bus_new(daemon_bus(s->daemon), on_touch, s, &s->bus);
        if (r < 0)
                return log_error_errno(r, "Failed to start");
        options.port = workflow_bus_port(s->bus);
        r = workflow_manager_new(&options, &s->manager);
        if (r >= 0)
                r = workflow_bus_add(s->bus, s->manager);
        if (r < 0)
                return log_error_errno(r, "Failed to start");
        r = workflow_manager_start(s->manager, &error);
        if (r < 0)
                log_error("Failed to take up the workflows: %s", error_message(error, r));
        return r;
}

static int run(Service *s) {
        DaemonOptions options = { .bus_name = WORKFLOW_BUS_NAME, .busy = is_busy, .idle = s->idle, .userdata = s };
        int r;

        if ((r = open_stores(s)) < 0 || (r = daemon_new(&options, &s->daemon)) < 0 || (r = start_manager(s)) < 0)
                return r;
        return daemon_run(s->daemon);
}

int main(int argc, char **argv) {
        _cleanup_(service_done) Service s = {};
        const DaemonOption options[] = {
                { "database", "PATH", "instead of " DB_PATH, &s.database, NULL },
        };
        int r = daemon_options_parse(argc, argv, "gantry-workflow",
                                     "The durable workflows of the Gantry suite.", options,
                                     ELEMENTSOF(options));

        if (r <= 0)
                return daemon_options_exit_code(r);
        return run(&s) < 0 ? 1 : 0;
}
