/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A stream is owed a reading from its beginning for one of two reasons: it has got fields, and its connection
 * wants backfills; or it has left the connection (forced): the source has it no more, or somebody has taken it
 * out. What the source has then under that name when it comes back is not known to be what it was, so its
 * state is worth nothing: rows below the old cursor would never be read.
 *
 * A row is there from the moment in which the connection goes by the catalog with the new fields, the source
 * was seen to be without the stream, or the selection without it was stored. In between nothing can lose it:
 * not a plan that fails, not a workload that is refused, not a crash.
 *
 *     owed ──▶ begun ──▶ gone
 *       └────────────────▲
 *
 * Each attempt drops the states of those that are owed. Which of them were dropped is known when its
 * workload has ended: one that gantry-workload took has dropped them in the transaction that made it, and
 * then the row has begun: were the state dropped again by the next attempt, a stream that takes more than
 * one would never end. It is gone when the stream has completed; of a stream that has left and isn't moved as
 * soon as its state has gone, for then it is as if it had never been there. A field that comes while one has
 * begun, or a stream that leaves again, makes it owed again, with another time: an attempt settles only what it
 * has seen.
 *
 * What is owed for a field is looked at anew by each plan: who turns the backfill off, empties the stream or
 * moves it in full owes nothing any more. A stream that is not selected keeps its row. */

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

static int owe_all(Db *db, const Connection *connection, JsonObject *streams, bool forced, usec_t now,
                   Error **reterr_error) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(streams); i++) {
                StreamRef stream = {};

                r = stream_selection_name(json_object_array_get_idx(streams, i), &stream.stream_namespace,
                                          &stream.stream_name, reterr_error);
                if (r >= 0)
                        r = backfill_store_owe(db, connection->id, &stream, forced, now, reterr_error);
        }
        return r;
}

int sync_backfill_owe(Db *db, const Connection *connection, JsonObject *streams, usec_t now,
                      Error **reterr_error) {
        int r;

        if (!connection->backfill || json_object_array_length(streams) == 0)
                return 0;
        r = states_are_apart(db, connection->id, reterr_error);
        return r > 0 ? owe_all(db, connection, streams, /* forced= */ false, now, reterr_error) : r;
}

int sync_backfill_owe_gone(Db *db, const Connection *connection, JsonObject *streams, usec_t now,
                           Error **reterr_error) {
        return streams ? owe_all(db, connection, streams, /* forced= */ true, now, reterr_error) : 0;
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

static int append(JsonObject *array, JsonObject *o) {
        if (json_object_array_add(array, o) >= 0)
                return 0;
        json_object_put(o);
        return -ENOMEM;
}

static int append_stream(JsonObject *array, const Backfill *b) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "name", b->stream_name) : -ENOMEM;

        if (r >= 0 && b->stream_namespace)
                r = json_add_string(o, "namespace", b->stream_namespace);
        return r >= 0 ? append(array, TAKE_PTR(o)) : r;
}

/* What the attempt is to settle. */
static int note(JsonObject *list, const Backfill *b, bool moved) {
        JsonObject *o;
        int r = append_stream(list, b);

        if (r < 0)
                return r;
        o = json_object_array_get_idx(list, json_object_array_length(list) - 1);
        r = json_add(o, "since", json_object_new_int64((int64_t) b->created_at));
        return r >= 0 && !moved ? json_add(o, "moved", json_object_new_boolean(false)) : r;
}

/* For a field: whether it is still wanted. */
static bool is_wanted(const Connection *connection, const char *mode, bool apart) {
        return connection->backfill && apart && streq_ptr(mode, "incremental");
}

static int plan_one(Db *db, const Connection *connection, const Backfill *b, bool apart, JobPlan *plan,
                    JsonObject *list, Error **reterr_error) {
        const StreamRef stream = { b->stream_namespace, b->stream_name };
        const char *mode = mode_of(plan, b);
        int r;

        /* A refresh or clear, or another generation: it is emptied anyway. */
        if (lists(plan->drop_states, b->stream_namespace, b->stream_name))
                return note(list, b, /* moved= */ true);
        if (!b->forced && !mode && connection->backfill)
                return 0;
        if (!b->forced && !is_wanted(connection, mode, apart))
                return backfill_store_forget(db, connection->id, &stream, b->created_at, reterr_error);
        r = b->begun ? 0 : append_stream(plan->drop_states, b);
        return r >= 0 ? note(list, b, mode) : r;
}

int sync_backfill_list_forced(Db *db, const char *connection_id, JsonObject **ret, Error **reterr_error) {
        _cleanup_(backfill_array_done) BackfillArray rows = {};
        _cleanup_json_ JsonObject *list = json_object_new_array();
        int r;

        r = list ? backfill_store_list(db, connection_id, &rows, reterr_error) : -ENOMEM;
        for (size_t i = 0; r >= 0 && i < rows.n; i++)
                if (rows.items[i]->forced && !rows.items[i]->begun)
                        r = append_stream(list, rows.items[i]);
        if (r >= 0)
                *ret = TAKE_PTR(list);
        return r;
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

static int settle(Db *db, const SyncRun *run, JsonObject *o, JsonObject *streams, bool succeeded,
                  Error **reterr_error) {
        usec_t since = (usec_t) json_object_get_int64(json_member(o, "since"));
        bool moved = !json_member(o, "moved");
        StreamRef stream = {};
        int r;

        r = stream_selection_name(o, &stream.stream_namespace, &stream.stream_name, reterr_error);
        if (r < 0)
                return r;
        return succeeded || !moved || is_complete(streams, &stream)
                       ? backfill_store_forget(db, run->connection_id, &stream, since, reterr_error)
                       : backfill_store_begin(db, run->connection_id, &stream, since, reterr_error);
}

int sync_backfill_finish(Db *db, const SyncRun *run, JsonObject *streams, bool succeeded,
                         Error **reterr_error) {
        JsonObject *list = json_member(run->planned, "backfill");
        int r = 0;

        if (!list || !run->result || json_object_get_boolean(json_member(run->result, "refused")))
                return 0;
        for (size_t i = 0; r >= 0 && i < json_object_array_length(list); i++)
                r = settle(db, run, json_object_array_get_idx(list, i), streams, succeeded, reterr_error);
        return r;
}
