/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which addresses connectors are kept from, whatever their network class: this machine, its links, and
 * where clouds hand out their keys. One table; every executor takes it from here. */

#include <netinet/in.h>

#include "basic/macro.h"

/* What an address leads to. From ADDRESS_LOOPBACK on it is blocked. */
typedef enum AddressKind {
        ADDRESS_PUBLIC,
        ADDRESS_PRIVATE,  /* a site's own networks (RFC 1918, 4193, 6598): databases live there */
        ADDRESS_LOOPBACK, /* this machine */
        ADDRESS_LINK,     /* link-local, multicast, broadcast, reserved */
        ADDRESS_METADATA, /* a cloud's service that gives its keys to whoever asks from this machine */
} AddressKind;
#define ADDRESS_IS_BLOCKED(kind) ((kind) >= ADDRESS_LOOPBACK)

/* `address` begins with the 4 or 16 bytes of the family. */
typedef struct AddressRange {
        int family;
        uint8_t address[16];
        unsigned prefix;
        AddressKind kind;
} AddressRange;

/* All that is blocked, for a kernel's filter: the forms of IPv4 inside IPv6 that routers translate are
 * listed, too; ::ffff:0:0/96 is not, since the kernel makes IPv4 of it. */
const AddressRange *address_blocked_ranges(size_t *ret_n);

/* IPv4 travels as ::ffff:a.b.c.d here. One inside another address (NAT64, 6to4) counts as what it is. */
AddressKind address_kind(const struct in6_addr *a);

/* An address as programs take it: also [v6], v6%zone, and of IPv4 the decimal, octal, hexadecimal and
 * short forms of inet_aton(). -EINVAL for all else, a host's name among it. */
int address_parse(const char *s, struct in6_addr *ret);
void address_from_v4(const void *v4, struct in6_addr *ret);
#define ADDRESS_TEXT_MAX INET6_ADDRSTRLEN
const char *address_to_string(const struct in6_addr *a, char buffer[static ADDRESS_TEXT_MAX]);
