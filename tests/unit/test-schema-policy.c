/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit/catalog-text.h"
#include "worker/stream-selection.h"
#include "workflow/schema-policy.h"

TEST_MAIN()

#define USERS(fields_)                                                                                        \
        "{'name':'users','supported_sync_modes':['full_refresh','incremental'],'default_cursor_field':['at'],"  \
        "'source_defined_primary_key':[['id']],'json_schema':{'properties':{" fields_ "}}}"
#define BASE "'id':{'type':'integer'},'at':{'type':'integer'},'name':{'type':'string'}"
#define ORDERS "{'name':'orders','supported_sync_modes':['full_refresh'],'json_schema':{'properties':{'n':{}}}}"
#define STREAMS(list_) "{'streams':[" list_ "]}"
#define SELECTED(more_)                                                                                       \
        STREAMS("{'name':'users','syncMode':'incremental_deduped_history','cursorField':['at'],'primaryKey':[['id']]" more_ "}")

typedef struct Case {
        const char *before, *after, *selection;
        NonBreakingPreference policy;
} Case;

static void decide(const Case *k, SchemaChange *ret) {
        _cleanup_catalog_ Catalog *before = catalog(k->before), *after = catalog(k->after);
        _cleanup_json_ JsonObject *selection = k->selection ? parse(k->selection) : NULL, *was = json_clone(selection);
        const ConnectorSpec all = { .lists_destination_sync_modes = true,
                                    .supported_destination_sync_modes = { true, true, true, false, false, true } };

        ASSERT_OK(schema_change_decide(&(SchemaChangeRequest) { before, after, selection, &all, k->policy }, ret, NULL));
        assert_true(json_equal(selection, was));
}

/* The verdict, and the selection that comes out of it; NULL: it stays. */
static void check(const Case *k, SchemaVerdict verdict, const char *selection) {
        _cleanup_schema_change_ SchemaChange c = {};
        _cleanup_json_ JsonObject *wanted = selection ? parse(selection) : NULL;

        decide(k, &c);
        assert_string_equal(schema_verdict_to_string(c.verdict), schema_verdict_to_string(verdict));
        if (!json_equal(c.configurations, wanted)) {
                print_message("found %s\n", json_object_to_json_string(c.configurations));
                fail();
        }
}

#define EACH(policy_) for (NonBreakingPreference policy_ = 0; policy_ < _NON_BREAKING_PREFERENCE_MAX; policy_++)

TEST(no_change_and_changes_of_others_are_taken_without_a_word) {
        EACH(policy) {
                check(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS(BASE)), SELECTED(""), policy }, SCHEMA_UNCHANGED, NULL);
                check(&(Case) { STREAMS(USERS(BASE) "," ORDERS), STREAMS(USERS(BASE ",'x':{}") "," ORDERS),
                                STREAMS("{'name':'orders','syncMode':'full_refresh_append'}"), policy },
                      SCHEMA_UNCHANGED, NULL);
        }
}

TEST(each_policy_does_its_own_with_a_new_column) {
        Case k = { STREAMS(USERS(BASE)), STREAMS(USERS(BASE ",'city':{}")), SELECTED(""), NON_BREAKING_IGNORE };

        check(&k, SCHEMA_IGNORED, NULL);
        k.policy = NON_BREAKING_DISABLE;
        check(&k, SCHEMA_DISABLED, NULL);
        k.policy = NON_BREAKING_PROPAGATE_COLUMNS;
        check(&k, SCHEMA_PROPAGATED, SELECTED(""));
        k.policy = NON_BREAKING_PROPAGATE_FULLY;
        check(&k, SCHEMA_PROPAGATED, SELECTED(""));
}

TEST(a_field_selection_follows_the_columns) {
        Case k = { STREAMS(USERS(BASE)), STREAMS(USERS("'id':{'type':'integer'},'at':{'type':'integer'},'city':{'properties':{'zip':{}}}")),
                   SELECTED(",'selectedFields':[{'fieldPath':['id']},{'fieldPath':['at']},{'fieldPath':['name']}]"),
                   NON_BREAKING_PROPAGATE_COLUMNS };

        check(&k, SCHEMA_PROPAGATED, SELECTED(",'selectedFields':[{'fieldPath':['id']},{'fieldPath':['at']},{'fieldPath':['city']}]"));
        /* No selection is all fields, and stays so. */
        k.selection = SELECTED(",'selectedFields':[]");
        check(&k, SCHEMA_PROPAGATED, SELECTED(",'selectedFields':[]"));
        /* The last field does not leave: nothing selected would be everything. */
        k = (Case) { STREAMS(ORDERS), STREAMS("{'name':'orders','supported_sync_modes':['full_refresh'],'json_schema':{'properties':{}}}"),
                     STREAMS("{'name':'orders','syncMode':'full_refresh_append','selectedFields':[{'fieldPath':['n']}]}"),
                     NON_BREAKING_PROPAGATE_FULLY };
        check(&k, SCHEMA_PROPAGATED, k.selection);
}

TEST(streams_come_and_go_only_when_everything_is_propagated) {
        Case k = { STREAMS(USERS(BASE)), STREAMS(USERS(BASE) "," ORDERS), SELECTED(""), NON_BREAKING_PROPAGATE_COLUMNS };

        check(&k, SCHEMA_PROPAGATED, SELECTED(""));
        k.policy = NON_BREAKING_PROPAGATE_FULLY;
        check(&k, SCHEMA_PROPAGATED,
              STREAMS("{'name':'users','syncMode':'incremental_deduped_history','cursorField':['at'],'primaryKey':[['id']]},"
                      "{'name':'orders','syncMode':'full_refresh_overwrite','cursorField':[],'primaryKey':[]}"));
        k = (Case) { STREAMS(USERS(BASE) "," ORDERS), STREAMS(ORDERS), STREAMS("{'name':'orders'},{'name':'users'}"),
                     NON_BREAKING_PROPAGATE_FULLY };
        check(&k, SCHEMA_PROPAGATED, STREAMS("{'name':'orders'}"));
        k.policy = NON_BREAKING_PROPAGATE_COLUMNS;
        check(&k, SCHEMA_PROPAGATED, k.selection);
}

TEST(the_last_stream_stays_and_one_takes_the_place_of_another) {
        _cleanup_schema_change_ SchemaChange c = {};
        Case k = { STREAMS(USERS(BASE) "," ORDERS), STREAMS(ORDERS), SELECTED(""), NON_BREAKING_PROPAGATE_FULLY };

        decide(&k, &c);
        assert_int_equal(json_object_array_length(json_member(c.configurations, "streams")), 1);
        assert_false(c.diff.transforms[0].applied);
        k = (Case) { STREAMS(USERS(BASE)), STREAMS(ORDERS), SELECTED(""), NON_BREAKING_PROPAGATE_FULLY };
        check(&k, SCHEMA_PROPAGATED, STREAMS("{'name':'orders','syncMode':'full_refresh_overwrite','cursorField':[],'primaryKey':[]}"));
}

TEST(a_breaking_change_breaks_whatever_the_policy) {
        EACH(policy) {
                check(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS("'id':{'type':'integer'},'name':{'type':'string'}")), SELECTED(""), policy },
                      SCHEMA_BREAKING, NULL);
                /* The source's own cursor, where none is named. */
                check(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS("'id':{'type':'integer'},'name':{'type':'string'}")),
                                STREAMS("{'name':'users','syncMode':'incremental_append'}"), policy },
                      SCHEMA_BREAKING, NULL);
        }
        check(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS("'id':{'type':'integer'},'name':{'type':'string'}")),
                        STREAMS("{'name':'users','syncMode':'full_refresh_overwrite'}"), NON_BREAKING_IGNORE },
              SCHEMA_IGNORED, NULL);
}

TEST(incremental_streams_with_new_fields_are_named_for_a_backfill) {
        _cleanup_schema_change_ SchemaChange c = {}, d = {};
        _cleanup_json_ JsonObject *wanted = parse("[{'name':'users'}]");

        decide(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS(BASE ",'city':{}")), SELECTED(""), NON_BREAKING_PROPAGATE_COLUMNS }, &c);
        assert_true(json_equal(c.backfill, wanted));
        /* Fields that are gone or changed ask for none, and neither does a full refresh. */
        decide(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS("'id':{'type':'integer'},'at':{'type':'string'}")), SELECTED(""),
                         NON_BREAKING_PROPAGATE_COLUMNS }, &d);
        assert_int_equal(d.verdict, SCHEMA_PROPAGATED);
        assert_int_equal(json_object_array_length(d.backfill), 0);
        schema_change_done(&d);
        decide(&(Case) { STREAMS(USERS(BASE)), STREAMS(USERS(BASE ",'city':{}")),
                         STREAMS("{'name':'users','syncMode':'full_refresh_overwrite'}"), NON_BREAKING_PROPAGATE_FULLY }, &d);
        assert_int_equal(json_object_array_length(d.backfill), 0);
}

TEST(a_connection_that_moves_everything_takes_every_change) {
        EACH(policy) {
                check(&(Case) { STREAMS(USERS(BASE)), STREAMS(ORDERS), NULL, policy }, SCHEMA_PROPAGATED, NULL);
                check(&(Case) { STREAMS(USERS(BASE)), STREAMS(ORDERS), STREAMS(""), policy }, SCHEMA_PROPAGATED, NULL);
        }
}

TEST(a_selection_of_another_form_is_refused) {
        static const char *const bad[] = { "{'streams':{}}", "{'streams':[{}]}", "{'streams':[{'name':'users','syncMode':'sideways'}]}",
                                           "{'streams':[{'name':'users','cursorField':[1]}]}" };
        _cleanup_catalog_ Catalog *c = catalog(STREAMS(USERS(BASE)));

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_json_ JsonObject *selection = parse(bad[i]);
                _cleanup_error_ Error *e = NULL;
                _cleanup_schema_change_ SchemaChange change = {};

                ASSERT_ERROR(schema_change_decide(&(SchemaChangeRequest) { c, c, selection, &(ConnectorSpec) {}, 0 }, &change, &e), EINVAL);
                assert_non_null(e);
        }
}
