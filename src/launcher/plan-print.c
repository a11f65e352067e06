/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "basic/log.h"
#include "launcher/plan-print.h"

#define PLAN_FILE_MAX (64U * 1024U * 1024U)

static int print(const LaunchPlan *p) {
        _cleanup_json_ JsonObject *o = NULL;
        int r = launch_plan_to_json(p, &o);

        if (r >= 0)
                puts(json_object_to_json_string_ext(o,
                                                    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
        return r;
}

static int make(JsonObject *w, LaunchPlan **ret, Error **reterr_error) {
        _cleanup_(launcher_freep) Launcher *l = calloc(1, sizeof(*l));
        const char *id = NULL, *auto_id = NULL, *type = NULL;
        int64_t job_id = 0, attempt = -1, epoch = 0;
        JsonObject *input = NULL;
        Run *run;
        int r;

        if (!l)
                return -ENOMEM;
        l->options.api = WORKLOAD_SOCKET;
        r = json_get_string(w, "id", &id, "workload", reterr_error);
        if (r >= 0)
                r = json_get_string(w, "autoId", &auto_id, "workload", reterr_error);
        if (r >= 0)
                r = json_get_string(w, "type", &type, "workload", reterr_error);
        if (r >= 0)
                r = json_get_i64(w, "jobId", &job_id, "workload", reterr_error);
        if (r >= 0)
                r = json_get_i64(w, "attempt", &attempt, "workload", reterr_error);
        if (r >= 0)
                r = json_get_i64(w, "leaseEpoch", &epoch, "workload", reterr_error);
        if (r >= 0)
                r = json_get_object(w, "input", &input, "workload", reterr_error);
        if (r >= 0)
                r = launcher_look_around(l);
        if (r < 0)
                return r;
        run = run_new(l, strempty(id), strempty(auto_id), strempty(type), job_id, attempt);
        if (!run)
                return -ENOMEM;
        run->epoch = epoch;
        return run_plan(run, input, ret, reterr_error);
}

int plan_print(const char *path) {
        _cleanup_(launch_plan_freep) LaunchPlan *plan = NULL;
        _cleanup_json_ JsonObject *w = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = json_parse_file(path, PLAN_FILE_MAX, &w, &error);
        if (r >= 0)
                r = make(w, &plan, &error);
        if (r >= 0)
                r = print(plan);
        if (r < 0)
                log_error("%s", error_message(error, r));
        return r;
}
