/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantry-server: the control plane's one object, which everything else hangs on. What can be done with an
 * object of the suite is in NAME-service.h, the same for HTTP and D-Bus; routes-NAME.c and bus-NAME.c only
 * translate. */

#include "db/db.h"
#include "http/http-server.h"
#include "secrets/jwt.h"
#include "shared/bus-polkit.h"
#include "shared/conf-file.h"
#include "shared/daemon.h"

typedef struct BusSignals BusSignals;
typedef struct EventFeed EventFeed;
typedef struct JobHolds JobHolds;
typedef struct JobProgress JobProgress;

/* Wrong client ids and secrets of late, see auth.c. */
typedef struct AuthFailures {
        usec_t since; /* of the boot's clock */
        unsigned n;
} AuthFailures;

typedef struct Server {
        Daemon *daemon;
        Env *env;        /* borrowed from the daemon */
        sd_bus *bus;     /* the same */
        Db *db;
        SealingKeys *keys;
        JwtKey *jwt;
        ConfFile *conf;
        Polkit *polkit;
        HttpServer *http;
        HttpRoute *routes; /* made of the tables of routes-*.c */
        size_t n_routes;
        EventFeed *feed;
        BusSignals *signals;
        JobHolds *holds;
        JobProgress *progress;
        AuthFailures failures;
        unsigned n_calls;  /* that wait for another daemon */
        int64_t announced; /* seq of the last Changed signal */
        Error *fault;      /* why it can't do its work; NULL: it can */
} Server;

static inline usec_t server_now(Server *s) {
        return env_now(s->env, ENV_CLOCK_REALTIME);
}

/* After anything was stored: D-Bus and the event streams hear of it. */
void server_announce(Server *s);
/* Listens to the Changed signals of the other daemons that write. */
int server_watch_others(Server *s);
