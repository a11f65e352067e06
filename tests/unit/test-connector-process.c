/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/fd-util.h"
#include "basic/path-util.h"
#include "runtime/connector-process.h"
#include "shared/env-event.h"
#include "unit/test.h"

TEST_MAIN()

typedef struct Run {
        Env *env;
        ConnectorProcess *process;
        char directory[64];
        bool started, exited, free_in_handler;
        ConnectorUsage usage;
        char *error;
        Buffer out;
} Run;

static int on_started(ConnectorProcess *p, char *const *missing, void *userdata) {
        Run *run = userdata;

        run->started = true;
        return 0;
}

static int on_exited(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error, void *userdata) {
        Run *run = userdata;

        assert_false(run->exited);
        run->exited = true;
        if (usage)
                run->usage = *usage;
        if (error)
                run->error = strdup(error->message);
        if (run->free_in_handler)
                run->process = connector_process_free(run->process);
        run->env->ops->exit(run->env, 0);
        return 0;
}

/* A connector that is a shell script in a directory of its own. */
static void start_script(Run *run, const char *script, ConnectorStart *start) {
        InstalledConnector c = { .reference = (char *) "exec:test", .kind = CONNECTOR_EXEC, .directory = run->directory };
        ConnectorEvents events = { .started = on_started, .exited = on_exited, .userdata = run };
        _cleanup_free_ char *path = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_close_ int fd = -EBADF;
        char *command[] = { NULL, NULL };

        setenv("GANTRY_LIBEXEC_DIR", getenv("builddir") ?: ".", 1);
        strcpy(run->directory, "/tmp/gantry-test-XXXXXX");
        assert_non_null(mkdtemp(run->directory));
        path = path_join(run->directory, "connector");
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
        ASSERT_OK(write_full(fd, script, strlen(script)));
        fd = safe_close(fd);
        command[0] = path;
        c.command = command;
        start->connector = &c;
        if (!run->env)
                ASSERT_OK(env_event_new(&run->env));
        if (connector_process_start(run->env, start, &events, &run->process, &error) < 0)
                fail_msg("%s", error_message(error, 0));
}

static void read_output(Run *run, int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        for (;;) {
                char *to = buffer_reserve(&run->out, 65536);
                ssize_t n;

                assert_true(poll(&p, 1, -1) > 0);
                n = read(fd, to, 65536);
                assert_true(n >= 0);
                if (n == 0)
                        return;
                buffer_commit(&run->out, n);
        }
}

static void run_done(Run *run) {
        char path[128];

        run->process = connector_process_free(run->process);
        run->env = env_event_free(run->env);
        snprintf(path, sizeof(path), "%s/connector", run->directory);
        (void) unlink(path);
        (void) rmdir(run->directory);
        buffer_done(&run->out);
        free(run->error);
}

TEST(a_connector_gets_its_files_and_its_exit_is_told) {
        _cleanup_(run_done) Run run = {};
        ConnectorStart start = { .verb = "read", .config = "{\"a\":1}", .catalog = "{\"streams\":[]}", .state = "[]" };
        _cleanup_close_ int out = -EBADF;

        start_script(&run, "#!/bin/sh\necho \"$@\"; cat $3; cat $5 $7; echo new >$3; cat $3; exit 3\n", &start);
        out = connector_process_take_fd(run.process, 1);
        read_output(&run, out);
        ASSERT_OK(run.env->ops->run(run.env));
        /* Where the files lie depends on what the machine lets the sandbox do. */
        assert_non_null(strstr(buffer_string(&run.out), "config.json --catalog "));
        assert_non_null(strstr(buffer_string(&run.out), "state.json\n{\"a\":1}{\"streams\":[]}[]new\n"));
        assert_true(run.started);
        assert_int_equal(run.usage.exit.code, 3);
        assert_int_equal(run.usage.exit.signal, 0);
        assert_true(run.usage.max_rss_kib > 0);
}

TEST(its_handler_may_free_it) {
        _cleanup_(run_done) Run run = { .free_in_handler = true };
        ConnectorStart start = { .verb = "check" };

        start_script(&run, "#!/bin/sh\nexit 0\n", &start);
        ASSERT_OK(run.env->ops->run(run.env));
        assert_true(run.exited);
        assert_null(run.process);
}

TEST(stdin_reaches_it_and_its_end_too) {
        _cleanup_(run_done) Run run = {};
        ConnectorStart start = { .verb = "write", .want_stdin = true, .hold_term_until_stdin_ends = true };
        int in;
        _cleanup_close_ int out = -EBADF;

        start_script(&run, "#!/bin/sh\nexec cat\n", &start);
        in = connector_process_take_fd(run.process, 0);
        out = connector_process_take_fd(run.process, 1);
        /* The stop must not reach it before it has read all that is there. */
        ASSERT_OK(connector_process_stop(run.process));
        ASSERT_OK(write_full(in, "hello\n", 6));
        safe_close(in);
        read_output(&run, out);
        ASSERT_OK(run.env->ops->run(run.env));
        assert_string_equal(buffer_string(&run.out), "hello\n");
}

/* Until the script has set its traps. */
static void await_ready(Run *run, int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        while (run->out.len < STRLEN("ready\n")) {
                char *to = buffer_reserve(&run->out, 16);
                ssize_t n;

                assert_true(poll(&p, 1, -1) > 0);
                n = read(fd, to, 16);
                assert_true(n > 0);
                buffer_commit(&run->out, n);
        }
}

TEST(a_stop_is_a_sigterm) {
        _cleanup_(run_done) Run run = {};
        ConnectorStart start = { .verb = "read" };
        _cleanup_close_ int out = -EBADF;

        start_script(&run, "#!/bin/sh\ntrap 'echo stopped; exit 7' TERM\necho ready\nwhile :; do sleep 0.05; done\n", &start);
        out = connector_process_take_fd(run.process, 1);
        await_ready(&run, out);
        ASSERT_OK(connector_process_stop(run.process));
        ASSERT_OK(connector_process_stop(run.process));
        ASSERT_OK(run.env->ops->run(run.env));
        assert_int_equal(run.usage.exit.code, 7);
}

TEST(a_connector_that_ignores_sigterm_is_killed_after_the_grace) {
        _cleanup_(run_done) Run run = {};
        ConnectorStart start = { .verb = "read", .stop_grace = 200 * USEC_PER_MSEC };
        _cleanup_close_ int out = -EBADF;

        start_script(&run, "#!/bin/sh\ntrap '' TERM\n(trap '' TERM; setsid sleep 1000) &\necho ready\nwhile :; do sleep 0.05; done\n", &start);
        out = connector_process_take_fd(run.process, 1);
        await_ready(&run, out);
        ASSERT_OK(connector_process_stop(run.process));
        ASSERT_OK(run.env->ops->run(run.env));
        assert_int_equal(run.usage.exit.code, -1);
        assert_int_equal(run.usage.exit.signal, SIGKILL);
        /* Also the one that left its session: nobody holds the pipe any more. */
        read_output(&run, out);
}

TEST(a_program_that_cannot_run_is_an_error_with_its_name) {
        _cleanup_(run_done) Run run = {};
        ConnectorStart start = { .verb = "read" };

        start_script(&run, "#!/nonexistent/interpreter\n", &start);
        ASSERT_OK(run.env->ops->run(run.env));
        assert_false(run.started);
        assert_non_null(run.error);
        assert_non_null(strstr(run.error, "exec:test"));
        assert_non_null(strstr(run.error, run.directory));
}
