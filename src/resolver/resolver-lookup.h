/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks this host for a name's addresses, by whatever it uses (hosts file, DNS, systemd-resolved): in a
 * thread of its own, since the C library waits. */

#include <sys/socket.h>

#include "network/dns-message.h"

#define LOOKUP_ADDRESSES_MAX 32U

typedef struct Lookup {
        uint64_t zone; /* its number: it may be gone when the answer comes */
        struct sockaddr_storage peer;
        socklen_t peer_length;
        uint8_t message[DNS_MESSAGE_MAX]; /* of which the query is the beginning */
        DnsQuery query;
        /* the answer */
        DnsCode code;
        struct in6_addr addresses[LOOKUP_ADDRESSES_MAX];
        size_t n_addresses;
        int done_fd; /* the pointer to this is written here, which hands it over */
} Lookup;

/* Takes it over; on failure it stays the caller's. */
int lookup_start(Lookup *l);
