/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-workload: the workload API for launchers and runners (HTTP on a unix socket),
 * org.gantry.Workload1 for the other daemons, and the deadlines between them.
 *
 * Everything runs in one thread on one event loop, and each event runs to its end; that is what lets the
 * files beside this one do without locks. The object is on the bus and the socket listens before
 * daemon_run() takes the name, so that no call finds half a daemon. It stays while a workload is open,
 * since nobody else would notice a lease that runs out, and while an end is untold. */

#include "basic/log.h"
#include "shared/daemon.h"
#include "shared/daemon-options.h"
#include "shared/exit-codes.h"
#include "shared/stand-in.h"
#include "workload/workload-api.h"
#include "workload/workload-bus.h"
#include "workload/workload-notify.h"

#define LOG_ROOT "/var/lib/gantry/logs"
#define STATE_PATIENCE_USEC (5 * USEC_PER_SEC)

typedef struct Service {
        const char *listen, *database, *log_root;
        Daemon *daemon;
        Db *db;
        SealingKeys *keys;
        WorkloadManager *manager;
        WorkloadNotify *notify;
        HttpServer *http;
        WorkloadApi api;
        WorkloadBus bus;
        Error *fault; /* why it can't do its work */
} Service;

static void service_done(Service *s) {
        /* Requests that wait for a reply from the bus hold references to the server's. */
        workload_notify_free(s->notify);
        http_server_free(s->http);
        workload_manager_free(s->manager);
        daemon_free(s->daemon);
        sealing_keys_free(s->keys);
        db_free(s->db);
        error_free(s->fault);
}

static bool is_busy(void *userdata) {
        Service *s = userdata;

        return http_server_n_connections(s->http) > 0 || workload_manager_is_busy(s->manager);
}

static void on_touch(void *userdata) {
        daemon_touch(((Service *) userdata)->daemon);
}

static void on_queued(void *userdata) {
        workload_notify_wake(((Service *) userdata)->notify);
}

static void on_stopped(const char *id, void *userdata) {
        workload_notify_stopped(((Service *) userdata)->notify, id);
}

static void on_ended(bool claimed, void *userdata) {
        Service *s = userdata;

        workload_notify_ended(s->notify);
        /* One that was stopped meanwhile has units to take away. */
        if (claimed)
                workload_notify_wake(s->notify);
}

static void on_changed(int64_t seq, void *userdata) {
        workload_notify_changed(((Service *) userdata)->notify, seq);
}

static void on_progress(const char *json, void *userdata) {
        workload_notify_progress(((Service *) userdata)->notify, json);
}

static int on_rotate(HttpRequest *q, const char *actor_id, const char *configuration, void *userdata) {
        return workload_notify_rotate(((Service *) userdata)->notify, q, actor_id, configuration);
}

/* A bus that has gone goes with its machine. */
static bool shuts_down(void *userdata) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        sd_bus *bus = daemon_bus(((Service *) userdata)->daemon);
        const char *state = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
                                           "org.freedesktop.DBus.Properties", "Get");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", "org.freedesktop.systemd1.Manager", "SystemState");
        if (r >= 0)
                r = sd_bus_call(bus, m, STATE_PATIENCE_USEC, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "v", "s", &state);
        return r < 0 ? sd_bus_is_open(bus) <= 0 : streq(state, "stopping");
}

static int open_stores(Service *s) {
        int r;

        r = db_open(s->database, DB_READ_WRITE, &s->db, &s->fault);
        return r < 0 ? db_blame_disk(s->database, r, &s->fault) : sealing_keys_load(&s->keys, &s->fault);
}

static int start_manager(Service *s) {
        WorkloadManagerOptions options = {
                .env = daemon_env(s->daemon),
                .db = s->db,
                .keys = s->keys,
                .log_root = s->log_root,
                .hooks = { on_queued, on_stopped, on_ended, on_changed, on_progress, s },
        };
        int r;

        r = workload_manager_new(&options, &s->manager);
        if (r >= 0)
                r = workload_notify_new(options.env, daemon_bus(s->daemon), s->manager, &s->notify);
        return r < 0 ? log_error_errno(r, "Failed to start") : 0;
}

static int start_http(Service *s, HttpHandler prepare, void *userdata) {
        _cleanup_error_ Error *error = NULL;
        HttpServerOptions options = {
                .event = daemon_event(s->daemon),
                .routes = workload_api_routes,
                .n_routes = workload_api_n_routes,
                .prepare = prepare,
                .userdata = userdata,
        };
        int r;

        r = http_server_new(&options, &s->http);
        if (r < 0)
                return log_error_errno(r, "Failed to make the HTTP server");
        if (s->listen) {
                r = http_server_listen(s->http, s->listen, &error);
                if (r < 0)
                        log_error("%s", error_message(error, r));
                return r;
        }
        r = daemon_listen_fd("api");
        if (r < 0)
                return log_error_errno(r, "There is no activation socket and no --listen");
        r = http_server_add_socket(s->http, r);
        return r < 0 ? log_error_errno(r, "Failed to listen on the activation socket") : 0;
}

static int start_bus(Service *s) {
        int r;

        s->bus = (WorkloadBus) { s->manager, s->log_root, on_touch, s };
        r = workload_bus_add(daemon_bus(s->daemon), &s->bus);
        return r < 0 ? log_error_errno(r, "Failed to put the object on the bus") : 0;
}

/* Leases run out, and ends are told, whether or not somebody calls: it stays. */
static int stand_in(Service *s, int error) {
        int r = stand_in_fault(&s->fault, error);

        if (r >= 0)
                r = start_http(s, http_refuse, s->fault);
        return r < 0 ? r : stand_in_run(&(StandInOptions) {
                .daemon = s->daemon,
                .fault = s->fault,
                .mended = s->db ? NULL : db_is_mended,
                .place = s->database,
                .answers = http_server_has_clients,
                .userdata = s->http,
                .stays = true,
        });
}

static int run(Service *s) {
        DaemonOptions options = { .bus_name = WORKLOAD_BUS_NAME, .busy = is_busy, .userdata = s };
        int r;

        r = daemon_new(&options, &s->daemon);
        if (r < 0)
                return r;
        r = open_stores(s);
        if (r < 0)
                return stand_in(s, r);
        r = start_manager(s);
        if (r < 0)
                return r;
        s->api = (WorkloadApi) { s->manager, on_rotate, on_touch, shuts_down, s };
        if ((r = start_http(s, workload_api_prepare, &s->api)) < 0 || (r = start_bus(s)) < 0)
                return r;
        /* What ended before we were stopped or killed, what waits for a launcher, and what is to end. */
        workload_notify_ended(s->notify);
        workload_notify_resume(s->notify);
        workload_manager_remind(s->manager);
        return daemon_run(s->daemon);
}

int main(int argc, char **argv) {
        _cleanup_(service_done) Service s = { .database = db_path(), .log_root = LOG_ROOT };
        const DaemonOption options[] = {
                { "listen", "PATH", "a unix socket instead of the activation socket", &s.listen, NULL },
                { "database", "PATH", "instead of " DB_PATH, &s.database, NULL },
                { "log-directory", "PATH", "logs of attempts, instead of " LOG_ROOT, &s.log_root, NULL },
        };
        int r = daemon_options_parse(argc, argv, "gantry-workload", "The workload API of the Gantry suite.",
                                     options, ELEMENTSOF(options));

        if (r <= 0)
                return daemon_options_exit_code(r);
        r = run(&s);
        return r == -EAGAIN ? EXIT_TRY_AGAIN : r < 0 ? EXIT_FAILED : EXIT_OK;
}
