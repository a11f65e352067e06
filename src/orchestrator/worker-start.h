/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the launcher puts into the worker's hands: one packet on fd 0 (docs/INTERFACES.md, "From the
 * launcher to the runners"). */

#include "shared/json-util.h"

/* A connector that runs already: its shim's control socket and the worker's ends of its pipes. */
typedef struct WorkerConnector {
        int control;
        int fds[3]; /* stdin (-EBADF: it has none), stdout, stderr */
        uint64_t memory_max; /* 0: none */
} WorkerConnector;

typedef struct WorkerStart {
        char *id, *type, *token, *api;
        int64_t epoch;
        JsonObject *input; /* the claim's, less configurations */
        WorkerConnector source, destination; /* of a sync; a clear has no source */
        WorkerConnector connector;           /* of all others */
        char **secrets; /* to be masked */
} WorkerStart;

/* Reads the packet. -EBADMSG for one that isn't as it should be. */
int worker_start_receive(int fd, WorkerStart *ret, Error **reterr_error);
void worker_start_done(WorkerStart *s);

static inline bool worker_start_is_install(const WorkerStart *s) {
        return streq(s->type, "install");
}

static inline bool worker_start_is_sync(const WorkerStart *s) {
        return streq(s->type, "sync");
}
