/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/application-store.h"
#include "db/permission-store.h"
#include "db/secret-store.h"
#include "db/session-store.h"
#include "unit/db-harness.h"

#define S(text) ((char *) (text))

static int put(Db *db, const char *id, const char *owner, const char *value) {
        Secret s = { .id = S(id),
                     .workspace_id = S("w"),
                     .owner_id = S(owner),
                     .sealed = { S(value), strlen(value) } };

        return secret_store_put(db, &s, NOW, NULL);
}

TEST(a_secret_is_replaced_by_its_owner_only) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(secret_freep) Secret *s = NULL;

        test_db_new(&t);
        ASSERT_OK(put(t.db, "x", "s", "one"));
        ASSERT_OK(put(t.db, "x", "s", "two"));
        ASSERT_ERROR(put(t.db, "x", "d", "three"), EEXIST);
        ASSERT_OK(secret_store_get(t.db, "x", &s, NULL));
        assert_int_equal(s->sealed.n, 3);
        assert_memory_equal(s->sealed.p, "two", 3);
        assert_string_equal(s->owner_id, "s");
}

TEST(T77_resealing_loses_no_change) {
        _cleanup_test_db_ TestDb t = {};
        Blob old = { S("one"), 3 }, new = { S("two"), 3 };

        test_db_new(&t);
        ASSERT_OK(put(t.db, "x", "s", "one"));
        ASSERT_OK(secret_store_reseal(t.db, "x", &old, &new, NOW, NULL));
        ASSERT_ERROR(secret_store_reseal(t.db, "x", &old, &new, NOW, NULL), ESTALE);
}

TEST(secrets_that_are_not_kept_go) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(secret_array_done) SecretArray left = {}, page = {};
        char *keep[] = { S("b"), NULL };

        test_db_new(&t);
        ASSERT_OK(put(t.db, "a", "s", "1"));
        ASSERT_OK(put(t.db, "b", "s", "2"));
        ASSERT_OK(put(t.db, "c", "d", "3"));
        ASSERT_OK(secret_store_list(t.db, &(ListOptions) { .after = "a" }, &page, NULL));
        assert_int_equal(page.n, 2);
        assert_int_equal(secret_store_delete_of_owner(t.db, "s", keep, NULL), 1);
        ASSERT_OK(secret_store_list_of_owner(t.db, "s", &left, NULL));
        assert_int_equal(left.n, 1);
        assert_string_equal(left.items[0]->id, "b");
        assert_int_equal(secret_store_delete_of_owner(t.db, "s", NULL, NULL), 1);
        ASSERT_OK(secret_store_delete(t.db, "c", NULL));
        ASSERT_OK(secret_store_delete(t.db, "c", NULL));
}

TEST(T73_a_deleted_secret_leaves_no_bytes_in_the_file) {
        _cleanup_test_db_ TestDb t = {};
        static const char planted[] = "PLANTED-VALUE-73";
        _cleanup_free_ char *before = NULL, *after = NULL;
        size_t n;

        test_db_new(&t);
        ASSERT_OK(put(t.db, "x", "s", planted));
        t.db = db_free(t.db); /* the log goes into the file */
        ASSERT_OK(read_file(t.path, 1 << 24, &before, &n, NULL));
        assert_non_null(memmem(before, n, planted, strlen(planted)));
        ASSERT_OK(db_open(t.path, DB_READ_WRITE, &t.db, NULL));
        ASSERT_OK(secret_store_delete(t.db, "x", NULL));
        t.db = db_free(t.db);
        ASSERT_OK(read_file(t.path, 1 << 24, &after, &n, NULL));
        assert_null(memmem(after, n, planted, strlen(planted)));
}

TEST(an_application_goes_with_what_it_could_do) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(application_freep) Application *a = NULL;
        _cleanup_(permission_array_done) PermissionArray none = {};
        Application in = { .id = S("a"),
                           .name = S("N"),
                           .client_id = S("client"),
                           .secret_hash = { S("hash"), 4 },
                           .sealed_secret = { S("sealed"), 6 } };
        Blob token = { S("token"), 5 };
        Session session = { .token_hash = token,
                            .principal_kind = PRINCIPAL_APPLICATION,
                            .principal_id = S("a"),
                            .expires_at = NOW + 10 },
                *no_session;

        test_db_new(&t);
        ASSERT_OK(application_store_insert(t.db, &in, NOW, NULL));
        ASSERT_OK(application_store_get_by_client_id(t.db, "client", &a, NULL));
        assert_string_equal(a->id, "a");
        assert_memory_equal(a->sealed_secret.p, "sealed", 6);
        assert_memory_equal(a->secret_hash.p, "hash", 4);
        in.id = S("b");
        ASSERT_ERROR(application_store_insert(t.db, &in, NOW, NULL), EEXIST);
        ASSERT_OK(permission_store_insert(t.db, &(Permission) { .id = S("p"), .principal_id = S("a") }, NOW,
                                          NULL));
        ASSERT_OK(session_store_insert(t.db, &session, NOW, NULL));
        ASSERT_OK(application_store_delete(t.db, "a", NOW, NULL));
        ASSERT_ERROR(application_store_delete(t.db, "a", NOW, NULL), ENOENT);
        ASSERT_OK(permission_store_list_of(t.db, PRINCIPAL_APPLICATION, "a", &none, NULL));
        assert_int_equal(none.n, 0);
        ASSERT_ERROR(session_store_get(t.db, &token, NOW, &no_session, NULL), ENOENT);
}

TEST(the_highest_role_counts) {
        _cleanup_test_db_ TestDb t = {};
        Permission p[] = {
                { .id = S("1"),
                  .principal_kind = PRINCIPAL_UID,
                  .principal_id = S("1000"),
                  .role = ROLE_READER },
                { .id = S("2"),
                  .principal_kind = PRINCIPAL_UID,
                  .principal_id = S("1000"),
                  .role = ROLE_EDITOR,
                  .workspace_id = S("w") },
        };
        _cleanup_(permission_array_done) PermissionArray all = {};
        _cleanup_(permission_freep) Permission *one = NULL;
        Role role;

        test_db_new(&t);
        for (size_t i = 0; i < ELEMENTSOF(p); i++)
                ASSERT_OK(permission_store_insert(t.db, &p[i], NOW, NULL));
        /* One role each, on the instance and on a workspace. */
        p[0].id = S("3");
        ASSERT_ERROR(permission_store_insert(t.db, &p[0], NOW, NULL), EEXIST);
        p[1].id = S("4");
        ASSERT_ERROR(permission_store_insert(t.db, &p[1], NOW, NULL), EEXIST);
        ASSERT_OK(permission_store_role(t.db, PRINCIPAL_UID, "1000", "w", &role, NULL));
        assert_int_equal(role, ROLE_EDITOR);
        ASSERT_OK(permission_store_role(t.db, PRINCIPAL_UID, "1000", "other", &role, NULL));
        assert_int_equal(role, ROLE_READER);
        ASSERT_OK(permission_store_role(t.db, PRINCIPAL_UID, "1000", NULL, &role, NULL));
        assert_int_equal(role, ROLE_READER);
        ASSERT_OK(permission_store_role(t.db, PRINCIPAL_APPLICATION, "1000", "w", &role, NULL));
        assert_int_equal(role, _ROLE_INVALID);
        ASSERT_OK(permission_store_set_role(t.db, "1", ROLE_ADMIN, NOW, NULL));
        ASSERT_OK(permission_store_role(t.db, PRINCIPAL_UID, "1000", "w", &role, NULL));
        assert_int_equal(role, ROLE_ADMIN);
        ASSERT_OK(permission_store_get(t.db, "1", &one, NULL));
        assert_int_equal(one->role, ROLE_ADMIN);
        ASSERT_OK(permission_store_list(t.db, NULL, &all, NULL));
        assert_int_equal(all.n, 2);
        ASSERT_OK(permission_store_delete(t.db, "1", NOW, NULL));
        ASSERT_ERROR(permission_store_delete(t.db, "1", NOW, NULL), ENOENT);
}

TEST(T50_a_session_ends_when_it_should) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(session_freep) Session *got = NULL, *extended = NULL;
        Blob token = { S("token"), 5 }, other = { S("other"), 5 };
        Session s = { .token_hash = token,
                      .kind = SESSION_COOKIE,
                      .principal_kind = PRINCIPAL_UID,
                      .principal_id = S("0"),
                      .expires_at = NOW + 10 },
                *none;

        test_db_new(&t);
        ASSERT_OK(session_store_insert(t.db, &s, NOW, NULL));
        ASSERT_OK(session_store_get(t.db, &token, NOW + 9, &got, NULL));
        assert_string_equal(got->principal_id, "0");
        assert_int_equal(got->created_at, NOW);
        ASSERT_ERROR(session_store_get(t.db, &other, NOW, &none, NULL), ENOENT);
        ASSERT_ERROR(session_store_get(t.db, &token, NOW + 10, &none, NULL), ENOENT);
        ASSERT_OK(session_store_extend(t.db, &token, NOW + 20, NULL));
        ASSERT_OK(session_store_get(t.db, &token, NOW + 10, &extended, NULL));
        assert_int_equal(session_store_prune(t.db, NOW + 19, 10, NULL), 0);
        assert_int_equal(session_store_prune(t.db, NOW + 20, 10, NULL), 1);
        ASSERT_ERROR(session_store_extend(t.db, &token, NOW + 30, NULL), ENOENT);
        ASSERT_OK(session_store_insert(t.db, &s, NOW, NULL));
        ASSERT_OK(session_store_delete(t.db, &other, NULL));
        ASSERT_OK(session_store_delete(t.db, &token, NULL));
        ASSERT_ERROR(session_store_get(t.db, &token, NOW, &none, NULL), ENOENT);
        ASSERT_OK(session_store_insert(t.db, &s, NOW, NULL));
        ASSERT_OK(session_store_delete_of(t.db, PRINCIPAL_UID, "0", NULL));
        ASSERT_ERROR(session_store_get(t.db, &token, NOW, &none, NULL), ENOENT);
}

TEST(a_link_is_good_once) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(session_freep) Session *got = NULL;
        Blob token = { S("token"), 5 };
        Session s = { .token_hash = token,
                      .kind = SESSION_LINK,
                      .principal_kind = PRINCIPAL_UID,
                      .principal_id = S("0"),
                      .expires_at = NOW + 10 },
                *none;

        test_db_new(&t);
        ASSERT_OK(session_store_insert(t.db, &s, NOW, NULL));
        ASSERT_OK(session_store_take(t.db, &token, NOW, &got, NULL));
        assert_int_equal(got->kind, SESSION_LINK);
        ASSERT_ERROR(session_store_take(t.db, &token, NOW, &none, NULL), ENOENT);
}

TEST_MAIN()
