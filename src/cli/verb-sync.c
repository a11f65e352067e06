/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `gantry sync`: prepare, move, report. A run that fails before it moves anything reports in the same
 * forms as one that fails later, so that a script has one object to read; the exit code then comes from
 * the errno, or from the failure's type where a connector was the cause. Everything of a run is in the
 * SyncRun, which is released in one place whatever has happened. */

#include <stdio.h>

#include "basic/log.h"
#include "cli/cli-error.h"
#include "cli/cli.h"
#include "cli/sync-report.h"
#include "cli/sync-move.h"
#include "cli/sync-prepare.h"
#include "shared/env-event.h"

/* A run that ended before it moved anything reports like one that did. */
static int report_early(SyncRun *run, const Error *e, int r) {
        bool cancelled = run->signo > 0 || r == -ECANCELED;
        FailureReason failure = {
                .origin = run->failure_origin,
                .type = cancelled ? FAILURE_MANUAL_CANCELLATION : run->failure_type,
                .external_message = (char *) error_message(e, r),
                .retryable = run->failure_type == FAILURE_TRANSIENT_ERROR,
                .timestamp = env_now(run->env, ENV_CLOCK_REALTIME),
        };
        SyncReport report = {
                .sync_id = run->sync_id,
                .duration = env_now(run->env, ENV_CLOCK_MONOTONIC) - run->started,
                .status = cancelled ? REPLICATION_CANCELLED : REPLICATION_FAILED,
                .failures = &failure,
                .n_failures = 1,
        };

        if (run->options->json)
                (void) sync_report_print_json(&report);
        log_error("gantry sync: %s", failure.external_message);
        if (run->signo > 0)
                return EXIT_SIGNAL_BASE + run->signo;
        if (r == -EIO || r == -EOPNOTSUPP || r == -ENODATA)
                return sync_report_exit_code(&report);
        return exit_code_from_errno(r);
}

static int report_run(SyncRun *run) {
        SyncReport report = {
                .replication = run->replication,
                .catalog = run->plan->source,
                .sync_id = run->sync_id,
                .duration = env_now(run->env, ENV_CLOCK_MONOTONIC) - run->started,
        };

        sync_report_print_text(&report);
        if (run->options->json && sync_report_print_json(&report) < 0)
                return EXIT_FAILED;
        /* The second signal ends the loop with the replication under way. */
        if (run->signo > 0 && replication_status(run->replication) == REPLICATION_RUNNING)
                return EXIT_SIGNAL_BASE + run->signo;
        return sync_report_exit_code(&report);
}

static int run_sync(SyncRun *run) {
        _cleanup_error_ Error *e = NULL;
        int r;

        run->started = env_now(run->env, ENV_CLOCK_MONOTONIC);
        r = sync_run_prepare(run, &e);
        if (r < 0)
                return report_early(run, e, r);
        if (r == 0)
                return EXIT_OK;
        r = sync_run_move(run, &e);
        if (r < 0) {
                run->failure_origin = ORIGIN_REPLICATION;
                run->failure_type = FAILURE_SYSTEM_ERROR;
                return report_early(run, e, r);
        }
        return report_run(run);
}

int verb_sync(int argc, char *argv[]) {
        _cleanup_(sync_options_done) SyncOptions options = {};
        SyncRun run = { .options = &options };
        int r, code;

        r = sync_options_parse(&options, argc, argv);
        if (r <= 0)
                return r < 0 ? EXIT_USAGE : EXIT_OK;
        if (options.verbose)
                log_set_level(LOG_LEVEL_DEBUG);
        r = env_event_new(&run.env);
        if (r < 0)
                return cli_fail(NULL, r);
        run.scopes = connector_scopes_new(options.verbose); /* without: out of memory, and no limits */
        code = run_sync(&run);
        sync_run_done(&run);
        env_event_free(run.env);
        return code;
}
