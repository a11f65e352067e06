/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why no branch of an "anyOf" or "oneOf" fits: the problems of the one that was meant. A form has one
 * branch for each kind of login, say, and a person wants to read what is wrong with theirs, not with all. */

#include "protocol/json-schema-validate.h"

/* Stores the problems; returns like a check: 0, or negative errno. */
int validation_explain_branches(Validation *v, const SchemaKeyword *k, JsonObject *instance);
