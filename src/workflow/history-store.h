/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where the engine keeps workflows and their histories. The engine begins and ends the transactions; what
 * steps write in between (jobs, attempts) belongs to the same ones. Errors that
 * workflow_error_is_transient() names are tried again. */

#include "basic/error.h"
#include "workflow/history.h"

typedef int (*HistoryListHandler)(const char *id, const char *type, void *userdata);

typedef struct HistoryStore {
        int (*begin)(void *userdata, Error **reterr_error);
        int (*commit)(void *userdata, Error **reterr_error);
        void (*rollback)(void *userdata);

        /* Calls back for every open workflow, oldest first. */
        int (*list_open)(void *userdata, HistoryListHandler handler, void *handler_data, Error **reterr_error);
        /* The events in order; -ENOENT. */
        int (*load)(void *userdata, const char *id, History *ret, Error **reterr_error);
        /* -EEXIST when there is one. The input is that of the first event, which is appended next. */
        int (*create)(void *userdata, const char *id, const char *type, const char *input, usec_t now,
                      Error **reterr_error);
        int (*append)(void *userdata, const char *id, size_t seq, const HistoryEvent *event,
                      Error **reterr_error);
        /* What it waits for now, for people and for the next start: its earliest timer (USEC_INFINITY:
         * none). */
        int (*wait)(void *userdata, const char *id, size_t n_events, usec_t next_timer, usec_t now,
                    Error **reterr_error);
        /* The workflow has ended; `payload`: that of its last event, the result or the reason. */
        int (*close)(void *userdata, const char *id, bool failed, const char *payload, usec_t now,
                     Error **reterr_error);
        /* Whether any workflow, open or closed, has scheduled this activity: 1, 0. */
        int (*knows_activity)(void *userdata, const char *activity_id, Error **reterr_error);
        void *userdata;
} HistoryStore;
