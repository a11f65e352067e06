/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl(1): the suite's command, a client of org.gantry.Server1. */

#include <locale.h>
#include <signal.h>
#include <stdio.h>

#include "basic/log.h"
#include "ctl/ctl.h"

int main(int argc, char **argv) {
        int code;

        (void) setlocale(LC_CTYPE, "C.UTF-8");
        /* Who reads `gantryctl job list | head` has seen enough: no reason to complain, nor to go on. What
         * started us may ignore the signal, and we would inherit that. With a pager it is ignored, see
         * ctl_pager_open(). */
        (void) signal(SIGPIPE, SIG_DFL);
        code = ctl_main(argc, argv);
        errno = 0;
        if (fflush(stdout) >= 0 && !ferror(stdout))
                return code;
        log_error("gantryctl: Failed to write to standard output%s%s", errno ? ": " : "",
                  errno ? strerror(errno) : "");
        return code == EXIT_OK ? EXIT_FAILED : code;
}
