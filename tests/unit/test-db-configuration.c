/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/catalog-store.h"
#include "db/secret-store.h"
#include "db/spec-store.h"
#include "db/tag-store.h"
#include "db/state-store.h"
#include "unit/db-harness.h"

#define S(text) ((char *) (text))

static void insert_connection(Db *db, const char *id, const char *workspace, ConnectionStatus status) {
        Connection c = { .id = S(id),
                         .workspace_id = S(workspace),
                         .source_id = S("s"),
                         .destination_id = S("d"),
                         .name = S(id),
                         .status = status };

        ASSERT_OK(connection_store_insert(db, &c, NOW, NULL));
}

static void insert_workspace(Db *db, const char *id) {
        ASSERT_OK(workspace_store_insert(db, &(Workspace) { .id = S(id), .name = S(id) }, NOW, NULL));
}

TEST(a_workspace_is_stored_as_given) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workspace_freep) Workspace *w = NULL;
        Workspace in = { .id = S("w1"),
                         .name = S("N"),
                         .email = S("e"),
                         .data_residency = S("auto"),
                         .notifications = S("{}"),
                         .webhook_configs = S("[]") };

        test_db_new(&t);
        ASSERT_OK(workspace_store_insert(t.db, &in, NOW + 5, NULL));
        ASSERT_OK(workspace_store_get(t.db, "w1", &w, NULL));
        assert_string_equal(w->name, "N");
        assert_string_equal(w->email, "e");
        assert_string_equal(w->notifications, "{}");
        assert_string_equal(w->webhook_configs, "[]");
        assert_int_equal(w->created_at, NOW + 5);
        assert_int_equal(w->updated_at, NOW + 5);
        assert_false(w->tombstone);
        ASSERT_ERROR(workspace_store_insert(t.db, &in, NOW, NULL), EEXIST);
}

TEST(P01_an_unknown_id_is_told_by_name) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_error_ Error *e = NULL;
        Workspace *w;

        test_db_new(&t);
        ASSERT_ERROR(workspace_store_get(t.db, "nope", &w, &e), ENOENT);
        assert_string_equal(e->message, "There is no workspace 'nope'");
        ASSERT_ERROR(
                workspace_store_update(t.db, &(Workspace) { .id = S("nope"), .name = S("x") }, NOW, NULL),
                ENOENT);
}

TEST(a_workspace_in_use_is_not_deleted) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(workspace_array_done) WorkspaceArray live = {}, all = {};
        _cleanup_(workspace_freep) Workspace *first = NULL;

        test_db_new(&t);
        insert_workspace(t.db, "w2");
        ASSERT_ERROR(workspace_store_delete(t.db, "w", NOW, NULL), EBUSY);
        ASSERT_OK(workspace_store_delete(t.db, "w2", NOW, NULL));
        ASSERT_OK(workspace_store_list(t.db, NULL, &live, NULL));
        assert_int_equal(live.n, 1);
        ASSERT_OK(workspace_store_list(t.db, &(ListOptions) { .include_deleted = true }, &all, NULL));
        assert_int_equal(all.n, 2);
        ASSERT_OK(workspace_store_get_default(t.db, &first, NULL));
        assert_string_equal(first->id, "w");
}

TEST(definitions_are_found_by_type_the_workspaces_own_first) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(definition_freep) Definition *own = NULL, *built_in = NULL, *destination = NULL;
        _cleanup_(definition_array_done) DefinitionArray here = {}, elsewhere = {}, custom = {};
        Definition d = { .id = S("custom"),
                         .role = ACTOR_SOURCE,
                         .name = S("C"),
                         .reference = S("pypi:c"),
                         .connector_type = S("x"),
                         .custom = true,
                         .workspace_id = S("w") };

        test_db_new(&t);
        insert_workspace(t.db, "w2");
        ASSERT_OK(definition_store_insert(t.db, &d, NOW, NULL));
        ASSERT_OK(definition_store_get_by_type(t.db, ACTOR_SOURCE, "x", "w", &own, NULL));
        assert_string_equal(own->id, "custom");
        ASSERT_OK(definition_store_get_by_type(t.db, ACTOR_SOURCE, "x", "w2", &built_in, NULL));
        assert_string_equal(built_in->id, "ds");
        ASSERT_OK(definition_store_get_by_type(t.db, ACTOR_DESTINATION, "x", "w", &destination, NULL));
        assert_string_equal(destination->id, "dd");
        ASSERT_ERROR(definition_store_get_by_type(t.db, ACTOR_SOURCE, "y", "w", &own, NULL), ENOENT);
        ASSERT_OK(definition_store_list(
                t.db, &(DefinitionFilter) { .role = ACTOR_SOURCE, .workspace_id = "w" }, NULL, &here, NULL));
        assert_int_equal(here.n, 2);
        ASSERT_OK(definition_store_list(
                t.db, &(DefinitionFilter) { .role = _ACTOR_ROLE_INVALID, .workspace_id = "w2" }, NULL,
                &elsewhere, NULL));
        assert_int_equal(elsewhere.n, 2);
        ASSERT_OK(definition_store_list(
                t.db, &(DefinitionFilter) { .role = _ACTOR_ROLE_INVALID, .custom_only = true }, NULL,
                &custom, NULL));
        assert_int_equal(custom.n, 1);
}

TEST(P11_a_definition_comes_back_as_it_was_updated) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(definition_freep) Definition *d = NULL, *again = NULL;

        test_db_new(&t);
        ASSERT_OK(definition_store_get(t.db, "ds", &d, NULL));
        free(d->docker_image_tag);
        d->docker_image_tag = strdup("2");
        d->network = NETWORK_HOSTS;
        d->allowed_hosts = strdup("[\"a\"]");
        d->manifest_version = 3;
        ASSERT_OK(definition_store_update(t.db, d, NOW + 1, NULL));
        ASSERT_OK(definition_store_set_spec(t.db, "ds", "{\"a\":1}", NOW + 2, NULL));
        ASSERT_OK(definition_store_get(t.db, "ds", &again, NULL));
        assert_string_equal(again->docker_image_tag, "2");
        assert_int_equal(again->network, NETWORK_HOSTS);
        assert_string_equal(again->allowed_hosts, "[\"a\"]");
        assert_int_equal(again->manifest_version, 3);
        assert_string_equal(again->spec, "{\"a\":1}");
        assert_int_equal(again->updated_at, NOW + 2);
        ASSERT_ERROR(definition_store_delete(t.db, "ds", NOW, NULL), EBUSY);
}

TEST(seeding_is_idempotent_and_keeps_what_a_run_has_told) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(definition_freep) Definition *stored = NULL, *newer = NULL;
        Definition d = { .id = S("seed"),
                         .role = ACTOR_SOURCE,
                         .name = S("S"),
                         .reference = S("pypi:s"),
                         .connector_type = S("s"),
                         .docker_image_tag = S("1") };

        test_db_new(&t);
        assert_int_equal(definition_store_seed(t.db, &d, NOW, NULL), 1);
        assert_int_equal(definition_store_seed(t.db, &d, NOW + 1, NULL), 0);
        ASSERT_OK(definition_store_set_spec(t.db, "seed", "{}", NOW, NULL));
        assert_int_equal(definition_store_seed(t.db, &d, NOW + 2, NULL), 0);
        ASSERT_OK(definition_store_get(t.db, "seed", &stored, NULL));
        assert_string_equal(stored->spec, "{}");
        /* Another version has another specification. */
        d.docker_image_tag = S("2");
        assert_int_equal(definition_store_seed(t.db, &d, NOW + 3, NULL), 1);
        ASSERT_OK(definition_store_get(t.db, "seed", &newer, NULL));
        assert_null(newer->spec);
        /* A deleted one comes back, and somebody else's id isn't taken over. */
        ASSERT_OK(definition_store_delete(t.db, "seed", NOW, NULL));
        assert_int_equal(definition_store_seed(t.db, &d, NOW, NULL), 1);
        d.role = ACTOR_DESTINATION;
        ASSERT_ERROR(definition_store_seed(t.db, &d, NOW, NULL), EEXIST);
}

static void assert_pinned(Db *db, const char *pin, const char *tag, const char *spec) {
        _cleanup_(definition_freep) Definition *d = NULL;

        ASSERT_OK(definition_store_get_version(db, "moving", pin, &d, NULL));
        assert_string_equal(d->docker_image_tag, tag);
        if (spec)
                assert_string_equal(d->spec, spec);
        else
                assert_null(d->spec);
}

TEST(T79_what_a_version_wants_outlives_its_definition) {
        static const char *const references[][2] = {
                { "image:localhost:5000/me/x:1", "image:localhost:5000/me/x:2" },
                { "pypi:airbyte-source-moving", "pypi:airbyte-source-moving" },
        };

        for (size_t i = 0; i < ELEMENTSOF(references); i++) {
                Definition d = { .id = S("moving"), .role = ACTOR_SOURCE, .name = S("M"),
                                 .reference = (char *) references[i][0], .connector_type = S("m"),
                                 .docker_image_tag = S("1"), .spec = S("{\"v\":1}") };
                _cleanup_test_db_ TestDb t = {};

                test_db_new(&t);
                ASSERT_OK(definition_store_insert(t.db, &d, NOW, NULL));
                d.reference = (char *) references[i][1];
                d.docker_image_tag = S("2");
                d.spec = NULL;
                ASSERT_OK(definition_store_update(t.db, &d, NOW + 1, NULL));
                assert_pinned(t.db, "1", "1", "{\"v\":1}");
                assert_pinned(t.db, "2", "2", NULL);
                assert_pinned(t.db, NULL, "2", NULL);
                assert_pinned(t.db, "7", "7", NULL);
                /* Back at the first tag: an image may be another one by now, a version of a package is not. */
                d.reference = (char *) references[i][0];
                d.docker_image_tag = S("1");
                ASSERT_OK(definition_store_update(t.db, &d, NOW + 2, NULL));
                assert_pinned(t.db, "1", "1", i == 0 ? NULL : "{\"v\":1}");
        }
}

TEST(T79_a_pinned_version_has_its_own_specification) {
        Definition d = { .id = S("dp"), .role = ACTOR_SOURCE, .name = S("P"), .reference = S("pypi:airbyte-source-x"),
                         .connector_type = S("xp"), .docker_image_tag = S("2"), .spec = S("{\"v\":2}") };
        _cleanup_(definition_freep) Definition *own = NULL, *unknown = NULL, *pinned = NULL, *other = NULL;
        _cleanup_free_ char *spec = NULL;
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        ASSERT_OK(definition_store_insert(t.db, &d, NOW, NULL));
        ASSERT_OK(definition_store_get_version(t.db, "dp", NULL, &own, NULL));
        assert_string_equal(own->spec, "{\"v\":2}");
        /* Nobody has asked that version yet. */
        ASSERT_OK(definition_store_get_version(t.db, "dp", "1", &unknown, NULL));
        assert_string_equal(unknown->docker_image_tag, "1");
        assert_null(unknown->spec);
        ASSERT_ERROR(spec_store_get(t.db, "pypi:airbyte-source-x==1", &spec, NULL), ENOENT);
        ASSERT_OK(spec_store_put(t.db, "pypi:airbyte-source-x==1", "{\"v\":0}", NOW, NULL));
        ASSERT_OK(spec_store_put(t.db, "pypi:airbyte-source-x==1", "{\"v\":1}", NOW + 1, NULL));
        ASSERT_OK(definition_store_get_version(t.db, "dp", "1", &pinned, NULL));
        assert_string_equal(pinned->spec, "{\"v\":1}");
        /* Of what is no package there is one version. */
        ASSERT_OK(definition_store_get_version(t.db, "ds", "9", &other, NULL));
        assert_string_not_equal(strempty(other->docker_image_tag), "9");
}

TEST(P03_an_update_of_what_has_changed_meanwhile_is_refused) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(actor_freep) Actor *a = NULL, *b = NULL, *after = NULL;
        _cleanup_error_ Error *e = NULL;

        test_db_new(&t);
        ASSERT_OK(actor_store_get(t.db, "s", &a, NULL));
        ASSERT_OK(actor_store_get(t.db, "s", &b, NULL));
        assert_int_equal(a->revision, 1);
        free(a->configuration);
        a->configuration = strdup("{\"a\":1}");
        ASSERT_OK(actor_store_update(t.db, a, NOW + 1, NULL));
        ASSERT_ERROR(actor_store_update(t.db, b, NOW + 2, &e), ESTALE);
        assert_string_equal(e->message, "The source 's' was changed by somebody else meanwhile");
        ASSERT_OK(actor_store_get(t.db, "s", &after, NULL));
        assert_string_equal(after->configuration, "{\"a\":1}");
        assert_int_equal(after->revision, 2);
        assert_int_equal(after->updated_at, NOW + 1);
}

TEST(a_check_does_not_stand_in_the_way_of_an_update) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(actor_freep) Actor *a = NULL, *after = NULL;

        test_db_new(&t);
        ASSERT_OK(actor_store_get(t.db, "s", &a, NULL));
        ASSERT_OK(actor_store_set_check(t.db, "s", CHECK_FAILED, "no route", "hash", NOW + 1, NULL));
        ASSERT_OK(actor_store_update(t.db, a, NOW + 2, NULL));
        ASSERT_OK(actor_store_get(t.db, "s", &after, NULL));
        assert_int_equal(after->check_status, CHECK_FAILED);
        assert_string_equal(after->check_message, "no route");
        assert_string_equal(after->check_hash, "hash");
        assert_int_equal(after->check_at, NOW + 1);
        ASSERT_ERROR(actor_store_set_check(t.db, "x", CHECK_FAILED, NULL, NULL, NOW, NULL), ENOENT);
}

TEST(an_actor_is_deleted_with_its_secrets_once_nothing_uses_it) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(actor_freep) Actor *a = NULL;
        _cleanup_(actor_array_done) ActorArray live = {}, all = {};
        Secret secret = { .id = S("x"), .owner_id = S("s"), .sealed = { S("abc"), 3 } }, *none;

        test_db_new(&t);
        ASSERT_OK(secret_store_put(t.db, &secret, NOW, NULL));
        ASSERT_ERROR(actor_store_delete(t.db, "s", NOW, NULL), EBUSY);
        ASSERT_OK(connection_store_delete(t.db, "c", NOW, NULL));
        ASSERT_OK(actor_store_delete(t.db, "s", NOW, NULL));
        ASSERT_OK(actor_store_delete(t.db, "s", NOW, NULL));
        ASSERT_ERROR(actor_store_delete(t.db, "no", NOW, NULL), ENOENT);
        ASSERT_ERROR(secret_store_get(t.db, "x", &none, NULL), ENOENT);
        ASSERT_OK(actor_store_get(t.db, "s", &a, NULL));
        assert_true(a->tombstone);
        assert_string_equal(a->configuration, "{}");
        ASSERT_ERROR(actor_store_update(t.db, a, NOW, NULL), ENOENT);
        ASSERT_OK(actor_store_list(t.db, &(ActorFilter) { .role = ACTOR_SOURCE }, NULL, &live, NULL));
        assert_int_equal(live.n, 0);
        ASSERT_OK(actor_store_list(t.db, &(ActorFilter) { .role = ACTOR_SOURCE },
                                   &(ListOptions) { .include_deleted = true }, &all, NULL));
        assert_int_equal(all.n, 1);
}

TEST(actors_are_listed_by_every_filter) {
        _cleanup_test_db_ TestDb t = {};
        const struct {
                ActorFilter filter;
                size_t n;
        } cases[] = {
                { { .role = ACTOR_SOURCE }, 2 },
                { { .role = ACTOR_DESTINATION }, 1 },
                { { .role = _ACTOR_ROLE_INVALID }, 3 },
                { { .role = ACTOR_SOURCE, .name = "Second" }, 1 },
                { { .role = _ACTOR_ROLE_INVALID, .name = "Second" }, 1 },
                { { .role = _ACTOR_ROLE_INVALID, .definition_id = "ds" }, 2 },
                { { .role = ACTOR_SOURCE, .definition_id = "dd" }, 0 },
                { { .role = ACTOR_SOURCE, .workspace_ids = (char *[]) { S("w"), NULL } }, 1 },
                { { .role = ACTOR_SOURCE, .workspace_ids = (char *[]) { S("w2"), NULL } }, 1 },
                { { .role = ACTOR_SOURCE, .workspace_ids = (char *[]) { S("w2"), S("w"), NULL } }, 2 },
                { { .role = ACTOR_SOURCE, .workspace_ids = (char *[]) { S("none"), NULL } }, 0 },
                { { .role = ACTOR_SOURCE, .workspace_ids = (char *[]) { NULL } }, 2 },
        };
        Actor a = { .id = S("s2"),
                    .workspace_id = S("w2"),
                    .definition_id = S("ds"),
                    .role = ACTOR_SOURCE,
                    .name = S("Second"),
                    .configuration = S("{}") };

        test_db_new(&t);
        insert_workspace(t.db, "w2");
        ASSERT_OK(actor_store_insert(t.db, &a, NOW, NULL));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(actor_array_done) ActorArray found = {};

                ASSERT_OK(actor_store_list(t.db, &cases[i].filter, NULL, &found, NULL));
                if (found.n != cases[i].n)
                        fail_msg("case %zu: %zu rows", i, found.n);
        }
}

TEST(an_actor_of_nothing_is_refused) {
        _cleanup_test_db_ TestDb t = {};
        Actor a = { .id = S("a"),
                    .workspace_id = S("w"),
                    .definition_id = S("none"),
                    .name = S("A"),
                    .configuration = S("{}") };

        test_db_new(&t);
        ASSERT_ERROR(actor_store_insert(t.db, &a, NOW, NULL), ENOENT);
}

TEST(a_connection_is_stored_as_given_with_its_catalog) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_freep) Connection *c = NULL;
        Connection in = { .id = S("c1"),
                          .workspace_id = S("w"),
                          .source_id = S("s"),
                          .destination_id = S("d"),
                          .name = S("N"),
                          .status = CONNECTION_INACTIVE,
                          .status_reason = S("why"),
                          .schedule_type = SCHEDULE_CRON,
                          .schedule_data = S("{\"cronExpression\":\"0 0 * * * ?\"}"),
                          .namespace_definition = NAMESPACE_CUSTOM_FORMAT,
                          .namespace_format = S("x_${SOURCE_NAMESPACE}"),
                          .prefix = S("p_"),
                          .catalog = S("{\"streams\":[{\"name\":\"ä\"}]}"),
                          .non_breaking_preference = NON_BREAKING_PROPAGATE_FULLY,
                          .backfill = true,
                          .resource_allocation = S("{}"),
                          .data_residency = S("auto"),
                          .notify_schema_changes = true,
                          .notify_schema_changes_by_email = true,
                          .breaking_change = true,
                          .next_run = NOW + 9 };

        test_db_new(&t);
        ASSERT_OK(connection_store_insert(t.db, &in, NOW, NULL));
        ASSERT_OK(connection_store_get(t.db, "c1", &c, NULL));
        assert_string_equal(c->catalog, in.catalog);
        assert_int_equal(strlen(c->catalog_hash), CATALOG_HASH_MAX - 1);
        assert_string_equal(c->status_reason, "why");
        assert_int_equal(c->schedule_type, SCHEDULE_CRON);
        assert_string_equal(c->schedule_data, in.schedule_data);
        assert_int_equal(c->namespace_definition, NAMESPACE_CUSTOM_FORMAT);
        assert_string_equal(c->namespace_format, in.namespace_format);
        assert_string_equal(c->prefix, "p_");
        assert_int_equal(c->non_breaking_preference, NON_BREAKING_PROPAGATE_FULLY);
        assert_true(c->backfill && c->notify_schema_changes && c->notify_schema_changes_by_email &&
                    c->breaking_change);
        assert_int_equal(c->next_run, NOW + 9);
        assert_int_equal(c->status, CONNECTION_INACTIVE);
        assert_int_equal(c->revision, 1);
}

TEST(an_update_without_a_catalog_keeps_it) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_freep) Connection *c = NULL, *after = NULL, *last = NULL;

        test_db_new(&t);
        ASSERT_OK(connection_store_get(t.db, "c", &c, NULL));
        free(c->catalog);
        c->catalog = NULL;
        c->status = CONNECTION_LOCKED;
        ASSERT_OK(connection_store_update(t.db, c, NOW + 1, NULL));
        ASSERT_OK(connection_store_get(t.db, "c", &after, NULL));
        assert_string_equal(after->catalog, "{\"streams\":[]}");
        assert_int_equal(after->status, CONNECTION_LOCKED);
        ASSERT_ERROR(connection_store_update(t.db, c, NOW + 2, NULL), ESTALE);
        free(after->catalog);
        after->catalog = strdup("{\"streams\":[1]}");
        ASSERT_OK(connection_store_update(t.db, after, NOW + 3, NULL));
        ASSERT_OK(connection_store_get(t.db, "c", &last, NULL));
        assert_string_equal(last->catalog, "{\"streams\":[1]}");
}

TEST(a_newer_catalog_of_the_source_raises_no_revision_and_is_not_undone) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_freep) Connection *c = NULL, *after = NULL, *last = NULL;
        const CatalogFetch f = { .id = S("f"), .actor_id = S("s") };
        char hash[CATALOG_HASH_MAX];
        int64_t seq;

        test_db_new(&t);
        ASSERT_OK(catalog_fetch_store_insert(t.db, &f, "{}", 2, NOW, hash, NULL));
        ASSERT_OK(connection_store_get(t.db, "c", &c, NULL));
        seq = db_committed_seq(t.db);
        ASSERT_OK(connection_store_set_source_catalog(t.db, "c", "f", NOW + 1, NULL));
        assert_int_equal(db_committed_seq(t.db), seq + 1);
        ASSERT_OK(connection_store_get(t.db, "c", &after, NULL));
        assert_string_equal(after->source_catalog_id, "f");
        assert_int_equal(after->revision, c->revision);
        /* Who read it before and sets something else. */
        free(c->name);
        c->name = strdup("Another name");
        ASSERT_OK(connection_store_update(t.db, c, NOW + 2, NULL));
        ASSERT_OK(connection_store_get(t.db, "c", &last, NULL));
        assert_string_equal(last->source_catalog_id, "f");
        assert_string_equal(last->name, "Another name");
        ASSERT_ERROR(connection_store_set_source_catalog(t.db, "none", "f", NOW, NULL), ENOENT);
        ASSERT_ERROR(connection_store_set_source_catalog(t.db, "c", "none", NOW, NULL), ENOENT);
}

TEST(P07_deleting_a_connection_twice_is_no_error) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_free_ char *states = NULL;
        static const char legacy[] = "[{\"type\":\"LEGACY\",\"data\":{}}]";

        test_db_new(&t);
        ASSERT_OK(state_store_set(t.db, "c", legacy, strlen(legacy), NOW, NULL));
        ASSERT_OK(connection_store_delete(t.db, "c", NOW + 1, NULL));
        ASSERT_OK(connection_store_delete(t.db, "c", NOW + 2, NULL));
        ASSERT_ERROR(connection_store_delete(t.db, "none", NOW, NULL), ENOENT);
        ASSERT_OK(connection_store_get(t.db, "c", &c, NULL));
        assert_int_equal(c->status, CONNECTION_DEPRECATED);
        assert_int_equal(c->updated_at, NOW + 1);
        ASSERT_OK(state_store_get(t.db, "c", &states, NULL, NULL));
        assert_string_equal(states, "[]");
        ASSERT_ERROR(connection_store_update(t.db, c, NOW, NULL), ENOENT);
}

TEST(what_is_due_comes_in_order_and_only_when_active) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_array_done) ConnectionArray due = {}, any = {};

        test_db_new(&t);
        insert_connection(t.db, "c1", "w", CONNECTION_ACTIVE);
        insert_connection(t.db, "c2", "w", CONNECTION_INACTIVE);
        insert_connection(t.db, "c3", "w", CONNECTION_ACTIVE);
        ASSERT_OK(connection_store_set_next_run(t.db, "c1", NOW + 10, NULL));
        ASSERT_OK(connection_store_set_next_run(t.db, "c2", NOW, NULL));
        ASSERT_OK(connection_store_set_next_run(t.db, "c3", NOW + 5, NULL));
        ASSERT_ERROR(connection_store_set_next_run(t.db, "none", NOW, NULL), ENOENT);
        ASSERT_OK(connection_store_list_due(t.db, NOW + 5, 10, &due, NULL));
        assert_int_equal(due.n, 1);
        assert_string_equal(due.items[0]->id, "c3");
        ASSERT_OK(connection_store_list_due(t.db, USEC_INFINITY, 10, &any, NULL));
        assert_int_equal(any.n, 2);
        assert_string_equal(any.items[1]->id, "c1");
        ASSERT_OK(connection_store_set_next_run(t.db, "c1", 0, NULL));
        connection_array_done(&any);
        ASSERT_OK(connection_store_list_due(t.db, USEC_INFINITY, 10, &any, NULL));
        assert_int_equal(any.n, 1);
}

static void expect_ids(Db *db, const ConnectionFilter *filter, const ListOptions *options, const char *ids) {
        _cleanup_(connection_array_done) ConnectionArray found = {};
        char text[256] = "";

        ASSERT_OK(connection_store_list(db, filter, options, &found, NULL));
        for (size_t i = 0; i < found.n; i++)
                (void) snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", found.items[i]->id);
        assert_string_equal(text, ids);
}

TEST(connections_are_listed_by_every_filter_and_page) {
        _cleanup_test_db_ TestDb t = {};
        const ConnectionStatus any = _CONNECTION_STATUS_INVALID;
        char *two[] = { S("w"), S("w2"), NULL }, *second[] = { S("w2"), NULL };
        char *tag[] = { S("t1"), NULL }, *tags[] = { S("t1"), S("t2"), NULL };

        test_db_new(&t);
        insert_workspace(t.db, "w2");
        insert_connection(t.db, "c1", "w2", CONNECTION_ACTIVE);
        insert_connection(t.db, "c2", "w", CONNECTION_INACTIVE);
        insert_connection(t.db, "c3", "w2", CONNECTION_ACTIVE);
        insert_connection(t.db, "c4", "w", CONNECTION_ACTIVE);
        ASSERT_OK(connection_store_delete(t.db, "c4", NOW, NULL));
        ASSERT_OK(tag_store_insert(t.db, &(Tag) { S("t1"), S("w2"), S("a"), S("ffffff") }, NOW, NULL));
        ASSERT_OK(tag_store_insert(t.db, &(Tag) { S("t2"), S("w2"), S("b"), S("000000") }, NOW, NULL));
        ASSERT_OK(tag_store_set_of_connection(t.db, "c1", tags, NOW, NULL));
        ASSERT_OK(tag_store_set_of_connection(t.db, "c3", tags + 1, NOW, NULL));

        expect_ids(t.db, &(ConnectionFilter) { .status = any }, NULL, "c c1 c2 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any }, &(ListOptions) { .include_deleted = true },
                   "c c1 c2 c3 c4 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .workspace_ids = second }, NULL, "c1 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .workspace_ids = two }, NULL, "c c1 c2 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .workspace_ids = two },
                   &(ListOptions) { .limit = 2, .offset = 1 }, "c1 c2 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .workspace_ids = two },
                   &(ListOptions) { .limit = 2, .offset = 9 }, "");
        expect_ids(t.db, &(ConnectionFilter) { .status = any }, &(ListOptions) { .limit = 2, .offset = 1 },
                   "c1 c2 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any }, &(ListOptions) { .limit = 2, .after = "c2" },
                   "c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = CONNECTION_INACTIVE }, NULL, "c2 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = CONNECTION_DEPRECATED }, NULL, "c4 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .actor_id = "d" }, NULL, "c c1 c2 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .actor_id = "s", .workspace_ids = second },
                   NULL, "c1 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .tag_ids = tag }, NULL, "c1 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .tag_ids = tags }, NULL, "c1 c3 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .tag_ids = tags },
                   &(ListOptions) { .limit = 1 }, "c1 ");
        expect_ids(t.db, &(ConnectionFilter) { .status = any, .tag_ids = tags },
                   &(ListOptions) { .limit = 1, .offset = 1 }, "c3 ");
}

TEST(a_list_fills_catalogs_when_asked) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(connection_array_done) ConnectionArray with = {}, without = {};

        test_db_new(&t);
        ASSERT_OK(connection_store_list(
                t.db, &(ConnectionFilter) { .status = _CONNECTION_STATUS_INVALID, .with_catalog = true },
                NULL, &with, NULL));
        assert_string_equal(with.items[0]->catalog, "{\"streams\":[]}");
        ASSERT_OK(connection_store_list(t.db, &(ConnectionFilter) { .status = _CONNECTION_STATUS_INVALID },
                                        NULL, &without, NULL));
        assert_null(without.items[0]->catalog);
        assert_non_null(without.items[0]->catalog_hash);
}

TEST(tags_belong_to_one_workspace) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(tag_array_done) TagArray here = {}, all = {}, none = {};
        char *wrong[] = { S("t1"), S("t2"), NULL }, *twice[] = { S("t1"), S("t1"), NULL };

        test_db_new(&t);
        insert_workspace(t.db, "w2");
        ASSERT_OK(tag_store_insert(t.db, &(Tag) { S("t1"), S("w"), S("a"), S("ffffff") }, NOW, NULL));
        ASSERT_OK(tag_store_insert(t.db, &(Tag) { S("t2"), S("w2"), S("a"), S("000000") }, NOW, NULL));
        ASSERT_ERROR(tag_store_insert(t.db, &(Tag) { S("t3"), S("w"), S("a"), S("000000") }, NOW, NULL),
                     EEXIST);
        ASSERT_OK(tag_store_set_of_connection(t.db, "c", twice, NOW, NULL));
        /* Refused as a whole: what was set stays. */
        ASSERT_ERROR(tag_store_set_of_connection(t.db, "c", wrong, NOW, NULL), EINVAL);
        ASSERT_OK(tag_store_list_of_connection(t.db, "c", &here, NULL));
        assert_int_equal(here.n, 1);
        assert_string_equal(here.items[0]->color, "ffffff");
        ASSERT_OK(tag_store_list(t.db, NULL, &all, NULL));
        assert_int_equal(all.n, 2);
        ASSERT_OK(tag_store_update(t.db, &(Tag) { S("t1"), S("w"), S("b"), S("123456") }, NOW, NULL));
        ASSERT_OK(tag_store_delete(t.db, "t1", NOW, NULL));
        ASSERT_ERROR(tag_store_delete(t.db, "t1", NOW, NULL), ENOENT);
        ASSERT_OK(tag_store_list_of_connection(t.db, "c", &none, NULL));
        assert_int_equal(none.n, 0);
}

TEST(equal_catalogs_are_stored_once) {
        _cleanup_test_db_ TestDb t = {};
        char a[CATALOG_HASH_MAX], b[CATALOG_HASH_MAX], c[CATALOG_HASH_MAX];
        _cleanup_free_ char *text = NULL;
        size_t n;

        test_db_new(&t);
        ASSERT_OK(catalog_store_put(t.db, "{\"a\":1}", 7, NOW, a, NULL));
        ASSERT_OK(catalog_store_put(t.db, "{\"a\":1}", 7, NOW, b, NULL));
        ASSERT_OK(catalog_store_put(t.db, "{\"a\":2}", 7, NOW, c, NULL));
        assert_string_equal(a, b);
        assert_string_not_equal(a, c);
        ASSERT_OK(catalog_store_get(t.db, a, &text, &n, NULL));
        assert_int_equal(n, 7);
        assert_string_equal(text, "{\"a\":1}");
}

TEST(the_latest_discover_is_found_by_what_it_was_made_with) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(catalog_fetch_freep) CatalogFetch *any = NULL, *one = NULL, *by_id = NULL;
        char hash[CATALOG_HASH_MAX], *text = NULL;
        CatalogFetch f = { .id = S("f1"),
                           .actor_id = S("s"),
                           .config_hash = S("h1"),
                           .connector_version = S("1") },
                     *none;

        test_db_new(&t);
        ASSERT_ERROR(catalog_fetch_store_latest(t.db, "s", NULL, NULL, &none, NULL), ENOENT);
        ASSERT_OK(catalog_fetch_store_insert(t.db, &f, "{}", 2, NOW, hash, NULL));
        f.id = S("f2");
        f.config_hash = S("h2");
        ASSERT_OK(catalog_fetch_store_insert(t.db, &f, "{}", 2, NOW + 1, hash, NULL));
        ASSERT_OK(catalog_fetch_store_latest(t.db, "s", NULL, NULL, &any, NULL));
        assert_string_equal(any->id, "f2");
        ASSERT_OK(catalog_fetch_store_latest(t.db, "s", "h1", "1", &one, NULL));
        assert_string_equal(one->id, "f1");
        ASSERT_ERROR(catalog_fetch_store_latest(t.db, "s", "h1", "2", &none, NULL), ENOENT);
        ASSERT_OK(catalog_fetch_store_get(t.db, "f1", &by_id, NULL));
        assert_string_equal(by_id->catalog_hash, hash);
        /* Of a source that is gone there is no catalog either. */
        f.id = S("f3");
        f.actor_id = S("none");
        ASSERT_ERROR(catalog_fetch_store_insert(t.db, &f, "{\"new\":1}", 9, NOW, hash, NULL), ENOENT);
        (void) catalog_store_hash("{\"new\":1}", 9, hash);
        ASSERT_ERROR(catalog_store_get(t.db, hash, &text, NULL, NULL), ENOENT);
}

TEST_MAIN()
