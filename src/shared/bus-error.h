/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The suite's bus errors, and what they mean as errno and back: one table for daemons and clients. */

#include <systemd/sd-bus.h>

#include "basic/error.h"

#define BUS_ERROR_PREFIX "org.gantry.Error."
#define BUS_ERROR_NOT_FOUND BUS_ERROR_PREFIX "NotFound"                /* ENOENT */
#define BUS_ERROR_INVALID_ARGUMENT BUS_ERROR_PREFIX "InvalidArgument"  /* EINVAL */
#define BUS_ERROR_CONFLICT BUS_ERROR_PREFIX "Conflict"                 /* EEXIST */
#define BUS_ERROR_NOT_RUNNING BUS_ERROR_PREFIX "NotRunning"            /* ESRCH */
#define BUS_ERROR_BUSY BUS_ERROR_PREFIX "Busy"                         /* EBUSY */
#define BUS_ERROR_ACCESS_DENIED BUS_ERROR_PREFIX "AccessDenied"        /* EACCES */
#define BUS_ERROR_UNAVAILABLE BUS_ERROR_PREFIX "Unavailable"           /* EAGAIN */
#define BUS_ERROR_NO_SPACE BUS_ERROR_PREFIX "NoSpace"                  /* ENOSPC */
#define BUS_ERROR_FAILED BUS_ERROR_PREFIX "Failed"                     /* EIO and all others */

/* Fills `reterr_bus` from what a function of ours returned (`r` negative, `e` may be NULL) and returns
 * `r`, for `return bus_error_from(…)` in a method handler. */
int bus_error_from(sd_bus_error *reterr_bus, int r, const Error *e);

/* The other way: after a call that failed. Returns the negative errno, with the peer's sentence in
 * `reterr_error`. */
int bus_error_to(const sd_bus_error *bus, int r, Error **reterr_error);

/* The bus gave up on starting the peer: nobody has seen the call, which may be sent again, whatever it asks
 * for. It happens to one that is stopped while it starts; the bus isn't told, waits for its 25 s, and
 * starts it for the next call (docs/decisions/0018). */
bool bus_error_is_undelivered(const sd_bus_error *e);
/* The peer left before it answered. Whether it did what it was asked for nobody knows: only what may be
 * done twice is sent again. */
bool bus_error_is_lost(const sd_bus_error *e);
