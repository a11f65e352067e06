/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An event's name, key and payload are one JSON object in the database: {"name","key","value"}.
 *
 * The row that was loaded last is kept beside the open transaction: its last_event is the number that an
 * append must find unchanged. Somebody else who has written meanwhile makes the append -ESTALE, which
 * becomes -EAGAIN: the run is undone and begins anew from what is stored. Each load reads the row afresh,
 * so that one left over from a transaction that was rolled back is never used.
 *
 * No table leads from an activity to its workflow; the activity's name does. That is why its form is
 * fixed (docs/WORKFLOWS.md), and why nothing else may be put into its last three parts. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/json-write.h"
#include "basic/strv.h"
#include "workflow/history-db.h"

char *workflow_id_of_job(int64_t job_id) {
        char *s = NULL;

        return asprintf(&s, "job-%" PRIi64, job_id) < 0 ? NULL : s;
}

char *workflow_id_of_activity(const char *activity_id) {
        _cleanup_strv_ char **parts = strv_split(activity_id, "_");
        size_t n = strv_length(parts);
        char *s = NULL;

        if (n < 4)
                return NULL;
        /* Jobs have numbers; what is asked for by itself has a UUID, which has dashes. */
        if (!strchr(parts[n - 3], '-'))
                n = asprintf(&s, "job-%s", parts[n - 3]) < 0 ? 0 : n;
        else
                n = asprintf(&s, "%s-%s", parts[n - 1], parts[n - 3]) < 0 ? 0 : n;
        return n == 0 ? NULL : s;
}

/* Somebody else has changed what we have read: the run is tried again. */
static int translate(int r) {
        return r == -ESTALE ? -EAGAIN : r;
}

static int db_store_begin(void *userdata, Error **reterr_error) {
        HistoryDb *h = userdata;

        return db_begin_immediate(h->db, &h->transaction, reterr_error);
}

static int db_store_commit(void *userdata, Error **reterr_error) {
        HistoryDb *h = userdata;

        return db_commit(&h->transaction, reterr_error);
}

static void db_store_rollback(void *userdata) {
        HistoryDb *h = userdata;

        db_rollbackp(&h->transaction);
        h->transaction = NULL;
}

static int db_store_list_open(void *userdata, HistoryListHandler handler, void *data, Error **reterr_error) {
        HistoryDb *h = userdata;
        _cleanup_(workflow_array_done) WorkflowArray page = {};
        _cleanup_free_ char *after = NULL;
        int r;

        do {
                ListOptions options = { .limit = LIST_LIMIT_MAX, .after = after };

                workflow_array_done(&page);
                r = workflow_store_list_open(h->db, &options, &page, reterr_error);
                for (size_t i = 0; r >= 0 && i < page.n; i++)
                        r = handler(page.items[i]->id, workflow_type_to_string(page.items[i]->type), data);
                if (r < 0)
                        return r;
                free(after);
                after = page.n > 0 ? strdup(page.items[page.n - 1]->id) : NULL;
        } while (page.n == LIST_LIMIT_MAX);
        return 0;
}

static int read_event(const WorkflowEvent *e, History *h, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *payload = NULL;
        const char *name = NULL, *key = NULL;
        HistoryEventType type = history_event_type_from_string(e->type);
        int r;

        if (type < 0)
                return error_set(reterr_error, -EPROTO, "The history has an event of unknown type '%s'", e->type);
        r = json_parse(strempty(e->payload), strlen(strempty(e->payload)), &o, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "name", &name, "The event", reterr_error);
        if (r >= 0)
                r = json_get_string(o, "key", &key, "The event", reterr_error);
        if (r < 0)
                return r;
        payload = json_to_string(json_member(o, "value"));
        return payload ? history_append(h, type, name, key, payload, e->at) : -ENOMEM;
}

static int db_store_load(void *userdata, const char *id, History *ret, Error **reterr_error) {
        HistoryDb *h = userdata;
        _cleanup_(workflow_event_array_done) WorkflowEventArray events = {};
        int r;

        h->row = workflow_free(h->row);
        r = workflow_store_get(h->db, id, &h->row, reterr_error);
        if (r >= 0)
                r = workflow_store_history(h->db, id, &events, reterr_error);
        for (size_t i = 0; r >= 0 && i < events.n; i++)
                r = read_event(events.items[i], ret, reterr_error);
        return translate(MIN(r, 0));
}

static int fill_from_input(Workflow *w, const char *input, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        const char *connection_id = NULL;
        int r;

        r = json_parse(input, strlen(input), &o, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "connectionId", &connection_id, "The input", reterr_error);
        if (r >= 0)
                r = json_get_i64(o, "jobId", &w->job_id, "The input", reterr_error);
        if (r < 0)
                return r;
        if (connection_id) {
                w->connection_id = strdup(connection_id);
                if (!w->connection_id)
                        return -ENOMEM;
        }
        return 0;
}

static int db_store_create(void *userdata, const char *id, const char *type, const char *input, usec_t now,
                           Error **reterr_error) {
        HistoryDb *h = userdata;
        _cleanup_(workflow_freep) Workflow *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        w->type = workflow_type_from_string(type);
        w->id = strdup(id);
        w->input = strdup(input);
        if ((int) w->type < 0)
                return error_set(reterr_error, -EINVAL, "'%s' is no type of workflow", type);
        if (!w->id || !w->input)
                return -ENOMEM;
        r = fill_from_input(w, input, reterr_error);
        if (r >= 0)
                r = workflow_store_create(h->db, w, now, reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EEXIST, "There is a workflow '%s' already", id);
        if (r < 0)
                return r;
        workflow_free(h->row);
        h->row = TAKE_PTR(w);
        return 0;
}

/* The database shows people what a workflow waits for. */
static int note_activity(Workflow *row, const HistoryEvent *e) {
        if (e->type == HISTORY_ACTIVITY_SCHEDULED) {
                free(row->workload_id);
                row->workload_id = strdup(e->key);
                return row->workload_id ? 0 : -ENOMEM;
        }
        if (e->type == HISTORY_ACTIVITY_COMPLETED && streq_ptr(row->workload_id, e->key)) {
                free(row->workload_id);
                row->workload_id = NULL;
        }
        return 0;
}

static int db_store_append(void *userdata, const char *id, size_t seq, const HistoryEvent *e,
                           Error **reterr_error) {
        HistoryDb *h = userdata;
        _cleanup_buffer_ Buffer b = {};
        WorkflowEvent event = {};
        int r;

        if (!h->row || !streq(h->row->id, id))
                return -EIO;
        r = note_activity(h->row, e);
        if (r >= 0)
                r = buffer_append_char(&b, '{');
        if (r >= 0)
                r = json_write_member_string(&b, "name", e->name);
        if (r >= 0)
                r = json_write_member_string(&b, "key", e->key);
        if (r >= 0)
                r = json_write_member_raw(&b, "value", e->payload);
        if (r >= 0)
                r = buffer_append_char(&b, '}');
        if (r < 0)
                return r;
        event.type = (char *) history_event_type_to_string(e->type);
        event.payload = (char *) buffer_string(&b);
        if (!event.payload)
                return -ENOMEM;
        return translate(workflow_store_append(h->db, h->row, (int64_t) seq, &event, 1, e->at, reterr_error));
}

static int db_store_wait(void *userdata, const char *id, size_t n_events, usec_t next_timer, usec_t now,
                         Error **reterr_error) {
        HistoryDb *h = userdata;

        if (!h->row || !streq(h->row->id, id))
                return -EIO;
        h->row->wake_at = next_timer == USEC_INFINITY ? 0 : next_timer;
        return translate(workflow_store_append(h->db, h->row, (int64_t) n_events, NULL, 0, now, reterr_error));
}

static int db_store_close(void *userdata, const char *id, bool failed, const char *payload, usec_t now,
                          Error **reterr_error) {
        HistoryDb *h = userdata;

        return MIN(workflow_store_finish(h->db, id, failed ? WORKFLOW_FAILED : WORKFLOW_COMPLETED, payload, now,
                                         reterr_error), 0);
}

/* Also of ended workflows, as long as their history is kept: whoever tells of an old workload's end is
 * then answered "known" and stops telling. */
static int db_store_knows_activity(void *userdata, const char *activity_id, Error **reterr_error) {
        _cleanup_free_ char *id = workflow_id_of_activity(activity_id);
        _cleanup_history_ History history = {};
        int r;

        if (!id)
                return 0;
        r = db_store_load(userdata, id, &history, reterr_error);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        return history_find(&history, HISTORY_ACTIVITY_SCHEDULED, activity_id, 0, history.n) >= 0;
}

void history_db_init(HistoryDb *h, Db *db, HistoryStore *ret) {
        *h = (HistoryDb) { .db = db };
        *ret = (HistoryStore) {
                .begin = db_store_begin, .commit = db_store_commit, .rollback = db_store_rollback,
                .list_open = db_store_list_open, .load = db_store_load, .create = db_store_create,
                .append = db_store_append, .wait = db_store_wait, .close = db_store_close,
                .knows_activity = db_store_knows_activity, .userdata = h,
        };
}

void history_db_done(HistoryDb *h) {
        h->row = workflow_free(h->row);
}
