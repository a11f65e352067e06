/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-resolver: answers the DNS questions of connectors that have a network, and allows in their
 * filters what it answers. It has no privilege; fences (root) bring it what it works with.
 *
 * Fences are served one after the other and waited for: root's programs that send one packet at once,
 * bounded by a few seconds of patience. The descriptors in a packet are ours from recvmsg() on, and
 * closed on every way that doesn't end in a zone. Zones live in memory alone, so it doesn't leave while
 * there is one. */

#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "network/network-files.h"
#include "resolver/resolver-zones.h"
#include "shared/daemon-options.h"
#include "shared/daemon.h"

#define SOCKET_NAME "fence"
/* A fence sends at once. */
#define PATIENCE_SECONDS 5

typedef struct Resolver {
        Daemon *daemon;
        Zones *zones;
        EnvSource *io;
        int listener;
} Resolver;

static bool busy(void *userdata) {
        Resolver *r = userdata;

        return r->zones && zones_busy(r->zones);
}

/* The packet's length, or a negative errno. Descriptors that aren't all there are closed. */
static ssize_t receive(int fd, char *buffer, int fds[static NETWORK_PACKET_FDS]) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * NETWORK_PACKET_FDS)];
        } control = {};
        struct iovec iov = { buffer, NETWORK_PACKET_MAX };
        struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
        size_t n_fds;

        if (n < 0)
                return -errno;
        if (m.msg_controllen < CMSG_LEN(sizeof(int)) || control.header.cmsg_type != SCM_RIGHTS)
                return -EBADMSG;
        n_fds = (control.header.cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(&control.header), n_fds * sizeof(int));
        if (n_fds == NETWORK_PACKET_FDS && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
                return n;
        for (size_t i = 0; i < n_fds; i++)
                fds[i] = safe_close(fds[i]);
        return -EBADMSG;
}

static int take_zone(Resolver *r, int fd, Error **reterr_error) {
        _cleanup_free_ char *buffer = malloc(NETWORK_PACKET_MAX);
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *zone = NULL;
        NetworkZone *rules = NULL;
        const char *unit = NULL;
        int fds[NETWORK_PACKET_FDS] = { -EBADF, -EBADF }, k;
        ssize_t n;

        if (!buffer)
                return -ENOMEM;
        n = receive(fd, buffer, fds);
        if (n < 0)
                return error_set_errno(reterr_error, (int) n, "Failed to receive a zone");
        k = json_parse(buffer, (size_t) n, &o, reterr_error);
        if (k >= 0)
                k = json_get_string(o, "unit", &unit, "packet", reterr_error);
        if (k >= 0)
                k = json_get_object(o, "zone", &zone, "packet", reterr_error);
        if (k >= 0)
                k = unit && zone ? network_zone_from_json(zone, &rules, reterr_error) : -EBADMSG;
        if (k >= 0)
                return zones_add(r->zones, unit, rules, fds[0], fds[1], reterr_error);
        for (size_t i = 0; i < NETWORK_PACKET_FDS; i++)
                (void) safe_close(fds[i]);
        return k;
}

static void say(int fd, int r, const Error *error) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_free_ char *text = NULL;

        if (!o || (r < 0 ? json_add_string(o, "error", error_message(error, r))
                         : json_add(o, "ready", json_object_new_boolean(true))) < 0)
                return;
        text = json_to_string(o);
        if (text)
                (void) send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static int on_fence(EnvSource *s, int listener, uint32_t events, void *userdata) {
        Resolver *r = userdata;
        struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
        _cleanup_close_ int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        _cleanup_error_ Error *error = NULL;
        int k;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return 0;
        daemon_touch(r->daemon);
        k = take_zone(r, fd, &error);
        if (k < 0)
                log_warning("A unit's network could not be taken on: %s", error_message(error, k));
        say(fd, k, error);
        return 0;
}

static int run(void) {
        Resolver r = { .listener = -EBADF };
        int k = daemon_new(&(DaemonOptions) { .busy = busy, .userdata = &r }, &r.daemon);

        if (k >= 0)
                k = r.listener = daemon_listen_fd(SOCKET_NAME);
        if (k < 0)
                log_error_errno(k, "Failed to begin (this program is started by its socket)");
        if (k >= 0) {
                Env *env = daemon_env(r.daemon);

                k = zones_new(env, &r.zones);
                if (k >= 0)
                        k = env->ops->io_add(env, r.listener, ENV_READABLE, 0, on_fence, &r, &r.io);
                if (k >= 0)
                        k = daemon_run(r.daemon);
                env_source_free(env, r.io);
        }
        zones_free(r.zones);
        (void) safe_close(r.listener);
        daemon_free(r.daemon);
        return k;
}

int main(int argc, char *argv[]) {
        int r = daemon_options_parse(argc, argv, "gantry-resolver",
                                     "Answers DNS questions of connectors with what they may reach.", NULL, 0);

        if (r <= 0)
                return daemon_options_exit_code(r);
        return run() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
