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
        char *said, *first;
} Outcome;

static void on_done(int code, const char *said, void *userdata) {
        Outcome *o = userdata;

        o->n++;
        o->code = code;
        o->said = strdup(said);
        ASSERT_OK(tool_first_line(o->tool, &o->first));
        o->tool = tool_free(o->tool);
        o->env->ops->exit(o->env, 0);
}

static void outcome_done(Outcome *o) {
        assert_int_equal(o->n, 1);
        assert_true(utf8_is_valid(o->said, strlen(o->said)));
        env_event_free(o->env);
        free(o->said);
        free(o->first);
}

/* A tool that is a shell script; runs until it is done. */
static void run(Outcome *o, const char *script, usec_t patience) {
        char *const argv[] = { (char *) "/bin/sh", (char *) "-c", (char *) script, NULL };

        ASSERT_OK(env_event_new(&o->env));
        ASSERT_OK(tool_start(o->env, argv, patience, on_done, o, &o->tool, NULL));
        ASSERT_OK(o->env->ops->run(o->env));
}

TEST(the_last_line_and_the_exit_code_are_told) {
        static const struct {
                const char *script;
                int code;
                const char *said;  /* NULL: see `words` */
                const char *first;
                const char *words; /* a part of it */
        } cases[] = {
                { "echo first; echo second; echo; exit 4", 4, "second", "first", NULL },
                { "echo only", 0, "only", "only", NULL },
                { "exec >&-; kill -SEGV $$", 128 + SIGSEGV, "", "", NULL },
                /* What is no text is escaped. */
                { "printf 'a\\377b\\303\\n'", 0, "a\\xffb\\xc3", "a\\xffb\\xc3", NULL },
                /* More than the limit is its end. */
                { "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done", 128 + SIGKILL, NULL,
                  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "said more than 1048576 bytes" },
                /* What it leaves behind, with the pipe's other end, is not waited for. */
                { "sleep 1000 & echo done; kill -9 $!", 0, "done", "done", NULL },
                { "setsid sleep 5 & echo done", 0, "done", "done", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                Outcome o = {};

                run(&o, cases[i].script, LONG);
                if (o.code != cases[i].code || (cases[i].said && !streq(o.said, cases[i].said)) ||
                    (cases[i].words && !strstr(o.said, cases[i].words)) || !streq(o.first, cases[i].first))
                        fail_msg("%s: %d '%s' '%s'", cases[i].script, o.code, o.said, o.first);
                outcome_done(&o);
        }
}

TEST(more_than_a_pipe_holds_is_read_while_it_runs) {
        Outcome o = {};

        run(&o, "head -c 300000 /dev/zero | tr '\\0' a; echo; head -c 100000 /dev/zero | tr '\\0' b; exit 3", LONG);
        assert_int_equal(o.code, 3);
        assert_int_equal(strlen(o.said), 100000);
        assert_int_equal(strspn(o.said, "b"), 100000);
        assert_int_equal(strlen(o.first), 300000);
        outcome_done(&o);
}

/* One that has closed its output after too much of it, and has ended well before it was killed. */
TEST(too_much_is_no_success) {
        Outcome o = {};

        run(&o, "head -c 1100000 /dev/zero; exit 0", LONG);
        assert_true(o.code >= 128);
        outcome_done(&o);
}

TEST(one_that_never_ends_is_killed_with_what_it_started) {
        char path[] = "/tmp/gantry-test-XXXXXX", script[256];
        _cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
        Outcome o = {};
        int pid = 0;

        assert_true(fd >= 0);
        snprintf(script, sizeof(script), "trap '' TERM; sleep 1000 & echo $! > %s; echo waiting; wait", path);
        run(&o, script, 5 * USEC_PER_SEC);
        assert_int_equal(o.code, 128 + SIGKILL);
        assert_string_equal(o.said, "'sh' did not end within 5 s and was killed");
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
