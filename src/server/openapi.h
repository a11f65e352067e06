/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The OpenAPI document, made of the very tables that are served (server/api.h) and the schemas of
 * openapi-schemas.json. */

#include "http/http-router.h"
#include "shared/json-util.h"

int openapi_document(const HttpRoute *routes, size_t n_routes, JsonObject **ret);
