/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a connection stores of the streams that it moves, in the public API's form (`configurations`):
 * {"streams": [{"name", "namespace", "syncMode", "cursorField", "primaryKey", "selectedFields", "mappers"}]}.
 * Without streams, or with none in the list: all of the source's, each in its best mode. */

#include "worker/sync-mode.h"

void sync_mode_wish_done(SyncModeWish *w);
/* Mode, cursor and key of one entry. -EINVAL: it isn't of that form. */
int sync_mode_wish_from_json(JsonObject *o, SyncModeWish *ret, Error **reterr_error);

/* The top-level fields that are selected; NULL: all. Below the top nothing can be selected. */
int stream_selection_fields(JsonObject *o, char ***ret, Error **reterr_error);

/* Borrowed; `ret_namespace` may become NULL. -EINVAL without a name. */
int stream_selection_name(JsonObject *o, const char **ret_namespace, const char **ret_name, Error **reterr_error);

/* Whether the connection moves whatever there is. */
bool stream_selection_is_everything(JsonObject *configurations);

/* The entries of streams that `catalog` has, with the mode, cursor and key that they name, or else the
 * source's own; whether both sides can do that is not asked. Of the streams only the names: a copy of all their
 * schemas would take longer than whatever wants to look at them. */
int stream_selection_configure(JsonObject *configurations, const Catalog *catalog, ConfiguredCatalog **ret,
                               Error **reterr_error);

/* An entry for a stream that was chosen: names, mode, cursor, key. */
int stream_selection_from_configured(const ConfiguredStream *s, JsonObject **ret);
