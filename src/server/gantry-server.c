/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-server: the control plane. HTTP on an activated socket (or --listen), D-Bus as
 * org.gantry.Server1.
 *
 *     api.c, routes-NAME.c   bus.c, bus-NAME.c     what a face knows: forms, statuses, polkit
 *               └───── call.c ──────┘              who asks, and the way back of an answer
 *                         │
 *                  NAME-service.c                  rights, rules, transactions: the same for both
 *                         │
 *            db/NAME-store.c, workflow-client.c    what is stored here; what others do
 *
 * One thread, one event loop. A handler runs to its end, so that what it has read stays true until it has
 * written, except for what other daemons write: for that there are revisions. Nothing blocks: what takes
 * long is a call to another daemon, answered later, and the server stays until it is. It keeps no state
 * that a crash could lose; a request that was not answered may be sent again. */

#include <signal.h>

#include "basic/log.h"
#include "basic/strv.h"
#include "db/metadata-store.h"
#include "runtime/suite-store.h"
#include "server/api.h"
#include "server/bus-manager.h"
#include "server/bus-objects.h"
#include "server/bus-signals.h"
#include "server/event-feed.h"
#include "server/job-hold.h"
#include "server/job-progress.h"
#include "server/server.h"
#include "shared/daemon-options.h"
#include "shared/stand-in.h"

typedef struct Options {
        char **listen; /* none: the activated socket */
        const char *database;
        const char *conf;
} Options;

static bool is_busy(void *userdata) {
        Server *s = userdata;

        return s->n_calls > 0 || polkit_is_busy(s->polkit) || bus_signals_has_subscribers(s->signals) ||
               (s->http && http_server_n_connections(s->http) > 0);
}

static int open_stores(Server *s, const Options *o) {
        _cleanup_free_ char *deployment = NULL;
        int r;

        r = conf_file_load(o->conf ?: CONF_FILE_PATH, &s->conf, &s->fault);
        if (r < 0)
                return r;
        r = db_open(o->database, DB_READ_WRITE, &s->db, &s->fault);
        if (r < 0)
                return db_blame_disk(o->database, r, &s->fault);
        r = sealing_keys_load(&s->keys, &s->fault);
        if (r >= 0)
                r = metadata_get(s->db, METADATA_DEPLOYMENT_ID, &deployment, &s->fault);
        /* What gantry-bootloader could not make. */
        if (r < 0)
                return db_blame_disk(o->database, r, &s->fault);
        return jwt_key_new(s->keys, deployment, &s->jwt);
}

static int start_http(Server *s, const Options *o, HttpHandler prepare, void *userdata) {
        _cleanup_error_ Error *e = NULL;
        HttpServerOptions options = { .event = daemon_event(s->daemon), .prepare = prepare,
                                      .userdata = userdata };
        int r, fd;

        r = api_make_routes(&s->routes, &s->n_routes);
        if (r < 0)
                return log_oom();
        options.routes = s->routes;
        options.n_routes = s->n_routes;
        r = http_server_new(&options, &s->http);
        if (r < 0)
                return log_error_errno(r, "Failed to start the HTTP server");
        STRV_FOREACH(where, o->listen) {
                r = http_server_listen(s->http, *where, &e);
                if (r < 0) {
                        log_error("%s", error_message(e, r));
                        return r;
                }
        }
        if (o->listen)
                return 0;
        fd = daemon_listen_fd("server");
        if (fd == -ENOENT) {
                log_warning("There is no activated socket 'server' and no --listen: D-Bus alone is served");
                return 0;
        }
        r = fd < 0 ? fd : http_server_add_socket(s->http, fd);
        return r < 0 ? log_error_errno(r, "Failed to take the activated socket") : 0;
}

static void server_done(Server *s) {
        /* Answers, hence first. */
        job_holds_free(s->holds);
        event_feed_free(s->feed);
        bus_signals_free(s->signals);
        job_progress_free(s->progress);
        http_server_free(s->http);
        free(s->routes);
        polkit_free(s->polkit);
        jwt_key_free(s->jwt);
        sealing_keys_free(s->keys);
        db_free(s->db);
        conf_file_free(s->conf);
        daemon_free(s->daemon);
        error_free(s->fault);
}

/* While the database can't be used. */
static int stand_in(Server *s, const Options *o, int error) {
        int r = stand_in_fault(&s->fault, error);

        if (r >= 0)
                r = start_http(s, o, http_refuse, s->fault);
        return r < 0 ? r : stand_in_run(&(StandInOptions) {
                .daemon = s->daemon,
                .fault = s->fault,
                .mended = s->db ? NULL : db_is_mended,
                .place = o->database,
                .answers = http_server_has_clients,
                .userdata = s->http,
        });
}

static int run(const Options *o) {
        _cleanup_(server_done) Server s = {};
        int r;

        r = daemon_new(&(DaemonOptions) { .bus_name = "org.gantry.Server1", .busy = is_busy,
                                          .userdata = &s },
                       &s.daemon);
        if (r < 0)
                return r;
        s.env = daemon_env(s.daemon);
        s.bus = daemon_bus(s.daemon);
        s.polkit = polkit_new();
        if (!s.polkit)
                return log_oom();
        r = open_stores(&s, o);
        if (r < 0)
                return stand_in(&s, o, r);
        r = bus_manager_add(&s);
        if (r >= 0)
                r = bus_objects_add(&s);
        if (r >= 0)
                r = server_watch_others(&s);
        if (r >= 0)
                r = bus_signals_new(&s, &s.signals);
        if (r >= 0)
                r = job_progress_new(&s, &s.progress);
        if (r >= 0)
                r = job_holds_new(&s, &s.holds);
        if (r >= 0)
                r = event_feed_new(&s, &s.feed);
        if (r < 0)
                return log_error_errno(r, "Failed to add the bus objects");
        r = start_http(&s, o, api_prepare, &s);
        return r < 0 ? r : daemon_run(s.daemon);
}

int main(int argc, char *argv[]) {
        Options o = { .database = db_path() };
        const DaemonOption options[] = {
                { "listen", "WHERE", "/PATH or 127.0.0.1:PORT, for development; repeatable", NULL, &o.listen },
                { "database", "PATH", "instead of " DB_PATH, &o.database, NULL },
                { "config", "FILE", "instead of " CONF_FILE_PATH, &o.conf, NULL },
        };
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        /* Where the suite's connectors are, for what is told of them. */
        (void) setenv("GANTRY_CONNECTOR_DIR", SUITE_STORE, /* overwrite= */ 0);
        r = daemon_options_parse(argc, argv, "gantry-server",
                                 "Serves Gantry's HTTP API and org.gantry.Server1.", options,
                                 ELEMENTSOF(options));
        r = r <= 0 ? daemon_options_exit_code(r) : run(&o) < 0 ? 1 : 0;
        strv_free(o.listen);
        return r;
}
