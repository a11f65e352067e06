/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Methods of org.gantry.Server1.Manager about connectors and their definitions (man/org.gantry.Server1.5).
 * Each reads its arguments and calls a service, as BusMethod.run does. */

#include "server/bus.h"

int bus_list_definitions(Call *c, sd_bus_message *m, JsonObject **ret);
int bus_get_spec(Call *c, sd_bus_message *m, JsonObject **ret);
int bus_install_connector(Call *c, sd_bus_message *m, JsonObject **ret);
int bus_remove_connector(Call *c, sd_bus_message *m, JsonObject **ret);
/* A definition of a workspace, the first one unless the JSON has a workspaceId; then its name, and what else
 * the API's PUT of one has. */
int bus_create_definition(Call *c, sd_bus_message *m, JsonObject **ret);
int bus_update_definition(Call *c, sd_bus_message *m, JsonObject **ret);
int bus_delete_definition(Call *c, sd_bus_message *m, JsonObject **ret);
