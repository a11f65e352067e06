/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Care of the database's file: giving back what holds nothing, and whether it is sound. */

#include "cron/cron.h"

/* Gives pages that hold nothing back to the file system, some at a time; a twentieth stays for what comes. */
int duty_vacuum(Cron *c, Error **reterr_error);
/* -EBADMSG: the database is damaged. */
int duty_check(Cron *c, Error **reterr_error);
