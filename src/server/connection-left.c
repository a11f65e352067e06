/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which streams a connection has ever moved is known by their generations, which the plan of a job gives them.
 * That needs no catalog, and where the selection was "everything" nothing else tells it as well: a catalog
 * has streams that are new and none that are gone.
 *
 * Here it is only owed. The state itself goes with the next workload of the connection: a sync that runs just
 * now may still report one of the stream. */

#include "basic/hashmap.h"
#include "db/backfill-store.h"
#include "db/generation-store.h"
#include "server/connection-left.h"
#include "worker/stream-selection.h"

/* The streams of a selection; NULL where it is everything. */
static int index_selection(const char *text, Hashmap **ret, Error **reterr_error) {
        _cleanup_hashmap_ Hashmap *h = hashmap_new(NULL);
        _cleanup_buffer_ Buffer key = {};
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *streams;
        int r = h ? 0 : -ENOMEM;

        if (r >= 0 && text)
                r = json_parse(text, strlen(text), &o, reterr_error);
        if (r < 0 || stream_selection_is_everything(o))
                return r;
        streams = json_member(o, "streams");
        for (size_t i = 0; r >= 0 && i < json_object_array_length(streams); i++) {
                const char *namespace, *name;

                r = stream_selection_name(json_object_array_get_idx(streams, i), &namespace, &name, reterr_error);
                if (r >= 0)
                        r = stream_key_make(namespace, name, &key);
                if (r >= 0)
                        r = hashmap_set(h, buffer_bytes(&key), key.len, streams);
        }
        if (r >= 0)
                *ret = TAKE_PTR(h);
        return r;
}

static int owe(Call *c, const Generation *g, const Hashmap *before, const Hashmap *after) {
        const StreamRef stream = { g->stream_namespace, g->stream_name };
        _cleanup_buffer_ Buffer key = {};
        int r = stream_key_make(g->stream_namespace, g->stream_name, &key);

        if (r < 0 || hashmap_get(after, buffer_bytes(&key), key.len) ||
            (before && !hashmap_get(before, buffer_bytes(&key), key.len)))
                return r;
        return backfill_store_owe(c->server->db, g->connection_id, &stream, /* forced= */ true, server_now(c->server),
                                  &c->error);
}

int connection_owe_left(Call *c, const Connection *connection, const char *before) {
        _cleanup_(generation_array_done) GenerationArray moved = {};
        _cleanup_hashmap_ Hashmap *old = NULL, *new = NULL;
        int r;

        r = index_selection(connection->catalog, &new, &c->error);
        if (r < 0 || !new)
                return r;
        r = index_selection(before, &old, &c->error);
        if (r >= 0)
                r = generation_store_list(c->server->db, connection->id, &moved, &c->error);
        for (size_t i = 0; r >= 0 && i < moved.n; i++)
                r = owe(c, moved.items[i], old, new);
        return r;
}
