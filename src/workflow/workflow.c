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
#include "shared/exit-codes.h"
#include "shared/stand-in.h"
#include "workflow/workflow-bus.h"

typedef struct Service {
        const char *database;
        usec_t idle;
        Daemon *daemon;
        Db *db;
        SealingKeys *keys;
        WorkflowBus *bus;
        WorkflowManager *manager;
        Error *fault; /* why it can't do its work */
} Service;

static void service_done(Service *s) {
        workflow_manager_free(s->manager);
        workflow_bus_free(s->bus);
        daemon_free(s->daemon);
        sealing_keys_free(s->keys);
        db_free(s->db);
        error_free(s->fault);
}

static bool is_busy(void *userdata) {
        Service *s = userdata;

        return workflow_manager_is_busy(s->manager) || workflow_bus_is_busy(s->bus);
}

static void on_touch(void *userdata) {
        daemon_touch(((Service *) userdata)->daemon);
}

static int open_stores(Service *s) {
        int r;

        r = db_open(s->database, DB_READ_WRITE, &s->db, &s->fault);
        return r < 0 ? db_blame_disk(s->database, r, &s->fault) : sealing_keys_load(&s->keys, &s->fault);
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

/* A timer may have started it, which won't come again: it stays. */
static int stand_in(Service *s, int error) {
        int r = stand_in_fault(&s->fault, error);

        return r < 0 ? r : stand_in_run(&(StandInOptions) {
                .daemon = s->daemon,
                .fault = s->fault,
                .mended = s->db ? NULL : db_is_mended,
                .place = s->database,
                .stays = true,
        });
}

static int run(Service *s) {
        DaemonOptions options = { .bus_name = WORKFLOW_BUS_NAME, .busy = is_busy, .idle = s->idle,
                                  .userdata = s };
        int r;

        r = daemon_new(&options, &s->daemon);
        if (r < 0)
                return r;
        r = open_stores(s);
        if (r < 0)
                return stand_in(s, r);
        r = start_manager(s);
        return r < 0 ? r : daemon_run(s->daemon);
}

int main(int argc, char **argv) {
        _cleanup_(service_done) Service s = { .database = db_path() };
        const DaemonOption options[] = {
                { "database", "PATH", "instead of " DB_PATH, &s.database, NULL },
        };
        int r = daemon_options_parse(argc, argv, "gantry-workflow",
                                     "The durable workflows of the Gantry suite.", options,
                                     ELEMENTSOF(options));

        if (r <= 0)
                return daemon_options_exit_code(r);
        r = run(&s);
        return r == -EAGAIN ? EXIT_TRY_AGAIN : r < 0 ? EXIT_FAILED : EXIT_OK;
}
