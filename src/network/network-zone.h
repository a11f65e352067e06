/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What one connector may reach: its network class, the hosts of its definition, and those that its
 * configuration names. Made by the launcher, carried out by the resolver and the filter.
 *
 *                                   class `any`          class `hosts`
 *   a name may be asked for         always               one of the definition's hosts
 *   … and lead to a public address  yes                  yes
 *   … a site's own network          yes                  if the configuration names the host
 *   … this machine                  if the configuration names the host
 *   … its links, metadata           never by a name
 *   an address by itself            all but the blocked  one of the definition's hosts
 *                                   … and what is blocked only if the configuration names the address */

#include "network/network-address.h"
#include "shared/json-util.h"

/* A definition lists a handful; what a configuration says beyond this is not looked at. */
#define NETWORK_HOSTS_MAX 1024U
/* RFC 1035: a name's longest form as text. */
#define NETWORK_NAME_MAX 253U

typedef struct NetworkZone {
        bool any;
        char **patterns;   /* names, addresses; in names '*' stands for one character and more */
        char **configured; /* hosts that the configuration names, names and addresses */
        char *resolver;    /* address of its resolver, text */
} NetworkZone;

/* `templates`: the definition's allowedHosts, an array, may be NULL. `${a.b}` in one is the member b of a
 * of the configuration; one without a usable value there names no host. `unit`: whose zone it is. */
int network_zone_new(bool any, JsonObject *templates, JsonObject *configuration, const char *unit,
                     NetworkZone **ret);
NetworkZone *network_zone_free(NetworkZone *z);
DEFINE_CLEANUP(NetworkZone, network_zone_free);

int network_zone_to_json(const NetworkZone *z, JsonObject **ret);
int network_zone_from_json(JsonObject *o, NetworkZone **ret, Error **reterr_error);

/* Names in any case, with or without a dot at the end. */
bool network_zone_may_ask(const NetworkZone *z, const char *name);
bool network_zone_may_answer(const NetworkZone *z, const char *name, AddressKind kind);

/* What the table of the filter begins with. `own`: addresses of this machine. The first error ends it. */
typedef int (*NetworkZoneVisit)(const struct in6_addr *a, unsigned prefix, bool allow, uint16_t port,
                                void *userdata);
int network_zone_visit(const NetworkZone *z, const struct in6_addr own[], size_t n_own,
                       NetworkZoneVisit visit, void *userdata);

/* The host of an URL, of "host:port" or of itself, in small letters: a name or an address. -EINVAL for what
 * is neither. */
int network_host_of(const char *s, size_t n, char **ret);
