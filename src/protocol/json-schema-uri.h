/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reference resolution of RFC 3986, section 5.2, as "$id" and "$ref" need it. */

#include "basic/macro.h"

/* `ref` seen from `base` ("" = none), allocated; NULL when out of memory. */
char *json_schema_uri_resolve(const char *base, const char *ref);

/* Decodes %XX in place; a broken escape stays as it is. */
void json_schema_uri_decode(char *s);
