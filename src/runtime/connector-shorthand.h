/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files and URLs in the place of a connector: which native connector reads or writes them, and with which
 * setting. */

#include "runtime/connector-ref.h"

/* What stands before the first ':' as a scheme ("csv" of "csv:x"), NULL when `s` has none. -ENOMEM
 * through errno. */
char *connector_scheme(const char *s);

/* 1 and the reference when `head` (without a query) is a shorthand: a file scheme, a URL, a file name
 * with an extension that we know, the short name of a native connector. 0 when it is none. Known but
 * impossible ones ("postgres://…", a URL as destination) are errors. */
int connector_shorthand_parse(const char *head, ConnectorRole role, ConnectorRef **ret,
                              Error **reterr_error);

/* Every scheme there is, for suggestions. */
extern char *const connector_schemes[];
