/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* [Retention] of gantry.conf(5): how long and how much is kept. */

#include "basic/error.h"
#include "basic/time-util.h"

typedef struct Retention {
        /* How long after the last change; USEC_INFINITY: for ever. */
        usec_t jobs, logs, timeline, workflows, workloads, changes, catalogs;
        uint64_t jobs_per_connection; /* UINT64_MAX: any number */
        uint64_t logs_use;            /* bytes; UINT64_MAX: any number */
        uint64_t backups;             /* 0: none are made */
} Retention;

/* The defaults, changed by the file and its drop-ins. -EINVAL names file, key and value. */
int retention_load(const char *path, Retention *ret, Error **reterr_error);

/* Before when something was changed last that may go now; 0: nothing may. */
usec_t retention_before(usec_t now, usec_t keep);
