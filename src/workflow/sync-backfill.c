/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A backfill is a row from the moment in which the connection goes by the catalog with the new fields, until
 * a sync has read the stream. In between nothing can lose it: not a plan that fails, not a workload that is
 * refused, not a crash.
 *
 *     owed ──▶ begun ──▶ gone
 *       └────────────────▲
 *
 * Each attempt drops the states of those that are owed. Which of them were dropped is known when its
 * workload has ended: one that gantry-workload took has dropped them in the transaction that made it, and
 * then the row has begun: were the state dropped again by the next attempt, a stream that takes more than
 * one would never end. It is gone when the stream has completed. A field that comes while one has begun
 * makes it owed again.
 *
 * What is owed is looked at anew by each plan: who turns the backfill off, empties the stream or moves it in
 * full owes nothing any more. A stream that is not selected keeps its row, since it keeps its state, too. */

#include "db/backfill-store.h"
#include "db/state-store.h"
#include "worker/stream-selection.h"
#include "workflow/sync-backfill.h"

/* A stream's state can go by itself only where it stands by itself. */
static int states_are_apart(Db *db, const char *connection_id, Error **reterr_error) {
        _cleanup_(state_row_array_done) StateRowArray rows = {};
        int r;

        r = state_store_list(db, connection_id, &rows, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < rows.n; i++)
                if (rows.items[i]->kind != STATE_KIND_STREAM)
                        return 0;
        return 1;
}

int sync_backfill_owe(Db *db, const Connection *connection, JsonObject *streams, usec_t now,
                      Error **reterr_error) {
        int r;

        if (!connection->backfill || json_object_array_length(streams) == 0)
                return 0;
        r = states_are_apart(db, connection->id, reterr_error);
        if (r <= 0)
                return r;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(streams); i++) {
                StreamRef stream = {};

                r = stream_selection_name(json_object_array_get_idx(streams, i), &stream.stream_namespace,
                                          &stream.stream_name, reterr_error);
                if (r >= 0)
                        r = backfill_store_owe(db, connection->id, &stream, now, reterr_error);
        }
        return r;
}

static bool is(JsonObject *o, const char *namespace, const char *name) {
        const char *other_namespace, *other;

        return stream_selection_name(o, &other_namespace, &other, NULL) >= 0 && streq(name, other) &&
                streq(strempty(namespace), strempty(other_namespace));
}

static bool lists(JsonObject *array, const char *namespace, const char *name) {
        for (size_t i = 0; array && i < json_object_array_length(array); i++)
                if (is(json_object_array_get_idx(array, i), namespace, name))
                        return true;
        return false;
}

/* How the plan moves the stream; NULL: not at all. */
static const char *mode_of(const JobPlan *plan, const Backfill *b) {
        JsonObject *streams = json_member(plan->source_catalog, "streams");

        for (size_t i = 0; streams && i < json_object_array_length(streams); i++) {
                JsonObject *s = json_object_array_get_idx(streams, i);

                if (is(json_member(s, "stream"), b->stream_namespace, b->stream_name))
                        return json_object_get_string(json_member(s, "sync_mode"));
        }
        return NULL;
}

static int append(JsonObject *array, const Backfill *b) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "name", b->stream_name) : -ENOMEM;

        if (r >= 0 && b->stream_namespace)
                r = json_add_string(o, "namespace", b->stream_namespace);
        if (r < 0 || json_object_array_add(array, o) < 0)
                return r < 0 ? r : -ENOMEM;
        (void) TAKE_PTR(o);
        return 0;
}

static int plan_one(Db *db, const Connection *connection, const Backfill *b, bool apart, JobPlan *plan,
                    JsonObject *list, Error **reterr_error) {
        const StreamRef stream = { b->stream_namespace, b->stream_name };
        const char *mode = mode_of(plan, b);
        int r;

        /* A refresh or clear, or another generation: it is emptied anyway. */
        if (lists(plan->drop_states, b->stream_namespace, b->stream_name))
                return append(list, b);
        if (!mode && connection->backfill)
                return 0;
        if (!mode || !streq(mode, "incremental") || !connection->backfill || !apart)
                return backfill_store_forget(db, connection->id, &stream, reterr_error);
        r = b->begun ? 0 : append(plan->drop_states, b);
        return r >= 0 ? append(list, b) : r;
}

int sync_backfill_plan(Db *db, const Connection *connection, JobPlan *plan, JsonObject *record,
                       Error **reterr_error) {
        _cleanup_(backfill_array_done) BackfillArray rows = {};
        _cleanup_json_ JsonObject *list = NULL;
        int r, apart;

        r = backfill_store_list(db, connection->id, &rows, reterr_error);
        if (r < 0 || rows.n == 0)
                return r;
        apart = states_are_apart(db, connection->id, reterr_error);
        if (apart < 0)
                return apart;
        list = json_object_new_array();
        r = list ? 0 : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < rows.n; i++)
                r = plan_one(db, connection, rows.items[i], apart, plan, list, reterr_error);
        return r >= 0 && json_object_array_length(list) > 0 ? json_add(record, "backfill", TAKE_PTR(list)) : r;
}

bool sync_backfill_has(JsonObject *planned, const char *stream_namespace, const char *stream_name) {
        return lists(json_member(planned, "backfill"), stream_namespace, stream_name);
}

static bool is_complete(JsonObject *streams, const StreamRef *stream) {
        for (size_t i = 0; streams && i < json_object_array_length(streams); i++) {
                JsonObject *s = json_object_array_get_idx(streams, i);

                if (json_object_get_boolean(json_member(s, "complete")) &&
                    is(s, stream->stream_namespace, stream->stream_name))
                        return true;
        }
        return false;
}

int sync_backfill_finish(Db *db, const SyncRun *run, JsonObject *streams, bool succeeded,
                         Error **reterr_error) {
        JsonObject *list = json_member(run->planned, "backfill");
        int r = 0;

        if (!list || !run->result || json_object_get_boolean(json_member(run->result, "refused")))
                return 0;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(list); i++) {
                StreamRef stream = {};

                r = stream_selection_name(json_object_array_get_idx(list, i), &stream.stream_namespace,
                                          &stream.stream_name, reterr_error);
                if (r < 0)
                        return r;
                r = succeeded || is_complete(streams, &stream)
                            ? backfill_store_forget(db, run->connection_id, &stream, reterr_error)
                            : backfill_store_begin(db, run->connection_id, &stream, reterr_error);
        }
        return r;
}
