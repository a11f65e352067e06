/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One query for each message and action that waits for polkit. The handler of the message runs twice: the
 * first run asks and returns without a reply, the answer puts the same message into the bus's queue again,
 * the second run finds the query answered and removes it. Where no handler comes for the answer any more,
 * a deferred source of idle priority removes the query: by then the message has been dispatched.
 *
 * Who may not be there: polkit. Then root is trusted and nobody else. And the caller, who may have left while
 * polkit was thinking: the bus is asked for its user once more before a call goes on, without waiting for it
 * (bus-sender.c says why). Users can have only so many queries at work, since each keeps a message and an
 * interactive one may wait for minutes; one that has waited too long is called off, so that the agent doesn't
 * go on asking. */

#include <inttypes.h>
#include <stdio.h>

#include "shared/bus-error.h"
#include "shared/bus-polkit.h"
#include "shared/bus-sender.h"

#define POLKIT "org.freedesktop.PolicyKit1"
#define AUTHORITY POLKIT, "/org/freedesktop/PolicyKit1/Authority", POLKIT ".Authority"

typedef struct Query {
        struct Query *next;
        Polkit *polkit;
        sd_bus_message *message;
        sd_bus_slot *slot;
        sd_event_source *unclaimed; /* once it is answered */
        char *action;
        char id[32]; /* for polkit, to call the question off */
        uid_t uid;
        bool answered, allowed, challenge;
        sd_bus_error error;
} Query;

struct Polkit {
        Query *queries;
        uint64_t n_asked;
};

Polkit *polkit_new(void) {
        return calloc(1, sizeof(Polkit));
}

static void query_free(Query *q) {
        sd_bus_slot_unref(q->slot);
        sd_event_source_disable_unref(q->unclaimed);
        sd_bus_message_unref(q->message);
        sd_bus_error_free(&q->error);
        free(q->action);
        free(q);
}

static void query_remove(Polkit *p, Query *q) {
        for (Query **i = &p->queries; *i; i = &(*i)->next)
                if (*i == q) {
                        *i = q->next;
                        query_free(q);
                        return;
                }
}

Polkit *polkit_free(Polkit *p) {
        if (!p)
                return NULL;
        while (p->queries)
                query_remove(p, p->queries);
        free(p);
        return NULL;
}

bool polkit_is_busy(const Polkit *p) {
        return p && p->queries;
}

static Query *find_query(Polkit *p, sd_bus_message *m, const char *action) {
        for (Query *q = p->queries; q; q = q->next)
                if (q->message == m && streq(q->action, action))
                        return q;
        return NULL;
}

static size_t count_of_user(const Polkit *p, uid_t uid) {
        size_t n = 0;

        for (const Query *q = p->queries; q; q = q->next)
                n += q->uid == uid;
        return n;
}

static void read_answer(Query *q, sd_bus_message *reply) {
        const sd_bus_error *e = sd_bus_message_get_error(reply);
        int allowed = 0, challenge = 0;

        if (e) {
                /* It isn't there, is masked, has died or does not know the subject. */
                q->allowed = q->uid == 0;
                if (!q->allowed)
                        (void) sd_bus_error_copy(&q->error, e);
                return;
        }
        if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") < 0 ||
            sd_bus_message_read(reply, "bb", &allowed, &challenge) < 0)
                return;
        q->allowed = allowed;
        q->challenge = challenge;
}

/* Nothing else is left to do, the message put back has been dispatched, and no handler has come for the answer:
 * what it was for is gone, an object perhaps. */
static int on_unclaimed(sd_event_source *s, void *userdata) {
        Query *q = userdata;

        query_remove(q->polkit, q);
        return 0;
}

static int hand_back(Query *q) {
        sd_bus *bus = sd_bus_message_get_bus(q->message);
        sd_event *event = sd_bus_get_event(bus);
        int r;

        r = event ? sd_event_add_defer(event, &q->unclaimed, on_unclaimed, q) : 0;
        if (r >= 0 && event)
                r = sd_event_source_set_priority(q->unclaimed, SD_EVENT_PRIORITY_IDLE);
        return r < 0 ? r : sd_bus_enqueue_for_read(bus, q->message);
}

/* The agent still asks somebody a question that is decided. */
static void call_off(const Query *q) {
        (void) sd_bus_call_method_async(sd_bus_message_get_bus(q->message), NULL, AUTHORITY, "CancelCheckAuthorization",
                                        NULL, NULL, "s", q->id);
}

/* The handler runs once more and finds the answer. */
static void finish(Query *q) {
        int r;

        q->answered = true;
        r = hand_back(q);
        if (r >= 0)
                return;
        (void) sd_bus_reply_method_errno(q->message, r, NULL);
        query_remove(q->polkit, q);
}

static int on_still_there(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Query *q = userdata;
        uint32_t uid = UINT32_MAX;

        q->allowed = !sd_bus_message_get_error(reply) && sd_bus_message_read(reply, "u", &uid) >= 0 &&
                     uid == q->uid;
        finish(q);
        return 1;
}

/* 0: there is nobody to ask, the caller is at the other end of a socket. */
static int ask_whether_there(Query *q) {
        const char *sender = sd_bus_message_get_sender(q->message);

        q->slot = sd_bus_slot_unref(q->slot);
        if (!sender)
                return 0;
        return sd_bus_call_method_async(sd_bus_message_get_bus(q->message), &q->slot, "org.freedesktop.DBus",
                                        "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetConnectionUnixUser",
                                        on_still_there, q, "s", sender);
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *reterr) {
        Query *q = userdata;
        int r;

        read_answer(q, reply);
        if (sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NO_REPLY))
                call_off(q);
        r = q->allowed ? ask_whether_there(q) : 0;
        if (r < 0)
                q->allowed = false;
        if (r <= 0)
                finish(q);
        return 1;
}

static int build_call(sd_bus_message *m, const char *action, const char *const *details, const char *id,
                      sd_bus_message **ret) {
        sd_bus_message *call = NULL;
        uint32_t interactive = sd_bus_message_get_allow_interactive_authorization(m) > 0;
        int r;

        r = sd_bus_message_new_method_call(sd_bus_message_get_bus(m), &call, AUTHORITY, "CheckAuthorization");
        if (r >= 0)
                r = sd_bus_message_append(call, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                          sd_bus_message_get_sender(m), action);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (; r >= 0 && details && details[0]; details += 2)
                r = sd_bus_message_append(call, "{ss}", details[0], details[1]);
        if (r >= 0)
                r = sd_bus_message_close_container(call);
        if (r >= 0)
                r = sd_bus_message_append(call, "us", interactive, id);
        if (r < 0) {
                sd_bus_message_unref(call);
                return r;
        }
        *ret = call;
        return 0;
}

static int ask(Polkit *p, sd_bus_message *m, uid_t uid, const char *action, const char *const *details) {
        sd_bus_message *call = NULL;
        Query *q;
        int r;

        q = calloc(1, sizeof(*q));
        if (!q)
                return -ENOMEM;
        q->polkit = p;
        q->uid = uid;
        q->message = sd_bus_message_ref(m);
        q->action = strdup(action);
        (void) snprintf(q->id, sizeof(q->id), "gantry-%" PRIu64, p->n_asked++);
        r = q->action ? build_call(m, action, details, q->id, &call) : -ENOMEM;
        if (r >= 0)
                r = sd_bus_call_async(sd_bus_message_get_bus(m), &q->slot, call, on_answer, q,
                                      POLKIT_TIMEOUT_USEC);
        sd_bus_message_unref(call);
        if (r < 0) {
                query_free(q);
                return r;
        }
        q->next = p->queries;
        p->queries = q;
        return 0;
}

static int conclude(Polkit *p, Query *q, sd_bus_error *reterr_bus) {
        bool allowed = q->allowed, challenge = q->challenge, failed = sd_bus_error_is_set(&q->error);
        int r = allowed ? 1 : -EACCES;

        if (failed)
                (void) sd_bus_error_setf(reterr_bus, BUS_ERROR_ACCESS_DENIED, "Not authorized for '%s': %s",
                                         q->action, strempty(q->error.message));
        else if (challenge)
                (void) sd_bus_error_setf(reterr_bus, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED,
                                         "Interactive authentication is required for '%s'", q->action);
        else if (!allowed)
                (void) sd_bus_error_setf(reterr_bus, BUS_ERROR_ACCESS_DENIED, "Not authorized for '%s'",
                                         q->action);
        query_remove(p, q);
        return r;
}

int polkit_check(Polkit *p, sd_bus_message *m, const char *action, const char *const *details,
                 sd_bus_error *reterr_bus) {
        Query *q = find_query(p, m, action);
        uid_t uid = (uid_t) -1;
        int r;

        if (q && !q->answered)
                return 0;
        if (q)
                return conclude(p, q, reterr_bus);
        r = bus_sender_uid(m, &uid);
        if (r < 0)
                return sd_bus_error_setf(reterr_bus, BUS_ERROR_ACCESS_DENIED, "Not authorized for '%s'", action);
        if (uid != 0 && count_of_user(p, uid) >= POLKIT_PENDING_PER_USER_MAX) {
                (void) sd_bus_error_set(reterr_bus, BUS_ERROR_BUSY, "Too many calls wait for an authorization");
                return -EBUSY;
        }
        r = ask(p, m, uid, action, details);
        return r < 0 ? bus_error_from(reterr_bus, r, NULL) : 0;
}
