/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Paths of fields (protocol/catalog.h) as JSON arrays. NULL when out of memory. */

#include "protocol/catalog.h"

JsonObject *field_path_to_json(FieldPath path);
JsonObject *field_paths_to_json(FieldPath *paths);
