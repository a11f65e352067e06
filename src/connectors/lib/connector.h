/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The frame of every native connector: argument parsing, spec, reading of configuration and catalog,
 * messages on standard output. A connector fills one table and calls connector_main(). Everything on
 * standard output is a message of the Airbyte protocol; whatever else there is to say is a LOG message. */

#include "protocol/connector-spec.h"
#include "protocol/message.h"
#include "protocol/state.h"

typedef struct Emitter Emitter; /* connectors/lib/emitter.h */
typedef struct DestinationOps DestinationOps; /* connectors/lib/destination.h */

typedef struct ConnectorInfo {
        const char *name;      /* "source-file" */
        const char *spec_json; /* the ConnectorSpecification */

        /* 0 and *ret_message NULL: SUCCEEDED. A negative errno: FAILED with the error's sentence. */
        int (*check)(JsonObject *config, Emitter *out, Error **reterr_error);

        /* sources */
        int (*discover)(JsonObject *config, Emitter *out, Catalog **ret, Error **reterr_error);
        /* Optional: the catalog with names and modes alone, where discover() has to look at the data for
         * more. */
        int (*list_streams)(JsonObject *config, Emitter *out, Catalog **ret, Error **reterr_error);
        /* Emits records and states; the frame has checked catalog against these (unknown stream,
         * unsupported mode: config_error) and emits a TRACE ERROR when this fails. Stream statuses are
         * the connector's own. */
        int (*read)(JsonObject *config, const ConfiguredCatalog *catalog, const StateSet *state,
                    Emitter *out,
                    Error **reterr_error);

        /* destinations */
        const DestinationOps *destination;
} ConnectorInfo;

/* The program's main(): `spec`, `check --config F`, `discover --config F`, `read --config F --catalog F
 * [--state F]`, `write --config F --catalog F`, `--help`, `--version`. Exit 0, 1 failed, 2 usage. A
 * configuration that doesn't fit the spec: check says FAILED with the field; the other verbs emit TRACE
 * ERROR config_error and exit 1. */
int connector_main(const ConnectorInfo *info, int argc, char *argv[]);

/* Marks the current failure as the configuration's or a passing one (default system_error); use as
 * `return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -ENOENT, "…")`. */
int connector_fail(Error **reterr_error, FailureType type, int code, const char *format, ...) _printf_(4, 5);
