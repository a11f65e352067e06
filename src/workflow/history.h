/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The history of one workflow: what its code asked for (commands) and what came from outside. The order
 * in the history is the order in which things became durable. docs/WORKFLOWS.md has the table of event
 * types. */

#include "basic/time-util.h"
#include "shared/json-util.h"

typedef enum HistoryEventType {
        HISTORY_STARTED,                   /* payload: the input */
        HISTORY_STEP_RECORDED,             /* command; name; payload: what the step returned */
        HISTORY_ACTIVITY_SCHEDULED,        /* command; name, key = activity id; payload: its input */
        HISTORY_ACTIVITY_CANCEL_REQUESTED, /* command; key = activity id; payload: the reason */
        HISTORY_ACTIVITY_COMPLETED,        /* key = activity id; payload: the result */
        HISTORY_TIMER_STARTED,             /* command; name, key = timer's name; payload: µs since 1970 */
        HISTORY_TIMER_FIRED,               /* key = timer's name */
        HISTORY_SIGNAL_RECEIVED,           /* name; payload */
        HISTORY_COMPLETED,                 /* last; payload: the result */
        HISTORY_FAILED,                    /* last; payload: the reason, a string */
        _HISTORY_TYPE_MAX,
        _HISTORY_TYPE_INVALID = -EINVAL,
} HistoryEventType;

/* "activity-scheduled" and so on: what stands in the database. */
const char *history_event_type_to_string(HistoryEventType t);
HistoryEventType history_event_type_from_string(const char *s);
/* Recorded because the code asked for it; a replay must ask for the same ones in the same order. */
bool history_event_type_is_command(HistoryEventType t);

typedef struct HistoryEvent {
        HistoryEventType type;
        char *name;    /* never NULL, may be empty */
        char *key;     /* never NULL, may be empty */
        char *payload; /* JSON text */
        usec_t at;     /* wall clock; for people */
} HistoryEvent;

typedef struct History {
        HistoryEvent *events; /* events[i] has sequence number i */
        size_t n;
} History;

void history_done(History *h);
#define _cleanup_history_ _cleanup_(history_done)

/* Appends copies of the strings. */
int history_append(History *h, HistoryEventType type, const char *name, const char *key,
                            const char *payload, usec_t at);

/* The place of the first event of that type and key in [from, to), or -ENOENT. */
int history_find(const History *h, HistoryEventType type, const char *key, size_t from,
                          size_t to);
bool history_is_closed(const History *h);

/* The payload as a tree; JSON null gives NULL. */
int history_event_payload(const HistoryEvent *e, JsonObject **ret);
