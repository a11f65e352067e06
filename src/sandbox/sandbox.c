/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "sandbox/sandbox.h"

void sandbox_init(Sandbox *s, SandboxPlan *plan) {
        *s = (Sandbox) { .plan = plan, .uid = geteuid(), .gid = getegid() };
}

void sandbox_done(Sandbox *s) {
        for (size_t i = 0; s->trees && i < s->plan->n_mounts; i++)
                (void) safe_close(s->trees[i]);
        free(s->trees);
        free(s->step);
        s->trees = NULL;
        s->step = NULL;
}

int sandbox_fail(Sandbox *s, int r, const char *format, ...) {
        va_list ap;

        free(s->step);
        va_start(ap, format);
        if (vasprintf(&s->step, format, ap) < 0)
                s->step = NULL;
        va_end(ap);
        return r;
}

pid_t sandbox_clone(Sandbox *s) {
        s->missing = SANDBOX_LAYER_BIT(_SANDBOX_LAYER_MAX) - 1;
        return RET_NERRNO(fork());
}

bool sandbox_degrade(Sandbox *s) {
        return false;
}

int sandbox_enter(Sandbox *s) {
        return sandbox_plan_flatten(s->plan);
}

int sandbox_confine(Sandbox *s) {
        return 0;
}
