/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A page is looked up as a whole: the connections without their catalogs, then the last job of each in one
 * query; tags, which few have, are looked up row by row. Both come in the order of the connections' ids, so
 * that joining them is a walk along two lists. The jobs are asked for by the first and the last id of the
 * page: between these lie the page, and the few that are deleted. */

#include "db/job-store.h"
#include "server/connection-overview.h"
#include "server/connection-service.h"
#include "server/out.h"

static int view_last_job(const Job *j, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_i64(&out, "jobId", j->id);
        out_string(&out, "jobType", job_type_to_string(j->type));
        out_string(&out, "status", job_status_to_string(j->status));
        out_rfc3339(&out, "startTime", j->started_at ?: j->created_at);
        return out_take(&out, ret);
}

/* `last` NULL: it has had no job. */
static int view(Call *c, const Connection *connection, const Job *last, bool with_streams, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *job = NULL;
        Out out;
        int r = connection_view(c, connection, &o);

        if (r >= 0 && last)
                r = view_last_job(last, &job);
        if (r < 0)
                return r;
        if (!with_streams)
                json_object_object_del(o, "configurations");
        out = (Out) { .o = TAKE_PTR(o) };
        if (connection->status == CONNECTION_ACTIVE)
                out_rfc3339(&out, "nextRun", connection->next_run);
        if (job)
                out_value(&out, "lastJob", job);
        r = out_take(&out, ret);
        out_done(&out);
        return r;
}

static int append_page(Call *c, const ConnectionArray *found, const JobArray *jobs, JsonObject *items) {
        size_t k = 0;
        int r = 0;

        for (size_t i = 0; r >= 0 && i < found->n; i++) {
                JsonObject *o = NULL;
                bool has;

                while (k < jobs->n && strcmp(jobs->items[k]->connection_id, found->items[i]->id) < 0)
                        k++;
                has = k < jobs->n && streq(jobs->items[k]->connection_id, found->items[i]->id);
                r = view(c, found->items[i], has ? jobs->items[k] : NULL, /* with_streams= */ false, &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        return r;
}

int connection_overview_list(Call *c, const Listing *l, JsonObject *items) {
        ConnectionFilter filter = { .workspace_ids = l->workspace_ids, .status = _CONNECTION_STATUS_INVALID };
        _cleanup_(connection_array_done) ConnectionArray found = {};
        _cleanup_(job_array_done) JobArray jobs = {};
        int r;

        if (l->none)
                return 0;
        r = connection_store_list(c->server->db, &filter, &l->options, &found, &c->error);
        if (r >= 0 && found.n > 0)
                r = job_store_list_latest(c->server->db, found.items[0]->id, found.items[found.n - 1]->id,
                                          l->workspace_ids ? l->workspace_ids[0] : NULL, &jobs, &c->error);
        return r < 0 ? r : append_page(c, &found, &jobs, items);
}

int connection_overview_view(Call *c, const Connection *connection, JsonObject **ret) {
        _cleanup_(job_freep) Job *last = NULL;
        int r = job_store_get_latest(c->server->db, connection->id, &last, NULL);

        return r < 0 && r != -ENOENT ? r : view(c, connection, last, /* with_streams= */ true, ret);
}
