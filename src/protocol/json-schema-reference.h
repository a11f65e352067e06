/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the references of a schema's document lead, on the bare JSON: for searches that must answer also
 * where the document doesn't compile. Nothing outside of the document is ever looked at. */

#include "shared/json-util.h"

typedef struct JsonSchemaPlaces JsonSchemaPlaces;

/* All places of the document that have a name. `document` is borrowed and must outlive what is returned.
 * -ELOOP: it has more objects and arrays than `max`. */
int json_schema_places_new(JsonObject *document, unsigned max, JsonSchemaPlaces **ret);
JsonSchemaPlaces *json_schema_places_free(JsonSchemaPlaces *p);
DEFINE_CLEANUP(JsonSchemaPlaces, json_schema_places_free);

/* What the "$ref" of an object of the document leads to, borrowed; NULL where it has none, or one that leads
 * nowhere. */
int json_schema_places_follow(const JsonSchemaPlaces *p, JsonObject *schema, JsonObject **ret);
