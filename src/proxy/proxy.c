/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-proxy: what a browser or an API client talks to.
 *
 * It is the one program of the suite with a port, and has nothing worth stealing: no key, no database, no
 * right on the bus. Credentials pass through it to the server's socket, and the server alone judges them.
 * It ends when it has been idle; systemd holds the port meanwhile. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "basic/strv.h"
#include "proxy/proxy-server.h"
#include "shared/conf-file.h"
#include "shared/daemon.h"
#include "shared/daemon-options.h"

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

int main(int argc, char **argv) {
        _cleanup_(service_done) Service s = { .server = SERVER_SOCKET, .web = WEB_ROOT, .conf = CONF_FILE_PATH,
                                              .web_fd = -EBADF };
        const DaemonOption options[] = {
                { "listen", "PORT", "of 127.0.0.1 (0: any), instead of the activation socket", &s.listen, NULL },
                { "server", "PATH", "gantry-server's socket, instead of " SERVER_SOCKET, &s.server, NULL },
                { "web", "DIRECTORY", "the files of the web interface", &s.web, NULL },
                { "config", "FILE", "instead of " CONF_FILE_PATH, &s.conf, NULL },
        };
        int r = daemon_options_parse(argc, argv, "gantry-proxy",
                                     "The web interface of the Gantry suite, and the way to its API.",
                                     options, ELEMENTSOF(options));

        if (r <= 0)
                return daemon_options_exit_code(r);
        return run(&s) < 0 ? 1 : 0;
}
