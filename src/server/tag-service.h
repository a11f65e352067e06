/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tags: coloured words that connections of a workspace may carry. */

#include "db/tag-store.h"
#include "server/list-service.h"

int tag_service_list(Call *c, const Listing *l, TagArray *ret);
int tag_service_get(Call *c, const char *id, Role need, Tag **ret);
/* {name, color, workspaceId}. */
int tag_service_create(Call *c, JsonObject *body, Tag **ret);
int tag_service_update(Call *c, const char *id, JsonObject *body, Tag **ret);
int tag_service_delete(Call *c, const char *id);
/* The ETag of an answer that shows it. */
int tag_show_edition(Call *c, const Tag *o);
int tag_view(const Tag *t, JsonObject **ret);
