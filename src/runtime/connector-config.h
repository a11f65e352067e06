/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A configuration on its way from what a person wrote to what a connector takes. */

#include "protocol/connector-spec.h"

/* Turns strings into the numbers, booleans, arrays, objects and nulls that the spec wants at their place,
 * for configurations whose values came out of a reference's query. What doesn't read as the wanted type
 * is left as it is: the check against the spec says what is wrong. Of a oneOf the branch counts whose
 * constants fit. `config` changes in place. */
int connector_config_coerce(const ConnectorSpec *spec, JsonObject *config);

/* Replaces, in place and at any depth, objects with exactly one of these members by the text that they name, so that no
 * secret has to stand in a file or on a command line:
 *   {"$env": "NAME"}         an environment variable; unset is an error
 *   {"$file": "PATH"}        a file's content without one final newline; relative to the working directory
 *   {"$credential": "NAME"}  the same of a file in $CREDENTIALS_DIRECTORY (systemd's LoadCredential=)
 * The errors name the member's place and never a value. */
int connector_config_resolve(JsonObject *config, Error **reterr_error);
