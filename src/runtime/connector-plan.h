/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From what a caller wants of a connector to the plan of its sandbox. Pure but for the names of proxies,
 * which a network needs, and the size of the machine's memory. */

#include "runtime/connector-process.h"
#include "sandbox/sandbox-plan.h"

/* Where a connector finds its files. */
#define CONNECTOR_RUN_DIR "/run/gantry"
#define CONNECTOR_HOME "/home/gantry"

/* `scratch` is a private directory with config.json, catalog.json and state.json, of those that `start`
 * has. The plan takes its removal over. NULL: the sandbox makes these files of descriptors, in this
 * order.
 *
 * For a connector in an image `argv` is what the image's entry point is given: whoever runs it puts the
 * command that starts a container in front. */
int connector_plan_new(const ConnectorStart *start, const char *scratch, SandboxPlan **ret,
                       Error **reterr_error);
