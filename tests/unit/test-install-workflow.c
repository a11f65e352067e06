/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/spec-store.h"
#include "unit/test.h"
#include "unit/workflow-manager-harness.h"

TEST_MAIN()

#define REFERENCE "pypi:airbyte-source-x"
#define EXACT REFERENCE "==1.2"

typedef struct Answer {
        unsigned n;
        JsonObject *result;
} Answer;

static void on_done(JsonObject *result, const char *reason, void *userdata) {
        Answer *a = userdata;

        a->n++;
        json_object_put(a->result);
        a->result = json_object_get(result);
}

static void all_goes_well(World *w, FakeWorkload *workload) {
        workload->status = "success";
        workload->output = streq(workload->type, "install")
                ? "{\"reference\":\"" EXACT "\",\"version\":\"1.2\",\"directory\":\"/d\",\"hash\":\"h\"}"
                : "{\"spec\":{\"connectionSpecification\":{}}}";
}

static void no_such_package(World *w, FakeWorkload *workload) {
        workload->status = "failure";
        workload->reason = "The package index has no such package";
}

static void no_specification(World *w, FakeWorkload *workload) {
        all_goes_well(w, workload);
        if (streq(workload->type, "install"))
                return;
        workload->status = "failure";
        workload->output = NULL;
        workload->reason = "'spec' exited with 1";
}

static void run(World *w) {
        world_run(w, w->clock.now + 7200 * USEC_PER_SEC);
}

static const char *result_text(const Answer *a, const char *key) {
        return json_object_get_string(json_member(json_member(a->result, "output"), key));
}

static unsigned count(const World *w, const char *type) {
        unsigned n = 0;

        for (size_t i = 0; i < w->n_workloads; i++)
                n += streq(w->workloads[i].type, type);
        return n;
}

TEST(a_package_is_installed_then_asked_and_what_it_says_is_kept_by_version) {
        _cleanup_world_ World w;
        _cleanup_free_ char *spec = NULL;
        JsonObject *actor;
        Answer a = {};

        world_init(&w, all_goes_well);
        ASSERT_OK(workflow_manager_install(w.manager, REFERENCE, on_done, &a, NULL));
        run(&w);
        assert_int_equal(a.n, 1);
        assert_string_equal(result_text(&a, "version"), "1.2");
        assert_string_equal(result_text(&a, "spec"), "{ \"connectionSpecification\": { } }");
        actor = json_member(json_member(world_last(&w, "install")->request, "input"), "actor");
        assert_string_equal(json_object_get_string(json_member(actor, "reference")), REFERENCE);
        /* The version that was not known before is the one that is asked, without a network. */
        actor = json_member(json_member(world_last(&w, "spec")->request, "input"), "actor");
        assert_string_equal(json_object_get_string(json_member(actor, "reference")), EXACT);
        assert_string_equal(json_object_get_string(json_member(actor, "network")), "none");
        ASSERT_OK(spec_store_get(w.db.db, EXACT, &spec, NULL));
        assert_string_equal(spec, "{\"connectionSpecification\":{}}");
        json_object_put(a.result);
}

TEST(a_failed_installation_asks_nobody_and_says_why) {
        _cleanup_world_ World w;
        JsonObject *failure;
        Answer a = {};

        world_init(&w, no_such_package);
        ASSERT_OK(workflow_manager_install(w.manager, EXACT, on_done, &a, NULL));
        run(&w);
        assert_int_equal(a.n, 1);
        assert_int_equal(count(&w, "spec"), 0);
        failure = json_member(a.result, "failure");
        assert_string_equal(json_object_get_string(json_member(failure, "externalMessage")),
                            "The package index has no such package");
        json_object_put(a.result);
}

TEST(a_connector_without_a_specification_is_installed_all_the_same) {
        _cleanup_world_ World w;
        Answer a = {};

        world_init(&w, no_specification);
        ASSERT_OK(workflow_manager_install(w.manager, EXACT, on_done, &a, NULL));
        run(&w);
        assert_int_equal(a.n, 1);
        assert_null(json_member(a.result, "failure"));
        assert_null(json_member(json_member(a.result, "output"), "spec"));
        assert_string_equal(result_text(&a, "specMessage"), "'spec' exited with 1");
        json_object_put(a.result);
}

TEST(callers_who_want_the_same_share_one_run) {
        _cleanup_world_ World w;
        Answer a = {}, b = {}, other = {};

        world_init(&w, all_goes_well);
        ASSERT_OK(workflow_manager_install(w.manager, EXACT, on_done, &a, NULL));
        ASSERT_OK(workflow_manager_install(w.manager, EXACT, on_done, &b, NULL));
        ASSERT_OK(workflow_manager_install(w.manager, REFERENCE "==2.0", on_done, &other, NULL));
        run(&w);
        assert_int_equal(a.n + b.n + other.n, 3);
        assert_int_equal(count(&w, "install"), 2);
        json_object_put(a.result);
        json_object_put(b.result);
        json_object_put(other.result);
}

TEST(what_is_no_package_is_refused) {
        static const char *const bad[] = { "exec:/bin/sh", "image:x:1", "native:source-faker", "" };
        _cleanup_world_ World w;

        world_init(&w, all_goes_well);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(workflow_manager_install(w.manager, bad[i], on_done, NULL, NULL), -EINVAL);
}

/* W05: whatever the process was doing when it died, the installation goes on and is done once. */
TEST(a_crash_at_every_point_leads_to_one_installation_and_its_specification) {
        for (unsigned at = 1;; at++) {
                _cleanup_world_ World w;
                _cleanup_free_ char *spec = NULL;
                Answer a = {};
                bool started;

                world_init(&w, all_goes_well);
                w.n_points = 0;
                w.crash_at = at;
                started = workflow_manager_install(w.manager, REFERENCE, on_done, &a, NULL) >= 0;
                run(&w);
                json_object_put(a.result);
                if (started) {
                        assert_int_equal(count(&w, "install"), 1);
                        assert_int_equal(count(&w, "spec"), 1);
                        ASSERT_OK(spec_store_get(w.db.db, EXACT, &spec, NULL));
                }
                if (!w.hit) {
                        assert_true(started && at > 5);
                        break;
                }
        }
}
