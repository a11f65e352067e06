/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.gantry.Launcher1.Manager on the bus. Who may call is the bus policy's business
 * (dbus/org.gantry.Launcher1.conf). */

#include "launcher/launcher-manager.h"

int launcher_bus_export(sd_bus *bus, Launcher *l);
