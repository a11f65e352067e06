/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "basic/file-util.h"
#include "cli/mapper-option.h"
#include "cli/sync-options.h"
#include "cli/sync-report.h"
#include "cli/sync-store.h"
#include "shared/env-event.h"
#include "shared/exit-codes.h"
#include "unit/test.h"

TEST_MAIN()

static char scratch[] = "/tmp/gantry-test-XXXXXX";

static void remove_scratch(void) {
        (void) remove_tree(scratch);
}

/* A state directory of the test's own, removed at the end of the program. */
static void use_scratch(void) {
        assert_non_null(mkdtemp(scratch));
        assert_int_equal(atexit(remove_scratch), 0);
        assert_int_equal(setenv("GANTRY_STATE_DIR", scratch, 1), 0);
}

static int parse(SyncOptions *o, char *const words[]) {
        char *argv[16] = { (char *) "sync" };
        int argc = 1;

        for (; words[argc - 1]; argc++)
                argv[argc] = words[argc - 1];
        return sync_options_parse(o, argc, argv);
}

TEST(options_are_read_in_any_order) {
        _cleanup_(sync_options_done) SyncOptions o = {};
        char *const words[] = { (char *) "--limit", (char *) "5", (char *) "a", (char *) "--primary-key", (char *) "x,y",
                                (char *) "b", (char *) "--namespace", (char *) "n_${SOURCE_NAMESPACE}", NULL };

        assert_int_equal(parse(&o, words), 1);
        assert_string_equal(o.source, "a");
        assert_string_equal(o.destination, "b");
        assert_int_equal(o.limit, 5);
        assert_string_equal(o.primary_key[1], "y");
        assert_int_equal(o.namespace_definition, NAMESPACE_CUSTOM_FORMAT);
}

TEST(wrong_options_are_refused) {
        static char *const wrong[][6] = {
                { (char *) "a", NULL },
                { (char *) "a", (char *) "b", (char *) "c", NULL },
                { (char *) "a", (char *) "b", (char *) "--limit", (char *) "0", NULL },
                { (char *) "a", (char *) "b", (char *) "--name", (char *) "../x", NULL },
                { (char *) "a", (char *) "b", (char *) "--name", (char *) "", NULL },
                { (char *) "a", (char *) "b", (char *) "--progress", (char *) "x", NULL },
        };

        for (size_t i = 0; i < ELEMENTSOF(wrong); i++) {
                _cleanup_(sync_options_done) SyncOptions o = {};

                assert_true(parse(&o, wrong[i]) < 0);
        }
}

TEST(a_mapper_is_given_in_short_or_as_json) {
        _cleanup_error_ Error *e = NULL;
        Mapper **l = NULL;

        ASSERT_OK(mapper_option_parse("field-renaming:originalFieldName=a,newFieldName=b", &l, &e));
        ASSERT_OK(mapper_option_parse("[{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"c\"}}]", &l,
                                      &e));
        assert_non_null(l[1]);
        assert_null(l[2]);
        ASSERT_OK(mapper_option_parse("[]", &l, &e));
        assert_non_null(l[1]);
        assert_null(l[2]);
        assert_true(mapper_option_parse("field-renaming:originalFieldName", &l, &e) < 0);
        assert_true(mapper_option_parse("no-such-mapper:a=b", &l, &e) < 0);
        /* One of a list is wrong: none of it is taken. */
        assert_true(mapper_option_parse("[{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"d\"}},7]",
                                        &l, NULL) < 0);
        assert_null(l[2]);
        mappers_free(l);
}

static StateMessage message(const char *json) {
        StateMessage m = {};

        ASSERT_OK(state_message_parse((JsonSlice) { json, strlen(json) }, &m, NULL));
        return m;
}

TEST(a_store_gives_back_what_it_was_given) {
        static const char json[] = "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"s\"},"
                                   "\"stream_state\":{\"cursor\":123456789012345678901234567890.10}}}";
        _cleanup_(env_event_freep) Env *env = NULL;
        _cleanup_(sync_store_freep) SyncStore *s = NULL, *again = NULL, *other = NULL;
        _cleanup_state_set_ StateSet *changed = state_set_new();
        _cleanup_(state_message_done) StateMessage m = message(json);
        _cleanup_error_ Error *e = NULL;
        const char *stored;
        size_t n;

        use_scratch();
        ASSERT_OK(env_event_new(&env));
        ASSERT_OK(sync_store_open(env, "one", "a", "b", NULL, true, &s, &e));
        ASSERT_OK(state_set_put(changed, &m, &e));
        ASSERT_OK(sync_store_put_states(s, changed, &e));
        s->run_key = UINT64_MAX;
        ASSERT_OK(sync_store_save(s, &e));

        /* While it is open nobody else gets it. */
        ASSERT_ERROR(sync_store_open(env, "one", "a", "b", NULL, true, &other, &e), EBUSY);
        s = sync_store_free(s);

        ASSERT_OK(sync_store_open(env, "one", "a", "b", NULL, true, &again, &e));
        assert_int_equal(again->run_key, UINT64_MAX);
        stored = state_set_get_stream(again->state, NULL, "s", &n);
        assert_non_null(stored);
        assert_memory_equal(stored, "{\"cursor\":123456789012345678901234567890.10}", n);
        again = sync_store_free(again);

        ASSERT_ERROR(sync_store_open(env, "one", "a", "c", NULL, true, &other, &e), EEXIST);
}

TEST(a_sync_without_a_name_gets_a_readable_one) {
        _cleanup_free_ char *name = NULL;

        ASSERT_OK(sync_store_default_name("exec:/opt/x/source-x", "native:destination-sqlite", 255, &name));
        assert_string_equal(name, "source-x_destination-sqlite_00000000000000ff");
}

TEST(exit_codes_follow_the_table) {
        assert_int_equal(exit_code_from_errno(-ENOENT), EXIT_NOT_FOUND);
        assert_int_equal(exit_code_from_errno(-EACCES), EXIT_DENIED);
        assert_int_equal(exit_code_from_errno(-EBUSY), EXIT_TRY_AGAIN);
        assert_int_equal(exit_code_from_errno(-EINVAL), EXIT_CONFIGURATION);
        assert_int_equal(exit_code_from_errno(-EIO), EXIT_FAILED);
}
