/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A filter of addresses in the kernel, on a control group: what a process in it sends or connects to is
 * looked up in one table, whose longest matching prefix decides; no match is a refusal. connect() and
 * sendto() are refused with EPERM at once; that packets are looked at, too, holds for every protocol and
 * for every way to send. The table may be changed at any time by who has its descriptor, without a
 * privilege (Linux 5.19), and holds from the next call on. */

#include "network/network-address.h"

/* An attempt that talks to more addresses gets no new ones. */
#define NETWORK_FILTER_ENTRIES_MAX 16384U

/* A table, empty: nothing is allowed. Root. */
int network_filter_new(int *ret_map);
/* Puts the filter on a control group (cgroup2), for as long as that exists. Root. */
int network_filter_attach(int map, int cgroup);
/* Says what becomes of a prefix (of 128 bits, IPv4 begins at 96). `port`: of TCP or UDP, the only one that
 * is allowed there; 0: all. */
int network_filter_set(int map, const struct in6_addr *a, unsigned prefix, bool allow, uint16_t port);
/* Opens this process's control group, which is that of `unit` or lies in it: else -ENXIO, since a filter stays
 * where it is put, and all that runs outside of units would be closed off for good. -EOPNOTSUPP where there is
 * no cgroup2. */
int network_filter_open_cgroup(const char *unit, int *ret);
