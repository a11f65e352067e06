/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Seals anew what is sealed under the key before a rotation (gantry.key.old), so that nothing needs that key any
 * more. A value that changes meanwhile was sealed by a daemon, with the present key, and is left alone. */

#include "cron/cron.h"

/* -ENOKEY: something is sealed under neither key; all else is done all the same. */
int duty_reseal(Cron *c, Error **reterr_error);
