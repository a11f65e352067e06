/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The installation itself, inside of its sandbox: what `gantry connector install` does, with the directories
 * of runtime/suite-store.h and the indexes of gantry.conf. */

#include "shared/json-util.h"

/* `config`: {"reference", "indexUrl", "npmRegistryUrl"}. */
int install_run_job(JsonObject *config, Error **reterr_error);
