/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands in for a daemon that can't do its work, since its database can't be used: it has the daemon's
 * name and answers each call with the reason, so that nobody waits for a daemon that doesn't come. It
 * leaves when the reason has gone; what is started then is the daemon. */

#include "shared/daemon.h"

typedef struct StandInOptions {
        Daemon *daemon;                   /* without objects */
        const Error *fault;               /* why, stand_in_fault()'s; `systemctl status` shows it as well */
        /* Is the reason, an error at that place, gone? Asked every other second. NULL: nobody can see that */
        bool (*mended)(const char *place, int error);
        const char *place;
        bool (*answers)(void *userdata);  /* somebody is being answered otherwise than on the bus. NULL: nobody ever */
        void *userdata;
        /* There is work that nobody may call for: it stays while the reason does, and asks to be started
         * anew. Else it leaves when it is idle, and is started by the next call. */
        bool stays;
} StandInOptions;

/* What clients are answered with, here and over HTTP: a full disk is one, all else is a daemon that isn't there
 * now. No error of its own, which would be taken for the answer to what was asked. */
static inline int stand_in_error(int error) {
        return error == -ENOSPC ? -ENOSPC : -EAGAIN;
}

/* Makes `fault`, which may have been set by what failed, that failure's: with its code, and a sentence in any case.
 * Logs. */
int stand_in_fault(Error **fault, int error);
/* daemon_run() of that time. -EAGAIN: start the daemon anew (the unit does, at EXIT_TRY_AGAIN). */
int stand_in_run(const StandInOptions *o);
