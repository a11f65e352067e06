/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Asking the bus who somebody is blocks, and while sd-bus waits for the answer it takes all that has come
 * before it into memory: a question a message made a daemon grow to 564 MiB under a flood of 10^6 calls
 * (T66). A connection's user never changes and its unique name is never given again, so it is asked once.
 * Who must know that somebody is there still asks without waiting. */

#include <stdio.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "shared/bus-sender.h"

/* The bus gives one user 256 connections: only by coming and leaving does one make this forget others. */
#define KNOWN_MAX 1024U
#define NAME_MAX_KNOWN 32U

/* Of this process, which has one bus; tests have some after another. The oldest goes first. */
static struct {
        sd_id128_t bus;
        char name[NAME_MAX_KNOWN];
        uid_t uid;
} known[KNOWN_MAX];
static size_t n_known;

static int ask(sd_bus_message *m, uid_t *ret) {
        sd_bus_creds *creds = NULL;
        int r;

        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, ret);
        sd_bus_creds_unref(creds);
        return r;
}

int bus_sender_uid(sd_bus_message *m, uid_t *ret) {
        const char *name = sd_bus_message_get_sender(m);
        sd_id128_t bus;
        size_t at;
        int r;

        /* The other end of a socket is asked of the kernel. */
        if (!name || strlen(name) >= NAME_MAX_KNOWN ||
            sd_bus_get_bus_id(sd_bus_message_get_bus(m), &bus) < 0)
                return ask(m, ret);
        for (size_t i = 0; i < KNOWN_MAX; i++)
                if (streq(known[i].name, name) && sd_id128_equal(known[i].bus, bus)) {
                        *ret = known[i].uid;
                        return 0;
                }
        r = ask(m, ret);
        if (r < 0)
                return r;
        at = n_known++ % KNOWN_MAX;
        known[at].bus = bus;
        known[at].uid = *ret;
        memcpy(known[at].name, name, strlen(name) + 1);
        return 0;
}

int bus_sender_check(sd_bus_message *m, Error **reterr_error) {
        uid_t uid = (uid_t) -1;
        int r = bus_sender_uid(m, &uid);

        if (r < 0)
                return r;
        if (uid != 0 && uid != geteuid())
                return error_set(reterr_error, -EACCES, "Only root and the suite's own daemons may call this");
        return 0;
}
