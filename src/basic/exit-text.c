/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "basic/exit-text.h"

#define MIB (1024U * 1024U)

char *exit_text(const EnvExit *e) {
        const char *name = e->signal > 0 ? sigabbrev_np(e->signal) : NULL;
        char *text = NULL;
        int n;

        if (e->oom && e->memory_max > 0)
                n = asprintf(&text, "was killed: it needed more memory than its limit of %" PRIu64 " MiB",
                             e->memory_max / MIB + (e->memory_max % MIB > 0));
        else if (e->oom)
                n = asprintf(&text, "was killed: it needed more memory than this machine had");
        else if (e->signal > 0)
                n = asprintf(&text, "was ended by signal %d%s%s", e->signal, name ? ", SIG" : "", strempty(name));
        else /* a shell in between tells a signal so */
                n = asprintf(&text, "exited with code %d%s", e->code,
                             e->code == 137 ? " (killed, often for its memory)" : "");
        return n < 0 ? NULL : text;
}
