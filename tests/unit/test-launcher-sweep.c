/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a launcher that has just come up clears away, by what the API has told it of its runs. In the installer's place
 * is a script that notes how it was called. */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "launcher/launcher-internal.h"
#include "shared/env-event.h"
#include "unit/test.h"

TEST_MAIN()

#define RUN "\"id\":\"w\",\"autoId\":\"0192-run\",\"type\":\"install\""

typedef struct World {
        Launcher launcher;
        Env *env;
        char directory[64], installer[96], calls[96];
        unsigned n_swept;
} World;

static void on_swept(Launcher *l) {
        World *w = (World *) l; /* its first member */

        w->n_swept++;
        w->env->ops->exit(w->env, 0);
}

static const char script[] = "#!/bin/sh\necho \"$@\" >\"${0%/*}/calls\"\n";

/* Sweeps after this answer; how the installer was called then, NULL: it was not. */
static char *sweep_after(int r, const char *answer) {
        _cleanup_json_ JsonObject *reply = NULL;
        char *calls = NULL, id[] = "d";
        World w = {};
        size_t n;

        snprintf(w.directory, sizeof(w.directory), "/tmp/gantry-test-XXXXXX");
        assert_non_null(mkdtemp(w.directory));
        snprintf(w.calls, sizeof(w.calls), "%s/calls", w.directory);
        snprintf(w.installer, sizeof(w.installer), "%s/installer", w.directory);
        ASSERT_OK(write_file_atomic(w.installer, script, strlen(script), 0700, NULL));
        ASSERT_OK(env_event_new(&w.env));
        w.launcher = (Launcher) { .env = w.env, .dataplane_id = id, .installer = w.installer, .staging = w.directory };
        if (answer)
                ASSERT_OK(json_parse(answer, strlen(answer), &reply, NULL));
        launcher_take_claimed(&w.launcher, r, reply, NULL);
        launcher_install_sweep(&w.launcher, on_swept);
        if (w.n_swept == 0)
                ASSERT_OK(w.env->ops->run(w.env));
        assert_int_equal(w.n_swept, 1);
        assert_null(w.launcher.sweeping);
        if (access(w.calls, F_OK) == 0)
                ASSERT_OK(read_file(w.calls, 1000, &calls, &n, NULL));
        while (w.launcher.runs)
                run_free(w.launcher.runs);
        env_event_free(w.env);
        (void) unlink(w.calls);
        (void) unlink(w.installer);
        (void) rmdir(w.directory);
        return calls;
}

TEST(places_of_runs_that_go_on_are_kept_and_others_cleared) {
        static const struct {
                const char *answer, *calls;
        } cases[] = {
                { "{\"workloads\":[]}", "sweep\n" },
                { "{\"workloads\":[{\"dataplaneId\":\"d\",\"leaseEpoch\":1," RUN "}]}", "sweep 0192-run\n" },
                { "{\"workloads\":[{\"dataplaneId\":\"other\",\"leaseEpoch\":1," RUN "}]}", "sweep\n" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *calls = sweep_after(0, cases[i].answer);

                assert_non_null(calls);
                assert_string_equal(calls, cases[i].calls);
        }
}

TEST(nothing_is_cleared_while_it_is_not_known_what_goes_on) {
        static const struct {
                int r;
                const char *answer;
        } cases[] = {
                { -EAGAIN, NULL },
                { 0, "{}" },
                { 0, "{\"workloads\":[{\"dataplaneId\":\"d\"," RUN "}]}" },
                { 0, "{\"workloads\":[{\"dataplaneId\":\"d\",\"leaseEpoch\":1,\"id\":\"w\"}]}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_null(sweep_after(cases[i].r, cases[i].answer));
}
