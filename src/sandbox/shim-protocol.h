/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gantry-shim and the program that started it say to each other, over the AF_UNIX SOCK_SEQPACKET socket that is the
 * shim's fd 0. One JSON object a packet:
 *
 *   → {"plan": {…}, "stdin": bool, "stdout": bool, "stderr": bool}   with those descriptors in SCM_RIGHTS, in this order
 *   ← {"started": {"pid": N, "missing": ["landlock", …]}}            what the kernel did not let us apply
 *   ← {"failed": {"step": "mount /usr", "errno": N, "message": "…"}}  it never ran; the shim exits
 *   → {"stop": true}      SIGTERM now (or when stdin has ended, for destinations), SIGKILL after the grace period
 *   → {"kill": true}      SIGKILL to all that is in the sandbox
 *   ← {"exited": {"code": N|-1, "signal": N, "user_usec": N, "system_usec": N, "max_rss_kib": N}}   the last packet
 *
 * When the starter's end closes, everything in the sandbox is killed: an orphan never outlives its reader. */

#define SHIM_PACKET_MAX (192U * 1024U)
