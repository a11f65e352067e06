/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-fence UNIT: what a connector's unit with a network runs first, as root and in the unit's control
 * group. It ends well only when the filter holds and somebody answers for names: a unit whose fence fails
 * does not start.
 *
 * The order is the point. The filter is attached first, with an empty table that allows nothing: whatever
 * goes wrong afterwards, the unit is closed off rather than open. Then come the addresses that need no
 * name; this machine's own are those of this moment, later ones are judged by the resolver when a name
 * leads there. Last the resolver, which gets the table and the control group as open descriptors: it can
 * add what it answers without a right of its own, and it sees by the group when the unit has ended.
 *
 * Programs and tables in the kernel live by their references: the attachment keeps the filter as long as
 * the control group exists, after this program has gone. Nothing has to be undone, and nothing could be: so
 * it is put on the group of the unit that is named and on no other. Run by hand it would close off whatever
 * the shell lies in, up to the whole machine. */

#include <ifaddrs.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "network/network-files.h"
#include "network/network-filter.h"
#include "network/network-zone.h"

/* To the resolver, which may have to be started first. */
#define PATIENCE_SECONDS 30
#define ANSWER_MAX 4096U
#define OWN_ADDRESSES_MAX 256U

typedef struct Fence {
        const char *unit;
        JsonObject *zone;
        char *packet;
        int map, cgroup, resolver;
} Fence;

static int load_zone(Fence *f, NetworkZone **ret, Error **reterr_error) {
        _cleanup_free_ char *path = NULL;
        int r;

        if (asprintf(&path, NETWORK_DIRECTORY "/%s.zone", f->unit) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = json_parse_file(path, NETWORK_PACKET_MAX, &f->zone, reterr_error);
        return r < 0 ? r : network_zone_from_json(f->zone, ret, reterr_error);
}

static int close_off(Fence *f, Error **reterr_error) {
        int r = network_filter_open_cgroup(f->unit, &f->cgroup);

        if (r == -ENXIO)
                return error_set(reterr_error, r, "This is not a process of the unit '%s'", f->unit);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to open the unit's control group");
        r = network_filter_new(&f->map);
        if (r >= 0)
                r = network_filter_attach(f->map, f->cgroup);
        return r < 0 ? error_set_errno(reterr_error, r, "The kernel takes no filter of addresses") : 0;
}

/* The link-local ones are among what is blocked anyway. */
static size_t own_addresses(struct in6_addr ret[static OWN_ADDRESSES_MAX]) {
        struct ifaddrs *list = NULL;
        size_t n = 0;

        if (getifaddrs(&list) < 0)
                return 0;
        for (struct ifaddrs *i = list; i && n < OWN_ADDRESSES_MAX; i = i->ifa_next)
                if (!i->ifa_addr)
                        continue;
                else if (i->ifa_addr->sa_family == AF_INET)
                        address_from_v4(&((struct sockaddr_in *) i->ifa_addr)->sin_addr, &ret[n++]);
                else if (i->ifa_addr->sa_family == AF_INET6)
                        ret[n++] = ((struct sockaddr_in6 *) i->ifa_addr)->sin6_addr;
        freeifaddrs(list);
        return n;
}

static int set_entry(const struct in6_addr *a, unsigned prefix, bool allow, uint16_t port, void *userdata) {
        return network_filter_set(((Fence *) userdata)->map, a, prefix, allow, port);
}

static int fill_table(Fence *f, const NetworkZone *zone, Error **reterr_error) {
        struct in6_addr own[OWN_ADDRESSES_MAX];
        size_t n = own_addresses(own);
        int r = network_zone_visit(zone, own, n, set_entry, f);

        return r < 0 ? error_set_errno(reterr_error, r, "Failed to fill the filter's table") : 0;
}

static int connect_resolver(Fence *f) {
        struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = NETWORK_RESOLVER_SOCKET };
        struct timeval patience = { .tv_sec = PATIENCE_SECONDS };

        f->resolver = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (f->resolver < 0 ||
            setsockopt(f->resolver, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0 ||
            setsockopt(f->resolver, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0 ||
            connect(f->resolver, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return 0;
}

static int send_zone(Fence *f) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * NETWORK_PACKET_FDS)];
        } control = {};
        struct msghdr m = { .msg_control = &control, .msg_controllen = sizeof(control) };
        const int fds[NETWORK_PACKET_FDS] = { f->map, f->cgroup };
        struct iovec iov;
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "unit", f->unit);
        if (r >= 0)
                r = json_add(o, "zone", json_object_get(f->zone));
        if (r < 0)
                return r;
        f->packet = json_to_string(o);
        if (!f->packet)
                return -ENOMEM;
        iov = (struct iovec) { f->packet, strlen(f->packet) };
        m.msg_iov = &iov;
        m.msg_iovlen = 1;
        control.header = (struct cmsghdr) {
                .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fds)),
        };
        memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
        return sendmsg(f->resolver, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int hear_answer(Fence *f, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        const char *error = NULL;
        char answer[ANSWER_MAX];
        bool ready = false;
        ssize_t n = recv(f->resolver, answer, sizeof(answer), 0);
        int r;

        if (n <= 0)
                return error_set_errno(reterr_error, n < 0 ? -errno : -ECONNRESET,
                                       "gantry-resolver does not answer");
        r = json_parse(answer, (size_t) n, &o, reterr_error);
        if (r < 0)
                return r;
        (void) json_get_bool(o, "ready", &ready, "answer", NULL);
        (void) json_get_string(o, "error", &error, "answer", NULL);
        return ready ? 0 : error_set(reterr_error, -EPROTO, "gantry-resolver: %s", strempty(error));
}

static int run(Fence *f, Error **reterr_error) {
        _cleanup_(network_zone_freep) NetworkZone *zone = NULL;
        int r;

        /* First of all: from here on nothing of this unit goes anywhere that it was not allowed to. */
        r = close_off(f, reterr_error);
        if (r >= 0)
                r = load_zone(f, &zone, reterr_error);
        if (r >= 0)
                r = fill_table(f, zone, reterr_error);
        if (r < 0)
                return r;
        r = connect_resolver(f);
        if (r >= 0)
                r = send_zone(f);
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to reach gantry-resolver")
                : hear_answer(f, reterr_error);
}

int main(int argc, char *argv[]) {
        _cleanup_error_ Error *error = NULL;
        Fence f = { .map = -EBADF, .cgroup = -EBADF, .resolver = -EBADF };
        int r;

        if (argc == 2 && streq(argv[1], "--help")) {
                printf("gantry-fence UNIT\n\nClose the network of this unit but for what it may reach.\n");
                return EXIT_SUCCESS;
        }
        if (argc == 2 && streq(argv[1], "--version")) {
                printf("gantry-fence %s\n", PACKAGE_VERSION);
                return EXIT_SUCCESS;
        }
        if (argc != 2 || strchr(argv[1], '/') || argv[1][0] == '-') {
                log_error("Usage: gantry-fence UNIT");
                return 2;
        }
        f.unit = argv[1];
        r = run(&f, &error);
        if (r < 0)
                log_error("The network of this unit can't be fenced: %s", error_message(error, r));
        (void) safe_close(f.map);
        (void) safe_close(f.cgroup);
        (void) safe_close(f.resolver);
        free(f.packet);
        json_object_put(f.zone);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
