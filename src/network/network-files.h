/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where launcher, fence, resolver and sandbox meet. Of a unit with a network there is, while it lives:
 *
 *   /run/gantry/network/UNIT.zone         its NetworkZone, for the fence; root's alone
 *   /run/gantry/network/UNIT.resolv.conf  for the connector: names the unit's resolver
 *
 * The fence is the unit's ExecStartPre=, root: it puts the filter on the unit's control group, fills its
 * table with what needs no name, and hands it to gantry-resolver in one packet over NETWORK_RESOLVER_SOCKET
 * (SOCK_SEQPACKET): {"unit","zone"} with two descriptors, table and control group. (Not a bound socket: it
 * would be of the unit's control group, and its answers filtered.) When the answer is `{"ready":true}` the
 * connector may start; `{"error":"…"}`, or none, lets the start fail. */

#define NETWORK_DIRECTORY "/run/gantry/network"
#define NETWORK_RESOLVER_SOCKET "/run/gantry/resolver.sock"
#define NETWORK_PACKET_MAX (128U * 1024U)
#define NETWORK_PACKET_FDS 2U
