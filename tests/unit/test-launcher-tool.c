/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/utf8.h"
#include "launcher/launcher-tool.h"
#include "shared/env-event.h"
#include "unit/test.h"

TEST_MAIN()

#define LONG (600 * USEC_PER_SEC)

typedef struct Outcome {
        Env *env;
        Tool *tool;
        unsigned n;
        int code;
        char *said;
} Outcome;

static void on_done(int code, const char *said, void *userdata) {
        Outcome *o = userdata;

        o->n++;
        o->code = code;
        o->said = strdup(said);
        o->tool = tool_free(o->tool);
        o->env->ops->exit(o->env, 0);
}

static void outcome_done(Outcome *o) {
        assert_int_equal(o->n, 1);
        assert_true(utf8_is_valid(o->said, strlen(o->said)));
        env_event_free(o->env);
        free(o->said);
}

/* A tool that is a shell script; runs until it is done. */
static void run(Outcome *o, const char *script, usec_t patience) {
        char *const argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) script, NULL };

        ASSERT_OK(env_event_new(&o->env));
        ASSERT_OK(tool_start(o->env, argv, patience, on_done, o, &o->tool, NULL));
        ASSERT_OK(o->env->ops->run(o->env));
}

TEST(the_last_line_and_the_exit_code_are_told) {
        Outcome o = {};

        run(&o, "echo first; echo second; echo; exit 4", LONG);
        assert_int_equal(o.code, 4);
        assert_string_equal(o.said, "second");
        outcome_done(&o);
}

TEST(one_that_says_nothing_has_said_nothing) {
        Outcome o = {};

        run(&o, "exec >&-; kill -SEGV $$", LONG);
        assert_int_equal(o.code, 128 + SIGSEGV);
        assert_string_equal(o.said, "");
        outcome_done(&o);
}

TEST(more_than_a_pipe_holds_is_read_while_it_runs) {
        Outcome o = {};

        run(&o, "head -c 300000 /dev/zero | tr '\\0' a; echo; head -c 100000 /dev/zero | tr '\\0' b; exit 3", LONG);
        assert_int_equal(o.code, 3);
        assert_int_equal(strlen(o.said), 100000);
        assert_int_equal(strspn(o.said, "b"), 100000);
        outcome_done(&o);
}

TEST(one_that_says_more_than_the_limit_is_ended) {
        Outcome o = {};

        run(&o, "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", LONG);
        assert_int_equal(o.code, 128 + SIGKILL);
        assert_non_null(strstr(o.said, "said more than 1048576 bytes"));
        outcome_done(&o);
}

/* One that has closed its output after too much of it, and has ended well before it was killed. */
TEST(too_much_is_no_success) {
        Outcome o = {};

        run(&o, "head -c 1100000 /dev/zero; exit 0", LONG);
        assert_true(o.code >= 128);
        outcome_done(&o);
}

TEST(what_is_no_text_is_escaped) {
        Outcome o = {};

        run(&o, "printf 'a\\377b\\303\\n'", LONG);
        assert_int_equal(o.code, 0);
        assert_string_equal(o.said, "a\\xffb\\xc3");
        outcome_done(&o);
}

TEST(one_that_never_ends_is_killed_with_what_it_started) {
        char path[] = "/tmp/gantry-test-XXXXXX", script[256];
        _cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
        Outcome o = {};
        int pid = 0;

        assert_true(fd >= 0);
        snprintf(script, sizeof(script), "trap '' TERM; sleep 1000 & echo $! > %s; echo waiting; wait", path);
        run(&o, script, 2 * USEC_PER_SEC);
        assert_int_equal(o.code, 128 + SIGKILL);
        assert_string_equal(o.said, "'sh' did not end within 2 s and was killed");
        outcome_done(&o);
        char text[32] = {};
        assert_true(read_full(fd, text, sizeof(text) - 1) > 0);
        assert_int_equal(sscanf(text, "%d", &pid), 1);
        /* Gone, or waiting for whoever reaps the machine's orphans. */
        for (unsigned i = 0; kill(pid, 0) == 0 && i < 60000; i++) {
                char how = 0, stat[64], line[512] = {};
                _cleanup_close_ int proc = -EBADF;

                snprintf(stat, sizeof(stat), "/proc/%d/stat", pid);
                proc = open(stat, O_RDONLY | O_CLOEXEC);
                if (proc < 0 || read_full(proc, line, sizeof(line) - 1) <= 0 ||
                    sscanf(line, "%*d (sleep) %c", &how) != 1 || how == 'Z')
                        break;
                assert_true(i < 59999);
                usleep(10000);
        }
        (void) unlink(path);
}

/* The pipe's other end lives on in what it left behind. */
TEST(what_it_leaves_behind_is_not_waited_for) {
        Outcome o = {};

        run(&o, "sleep 1000 & echo done; kill -9 $!", LONG);
        assert_string_equal(o.said, "done");
        outcome_done(&o);
        o = (Outcome) {};
        run(&o, "setsid sleep 5 & echo done", LONG);
        assert_string_equal(o.said, "done");
        outcome_done(&o);
}

TEST(what_is_no_program_is_refused_at_once) {
        char *const argv[] = { (char *) "/nonexistent/tool", NULL };
        _cleanup_error_ Error *error = NULL;
        Outcome o = {};

        ASSERT_OK(env_event_new(&o.env));
        ASSERT_ERROR(tool_start(o.env, argv, LONG, on_done, &o, &o.tool, &error), ENOENT);
        assert_non_null(error);
        env_event_free(o.env);
}

TEST(one_that_is_forgotten_is_not_told_of) {
        char *const argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) "echo x", NULL };
        Outcome o = {}, other = {};

        ASSERT_OK(env_event_new(&o.env));
        other.env = o.env;
        ASSERT_OK(tool_start(o.env, argv, LONG, on_done, &o, &o.tool, NULL));
        tool_free(o.tool);
        ASSERT_OK(tool_start(o.env, argv, LONG, on_done, &other, &other.tool, NULL));
        ASSERT_OK(o.env->ops->run(o.env));
        assert_int_equal(o.n, 0);
        outcome_done(&other);
}
