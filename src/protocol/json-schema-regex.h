/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Regular expressions of schemas. They are written by strangers and run on values of other strangers, so
 * that both their size and the steps of one match are limited (threat T39). */

#include "basic/error.h"

typedef struct SchemaRegex SchemaRegex;

/* A pattern in ECMA 262's dialect, Unicode. Connectors write Python's too, so that what only PCRE2 knows
 * is let through unless `strict`. */
int schema_regex_compile(const char *pattern, size_t n, bool strict, SchemaRegex **ret,
                         Error **reterr_error);
SchemaRegex *schema_regex_free(SchemaRegex *r);
DEFINE_CLEANUP(SchemaRegex, schema_regex_free);

/* Whether the pattern is found anywhere in `s`: 1, 0, -ETIME when the limit of steps was hit. */
int schema_regex_match(const SchemaRegex *r, const char *s, size_t n);
