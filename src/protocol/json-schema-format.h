/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The "format" keyword's words: draft-7's list, and Airbyte's timestamps without a time zone. */

#include "basic/macro.h"

typedef bool (*SchemaFormat)(const char *s, size_t n);

/* NULL for a format that we don't know, which then says nothing. `airbyte_type` (may be NULL) is the
 * annotation beside it: with "timestamp_without_timezone" a date-time needs no offset. */
SchemaFormat schema_format_find(const char *name, const char *airbyte_type);
