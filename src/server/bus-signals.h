/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What clients of the bus hear without asking: PropertiesChanged of sources, destinations, connections and
 * jobs, and the jobs that have not ended as objects that come and go (ObjectManager). Signals name an object
 * and what is to be asked anew, never a value: they cost little when nobody listens, and tell nothing to
 * whom polkit would refuse it. */

#include "server/server.h"

int bus_signals_new(Server *s, BusSignals **ret);
BusSignals *bus_signals_free(BusSignals *b);
DEFINE_CLEANUP(BusSignals, bus_signals_free);

/* Rows of `change` may have come, by our own writing or by another daemon's. */
void bus_signals_notify(BusSignals *b);

/* A running job has other numbers, which no row tells. Said while somebody has subscribed. */
void bus_signals_progress(BusSignals *b, int64_t job_id);

/* A client that listens keeps the daemon here while it is on the bus: who has left hears nothing. Live
 * numbers are told to such clients only. Both may be repeated. */
int bus_signals_subscribe(BusSignals *b, sd_bus_message *m);
int bus_signals_unsubscribe(BusSignals *b, sd_bus_message *m);
bool bus_signals_has_subscribers(BusSignals *b);
