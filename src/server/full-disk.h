/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What stands in for the server while its database can't be opened for want of space: each request is
 * answered 507. */

#include "server/server.h"

/* Answers on `s->http`, which full_disk_refuse() prepares, until `database` can be opened or has another
 * fault; then the server leaves, and the next request starts it anew. What daemon_run() returns. */
int full_disk_run(Server *s, const char *database);

/* HttpServerOptions.prepare of that time. */
int full_disk_refuse(HttpRequest *q, void *userdata);
