/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Definitions of connectors that have come to this host since the daemons started. */

#include "cron/cron.h"

/* Reads DATA/definitions.d again, as the bootloader does. Sources and destinations keep their versions (T79).
 * -EINVAL with a file's name: it is broken, and nothing is changed. */
int duty_definitions(Cron *c, Error **reterr_error);
