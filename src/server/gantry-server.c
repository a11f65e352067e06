/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-server: the control plane. HTTP on an activated socket (or --listen), D-Bus as
 * org.gantry.Server1. */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "basic/strv.h"
#include "db/metadata-store.h"
#include "server/api.h"
#include "server/bus-manager.h"
#include "server/bus-objects.h"
#include "server/event-feed.h"
#include "server/server.h"

typedef struct Options {
        char **listen; /* none: the activated socket */
        const char *database;
        const char *conf;
} Options;

static int help(void) {
        printf("gantry-server [OPTIONS]\n\n"
               "Serve Gantry's HTTP API and its D-Bus interface. Usually started by systemd.\n\n"
               "     --listen WHERE    Listen on a /PATH or on 127.0.0.1:PORT, for development; may be repeated\n"
               "     --database PATH   Use this database\n"
               "     --config PATH     Read this file instead of " CONF_FILE_PATH "\n"
               "  -h --help            Show this help\n"
               "     --version         Show the version\n");
        return 0;
}

/* 1: go on; 0: done; -EINVAL. */
static int parse_arguments(int argc, char *argv[], Options *o) {
        enum { ARG_LISTEN = 0x100, ARG_DATABASE, ARG_CONFIG, ARG_VERSION };
        static const struct option options[] = {
                { "listen", required_argument, NULL, ARG_LISTEN },
                { "database", required_argument, NULL, ARG_DATABASE },
                { "config", required_argument, NULL, ARG_CONFIG },
                { "help", no_argument, NULL, 'h' },
                { "version", no_argument, NULL, ARG_VERSION },
                {},
        };
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case ARG_LISTEN:
                        if (strv_extend(&o->listen, optarg) < 0)
                                return log_oom();
                        break;
                case ARG_DATABASE:
                        o->database = optarg;
                        break;
                case ARG_CONFIG:
                        o->conf = optarg;
                        break;
                case 'h':
                        return help();
                case ARG_VERSION:
                        return puts("gantry-server " PACKAGE_VERSION) < 0 ? -EIO : 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("gantry-server takes no arguments, see --help");
                return -EINVAL;
        }
        return 1;
}

static bool is_busy(void *userdata) {
        Server *s = userdata;

        return s->n_calls > 0 || (s->http && http_server_n_connections(s->http) > 0);
}

static int open_stores(Server *s, const Options *o) {
        _cleanup_error_ Error *e = NULL;
        _cleanup_free_ char *deployment = NULL;
        int r;

        r = conf_file_load(o->conf ?: CONF_FILE_PATH, &s->conf, &e);
        if (r >= 0)
                r = db_open(o->database ?: db_path(), DB_READ_WRITE, &s->db, &e);
        if (r >= 0)
                r = sealing_keys_load(&s->keys, &e);
        if (r >= 0)
                r = metadata_get(s->db, METADATA_DEPLOYMENT_ID, &deployment, &e);
        if (r >= 0)
                r = jwt_key_new(s->keys, deployment, &s->jwt);
        if (r < 0)
                log_error("%s", error_message(e, r));
        return r;
}

static int start_http(Server *s, const Options *o) {
        _cleanup_error_ Error *e = NULL;
        HttpServerOptions options = { .event = daemon_event(s->daemon), .prepare = api_prepare,
                                      .userdata = s };
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
        event_feed_free(s->feed);
        http_server_free(s->http);
        free(s->routes);
        polkit_free(s->polkit);
        jwt_key_free(s->jwt);
        sealing_keys_free(s->keys);
        db_free(s->db);
        conf_file_free(s->conf);
        daemon_free(s->daemon);
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
                return r;
        r = bus_manager_add(&s);
        if (r >= 0)
                r = bus_objects_add(&s);
        if (r >= 0)
                r = server_watch_others(&s);
        if (r >= 0)
                r = event_feed_new(&s, &s.feed);
        if (r < 0)
                return log_error_errno(r, "Failed to add the bus objects");
        r = start_http(&s, o);
        return r < 0 ? r : daemon_run(s.daemon);
}

int main(int argc, char *argv[]) {
        Options o = {};
        int r;

        (void) signal(SIGPIPE, SIG_IGN);
        r = parse_arguments(argc, argv, &o);
        if (r > 0)
                r = run(&o) < 0 ? 1 : 0;
        else if (r < 0)
                r = 2;
        strv_free(o.listen);
        return r;
}
