/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Copies the database into the directory of backups, opens the copy and checks it, gives it its name, and removes
 * the oldest so that BackupsKeep= stay. A copy that isn't sound replaces nothing, and what a crash left of one goes
 * with the next. */

#include "cron/cron.h"

int duty_backup(Cron *c, Error **reterr_error);
