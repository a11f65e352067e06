/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The workload API as a worker sees it, in the client's place: each call is kept until the test answers it. */

#include <stdio.h>

#include "client/workload-client.h"
#include "unit/test.h"

typedef enum ApiWord {
        WORD_RUNNING,
        WORD_BEAT,
        WORD_LOGS,
        WORD_STATS,
        WORD_PROGRESS,
        WORD_END,
        _WORD_MAX,
} ApiWord;

static struct {
        unsigned n[_WORD_MAX]; /* calls of each kind */
        struct {
                WorkloadHandler handler;
                void *userdata;
        } waiting[_WORD_MAX];
        char streams[4096];    /* of the last progress */
        char reason[128];      /* of a failure */
        void (*on_progress)(void);
} api;

static int note(ApiWord word, WorkloadHandler h, void *userdata) {
        api.n[word]++;
        api.waiting[word].handler = h;
        api.waiting[word].userdata = userdata;
        return 0;
}

/* Answers the call of that kind that waits. */
static _unused_ void api_answer(ApiWord word, int r, const char *text) {
        _cleanup_json_ JsonObject *reply = NULL;
        WorkloadHandler h = api.waiting[word].handler;

        assert_non_null(h);
        api.waiting[word].handler = NULL;
        if (text)
                ASSERT_OK(json_parse(text, strlen(text), &reply, NULL));
        h(r, reply, NULL, api.waiting[word].userdata);
}

int workload_client_new(Env *env, const char *socket_path, WorkloadClient **ret) {
        memset(&api, 0, sizeof(api));
        *ret = (WorkloadClient *) &api;
        return 0;
}

WorkloadClient *workload_client_free(WorkloadClient *c) {
        return NULL;
}

int workload_client_set_token(WorkloadClient *c, const char *token) {
        return 0;
}

int workload_client_running(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return note(WORD_RUNNING, h, userdata);
}

int workload_client_heartbeat(WorkloadClient *c, const WorkloadLease *l, WorkloadHandler h, void *userdata) {
        return note(WORD_BEAT, h, userdata);
}

int workload_client_logs(WorkloadClient *c, const WorkloadLease *l, const char *lines, size_t n, WorkloadHandler h,
                         void *userdata) {
        return note(WORD_LOGS, h, userdata);
}

int workload_client_stats(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                          void *userdata) {
        return note(WORD_STATS, h, userdata);
}

int workload_client_progress(WorkloadClient *c, const WorkloadLease *l, const char *streams, WorkloadHandler h,
                             void *userdata) {
        (void) note(WORD_PROGRESS, h, userdata);
        (void) snprintf(api.streams, sizeof(api.streams), "%s", streams);
        if (api.on_progress)
                api.on_progress();
        return 0;
}

int workload_client_control(WorkloadClient *c, const WorkloadLease *l, const char *role, JsonObject *configuration,
                            WorkloadHandler h, void *userdata) {
        return 0;
}

int workload_client_success(WorkloadClient *c, const WorkloadLease *l, JsonObject *output, WorkloadHandler h,
                            void *userdata) {
        return note(WORD_END, h, userdata);
}

int workload_client_failure(WorkloadClient *c, const WorkloadLease *l, const char *source, const char *reason,
                            JsonObject *output, WorkloadHandler h, void *userdata) {
        (void) snprintf(api.reason, sizeof(api.reason), "%s", reason);
        return note(WORD_END, h, userdata);
}

int workload_client_state_wait(WorkloadClient *c, const WorkloadLease *l, const char *states, const char *streams,
                               usec_t patience, Error **reterr_error) {
        return 0;
}
