/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "server/server.h"

void server_announce(Server *s) {
        int64_t seq = db_committed_seq(s->db);

        daemon_touch(s->daemon);
        if (seq <= s->announced)
                return;
        s->announced = seq;
        if (s->bus)
                (void) sd_bus_emit_signal(s->bus, "/org/gantry/Server1", "org.gantry.Server1.Manager",
                                          "Changed", "t",
                                          (uint64_t) seq);
}
