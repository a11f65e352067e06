/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sandbox/shim-protocol.h"
#include "unit/test.h"

TEST_MAIN()

static const SandboxMount *find(const SandboxPlan *p, const char *target) {
        for (size_t i = 0; i < p->n_mounts; i++)
                if (streq(p->mounts[i].target, target))
                        return &p->mounts[i];
        return NULL;
}

TEST(mounts_are_ordered_parents_first) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();

        ASSERT_OK(sandbox_plan_add_mount(p, "/a-b", "/a-b", false, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/a/b/c", "/a/b/c", true, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/a/b", "/a/b", false, false));
        ASSERT_OK(sandbox_plan_add_mount(p, NULL, "/a", true, false));
        assert_int_equal(p->n_mounts, 4);
        assert_string_equal(p->mounts[0].target, "/a");
        assert_string_equal(p->mounts[1].target, "/a/b");
        assert_string_equal(p->mounts[2].target, "/a/b/c");
        assert_string_equal(p->mounts[3].target, "/a-b");
}

TEST(a_path_below_one_with_the_same_rights_is_left_out) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();

        ASSERT_OK(sandbox_plan_add_mount(p, "/usr", "/usr", false, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/usr/share/x", "/usr/share/x", false, false));
        assert_int_equal(p->n_mounts, 1);
        /* Another place of the host at that target is something else. */
        ASSERT_OK(sandbox_plan_add_mount(p, "/srv/x", "/usr/share/x", false, false));
        assert_int_equal(p->n_mounts, 2);
        ASSERT_OK(sandbox_plan_add_mount(p, "/usr/local", "/usr/local", true, false));
        assert_int_equal(p->n_mounts, 3);
        assert_true(find(p, "/usr/local")->writable);
        /* A private directory covers nothing of the host's. */
        ASSERT_OK(sandbox_plan_add_mount(p, NULL, "/tmp", true, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/tmp/in.csv", "/tmp/in.csv", false, false));
        assert_int_equal(p->n_mounts, 5);
}

TEST(the_writable_one_of_two_wins) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();

        ASSERT_OK(sandbox_plan_add_mount(p, "/srv/out", "/srv/out", true, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/srv/out", "/srv/out", false, true));
        ASSERT_OK(sandbox_plan_add_mount(p, "/srv/out/a", "/srv/out/a", false, false));
        assert_int_equal(p->n_mounts, 1);
        assert_true(p->mounts[0].writable);
        assert_false(p->mounts[0].optional);
}

TEST(targets_that_would_open_the_sandbox_are_refused) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();

        ASSERT_ERROR(sandbox_plan_add_mount(p, "/", "/", false, false), EINVAL);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/a", "a", false, false), EINVAL);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/a", "/a/../b", false, false), EINVAL);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/a", "/a//b", false, false), EINVAL);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/proc", "/proc", false, false), EPERM);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/proc/1", "/proc/1", false, false), EPERM);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/dev/sda", "/dev/sda", true, false), EPERM);
        ASSERT_ERROR(sandbox_plan_add_mount(p, "/sys", "/sys", true, false), EPERM);
        assert_int_equal(p->n_mounts, 0);
        ASSERT_OK(sandbox_plan_add_mount(p, "/process", "/process", false, false));
}

TEST(without_a_network_no_resolver_files_are_given) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *none = sandbox_plan_new(), *any = sandbox_plan_new();

        any->network = NETWORK_ANY;
        ASSERT_OK(sandbox_plan_add_base(none));
        ASSERT_OK(sandbox_plan_add_base(any));
        assert_null(find(none, "/etc/resolv.conf"));
        assert_non_null(find(any, "/etc/resolv.conf"));
        assert_null(find(none, "/etc/ssl/certs"));
        assert_non_null(find(any, "/etc/ssl/certs"));
        assert_non_null(find(none, "/usr"));
        assert_null(find(none, "/etc"));
        assert_null(find(none, "/etc/passwd"));
        assert_null(find(none, "/run"));
        for (size_t i = 0; i < any->n_mounts; i++)
                assert_false(any->mounts[i].writable && any->mounts[i].source);
}

static SandboxPlan *example_plan(void) {
        SandboxPlan *p = sandbox_plan_new();

        p->network = NETWORK_ANY;
        ASSERT_OK(sandbox_plan_add_base(p));
        ASSERT_OK(sandbox_plan_add_mount(p, "/srv/o", "/srv/o", true, false));
        ASSERT_OK(strv_extend(&p->argv, "/usr/bin/x"));
        ASSERT_OK(strv_extend(&p->argv, "--täst"));
        ASSERT_OK(strv_extend(&p->environment, "A=b"));
        p->working_directory = strdup("/tmp");
        p->scratch_directory = strdup("/run/x");
        p->memory_max = 1U << 30;
        p->tasks_max = 7;
        p->file_size_max = UINT64_C(1) << 40;
        p->files_max = 64;
        p->stop_grace_usec = 5000000;
        p->allow_write_exec = p->hold_term_until_stdin_ends = true;
        p->without = SANDBOX_LAYER_BIT(SANDBOX_SECCOMP);
        return p;
}

TEST(plans_survive_the_way_through_json) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = example_plan(), *q = NULL;
        _cleanup_json_ JsonObject *a = NULL, *b = NULL;

        ASSERT_OK(sandbox_plan_to_json(p, &a));
        ASSERT_OK(sandbox_plan_from_json(a, &q, NULL));
        ASSERT_OK(sandbox_plan_to_json(q, &b));
        assert_true(json_equal(a, b));
        assert_int_equal(q->without, p->without);
        assert_int_equal(q->n_mounts, p->n_mounts);
}

TEST(bad_plans_are_refused_with_a_sentence) {
        static const char *const bad[] = {
                "[]", "{}", "{\"argv\":[]}", "{\"argv\":[\"ls\"]}", "{\"argv\":[\"/ls\"],\"network\":\"some\"}",
                "{\"argv\":[\"/ls\"],\"files_max\":-1}", "{\"argv\":[\"/ls\"],\"mounts\":[{}]}",
                "{\"argv\":[\"/ls\"],\"mounts\":[{\"target\":\"/proc\"}]}",
                "{\"argv\":[\"/ls\"],\"mounts\":[{\"target\":\"/a\",\"source\":\"b\"}]}",
                "{\"argv\":[\"/ls\"],\"without\":[\"gravity\"]}",
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_json_ JsonObject *o = NULL;
                _cleanup_error_ Error *error = NULL;
                SandboxPlan *p = NULL;

                ASSERT_OK(json_parse(bad[i], strlen(bad[i]), &o, NULL));
                assert_true(sandbox_plan_from_json(o, &p, &error) < 0);
                assert_non_null(error);
        }
}

TEST(a_flat_plan_names_the_places_of_the_host) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();

        ASSERT_OK(sandbox_plan_add_mount(p, "/run/user/1/g/config.json", "/run/gantry/config.json", true, false));
        ASSERT_OK(sandbox_plan_add_mount(p, "/usr", "/usr", false, false));
        ASSERT_OK(strv_extend(&p->argv, "/usr/bin/x"));
        ASSERT_OK(strv_extend(&p->argv, "/run/gantry/config.json"));
        ASSERT_OK(strv_extend(&p->argv, "/elsewhere"));
        ASSERT_OK(strv_extend(&p->environment, "C=/run/gantry/config.json"));
        ASSERT_OK(sandbox_plan_flatten(p));
        assert_string_equal(p->argv[0], "/usr/bin/x");
        assert_string_equal(p->argv[1], "/run/user/1/g/config.json");
        assert_string_equal(p->argv[2], "/elsewhere");
        assert_string_equal(p->environment[0], "C=/run/user/1/g/config.json");
}

TEST(packets_survive_the_way) {
        _cleanup_buffer_ Buffer b = {};
        _cleanup_(shim_request_done) ShimRequest q = {};
        _cleanup_(shim_event_done) ShimEvent e = {};
        SandboxPlan *p = example_plan();
        ShimEvent failed = { .type = SHIM_EVENT_FAILED, .step = (char *) "mount \"x\"", .error = 2, .message = (char *) "no" };
        ShimEvent exited = { .type = SHIM_EVENT_EXITED, .code = -1, .signal = 9, .user_usec = 5, .max_rss_kib = 7 };

        ASSERT_OK(shim_request_append(&b, &(ShimRequest) { .plan = p, .fds = { false, true, true } }));
        ASSERT_OK(shim_request_parse(buffer_bytes(&b), b.len, &q, NULL));
        assert_int_equal(q.type, SHIM_REQUEST_PLAN);
        assert_false(q.fds[0]);
        assert_true(q.fds[2]);
        sandbox_plan_free(p);

        buffer_reset(&b);
        ASSERT_OK(shim_event_append(&b, &failed));
        ASSERT_OK(shim_event_parse(buffer_bytes(&b), b.len, &e, NULL));
        assert_string_equal(e.step, "mount \"x\"");
        assert_int_equal(e.error, 2);

        buffer_reset(&b);
        ASSERT_OK(shim_event_append(&b, &exited));
        shim_event_done(&e);
        ASSERT_OK(shim_event_parse(buffer_bytes(&b), b.len, &e, NULL));
        assert_int_equal(e.code, -1);
        assert_int_equal(e.signal, 9);
        assert_int_equal(e.max_rss_kib, 7);
        ASSERT_ERROR(shim_event_parse("{}", 2, &e, NULL), EBADMSG);
        ASSERT_ERROR(shim_request_parse("{}", 2, &q, NULL), EBADMSG);
}

TEST(a_plan_that_is_too_large_for_a_packet_is_refused) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = example_plan();
        _cleanup_buffer_ Buffer b = {};
        char path[64];

        for (int i = 0; i < 10000; i++) {
                snprintf(path, sizeof(path), "/srv/a-long-name-of-some-directory/%d", i);
                ASSERT_OK(sandbox_plan_add_mount(p, path, path, false, false));
        }
        ASSERT_ERROR(shim_request_append(&b, &(ShimRequest) { .plan = p }), E2BIG);
}
