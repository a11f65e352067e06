/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/string-table.h"
#include "workflow/history.h"

static const char *const history_event_type_table[_HISTORY_TYPE_MAX] = {
        [HISTORY_STARTED] = "started",
        [HISTORY_STEP_RECORDED] = "step-recorded",
        [HISTORY_ACTIVITY_SCHEDULED] = "activity-scheduled",
        [HISTORY_ACTIVITY_CANCEL_REQUESTED] = "activity-cancel-requested",
        [HISTORY_ACTIVITY_COMPLETED] = "activity-completed",
        [HISTORY_TIMER_STARTED] = "timer-started",
        [HISTORY_TIMER_FIRED] = "timer-fired",
        [HISTORY_SIGNAL_RECEIVED] = "signal-received",
        [HISTORY_COMPLETED] = "completed",
        [HISTORY_FAILED] = "failed",
};

DEFINE_STRING_TABLE_LOOKUP(history_event_type, HistoryEventType)

bool history_event_type_is_command(HistoryEventType t) {
        return t == HISTORY_STEP_RECORDED || t == HISTORY_ACTIVITY_SCHEDULED ||
                t == HISTORY_ACTIVITY_CANCEL_REQUESTED || t == HISTORY_TIMER_STARTED;
}

static void event_done(HistoryEvent *e) {
        free(e->name);
        free(e->key);
        free(e->payload);
        *e = (HistoryEvent) {};
}

void history_done(History *h) {
        for (size_t i = 0; i < h->n; i++)
                event_done(h->events + i);
        free(h->events);
        *h = (History) {};
}

int history_append(History *h, HistoryEventType type, const char *name, const char *key,
                            const char *payload, usec_t at) {
        HistoryEvent e = { .type = type, .at = at }, *events;

        e.name = strdup(strempty(name));
        e.key = strdup(strempty(key));
        e.payload = strdup(payload ?: "null");
        events = reallocarray(h->events, h->n + 1, sizeof(*events));
        if (events)
                h->events = events;
        if (!e.name || !e.key || !e.payload || !events) {
                event_done(&e);
                return -ENOMEM;
        }
        h->events[h->n++] = e;
        return 0;
}

int history_find(const History *h, HistoryEventType type, const char *key, size_t from,
                          size_t to) {
        for (size_t i = from; i < MIN(to, h->n); i++)
                if (h->events[i].type == type && streq(h->events[i].key, key))
                        return (int) i;
        return -ENOENT;
}

bool history_is_closed(const History *h) {
        return h->n > 0 && (h->events[h->n - 1].type == HISTORY_COMPLETED ||
                            h->events[h->n - 1].type == HISTORY_FAILED);
}

int history_event_payload(const HistoryEvent *e, JsonObject **ret) {
        return json_parse(e->payload, strlen(e->payload), ret, NULL);
}
