/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ConnectorSpecification: what a connector says of itself and of its configuration. */

#include "protocol/catalog.h"

typedef struct ConnectorSpec {
        JsonObject *raw;                      /* the whole SPEC payload */
        JsonObject *connection_specification; /* borrowed from raw */
        const char *documentation_url;        /* borrowed, may be NULL */
        const char *protocol_version;         /* borrowed, may be NULL */
        bool supports_incremental;
        bool supported_destination_sync_modes[_DESTINATION_SYNC_MODE_MAX];
        bool lists_destination_sync_modes; /* false: a source, or a destination that doesn't say */
} ConnectorSpec;

ConnectorSpec *connector_spec_free(ConnectorSpec *s);
DEFINE_CLEANUP(ConnectorSpec, connector_spec_free);

/* Takes a reference of `o`. */
int connector_spec_from_json(JsonObject *o, ConnectorSpec **ret, Error **reterr_error);
/* Of a stored text. NULL: it isn't known yet; such a connector takes any configuration, and as a destination
 * does what it is told to. */
int connector_spec_from_text(const char *text, ConnectorSpec **ret, Error **reterr_error);

/* Whether `config` fits: 0, or -EINVAL with every offending field (JSON pointer) and why, one per line. */
int connector_spec_check_config(const ConnectorSpec *s, JsonObject *config, Error **reterr_error);

/* Calls back once for every value in `config` that the spec marks "airbyte_secret" (through oneOf, arrays,
 * objects), in whichever branch. */
typedef int (*SecretHandler)(const char *pointer, JsonObject *value, void *userdata);
int connector_spec_foreach_secret(const ConnectorSpec *s, JsonObject *config, SecretHandler handler,
                                  void *userdata);

/* The strings of all secrets in `config`, as a strv, for masking. */
int connector_spec_secret_strings(const ConnectorSpec *s, JsonObject *config, char ***ret);

/* Calls back once for every string that the spec marks "gantry_path": "read" or "write"; `write` where any
 * branch says so, and these come first. */
typedef int (*PathHandler)(const char *pointer, const char *path, bool write, void *userdata);
int connector_spec_foreach_path(const ConnectorSpec *s, JsonObject *config, PathHandler handler,
                                void *userdata);
