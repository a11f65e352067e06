/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Streams that are read from their beginning because they have got fields, or because they had left the
 * connection: owed by the step that saw it, carried out by a plan, settled with the attempt. Each in its
 * caller's transaction. */

#include "model/connection.h"
#include "workflow/sync-attempt.h"

/* `streams` is schema_change_decide()'s. Nothing is owed of a connection whose states are not each a
 * stream's. */
int sync_backfill_owe(Db *db, const Connection *connection, JsonObject *streams, usec_t now,
                      Error **reterr_error);

/* `streams` is schema_change_decide()'s, too: those that the source has no more. Whatever the connection says
 * of backfills, and of a GLOBAL state it is that stream's entry that goes. */
int sync_backfill_owe_gone(Db *db, const Connection *connection, JsonObject *streams, usec_t now,
                           Error **reterr_error);

/* The streams that have left and whose states are still there, [{"name","namespace"}]: the plan is to give them
 * another generation, and sync_backfill_plan() drops their states, whether it moves them or not. */
int sync_backfill_list_forced(Db *db, const char *connection_id, JsonObject **ret, Error **reterr_error);

/* Adds the states that have to go to the plan, and the streams that this attempt reads so to what the step
 * records: {"backfill": [{"name","namespace","since","moved"}]}. */
int sync_backfill_plan(Db *db, const Connection *connection, JobPlan *plan, JsonObject *record,
                       Error **reterr_error);

/* What the step recorded: whether the stream is one of them. */
bool sync_backfill_has(JsonObject *planned, const char *stream_namespace, const char *stream_name);

/* The attempt is over: `streams` are its STREAM_STATS. One that never came to be has dropped nothing. */
int sync_backfill_finish(Db *db, const SyncRun *run, JsonObject *streams, bool succeeded,
                         Error **reterr_error);
