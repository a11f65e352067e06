/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Two ends of a bus connection without a bus between them, on one loop: `near` is the code's under test, `far` the
 * test's, who plays all others on it. What was called over there waits in `held` until the test answers. */

#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "unit/test.h"

#define HELD_MAX 64

typedef struct Pair {
        sd_event *event;
        sd_bus *near, *far;
        sd_bus_message *held[HELD_MAX];
        size_t n_held;
} Pair;

static int pair_hold(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Pair *p = userdata;

        if (sd_bus_message_is_signal(m, NULL, NULL) || sd_bus_message_is_method_error(m, NULL) ||
            !sd_bus_message_get_member(m))
                return 0;
        assert_true(p->n_held < HELD_MAX);
        p->held[p->n_held++] = sd_bus_message_ref(m);
        return 1;
}

/* Until nothing is left to do: all there is happens in this process. */
static void pair_settle(Pair *p) {
        for (unsigned quiet = 0; quiet < 3;)
                quiet = sd_event_run(p->event, 1000) > 0 ? 0 : quiet + 1;
}

static void pair_init(Pair *p) {
        int fds[2];
        sd_id128_t id;

        *p = (Pair) {};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        ASSERT_OK(sd_id128_randomize(&id));
        ASSERT_OK(sd_event_new(&p->event));
        ASSERT_OK(sd_bus_new(&p->near));
        ASSERT_OK(sd_bus_set_fd(p->near, fds[0], fds[0]));
        ASSERT_OK(sd_bus_set_server(p->near, true, id));
        ASSERT_OK(sd_bus_start(p->near));
        ASSERT_OK(sd_bus_new(&p->far));
        ASSERT_OK(sd_bus_set_fd(p->far, fds[1], fds[1]));
        ASSERT_OK(sd_bus_start(p->far));
        ASSERT_OK(sd_bus_attach_event(p->near, p->event, SD_EVENT_PRIORITY_NORMAL));
        ASSERT_OK(sd_bus_attach_event(p->far, p->event, SD_EVENT_PRIORITY_NORMAL));
        ASSERT_OK(sd_bus_add_filter(p->far, NULL, pair_hold, p));
        /* What comes in one piece with the last of the handshake would wait for more. */
        pair_settle(p);
}

static void pair_done(Pair *p) {
        for (size_t i = 0; i < p->n_held; i++)
                sd_bus_message_unref(p->held[i]);
        sd_bus_close_unref(p->near);
        sd_bus_close_unref(p->far);
        sd_event_unref(p->event);
}

/* The oldest call that is held of this name; the caller owns it. */
static sd_bus_message *pair_take(Pair *p, const char *member) {
        for (size_t i = 0; i < p->n_held; i++)
                if (streq(sd_bus_message_get_member(p->held[i]), member)) {
                        sd_bus_message *m = p->held[i];

                        p->n_held--;
                        memmove(p->held + i, p->held + i + 1, (p->n_held - i) * sizeof(p->held[0]));
                        return m;
                }
        fail_msg("Nobody called %s", member);
        return NULL;
}
