/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One scope a connector, not one for both: the shim takes a kill for want of memory that its group has
 * counted for the end of its own connector. The worker stays outside, so that it is there to tell.
 *
 * It is asked for when the shim exists and its connector doesn't run yet, so nothing of the connector is
 * ever outside of its group. Whatever goes wrong only takes the limits away, never the sync. */

#include <stdio.h>
#include <unistd.h>

#include "basic/log.h"
#include "cli/connector-scope.h"
#include "shared/transient-scope.h"

/* The packages limit it, and systemd-cgls shows all connectors of a machine below it. */
#define SYSTEM_SLICE "gantry-jobs.slice"
/* The shim and the first process inside, which are not the connector's. */
#define OWN_TASKS 2U

struct ConnectorScopes {
        ScopeManager *manager;
        bool verbose, tried;
        unsigned n;
};

ConnectorScopes *connector_scopes_new(bool verbose) {
        ConnectorScopes *s = calloc(1, sizeof(*s));

        if (s)
                s->verbose = verbose;
        return s;
}

ConnectorScopes *connector_scopes_free(ConnectorScopes *s) {
        if (s)
                scope_manager_free(s->manager);
        free(s);
        return NULL;
}

/* A machine without systemd, a user without a manager: the sandbox's own limits are what there is. After the
 * first failure nothing more is tried, since the next would fail, or wait, in the same way. */
static void degrade(ConnectorScopes *s, const Error *e, int r) {
        s->manager = scope_manager_free(s->manager);
        if (s->verbose)
                log_warning("The connectors have no scope with limits of their own: %s", error_message(e, r));
}

static int start_scope(ConnectorScopes *s, const ConnectorStart *start, pid_t shim, uint64_t memory_max,
                       uint64_t tasks_max, Error **reterr_error) {
        const char *role = start->role == CONNECTOR_SOURCE ? "source" : "destination";
        _cleanup_free_ char *name = NULL, *description = NULL;

        /* Our number makes it the only one; ours alone, since a scope may outlive us by a moment. */
        if (asprintf(&name, "gantry-sync-%d-%u-%s.scope", getpid(), s->n++, role) < 0) {
                name = NULL;
                return -ENOMEM;
        }
        if (asprintf(&description, "gantry sync: %s of %s", start->verb,
                     start->connector->reference ?: role) < 0) {
                description = NULL;
                return -ENOMEM;
        }
        return scope_manager_start(s->manager,
                                   &(ScopeSpec) {
                                           .name = name,
                                           .description = description,
                                           .slice = geteuid() == 0 ? SYSTEM_SLICE : NULL,
                                           .pid = shim,
                                           .memory_max = memory_max,
                                           .tasks_max = tasks_max + OWN_TASKS,
                                   },
                                   reterr_error);
}

void connector_scopes_place(const ConnectorStart *start, pid_t shim, uint64_t memory_max, uint64_t tasks_max,
                            void *userdata) {
        _cleanup_error_ Error *e = NULL;
        ConnectorScopes *s = userdata;
        int r;

        if (s->tried && !s->manager)
                return;
        r = s->tried ? 0 : scope_manager_open(&s->manager, &e);
        s->tried = true;
        if (r >= 0)
                r = start_scope(s, start, shim, memory_max, tasks_max, &e);
        if (r < 0)
                degrade(s, e, r);
}
