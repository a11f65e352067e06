/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who calls. */

#include <systemd/sd-bus.h>

#include "basic/error.h"

/* The user whose connection a call came from, who may have left meanwhile. Asks the bus, and waits for it,
 * at the first call of a connection. */
int bus_sender_uid(sd_bus_message *m, uid_t *ret);

/* For interfaces that the daemons have among themselves. Root and the user that this daemon runs as: the
 * bus's policy says so too; two locks are better than one. -EACCES for everybody else. */
int bus_sender_check(sd_bus_message *m, Error **reterr_error);
