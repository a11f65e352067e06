/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "server/full-disk.h"

#define TRY_USEC USEC_PER_SEC

typedef struct Wait {
        Server *server;
        const char *database;
} Wait;

int full_disk_refuse(HttpRequest *q, void *userdata) {
        return error_set(http_request_error(q), -ENOSPC, "There is no space left on the disk of the database");
}

static int on_try(sd_event_source *timer, uint64_t now, void *userdata) {
        Wait *wait = userdata;
        _cleanup_(db_freep) Db *db = NULL;
        int r = db_open(wait->database, DB_READ_WRITE, &db, NULL);

        if (r != -ENOSPC && http_server_n_connections(wait->server->http) == 0)
                return sd_event_exit(daemon_event(wait->server->daemon), 0);
        (void) sd_event_source_set_time_relative(timer, TRY_USEC);
        return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

int full_disk_run(Server *s, const char *database) {
        Wait wait = { s, database };
        int r;

        /* The loop, which ends with this function's call, owns the timer. */
        r = sd_event_add_time_relative(daemon_event(s->daemon), NULL, CLOCK_MONOTONIC, TRY_USEC, 0, on_try, &wait);
        if (r < 0)
                return r;
        daemon_stay_nameless(s->daemon);
        daemon_status(s->daemon, "The disk of the database is full");
        return daemon_run(s->daemon);
}
