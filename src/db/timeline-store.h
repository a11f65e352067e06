/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The timeline of a connection. Written by gantry-workflow. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/event.h"

/* 1: stored; 0: one of that id is there already. */
int timeline_store_append(Db *db, const TimelineEvent *e, usec_t now, Error **reterr_error);
/* The newest first, by time and then id; `after` names an event, and behind an unknown one there is nothing.
 * Types: NULL or empty: all. */
int timeline_store_list(Db *db, const char *connection_id, char *const *types, const ListOptions *options,
                        TimelineEventArray *ret, Error **reterr_error);
/* Deletes up to `limit` older than `before`; returns how many. */
int timeline_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error);
