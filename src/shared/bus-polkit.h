/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks polkit whether the sender of a message may do something, without blocking the daemon.
 *
 * The handler of a method calls polkit_check() first. Until the answer is there it returns 0, and the
 * handler returns 1 without a reply; then the same message is put back into the queue and the handler runs
 * again, with the answer. What is judged and what is done can't differ: a message never changes, and the handler reads
 * its arguments anew. The subject is the sender's bus name, never a process id. The bus should be attached to a
 * loop: an answer that no handler comes for, since its object is gone meanwhile, is then forgotten. */

#include <systemd/sd-bus.h>

#include "basic/macro.h"

/* An agent that never answers counts as a refusal. */
#define POLKIT_TIMEOUT_USEC (120 * UINT64_C(1000000))
/* A user's calls that wait for an agent, over all of its connections; more are refused. */
#define POLKIT_PENDING_PER_USER_MAX 16U

typedef struct Polkit Polkit;

Polkit *polkit_new(void);
Polkit *polkit_free(Polkit *p);
DEFINE_CLEANUP(Polkit, polkit_free);
/* Whether somebody waits for an answer: not the time to leave. */
bool polkit_is_busy(const Polkit *p);

/* 1: allowed; 0: the answer comes later; negative: refused or failed, `reterr_bus` says so. `details` is an
 * array of key and value in turn, ended by NULL; NULL: none. When polkit does not answer, root and nobody
 * else is allowed. */
int polkit_check(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
                 sd_bus_error *reterr_bus);
