/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl's way to org.gantry.Server1, and to the others. */

#include "ctl/ctl.h"

#define CTL_SERVICE "org.gantry.Server1"
#define CTL_MANAGER_PATH "/org/gantry/Server1"
#define CTL_MANAGER "org.gantry.Server1.Manager"

/* A check or discover may take this long (docs/INTERFACES.md). */
#define CTL_CALL_USEC (15 * 60 * UINT64_C(1000000))
#define CTL_INSTALL_USEC (45 * 60 * UINT64_C(1000000))

/* Opens the bus: the system's, that of -H, or $GANTRY_BUS_ADDRESS. Called by the others. */
int ctl_bus_open(Ctl *c, Error **reterr_error);

/* A new call to any of the suite's daemons, to be filled and given to ctl_send(). */
int ctl_new_call_to(Ctl *c, const char *service, const char *path, const char *interface, const char *member,
                    sd_bus_message **ret, Error **reterr_error);
/* The same to the server's manager. */
int ctl_new_call(Ctl *c, const char *member, sd_bus_message **ret, Error **reterr_error);
/* Sends it and waits. The peer's sentence comes back as the error; -ECONNREFUSED: nobody is there. */
int ctl_send(Ctl *c, sd_bus_message *m, sd_bus_message **ret_reply, Error **reterr_error);
/* The same with another patience than CTL_CALL_USEC. */
int ctl_send_long(Ctl *c, sd_bus_message *m, uint64_t timeout, sd_bus_message **ret_reply, Error **reterr_error);

/* Reads the next value of a message, which is JSON: a text, or a memfd with one. */
int ctl_read_json(sd_bus_message *m, JsonObject **ret, Error **reterr_error);
