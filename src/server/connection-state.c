/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/state-store.h"
#include "server/connection-state.h"
#include "server/workflow-client.h"

int connection_state_get(Call *c, const char *id, JsonObject **ret) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = connection_service_get(c, id, ROLE_READER, &connection);
        if (r >= 0)
                r = state_store_get(c->server->db, id, &text, &n, &c->error);
        return r < 0 ? r : json_parse(text, n, ret, &c->error);
}

static void on_set(Call *c, int r, sd_bus_message *reply) {
        if (r == -EBUSY)
                r = call_fail(c, r, NULL, "A job of this connection is running");
        call_complete(c, r, NULL);
}

int connection_state_set(Call *c, const char *id, JsonObject *states) {
        _cleanup_(connection_freep) Connection *connection = NULL;
        _cleanup_free_ char *text = NULL;
        int r;

        r = connection_service_get(c, id, ROLE_EDITOR, &connection);
        if (r < 0)
                return r;
        if (!json_object_is_type(states, json_type_array))
                return call_fail(c, -EINVAL, NULL, "States are an array");
        text = json_to_string(states);
        return text ? workload_state_set(c, id, text, on_set) : -ENOMEM;
}
