/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections: what can be done with them, whoever asks. */

#include "db/connection-store.h"
#include "server/actor-service.h"

/* Deleted ones are not found. */
int connection_service_get(Call *c, const char *id, Role need, Connection **ret);
/* `tag_ids` NULL: whatever tags. */
int connection_service_list(Call *c, const Listing *l, char *const *tag_ids, ConnectionArray *ret);
/* `body` is the public API's. May be CALL_LATER: the source is asked for its streams. */
int connection_service_create(Call *c, JsonObject *body, Connection **ret);
int connection_service_update(Call *c, const char *id, JsonObject *body, Connection **ret);
/* Deleting twice is no error (P07). */
int connection_service_delete(Call *c, const char *id);

/* The ETag of an answer that shows it. */
int connection_show_edition(Call *c, const Connection *connection);
/* Of one that also shows the schemas of its streams (the config API's). */
int connection_show_edition_with_schemas(Call *c, const Connection *connection);
/* The public API's form. */
int connection_view(Call *c, const Connection *connection, JsonObject **ret);
