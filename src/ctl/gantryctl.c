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
        /* A reader that goes away is an error of write(), told like others. */
        (void) signal(SIGPIPE, SIG_IGN);
        code = ctl_main(argc, argv);
        if (fflush(stdout) >= 0 && !ferror(stdout))
                return code;
        log_error("gantryctl: failed to write to standard output");
        return code == EXIT_OK ? EXIT_FAILED : code;
}
