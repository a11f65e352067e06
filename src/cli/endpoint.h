/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One end of a sync as a person named it: the connector behind the reference, its spec, its whole
 * configuration, what it may see of the disk. */

#include "cli/connector-scope.h"
#include "runtime/connector-oneshot.h"

/* How long a connector may take to end by itself after it was asked to. */
#define STOP_GRACE_USEC (10 * USEC_PER_SEC)

typedef struct Endpoint {
        ConnectorRole role;
        ConnectorRef *ref;
        InstalledConnector *connector;
        ConnectorSpec *spec;
        JsonObject *config;
        char **secrets;                   /* strings to mask */
        char **read_paths, **write_paths; /* of the configuration and of --allow-… */
        bool network;
        ConnectorScopes *scopes;          /* borrowed; NULL = none */
} Endpoint;

typedef struct EndpointRequest {
        ConnectorRole role;
        const char *reference;
        const char *config_file; /* NULL = what the reference says */
        char *const *read_paths, *const *write_paths;
        bool unchecked; /* leave it to the connector to judge its configuration */
        bool verbose;
        ConnectorScopes *scopes; /* where what is started is put; NULL = nowhere */
} EndpointRequest;

/* Resolves the reference, asks for the spec (or takes the cached one), reads, completes and checks the
 * configuration. Relative paths in fields that the spec marks as paths become absolute: the sandbox has
 * another working directory. */
int endpoint_open(const EndpointRequest *request, Endpoint **ret, Error **reterr_error);
/* The same without a configuration: for `gantry spec`. */
int endpoint_open_bare(const EndpointRequest *request, Endpoint **ret, Error **reterr_error);
Endpoint *endpoint_free(Endpoint *e);
DEFINE_CLEANUP(Endpoint, endpoint_free);

/* What connector_process_start() needs for a verb; strings borrow from `e` and from the arguments. */
ConnectorStart endpoint_start(const Endpoint *e, const char *verb, const char *config, const char *catalog,
                              const char *state);

/* The configuration as text, for the connector only. NULL when out of memory. */
char *endpoint_config_text(const Endpoint *e);

/* A connector's words with the secrets of its configuration masked. NULL for NULL and when out of memory. */
char *endpoint_mask(const Endpoint *e, const char *text);

/* A number that changes when the connector's version or the configuration does. */
uint64_t endpoint_fingerprint(const Endpoint *e);
/* A number that stays when a version or a secret changes: what a sync is known by. */
uint64_t endpoint_identity(const Endpoint *e);
