/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keywords that compare the value itself: "type", "const", "enum", "uniqueItems". What equal means is
 * JSON's: 1 and 1.0 are, 1 and true aren't, members have no order. */

#include "protocol/json-schema-validate.h"

int validation_check_type(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance);
int validation_check_const(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                           JsonObject *instance);
int validation_check_enum(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                          JsonObject *instance);
int validation_check_unique(Validation *v, const SchemaNode *node, const SchemaKeyword *k,
                            JsonObject *instance);
