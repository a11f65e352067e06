/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "server/bus-signals.h"
#include "server/event-feed.h"
#include "server/job-hold.h"
#include "server/server.h"

static void tell_clients(Server *s) {
        if (s->signals)
                bus_signals_notify(s->signals);
        if (s->feed)
                event_feed_notify(s->feed);
        if (s->holds)
                job_holds_notify(s->holds);
}

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
        tell_clients(s);
}

/* Jobs, workloads and states are others' to write. */
static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        tell_clients(userdata);
        return 0;
}

int server_watch_others(Server *s) {
        static const char *const peers[][3] = {
                { "org.gantry.Workflow1", "/org/gantry/Workflow1", "org.gantry.Workflow1.Manager" },
                { "org.gantry.Workload1", "/org/gantry/Workload1", "org.gantry.Workload1.Manager" },
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(peers); i++)
                r = sd_bus_match_signal_async(s->bus, NULL, peers[i][0], peers[i][1], peers[i][2], "Changed",
                                              on_changed,
                                              NULL, s);
        return r;
}
