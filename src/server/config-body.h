/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bodies of the config API as the public API has them, which the services speak. */

#include "model/definition.h"
#include "server/call.h"

/* Both fill a new object. */
int config_to_public_actor(Call *c, ActorRole role, JsonObject *body, JsonObject **ret);
int config_to_public_connection(Call *c, JsonObject *body, JsonObject **ret);
