/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connection's state as rows. The protocol's parser judges what comes in (protocol/state.c); here the
 * set is taken apart, one row for each stream, so that a checkpoint of one stream rewrites one row and
 * not all of them. A GLOBAL state is one row for what is shared and one for each stream of it; rows of
 * kind STREAM alone are a set of STREAM messages.
 *
 * The kinds must not mix, and merge decides by what is stored:
 *
 *     stored       STREAM comes    GLOBAL comes    LEGACY comes
 *     nothing      put             put             put
 *     STREAM       put             refused         refused
 *     GLOBAL       refused         replaces        refused
 *     LEGACY       replaces        replaces        replaces
 *
 * A GLOBAL message is whole: a stream that it doesn't name has no state any more. Dropping the last
 * stream of a GLOBAL state drops the shared part too. */

#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/state-store.h"
#include "protocol/state.h"

static const char *text_of(StateKind kind) {
        return state_kind_to_string(kind);
}

/* --- from AirbyteStateMessages to rows --- */

static int add_row(StateRowArray *rows, StateKind kind, char *name, char *namespace, JsonSlice state) {
        _cleanup_(state_row_freep) StateRow *row = calloc(1, sizeof(*row));
        int r;

        if (!row) {
                free(name);
                free(namespace);
                return -ENOMEM;
        }
        *row = (StateRow) { .kind = kind,
                            .stream_name = name,
                            .stream_namespace = namespace,
                            .state = strndup(state.p, state.n) };
        if (!name || !namespace || !row->state)
                return -ENOMEM;
        r = model_array_append((void ***) &rows->items, &rows->n, row);
        if (r < 0)
                return r;
        row = NULL;
        return 0;
}

/* The member, or null where it is absent. */
static int find_or_null(JsonSlice object, const char *key, JsonSlice *ret) {
        int r;

        r = json_find_member(object, key, ret);
        if (r == 0)
                *ret = (JsonSlice) { "null", STRLEN("null") };
        return r;
}

/* A member's text; an empty one when it is absent or null. */
static char *text_member(JsonSlice object, const char *key) {
        _cleanup_buffer_ Buffer b = {};
        JsonSlice value;

        if (json_find_member(object, key, &value) <= 0 || json_slice_type(value) != JSON_STRING)
                return strdup("");
        return json_string_decode(json_string_inner(value), &b) < 0 ? NULL : buffer_steal_string(&b);
}

/* {"stream_descriptor": {"name","namespace"}, "stream_state": …} */
static int add_stream(StateRowArray *rows, JsonSlice entry) {
        JsonSlice descriptor, state;
        int r;

        r = json_find_member(entry, "stream_descriptor", &descriptor);
        if (r <= 0)
                return r < 0 ? r : -EINVAL;
        r = find_or_null(entry, "stream_state", &state);
        if (r < 0)
                return r;
        return add_row(rows, STATE_KIND_STREAM, text_member(descriptor, "name"),
                       text_member(descriptor, "namespace"), state);
}

static int add_global(StateRowArray *rows, JsonSlice global) {
        JsonSlice shared, states, entry;
        JsonIter it;
        int r;

        r = find_or_null(global, "shared_state", &shared);
        if (r < 0)
                return r;
        r = add_row(rows, STATE_KIND_GLOBAL, strdup(""), strdup(""), shared);
        if (r < 0)
                return r;
        r = json_find_member(global, "stream_states", &states);
        if (r > 0)
                r = json_iter_array(&it, states);
        while (r >= 0 && (r = json_iter_element(&it, &entry)) > 0)
                r = add_stream(rows, entry);
        return r;
}

static int add_message(StateRowArray *rows, JsonSlice message) {
        JsonSlice body;

        if (json_find_member(message, "stream", &body) > 0)
                return add_stream(rows, body);
        if (json_find_member(message, "global", &body) > 0)
                return add_global(rows, body);
        if (json_find_member(message, "data", &body) > 0)
                return add_row(rows, STATE_KIND_LEGACY, strdup(""), strdup(""), body);
        return -EINVAL;
}

/* The protocol's parser judges the array and gives it back with one message a stream. */
static int parse(const char *states, size_t n, StateRowArray *ret, Error **reterr_error) {
        _cleanup_state_set_ StateSet *set = NULL;
        _cleanup_buffer_ Buffer canonical = {};
        JsonSlice message;
        JsonIter it;
        int r;

        r = state_set_parse(states, n, &set, reterr_error);
        if (r < 0)
                return r == -ENOMEM ? r : -EINVAL;
        if (state_set_is_empty(set))
                return 0;
        r = state_set_append(set, &canonical);
        if (r < 0)
                return r;
        r = json_iter_array(&it, (JsonSlice) { buffer_bytes(&canonical), canonical.len });
        while (r >= 0 && (r = json_iter_element(&it, &message)) > 0) {
                if (message.n > STATE_SIZE_MAX)
                        return error_set(reterr_error, -E2BIG, "A state has more than %u bytes",
                                         STATE_SIZE_MAX);
                r = add_message(ret, message);
        }
        return r;
}

/* --- storing rows --- */

static int put(Db *db, const char *connection_id, const StateRow *row, usec_t now, Error **reterr_error) {
        return db_run(db, SQL_STATE_PUT, &state_row_model, row,
                      BINDS(B_TEXT("connection_id", connection_id), B_I64("now", now)), reterr_error);
}

static int clear(Db *db, const char *connection_id, Error **reterr_error) {
        return db_run(db, SQL_STATE_CLEAR, NULL, NULL, BINDS(B_TEXT("connection_id", connection_id)),
                      reterr_error);
}

static int count(Db *db, const char *connection_id, StateKind kind, int64_t *ret, Error **reterr_error) {
        return db_get_i64(db, SQL_STATE_COUNT,
                          BINDS(B_TEXT("connection_id", connection_id), B_TEXT("kind", text_of(kind))), ret,
                          reterr_error);
}

/* Makes room for rows of another type, or refuses them. A GLOBAL message is whole: what it doesn't name
 * is gone. */
static int prepare(Db *db, const char *connection_id, const StateRowArray *rows, Error **reterr_error) {
        StateKind first = rows->items[0]->kind;
        int64_t globals, streams;
        int r;

        r = count(db, connection_id, STATE_KIND_GLOBAL, &globals, reterr_error);
        if (r >= 0)
                r = count(db, connection_id, STATE_KIND_STREAM, &streams, reterr_error);
        if (r < 0)
                return r;
        if (first == STATE_KIND_STREAM && globals == 0)
                return db_run(db, SQL_STATE_CLEAR_KIND, NULL, NULL,
                              BINDS(B_TEXT("connection_id", connection_id),
                                    B_TEXT("kind", text_of(STATE_KIND_LEGACY))),
                              reterr_error);
        if ((first == STATE_KIND_GLOBAL && (globals > 0 || streams == 0)) ||
            (first == STATE_KIND_LEGACY && globals == 0 && streams == 0))
                return clear(db, connection_id, reterr_error);
        return error_set(reterr_error, -EINVAL,
                         "A %s state can't be stored beside the connection's %s state", text_of(first),
                         text_of(globals > 0 ? STATE_KIND_GLOBAL : STATE_KIND_STREAM));
}

static int store(Db *db, const char *connection_id, const char *states, size_t n, bool replace, usec_t now,
                 Error **reterr_error) {
        _cleanup_(state_row_array_done) StateRowArray rows = {};
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = parse(states, n, &rows, reterr_error);
        if (r < 0)
                return r;
        if (rows.n == 0 && !replace)
                return 0;
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = replace ? clear(db, connection_id, reterr_error)
                    : prepare(db, connection_id, &rows, reterr_error);
        for (size_t i = 0; i < rows.n && r >= 0; i++)
                r = put(db, connection_id, rows.items[i], now, reterr_error);
        if (r < 0)
                return r;
        r = change_append(db, CHANGE_STATE, connection_id, now, NULL, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int state_store_set(Db *db, const char *connection_id, const char *states, size_t n, usec_t now,
                    Error **reterr_error) {
        return store(db, connection_id, states, n, /* replace= */ true, now, reterr_error);
}

int state_store_merge(Db *db, const char *connection_id, const char *states, size_t n, usec_t now,
                      Error **reterr_error) {
        return store(db, connection_id, states, n, /* replace= */ false, now, reterr_error);
}

int state_store_drop(Db *db, const char *connection_id, const StreamRef *streams, size_t n_streams,
                     usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t left;
        int r, n = 0;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n_streams; i++) {
                r = db_run(db, SQL_STATE_DROP, NULL, NULL,
                           BINDS(B_TEXT("connection_id", connection_id),
                                 B_TEXT("stream_namespace", strempty(streams[i].stream_namespace)),
                                 B_TEXT("stream_name", streams[i].stream_name)),
                           reterr_error);
                if (r < 0)
                        return r;
                n += r;
        }
        if (n == 0)
                return 0;
        r = count(db, connection_id, STATE_KIND_STREAM, &left, reterr_error);
        if (r >= 0 && left == 0)
                r = clear(db, connection_id, reterr_error);
        if (r < 0)
                return r;
        r = change_append(db, CHANGE_STATE, connection_id, now, NULL, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

/* --- from rows to AirbyteStateMessages --- */

int state_store_list(Db *db, const char *connection_id, StateRowArray *ret, Error **reterr_error) {
        int r;

        r = db_list_whole(db, SQL_STATE_LIST, BINDS(B_TEXT("connection_id", connection_id)),
                          &state_row_model, ret, reterr_error);
        for (size_t i = 0; r >= 0 && i < ret->n; i++)
                no_namespace(&ret->items[i]->stream_namespace);
        return r;
}

static int write_stream(Buffer *b, const StateRow *row) {
        int r;

        r = buffer_append_string(b, "{\"stream_descriptor\":{");
        if (r >= 0)
                r = json_write_member_string(b, "name", row->stream_name);
        if (r >= 0 && row->stream_namespace)
                r = json_write_member_string(b, "namespace", row->stream_namespace);
        if (r >= 0)
                r = buffer_append_char(b, '}');
        /* A stream whose state was absent has none again. */
        if (r >= 0 && !streq(row->state, "null"))
                r = json_write_member_raw(b, "stream_state", row->state);
        return r < 0 ? r : buffer_append_char(b, '}');
}

static int write_streams(Buffer *b, const StateRowArray *rows, const char *before, const char *behind) {
        bool first = true;
        int r = 0;

        for (size_t i = 0; i < rows->n && r >= 0; i++) {
                if (rows->items[i]->kind != STATE_KIND_STREAM)
                        continue;
                if (!first)
                        r = buffer_append_char(b, ',');
                first = false;
                if (r >= 0)
                        r = buffer_append_string(b, before);
                if (r >= 0)
                        r = write_stream(b, rows->items[i]);
                if (r >= 0)
                        r = buffer_append_string(b, behind);
        }
        return r;
}

static int write_global(Buffer *b, const StateRowArray *rows, const StateRow *shared) {
        int r;

        r = buffer_append_string(b, "{\"type\":\"GLOBAL\",\"global\":{");
        if (r >= 0 && !streq(shared->state, "null"))
                r = json_write_member_raw(b, "shared_state", shared->state);
        if (r >= 0)
                r = json_write_key(b, "stream_states");
        if (r >= 0)
                r = buffer_append_char(b, '[');
        if (r >= 0)
                r = write_streams(b, rows, "", "");
        return r < 0 ? r : buffer_append_string(b, "]}}");
}

static int write_all(Buffer *b, const StateRowArray *rows) {
        const StateRow *single = NULL;
        int r;

        for (size_t i = 0; i < rows->n; i++)
                if (rows->items[i]->kind != STATE_KIND_STREAM)
                        single = rows->items[i];
        r = buffer_append_char(b, '[');
        if (r < 0)
                return r;
        if (!single)
                r = write_streams(b, rows, "{\"type\":\"STREAM\",\"stream\":", "}");
        else if (single->kind == STATE_KIND_GLOBAL)
                r = write_global(b, rows, single);
        else {
                r = buffer_append_string(b, "{\"type\":\"LEGACY\"");
                if (r >= 0)
                        r = json_write_member_raw(b, "data", single->state);
                if (r >= 0)
                        r = buffer_append_char(b, '}');
        }
        return r < 0 ? r : buffer_append_char(b, ']');
}

int state_store_get(Db *db, const char *connection_id, char **ret, size_t *ret_size, Error **reterr_error) {
        _cleanup_(state_row_array_done) StateRowArray rows = {};
        _cleanup_buffer_ Buffer b = {};
        size_t n;
        char *text;
        int r;

        r = state_store_list(db, connection_id, &rows, reterr_error);
        if (r < 0)
                return r;
        r = write_all(&b, &rows);
        if (r < 0)
                return r;
        n = b.len;
        text = buffer_steal_string(&b);
        if (!text)
                return -ENOMEM;
        *ret = text;
        if (ret_size)
                *ret_size = n;
        return 0;
}
