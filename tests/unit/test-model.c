/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/uuid.h"
#include "model/actor.h"
#include "model/definition.h"
#include "model/job.h"
#include "model/principal.h"
#include "model/workload.h"
#include "unit/test.h"

TEST(uuid7_has_its_version_and_sorts_by_time) {
        static const uint8_t zeros[10] = {}, ones[10] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255 };
        char a[UUID_STRING_MAX], b[UUID_STRING_MAX], c[UUID_STRING_MAX];

        /* 2022-02-22T19:22:22Z, the example of RFC 9562, A.6. */
        uuid7_make(UINT64_C(0x017F22E279B0) * 1000, zeros, a);
        assert_string_equal(a, "017f22e2-79b0-7000-8000-000000000000");
        /* A microsecond later sorts behind, whatever the random bytes are. */
        uuid7_make(UINT64_C(0x017F22E279B0) * 1000, ones, b);
        uuid7_make(UINT64_C(0x017F22E279B0) * 1000 + 1, zeros, c);
        assert_true(strcmp(b, c) < 0);
        assert_true(uuid_is_valid(a) && uuid_is_valid(b) && uuid_is_valid(c));
        assert_int_equal(b[19], 'b');
}

static void assert_exact(const char *reference, const char *tag, const char *pin, const char *expected) {
        Definition d = { .reference = (char *) reference, .docker_image_tag = (char *) tag };
        _cleanup_free_ char *exact = NULL;

        ASSERT_OK(definition_exact_reference(&d, pin, &exact));
        assert_string_equal(exact, expected);
}

TEST(a_package_runs_in_the_version_that_is_pinned_or_else_the_definitions) {
        assert_exact("pypi:airbyte-source-x", "1.2", NULL, "pypi:airbyte-source-x==1.2");
        assert_exact("pypi:airbyte-source-x", "1.2", "1.1", "pypi:airbyte-source-x==1.1");
        assert_exact("pypi:airbyte-source-x==9", "1.2", NULL, "pypi:airbyte-source-x==1.2");
        assert_exact("pypi:airbyte-source-x", NULL, NULL, "pypi:airbyte-source-x");
        assert_exact("npm:@scope/source-x", "3.0.0", NULL, "npm:@scope/source-x@3.0.0");
        assert_exact("npm:@scope/source-x@1.0.0", "3.0.0", "2.0.0", "npm:@scope/source-x@2.0.0");
        assert_exact("npm:source-x", "3.0.0", NULL, "npm:source-x@3.0.0");
        assert_exact("image:airbyte/source-x:1.0", "1.0", NULL, "image:airbyte/source-x:1.0");
        assert_exact("image:airbyte/source-x:1.0", "1.0", "0.9", "image:airbyte/source-x:0.9");
        assert_exact("image:localhost:5000/x:1.0", "1.0", "0.9", "image:localhost:5000/x:0.9");
        assert_exact("image:x:1.0", "1.0", "0.9", "image:x:0.9");
        assert_exact("image:localhost:5000/x", NULL, "0.9", "image:localhost:5000/x:0.9");
#define DIGEST "sha256:" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
        assert_exact("image:a/x@" DIGEST, DIGEST, NULL, "image:a/x@" DIGEST);
        assert_exact("image:a/x@" DIGEST, DIGEST, DIGEST, "image:a/x@" DIGEST);
        assert_exact("image:a/x@" DIGEST, DIGEST, "0.9", "image:a/x:0.9");
        assert_exact("image:x@" DIGEST, DIGEST, "0.9", "image:x:0.9");
        assert_exact("image:a/x:1.0", "1.0", DIGEST, "image:a/x@" DIGEST);
        assert_exact("image:a/x:1.0", "1.0", "0.9@" DIGEST, "image:a/x:0.9@" DIGEST);
        assert_exact("image:localhost:5000/x:1.0@" DIGEST, "1.0@" DIGEST, DIGEST, "image:localhost:5000/x@" DIGEST);
        assert_exact("native:source-faker", "0.1", "0.1", "native:source-faker");
        assert_exact("exec:/opt/x", NULL, NULL, "exec:/opt/x");
}

TEST(what_is_no_uuid_is_told_apart) {
        assert_true(uuid_is_valid("DFD88B22-b603-4c3d-aad7-3701784586b1"));
        assert_false(uuid_is_valid(NULL));
        assert_false(uuid_is_valid(""));
        assert_false(uuid_is_valid("dfd88b22-b603-4c3d-aad7-3701784586b"));
        assert_false(uuid_is_valid("dfd88b22-b603-4c3d-aad7-3701784586b11"));
        assert_false(uuid_is_valid("dfd88b22-b603-4c3d-aad7+3701784586b1"));
        assert_false(uuid_is_valid("gfd88b22-b603-4c3d-aad7-3701784586b1"));
        assert_false(uuid_is_valid("dfd88b22-b603-4c3d-aad7-3701784586 1"));
}

/* Airbyte's table, spelled out once more: rows from, columns to. */
TEST(job_transitions_are_airbytes) {
        static const char *const allowed[_JOB_STATUS_MAX] = {
                /* to:            pending queued running incomplete failed succeeded cancelled */
                [JOB_PENDING] = ".QRIF.C",    [JOB_QUEUED] = "P.R.F.C", [JOB_RUNNING] = "...IFSC",
                [JOB_INCOMPLETE] = "P.RIFSC", [JOB_FAILED] = "....F..", [JOB_SUCCEEDED] = ".......",
                [JOB_CANCELLED] = ".......",
        };

        for (int from = 0; from < _JOB_STATUS_MAX; from++)
                for (int to = 0; to < _JOB_STATUS_MAX; to++)
                        if (job_status_may_become(from, to) != (allowed[from][to] != '.'))
                                fail_msg("%s -> %s", job_status_to_string(from), job_status_to_string(to));
}

TEST(workload_transitions_go_forward_only) {
        static const char *const allowed[_WORKLOAD_STATUS_MAX] = {
                /* to:                pending claimed launched running success failure cancelled */
                [WORKLOAD_PENDING] = ".C...FX",   [WORKLOAD_CLAIMED] = "..LR.FX",
                [WORKLOAD_LAUNCHED] = "...R.FX",  [WORKLOAD_RUNNING] = "....SFX",
                [WORKLOAD_SUCCESS] = ".......",   [WORKLOAD_FAILURE] = ".......",
                [WORKLOAD_CANCELLED] = ".......",
        };

        for (int from = 0; from < _WORKLOAD_STATUS_MAX; from++)
                for (int to = 0; to < _WORKLOAD_STATUS_MAX; to++)
                        if (workload_status_may_become(from, to) != (allowed[from][to] != '.'))
                                fail_msg("%s -> %s", workload_status_to_string(from),
                                         workload_status_to_string(to));
}

TEST(names_and_values_are_a_round_trip) {
        static const EnumTable *const tables[] = { &actor_role_names, &job_status_names,
                                                   &workload_status_names, &role_names,
                                                   &stream_run_status_names };

        for (size_t i = 0; i < ELEMENTSOF(tables); i++) {
                for (int v = 0; v < tables[i]->n; v++) {
                        assert_non_null(enum_to_string(tables[i], v));
                        assert_int_equal(enum_from_string(tables[i], enum_to_string(tables[i], v)), v);
                }
                assert_null(enum_to_string(tables[i], -1));
                assert_null(enum_to_string(tables[i], tables[i]->n));
                ASSERT_ERROR(enum_from_string(tables[i], "no such name"), EINVAL);
                ASSERT_ERROR(enum_from_string(tables[i], NULL), EINVAL);
        }
        assert_string_equal(stream_run_status_to_string(STREAM_RATE_LIMITED), "RATE_LIMITED");
        assert_string_equal(job_type_to_string(JOB_SYNC), "sync");
}

TEST(a_copy_is_independent) {
        _cleanup_(secret_freep) Secret *s = calloc(1, sizeof(*s)), *copy = NULL;

        assert_non_null(s);
        s->id = strdup("id");
        s->sealed = (Blob) { strdup("abc"), 3 };
        s->created_at = 5;
        copy = secret_copy(s);
        assert_non_null(copy);
        s->id[0] = 'x';
        ((char *) s->sealed.p)[0] = 'x';
        assert_string_equal(copy->id, "id");
        assert_memory_equal(copy->sealed.p, "abc", 3);
        assert_null(copy->owner_id);
        assert_int_equal(copy->created_at, 5);
}

TEST(destructors_take_null) {
        assert_null(actor_free(NULL));
        actor_array_done(&(ActorArray) {});
}

TEST_MAIN()
