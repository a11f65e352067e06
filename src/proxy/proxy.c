/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-proxy: what a browser or an API client talks to. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "basic/strv.h"
#include "proxy/proxy-server.h"
#include "shared/conf-file.h"
#include "shared/daemon.h"

#define SERVER_SOCKET "/run/gantry/server.sock"
#define WEB_ROOT DATADIR "/web"
#define BACKLOG 128

typedef struct Service {
        const char *listen, *server, *web, *conf;
        char **hosts;
        int web_fd;
        Daemon *daemon;
        ProxyServer *proxy;
} Service;

static void service_done(Service *s) {
        proxy_server_free(s->proxy);
        daemon_free(s->daemon);
        (void) safe_close(s->web_fd);
        strv_free(s->hosts);
}

static bool is_busy(void *userdata) {
        return proxy_server_n_connections(((Service *) userdata)->proxy) > 0;
}

static void on_touch(void *userdata) {
        daemon_touch(((Service *) userdata)->daemon);
}

static int read_hosts(Service *s) {
        _cleanup_(conf_file_freep) ConfFile *conf = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = conf_file_load(s->conf, &conf, &error);
        if (r >= 0)
                r = conf_file_get_strv(conf, "Web", "Hosts", &s->hosts);
        if (r < 0)
                log_error("%s", error_message(error, r));
        return r;
}

/* For development and tests: 127.0.0.1 and a port; 0: any, which is told on standard output. */
static int listen_on(const char *port) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        union {
                struct sockaddr sa;
                struct sockaddr_in in;
        } a = { .in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
        socklen_t n = sizeof(a.in);
        unsigned long number = strtoul(port, NULL, 10);
        int on = true;

        if (fd < 0)
                return -errno;
        if (number > UINT16_MAX)
                return -EINVAL;
        a.in.sin_port = htons((uint16_t) number);
        (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, &a.sa, sizeof(a.in)) < 0 || listen(fd, BACKLOG) < 0 || getsockname(fd, &a.sa, &n) < 0)
                return -errno;
        printf("http://127.0.0.1:%u\n", ntohs(a.in.sin_port));
        fflush(stdout);
        return TAKE_FD(fd);
}

static int start(Service *s) {
        ProxyOptions options = { .event = daemon_event(s->daemon), .server_path = s->server, .hosts = s->hosts,
                                 .touch = on_touch, .userdata = s };
        int fd, r;

        s->web_fd = open(s->web, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (s->web_fd < 0)
                log_debug_errno(-errno, "There is no web interface at '%s'", s->web);
        options.web_fd = s->web_fd;
        r = proxy_server_new(&options, &s->proxy);
        if (r < 0)
                return log_error_errno(r, "Failed to start");
        fd = s->listen ? listen_on(s->listen) : daemon_listen_fd("http");
        if (fd < 0)
                return log_error_errno(fd, "Failed to listen (there is no activation socket without --listen)");
        r = proxy_server_add_socket(s->proxy, fd);
        return r < 0 ? log_error_errno(r, "Failed to listen") : 0;
}

static int run(Service *s) {
        DaemonOptions options = { .busy = is_busy, .userdata = s };
        int r;

        if ((r = read_hosts(s)) < 0 || (r = daemon_new(&options, &s->daemon)) < 0 || (r = start(s)) < 0)
                return r;
        return daemon_run(s->daemon);
}

static void help(void) {
        puts("gantry-proxy [OPTION…]\n\n"
             "The web interface of the Gantry suite, and the way to its API.\n\n"
             "     --listen=PORT    listen on this port of 127.0.0.1 (0: any) instead of the activation socket\n"
             "     --server=PATH    gantry-server's socket, instead of " SERVER_SOCKET "\n"
             "     --web=DIRECTORY  the files of the web interface\n"
             "     --config=FILE    instead of " CONF_FILE_PATH "\n"
             "     --debug          log more\n"
             "  -h --help           show this help\n"
             "     --version        show the version");
}

enum { OPTION_LISTEN = 256, OPTION_SERVER, OPTION_WEB, OPTION_CONFIG, OPTION_DEBUG, OPTION_VERSION };

static const struct option long_options[] = {
        { "listen", required_argument, NULL, OPTION_LISTEN },
        { "server", required_argument, NULL, OPTION_SERVER },
        { "web", required_argument, NULL, OPTION_WEB },
        { "config", required_argument, NULL, OPTION_CONFIG },
        { "debug", no_argument, NULL, OPTION_DEBUG },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPTION_VERSION },
        {},
};

/* 1: go on; 0: all is said; negative: a usage error. */
static int parse_options(int argc, char **argv, Service *s) {
        int c;

        while ((c = getopt_long(argc, argv, "h", long_options, NULL)) >= 0)
                switch (c) {
                case OPTION_LISTEN:
                        s->listen = optarg;
                        break;
                case OPTION_SERVER:
                        s->server = optarg;
                        break;
                case OPTION_WEB:
                        s->web = optarg;
                        break;
                case OPTION_CONFIG:
                        s->conf = optarg;
                        break;
                case OPTION_DEBUG:
                        log_set_level(LOG_LEVEL_DEBUG);
                        break;
                case 'h':
                        help();
                        return 0;
                case OPTION_VERSION:
                        puts("gantry-proxy " PACKAGE_VERSION);
                        return 0;
                default:
                        return -EINVAL;
                }
        if (optind < argc) {
                log_error("Unexpected argument '%s'", argv[optind]);
                return -EINVAL;
        }
        return 1;
}

int main(int argc, char **argv) {
        _cleanup_(service_done) Service s = { .server = SERVER_SOCKET, .web = WEB_ROOT, .conf = CONF_FILE_PATH,
                                              .web_fd = -EBADF };
        int r;

        r = parse_options(argc, argv, &s);
        if (r <= 0)
                return r < 0 ? 2 : 0;
        return run(&s) < 0 ? 1 : 0;
}
