/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sync tells on the way, between pipes that are the test's. */

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "orchestrator/worker-sync.h"
#include "shared/env-event.h"
#include "unit/worker-harness.h"

TEST_MAIN()

static const char record[] =
        "{\"type\":\"RECORD\",\"record\":{\"stream\":\"users\",\"data\":{\"id\":1},\"emitted_at\":1}}\n";
static const char input[] =
        "{\"sourceCatalog\":{\"streams\":[{\"stream\":{\"name\":\"users\",\"json_schema\":{},"
        "\"supported_sync_modes\":[\"full_refresh\"]},\"sync_mode\":\"full_refresh\","
        "\"destination_sync_mode\":\"append\"}]},\"streams\":[{\"destinationName\":\"users\"}]}";
#define PATIENCE_USEC (60 * USEC_PER_SEC)

static struct {
        Env *env;
        EnvSource *answer; /* comes from the loop, as the API's */
        int source; /* where the source writes */
        bool late;
} world;

static void say(const char *text) {
        assert_int_equal(write(world.source, text, strlen(text)), strlen(text));
}

/* A connector that runs: the other ends are the test's. */
static void connector(WorkerConnector *c, int ours[4], bool has_stdin) {
        int ends[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
        c->control = ends[0];
        ours[3] = ends[1];
        for (int i = 0; i < 3; i++) {
                bool in = i == 0;

                c->fds[i] = ours[i] = -EBADF;
                if (in && !has_stdin)
                        continue;
                assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
                c->fds[i] = ends[in ? 1 : 0];
                ours[i] = ends[in ? 0 : 1];
        }
}

static void close_all(int fds[4]) {
        for (int i = 0; i < 4; i++)
                fds[i] = safe_close(fds[i]);
}

/* The first report is on its way: four records come at once, then nothing, for ever. */
static void on_progress(void) {
        if (api.n[WORD_PROGRESS] == 1) {
                assert_non_null(strstr(api.streams, "\"recordsEmitted\":1,"));
                for (int i = 0; i < 4; i++)
                        say(record);
        } else if (strstr(api.streams, "\"recordsEmitted\":5,"))
                world.env->ops->exit(world.env, 0);
        ASSERT_OK(world.env->ops->timer_set(world.answer, env_now(world.env, ENV_CLOCK_MONOTONIC)));
}

static int on_answer(EnvSource *s, usec_t now, void *userdata) {
        api_answer(WORD_PROGRESS, 0, NULL);
        return 0;
}

static int on_late(EnvSource *s, usec_t now, void *userdata) {
        world.late = true;
        print_message("# %u reports, %s\n", api.n[WORD_PROGRESS], api.streams);
        world.env->ops->exit(world.env, 0);
        return 0;
}

static void on_lost(const char *why, void *userdata) {
        fail_msg("The link is lost: %s", why);
}

TEST(the_last_progress_before_a_pause_is_told) {
        WorkerLinkEvents events = { .lost = on_lost };
        static char id[] = "w", type[] = "sync", token[] = "t", path[] = "/nowhere";
        WorkerStart start = { .id = id, .type = type, .token = token, .api = path, .epoch = 1 };
        int source[4], destination[4];
        _cleanup_error_ Error *error = NULL;
        EnvSource *patience = NULL;
        WorkerLink *link = NULL;
        WorkerSync *sync = NULL;
        usec_t late;

        ASSERT_OK(env_event_new(&world.env));
        ASSERT_OK(json_parse(input, strlen(input), &start.input, NULL));
        connector(&start.source, source, /* has_stdin= */ false);
        connector(&start.destination, destination, /* has_stdin= */ true);
        world.source = source[1];
        ASSERT_OK(worker_link_new(world.env, &start, &events, &link));
        api.on_progress = on_progress;
        api_answer(WORD_RUNNING, 0, NULL);
        ASSERT_OK(worker_sync_new(world.env, &start, link, &sync, &error));
        late = env_now(world.env, ENV_CLOCK_MONOTONIC) + PATIENCE_USEC;
        ASSERT_OK(world.env->ops->timer_add(world.env, late, on_late, NULL, &patience));
        ASSERT_OK(world.env->ops->timer_add(world.env, USEC_INFINITY, on_answer, NULL, &world.answer));
        say(record);
        ASSERT_OK(world.env->ops->run(world.env));
        assert_false(world.late);
        worker_sync_free(sync);
        worker_link_free(link);
        env_source_free(world.env, patience);
        env_source_free(world.env, world.answer);
        close_all(source);
        close_all(destination);
        json_object_put(start.input);
        env_event_free(world.env);
}
