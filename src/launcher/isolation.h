/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether this host holds what the units' properties promise (T18): systemd and kernels take many of them
 * and do nothing. Once per boot a program of ours tries, in a unit like a connector's, what must not
 * work. On a host where something does, only native connectors run, unless gantry.conf says otherwise. */

#include "basic/env.h"
#include "launcher/unit-manager.h"

#define ISOLATION_FILE "/run/gantry/isolation.json"

typedef struct Isolation Isolation;

typedef struct IsolationOptions {
        Env *env;
        UnitManager *units;
        const char *shim, *fence;
        const char *file; /* where what was found is kept, ISOLATION_FILE but in tests */
        /* What it came to is known. Comes once, from the loop; not if it is known when isolation_new() returns. */
        void (*known)(void *userdata);
        void *userdata;
} IsolationOptions;

/* Reads what an earlier launcher of this boot has found, or begins to try. What can't be begun counts as not
 * holding: fails only where nothing can be waited for. */
int isolation_new(const IsolationOptions *o, Isolation **ret);
Isolation *isolation_free(Isolation *i);
DEFINE_CLEANUP(Isolation, isolation_free);

bool isolation_is_known(const Isolation *i);
/* What does not hold, NULL: all holds. Borrowed; for people. */
const char *isolation_missing(const Isolation *i);

/* Inside: tries, and prints what came of it as a connector's answer. `what` is "calls", "memory" or
 * "network". */
int isolation_probe(const char *what);
