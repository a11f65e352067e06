/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A zone is a socket on a loopback address of its own, port 53, which its unit's filter lets through and
 * no other unit's does. So who asks is known by the socket, and no packet has to be believed.
 *
 * A question is judged by its name, looked up, and the addresses are judged in turn: a name that is
 * allowed may lead to this machine or to a cloud's metadata service, and such answers are withheld (DNS
 * rebinding). What remains goes into the filter before it goes to the client, else a fast client would be
 * refused once. Addresses that were allowed stay so until the unit ends: connections are long, names
 * move, and the table is bounded.
 *
 * Answers are for A and AAAA only, from the host's own resolver. A question that comes too fast gets
 * none: clients ask again. Lookups name their zone by a number that is never used twice, as the zone may
 * be gone when they come back.
 *
 * A zone has no end of its own. Its control group vanishes with the unit, and a sweep every few seconds
 * asks for that; the resolver itself leaves when no zone is left. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/hash.h"
#include "basic/log.h"
#include "network/network-filter.h"
#include "resolver/resolver-lookup.h"
#include "resolver/resolver-zones.h"

/* How often it is looked whether units have ended. */
#define SWEEP_USEC (5 * USEC_PER_SEC)
/* A connector that asks faster than names can be found asks again. */
#define LOOKUPS_MAX 64U
#define LOOKUPS_OF_ZONE_MAX 16U
/* A connector that asks for one name after the other fills the journal no further. */
#define REFUSALS_LOGGED_MAX 32U
#define DNS_PORT 53

typedef struct Zone {
        Zones *zones;
        uint64_t number;
        char *unit;
        NetworkZone *rules;
        int map, udp, cgroup;
        EnvSource *io;
        size_t n_lookups, n_refusals;
        uint64_t refusals[REFUSALS_LOGGED_MAX]; /* hashes of names that were told of */
        struct Zone *next;
} Zone;

struct Zones {
        Env *env;
        Zone *list;
        size_t n_zones, n_lookups;
        uint64_t last_number;
        int done[2]; /* lookups come back here */
        EnvSource *done_io, *sweep;
};

static Zone *zone_free(Zone *z) {
        if (!z)
                return NULL;
        env_source_free(z->zones->env, z->io);
        network_zone_free(z->rules);
        (void) safe_close(z->map);
        (void) safe_close(z->udp);
        (void) safe_close(z->cgroup);
        free(z->unit);
        free(z);
        return NULL;
}
DEFINE_CLEANUP(Zone, zone_free);

static Zone *find_zone(Zones *zones, uint64_t number) {
        for (Zone *z = zones->list; z; z = z->next)
                if (z->number == number)
                        return z;
        return NULL;
}

/* ---- This machine ---- */

/* Whether one could be bound: judged when it is answered, since addresses come and go. */
static bool is_own(const struct in6_addr *a) {
        bool v4 = IN6_IS_ADDR_V4MAPPED(a);
        struct sockaddr_in in = { .sin_family = AF_INET };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = *a };
        _cleanup_close_ int fd = socket(v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        memcpy(&in.sin_addr, a->s6_addr + 12, 4);
        return fd >= 0 && bind(fd, v4 ? (struct sockaddr *) &in : (struct sockaddr *) &in6,
                               v4 ? sizeof(in) : sizeof(in6)) >= 0;
}

static AddressKind kind_here(const struct in6_addr *a) {
        AddressKind kind = address_kind(a);

        return !ADDRESS_IS_BLOCKED(kind) && is_own(a) ? ADDRESS_LOOPBACK : kind;
}

/* ---- Answers ---- */

/* Once for each name. */
static void tell_refusal(Zone *z, const char *name, const char *why) {
        uint64_t h = hash64(HASH64_START, name, strlen(name));

        for (size_t i = 0; i < z->n_refusals; i++)
                if (z->refusals[i] == h)
                        return;
        if (z->n_refusals == REFUSALS_LOGGED_MAX)
                return;
        z->refusals[z->n_refusals++] = h;
        log_warning("%s: '%s' %s", z->unit, name, why);
}

static void answer(Zone *z, const Lookup *l, DnsCode code, const struct in6_addr addresses[], size_t n) {
        uint8_t text[DNS_MESSAGE_MAX];
        size_t length = dns_answer(l->message, &l->query, code, addresses, n, text);

        /* Who asked and did not wait loses nothing. */
        (void) sendto(z->udp, text, length, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *) &l->peer,
                      l->peer_length);
}

/* Only what the filter lets through is answered: a client that gets an address can use it. */
static void answer_found(Zone *z, Lookup *l) {
        struct in6_addr allowed[LOOKUP_ADDRESSES_MAX];
        DnsCode code = l->code;
        size_t n = 0;

        for (size_t i = 0; i < l->n_addresses; i++) {
                int r;

                if (!network_zone_may_answer(z->rules, l->query.name, kind_here(&l->addresses[i])))
                        continue;
                r = network_filter_set(z->map, &l->addresses[i], 128, /* allow= */ true, /* port= */ 0);
                if (r < 0) {
                        log_warning_errno(r, "%s: The filter takes no more addresses", z->unit);
                        code = DNS_SERVER_FAILURE;
                        continue;
                }
                allowed[n++] = l->addresses[i];
        }
        if (n == 0 && l->n_addresses > 0)
                tell_refusal(z, l->query.name, "leads to addresses that connectors are kept from");
        answer(z, l, n > 0 ? DNS_OK : code, allowed, n);
}

static int on_done(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Zones *zones = userdata;
        Lookup *l = NULL;
        Zone *z;

        if (read_full(fd, &l, sizeof(l)) != (ssize_t) sizeof(l))
                return 0;
        zones->n_lookups--;
        z = find_zone(zones, l->zone);
        if (z) {
                z->n_lookups--;
                answer_found(z, l);
        }
        free(l);
        return 0;
}

static void begin_lookup(Zone *z, Lookup *l) {
        Zones *zones = z->zones;
        Lookup *own;

        if (z->n_lookups >= LOOKUPS_OF_ZONE_MAX || zones->n_lookups >= LOOKUPS_MAX)
                return;
        own = malloc(sizeof(*own));
        if (own)
                *own = *l;
        if (!own || lookup_start(own) < 0) {
                free(own);
                answer(z, l, DNS_SERVER_FAILURE, NULL, 0);
                return;
        }
        z->n_lookups++;
        zones->n_lookups++;
}

static int on_question(EnvSource *s, int fd, uint32_t events, void *userdata) {
        Zone *z = userdata;
        Lookup l = { .zone = z->number, .peer_length = sizeof(l.peer), .done_fd = z->zones->done[1] };
        ssize_t n = recvfrom(fd, l.message, sizeof(l.message), MSG_DONTWAIT, (struct sockaddr *) &l.peer,
                             &l.peer_length);
        int r;

        if (n < 0)
                return 0;
        r = dns_query_parse(l.message, (size_t) n, &l.query);
        if (r == -EOPNOTSUPP)
                answer(z, &l, DNS_NOT_IMPLEMENTED, NULL, 0);
        else if (r < 0)
                return 0;
        else if (!network_zone_may_ask(z->rules, l.query.name)) {
                tell_refusal(z, l.query.name, "is not one of the hosts that its definition allows");
                answer(z, &l, DNS_NO_SUCH_NAME, NULL, 0);
        } else if (l.query.type != DNS_TYPE_A && l.query.type != DNS_TYPE_AAAA)
                /* No texts, no mail servers: nothing that carries data of others (T10). */
                answer(z, &l, DNS_OK, NULL, 0);
        else
                begin_lookup(z, &l);
        return 0;
}

/* ---- Zones ---- */

/* The directory is open, and yet nothing in it can be found any more. */
static bool cgroup_is_gone(int fd) {
        return faccessat(fd, "cgroup.procs", F_OK, 0) < 0;
}

static int on_sweep(EnvSource *s, usec_t now, void *userdata) {
        Zones *zones = userdata;

        for (Zone **p = &zones->list; *p;) {
                Zone *z = *p;

                if (!cgroup_is_gone(z->cgroup)) {
                        p = &z->next;
                        continue;
                }
                *p = z->next;
                zones->n_zones--;
                zone_free(z);
        }
        return zones->env->ops->timer_set(s, zones->list ? now + SWEEP_USEC : USEC_INFINITY);
}

static int bind_address(Zone *z) {
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };
        struct in6_addr a;
        int r = address_parse(z->rules->resolver, &a);

        if (r < 0)
                return r;
        memcpy(&address.sin_addr, a.s6_addr + 12, 4);
        z->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return z->udp < 0 ? -errno : RET_NERRNO(bind(z->udp, (struct sockaddr *) &address, sizeof(address)));
}

int zones_add(Zones *zones, const char *unit, NetworkZone *rules, int map, int cgroup,
              Error **reterr_error) {
        _cleanup_(zone_freep) Zone *z = calloc(1, sizeof(*z));
        int r;

        if (!z) {
                network_zone_free(rules);
                (void) safe_close(map);
                (void) safe_close(cgroup);
                return -ENOMEM;
        }
        *z = (Zone) { .zones = zones, .number = ++zones->last_number, .unit = strdup(unit), .rules = rules,
                      .map = map, .udp = -EBADF, .cgroup = cgroup };
        if (!z->unit)
                return -ENOMEM;
        if (zones->n_zones >= ZONES_MAX)
                return error_set(reterr_error, -EBUSY, "%u units have a network already", ZONES_MAX);
        r = bind_address(z);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to bind %s:%d", rules->resolver, DNS_PORT);
        r = zones->env->ops->io_add(zones->env, z->udp, ENV_READABLE, 0, on_question, z, &z->io);
        if (r >= 0)
                r = zones->env->ops->timer_set(zones->sweep,
                                               env_now(zones->env, ENV_CLOCK_MONOTONIC) + SWEEP_USEC);
        if (r < 0)
                return r;
        z->next = zones->list;
        zones->list = z;
        zones->n_zones++;
        TAKE_PTR(z);
        return 0;
}

int zones_new(Env *env, Zones **ret) {
        _cleanup_(zones_freep) Zones *z = calloc(1, sizeof(*z));
        int r;

        if (!z)
                return -ENOMEM;
        z->env = env;
        z->done[0] = z->done[1] = -EBADF;
        /* A pointer is written as a whole, and the pipe has room for all that can be on their way. */
        if (pipe2(z->done, O_CLOEXEC) < 0)
                return -errno;
        r = env->ops->io_add(env, z->done[0], ENV_READABLE, 0, on_done, z, &z->done_io);
        if (r >= 0)
                r = env->ops->timer_add(env, USEC_INFINITY, on_sweep, z, &z->sweep);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(z);
        return 0;
}

/* Lookups that are on their way write into a pipe that stays: the process is about to end. */
Zones *zones_free(Zones *zones) {
        if (!zones)
                return NULL;
        while (zones->list) {
                Zone *z = zones->list;

                zones->list = z->next;
                zone_free(z);
        }
        env_source_free(zones->env, zones->done_io);
        env_source_free(zones->env, zones->sweep);
        free(zones);
        return NULL;
}

bool zones_busy(const Zones *z) {
        return z->list || z->n_lookups > 0;
}
