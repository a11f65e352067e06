/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Events are gantry-workflow's (the end of a job, a schema that has changed); here they are read only. The
 * suite itself is no user, so that an event of its own has none. */

#include "db/timeline-store.h"
#include "server/connection-service.h"
#include "server/out.h"
#include "server/timeline-service.h"

static int view(const TimelineEvent *e, JsonObject **ret) {
        _cleanup_out_ Out out = out_object(), user = out_object();
        JsonObject *who = NULL;
        int r = 0;

        out_string(&out, "id", e->id);
        out_string(&out, "connectionId", e->connection_id);
        out_string(&out, "eventType", e->event_type);
        out_json(&out, "summary", e->summary);
        out_seconds(&out, "createdAt", e->created_at);
        if (e->principal) {
                out_string(&user, "id", e->principal);
                r = out_take(&user, &who);
                out_value(&out, "user", who);
        }
        return r < 0 ? r : out_take(&out, ret);
}

int timeline_service_list(Call *c, const char *connection_id, char *const *types, const ListOptions *options,
                          JsonObject *items) {
        _cleanup_(timeline_event_array_done) TimelineEventArray found = {};
        _cleanup_(connection_freep) Connection *connection = NULL;
        int r = connection_service_get(c, connection_id, ROLE_READER, &connection);

        if (r >= 0)
                r = timeline_store_list(c->server->db, connection_id, types, options, &found, &c->error);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(items, o);
        }
        return r;
}
