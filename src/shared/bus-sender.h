/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who calls, for interfaces that the daemons have among themselves. */

#include <systemd/sd-bus.h>

#include "basic/error.h"

/* Root and the user that this daemon runs as: the bus's policy says so too; two locks are better than one.
 * -EACCES for everybody else. */
int bus_sender_check(sd_bus_message *m, Error **reterr_error);
