/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <grp.h>
#include <sched.h>
#include <unistd.h>

#include "sandbox/sandbox-self.h"
#include "sandbox/sandbox.h"

#define NAMESPACES (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)
/* There is nothing to see of the first two without a /proc; the tasks are limited by the unit. */
#define DISPENSABLE                                                                                      \
        (SANDBOX_LAYER_BIT(SANDBOX_USER_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_PID_NAMESPACE) |          \
         SANDBOX_LAYER_BIT(SANDBOX_PROC) | SANDBOX_LAYER_BIT(SANDBOX_TASKS_LIMIT) |                      \
         SANDBOX_LAYER_BIT(SANDBOX_LANDLOCK) | SANDBOX_LAYER_BIT(SANDBOX_LANDLOCK_SCOPE))

static int leave_the_host(Sandbox *s, const gid_t groups[], size_t n_groups) {
        int r;

        s->bare = true;
        s->flags = NAMESPACES | (s->plan->network == NETWORK_NONE ? CLONE_NEWNET : 0);
        if (unshare((int) s->flags) < 0)
                return sandbox_fail(s, -errno, "make namespaces");
        r = sandbox_enter(s, groups, n_groups);
        return r < 0 ? r : sandbox_confine(s);
}

int sandbox_enclose(SandboxPlan *plan, const gid_t groups[], size_t n_groups, Error **reterr_error) {
        Sandbox s;
        int r;

        sandbox_init(&s, plan);
        r = leave_the_host(&s, groups, n_groups);
        if (r < 0)
                r = error_set(reterr_error, r, "Failed to %s: %s", strempty(s.step), strerror(-r));
        for (int l = 0; r >= 0 && l < _SANDBOX_LAYER_MAX; l++)
                if (s.missing & ~DISPENSABLE & SANDBOX_LAYER_BIT(l))
                        r = error_set(reterr_error, -EOPNOTSUPP, "This system does not give the layer '%s'",
                                      sandbox_layer_to_string((SandboxLayer) l));
        sandbox_done(&s);
        return r;
}
