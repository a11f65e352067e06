/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One verb of a connector run to its end: spec, check or discover; or of gantry-installer, install, which
 * answers by its exit code alone. Asynchronous, so that several run side by side. */

#include "protocol/connector-spec.h"
#include "protocol/message.h"
#include "runtime/connector-process.h"

/* 64 MiB of catalog is more than 20,000 fields need; a connector that says more is stopped. */
#define ONESHOT_OUTPUT_MAX (64U * 1024U * 1024U)

typedef struct ConnectorOneshot ConnectorOneshot;

typedef struct OneshotResult {
        JsonObject *spec;        /* of `spec`: the ConnectorSpecification */
        Catalog *catalog;        /* of `discover` */
        bool has_status;         /* of `check` */
        ConnectionStatus status;
        JsonObject *config;      /* the newest configuration of a CONTROL message; NULL = none */
        Error *error;            /* why it failed; NULL = it said what it was asked for and exited with 0 */
        FailureType failure_type;
        char **missing;          /* sandbox layers that could not be applied */
        bool has_usage;          /* it ran */
        ConnectorUsage usage;
} OneshotResult;

typedef void (*OneshotDone)(ConnectorOneshot *o, const OneshotResult *result, void *userdata);
/* LOG messages and standard error, line by line. */
typedef void (*OneshotLog)(const char *level, const char *message, void *userdata);

/* `start->verb` says which. `done` comes once, from the loop. */
int connector_oneshot_start(Env *env, const ConnectorStart *start, OneshotLog log, OneshotDone done,
                            void *userdata,
                            ConnectorOneshot **ret, Error **reterr_error);
/* The same for one that runs already, see connector_process_attach(). */
int connector_oneshot_attach(Env *env, const char *verb, const char *name, uint64_t memory_max, int control,
                             const int fds[3], OneshotLog log, OneshotDone done, void *userdata, ConnectorOneshot **ret,
                             Error **reterr_error);
/* Lets go of process and loop (killing what still runs), so that the result may outlive the Env. */
void connector_oneshot_detach(ConnectorOneshot *o);
/* Stops it if it still runs. */
ConnectorOneshot *connector_oneshot_free(ConnectorOneshot *o);
DEFINE_CLEANUP(ConnectorOneshot, connector_oneshot_free);

const OneshotResult *connector_oneshot_result(const ConnectorOneshot *o);
/* The catalog, handed over; NULL when there is none. */
Catalog *connector_oneshot_take_catalog(ConnectorOneshot *o);
