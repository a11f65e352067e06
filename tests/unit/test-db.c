/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

#include "db/change-store.h"
#include "db/maintenance.h"
#include "db/metadata-store.h"
#include "db/sql.h"
#include "unit/db-harness.h"

static void execute(const char *path, const char *sql) {
        sqlite3 *handle;

        assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
        if (sqlite3_exec(handle, sql, NULL, NULL, NULL) != SQLITE_OK)
                fail_msg("%s: %s", sql, sqlite3_errmsg(handle));
        sqlite3_close(handle);
}

TEST(a_database_that_is_not_there_is_not_made) {
        _cleanup_error_ Error *e = NULL;
        Db *db;

        ASSERT_ERROR(db_open("/tmp/gantry-no-such.db", DB_READ_WRITE, &db, &e), ENOENT);
        assert_non_null(strstr(error_message(e, 0), "gantry-bootloader"));
}

TEST(migrating_twice_changes_nothing) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(db_freep) Db *db = NULL;
        int from = -1, version = -1;

        test_db_make_file(&t);
        ASSERT_OK(db_open(t.path, DB_MIGRATE, &db, NULL));
        ASSERT_OK(db_migrate(db, NOW, &from, NULL));
        assert_int_equal(from, db_schema_known());
        ASSERT_OK(db_schema_version(db, &version, NULL));
        assert_int_equal(version, db_schema_known());
}

TEST(a_newer_and_an_older_schema_are_refused_by_a_sentence_with_both_versions) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_error_ Error *newer = NULL, *older = NULL, *migrating = NULL;
        _cleanup_(db_freep) Db *migrate = NULL;
        Db *db;
        int from;

        test_db_make_file(&t);
        execute(t.path, "INSERT INTO schema_migration VALUES (99, 'future', 1)");
        ASSERT_ERROR(db_open(t.path, DB_READ_WRITE, &db, &newer), EPROTO);
        assert_non_null(strstr(newer->message, "schema 99"));
        assert_non_null(strstr(newer->message, "1"));
        ASSERT_OK(db_open(t.path, DB_MIGRATE, &migrate, NULL));
        ASSERT_ERROR(db_migrate(migrate, NOW, &from, &migrating), EPROTO);
        execute(t.path, "DELETE FROM schema_migration; INSERT INTO schema_migration VALUES (0, 'past', 1)");
        ASSERT_ERROR(db_open(t.path, DB_READ_WRITE, &db, &older), EPROTO);
        assert_non_null(strstr(older->message, "gantry-bootloader"));
}

TEST(a_database_of_something_else_is_left_alone) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(db_freep) Db *db = NULL;
        int from;

        test_db_make_file(&t);
        (void) unlink(t.path);
        execute(t.path, "CREATE TABLE other (a)");
        ASSERT_OK(db_open(t.path, DB_MIGRATE, &db, NULL));
        ASSERT_ERROR(db_migrate(db, NOW, &from, NULL), EINVAL);
}

TEST(a_file_that_is_no_database_is_refused) {
        _cleanup_test_db_ TestDb t = {};
        char garbage[4096];
        Db *db;

        test_db_make_file(&t);
        memset(garbage, 'x', sizeof(garbage));
        ASSERT_OK(write_file_atomic(t.path, garbage, sizeof(garbage), 0600, NULL));
        ASSERT_ERROR(db_open(t.path, DB_READ_WRITE, &db, NULL), EBADMSG);
        ASSERT_ERROR(db_open(t.path, DB_MIGRATE, &db, NULL), EBADMSG);
}

TEST(every_query_fits_the_schema) {
        _cleanup_test_db_ TestDb t = {};
        sqlite3 *handle;

        test_db_make_file(&t);
        assert_int_equal(sqlite3_open(t.path, &handle), SQLITE_OK);
        (void) sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
        for (size_t i = 0; i < _SQL_MAX; i++) {
                sqlite3_stmt *s;

                if (sqlite3_prepare_v2(handle, sql_texts[i], -1, &s, NULL) != SQLITE_OK)
                        fail_msg("%s: %s", sql_texts[i], sqlite3_errmsg(handle));
                /* Parameters have names, and there is one statement. */
                for (int j = 1; j <= sqlite3_bind_parameter_count(s); j++)
                        assert_int_equal(sqlite3_bind_parameter_name(s, j)[0], '$');
                sqlite3_finalize(s);
        }
        sqlite3_close(handle);
}

/* Tables that may be read from end to end: they have a handful of rows. */
static bool is_small(const char *step) {
        static const char *const small[] = { "workspace", "tag", "dataplane", "schema_migration", "CONSTANT ROW" };

        for (size_t i = 0; i < ELEMENTSOF(small); i++)
                if (strncmp(step + strlen("SCAN "), small[i], strlen(small[i])) == 0)
                        return true;
        return false;
}

/* Every search goes through an index, and what is listed page by page is not sorted first. */
TEST(no_query_reads_a_large_table_from_end_to_end) {
        _cleanup_test_db_ TestDb t = {};
        sqlite3 *handle;

        test_db_make_file(&t);
        assert_int_equal(sqlite3_open(t.path, &handle), SQLITE_OK);
        for (size_t i = 0; i < _SQL_MAX; i++) {
                _cleanup_free_ char *sql = NULL;
                sqlite3_stmt *s;

                assert_true(asprintf(&sql, "EXPLAIN QUERY PLAN %s", sql_texts[i]) > 0);
                assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &s, NULL), SQLITE_OK);
                while (sqlite3_step(s) == SQLITE_ROW) {
                        const char *step = (const char *) sqlite3_column_text(s, 3);

                        if (strncmp(step, "SCAN ", 5) == 0 && !is_small(step))
                                fail_msg("%s: %s", sql_texts[i], step);
                }
                sqlite3_finalize(s);
        }
        sqlite3_close(handle);
}

TEST(only_the_owner_can_read_the_files) {
        _cleanup_test_db_ TestDb t = {};
        struct stat st;

        test_db_new(&t);
        assert_int_equal(stat(t.path, &st), 0);
        assert_int_equal(st.st_mode & 077, 0);
}

TEST(what_is_not_committed_is_gone_and_counts_no_change) {
        _cleanup_test_db_ TestDb t = {};
        int64_t before = 0, seq = 0, after = 0;

        test_db_new(&t);
        ASSERT_OK(change_last(t.db, &before, NULL));
        assert_int_equal(db_committed_seq(t.db), before);
        {
                _cleanup_(db_rollbackp) Db *transaction = NULL;

                ASSERT_OK(db_begin_immediate(t.db, &transaction, NULL));
                ASSERT_OK(metadata_set(t.db, "a", "b", NULL));
                ASSERT_OK(change_append(t.db, CHANGE_JOB, "1", NOW, &seq, NULL));
                assert_int_equal(seq, before + 1);
        }
        char *value;
        ASSERT_ERROR(metadata_get(t.db, "a", &value, NULL), ENOENT);
        ASSERT_OK(change_last(t.db, &after, NULL));
        assert_int_equal(after, before);
        assert_int_equal(db_committed_seq(t.db), before);
}

TEST(a_rolled_back_savepoint_leaves_the_rest) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(db_rollbackp) Db *outer = NULL;
        _cleanup_free_ char *a = NULL;
        int64_t seq;
        char *b;

        test_db_new(&t);
        ASSERT_OK(db_begin_immediate(t.db, &outer, NULL));
        ASSERT_OK(metadata_set(t.db, "a", "1", NULL));
        ASSERT_OK(change_append(t.db, CHANGE_JOB, "kept", NOW, &seq, NULL));
        {
                _cleanup_(db_rollbackp) Db *inner = NULL;

                ASSERT_OK(db_begin_immediate(t.db, &inner, NULL));
                ASSERT_OK(metadata_set(t.db, "b", "2", NULL));
                ASSERT_OK(change_append(t.db, CHANGE_JOB, "dropped", NOW, NULL, NULL));
        }
        ASSERT_OK(db_commit(&outer, NULL));
        assert_null(outer);
        ASSERT_OK(metadata_get(t.db, "a", &a, NULL));
        assert_string_equal(a, "1");
        ASSERT_ERROR(metadata_get(t.db, "b", &b, NULL), ENOENT);
        assert_int_equal(db_committed_seq(t.db), seq);
}

TEST(changes_are_listed_in_order_and_forgotten_ones_are_noticed) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(change_array_done) ChangeArray all = {}, some = {};
        int64_t last = 0;

        test_db_new(&t);
        ASSERT_OK(change_list(t.db, 0, 1000, &all, NULL));
        assert_true(all.n >= 7);
        for (size_t i = 0; i < all.n; i++)
                assert_int_equal(all.items[i]->seq, (int64_t) i + 1);
        assert_int_equal(all.items[0]->kind, CHANGE_WORKSPACE);
        assert_string_equal(all.items[0]->id, "w");
        ASSERT_OK(change_last(t.db, &last, NULL));
        /* Pruning never takes the last one. */
        assert_int_equal(change_prune(t.db, NOW + 1, 1000, NULL), last - 1);
        ASSERT_ERROR(change_list(t.db, 0, 1000, &some, NULL), ESTALE);
        ASSERT_OK(change_list(t.db, last - 1, 1000, &some, NULL));
        assert_int_equal(some.n, 1);
        ASSERT_OK(change_append(t.db, CHANGE_JOB, "1", NOW, &last, NULL));
        assert_int_equal(last, some.items[0]->seq + 1);
}

TEST(metadata_says_whether_it_changed) {
        _cleanup_test_db_ TestDb t = {};

        test_db_new(&t);
        assert_int_equal(metadata_set(t.db, "x", "1", NULL), 1);
        assert_int_equal(metadata_set(t.db, "x", "1", NULL), 0);
        assert_int_equal(metadata_set(t.db, "x", "2", NULL), 1);
}

/* T76: what a prepared file brings along doesn't run, nor is a table of ours that isn't one believed. */
TEST(T76_a_view_in_the_place_of_a_table_is_refused) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_free_ char *value = NULL;

        test_db_new(&t);
        ASSERT_OK(metadata_set(t.db, "x", "good", NULL));
        t.db = db_free(t.db);
        execute(t.path, "ALTER TABLE metadata RENAME TO hidden; CREATE VIEW metadata AS "
                        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                        "SELECT 'x' AS name, 'evil' AS value FROM n LIMIT 1");
        if (db_open(t.path, DB_READ_WRITE, &t.db, NULL) >= 0)
                assert_true(metadata_set(t.db, "x", "evil", NULL) < 0);
        t.db = db_free(t.db);
}

/* T76: what a prepared file brings along doesn't run. */
TEST(T76_triggers_and_views_of_a_file_do_not_run) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_free_ char *value = NULL;

        test_db_new(&t);
        t.db = db_free(t.db);
        execute(t.path, "CREATE TRIGGER evil AFTER INSERT ON metadata BEGIN "
                        "UPDATE metadata SET value = 'evil' WHERE name = new.name; END");
        ASSERT_OK(db_open(t.path, DB_READ_WRITE, &t.db, NULL));
        ASSERT_OK(metadata_set(t.db, "x", "good", NULL));
        ASSERT_OK(metadata_get(t.db, "x", &value, NULL));
        assert_string_equal(value, "good");
}

TEST(a_backup_is_whole_and_never_overwrites) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(db_freep) Db *copy = NULL;
        _cleanup_(actor_freep) Actor *a = NULL;
        char path[80];

        test_db_new(&t);
        (void) snprintf(path, sizeof(path), "%s/copy.db", t.directory);
        ASSERT_OK(db_backup(t.db, path, NULL));
        ASSERT_ERROR(db_backup(t.db, path, NULL), EEXIST);
        ASSERT_OK(db_open(path, DB_READ_WRITE, &copy, NULL));
        ASSERT_OK(db_check(copy, NULL));
        ASSERT_OK(actor_store_get(copy, "s", &a, NULL));
}

/* Writes the same number into two rows, one transaction after the other, until it is killed. */
static _noreturn_ void write_pairs(const char *path) {
        Db *db;

        if (db_open(path, DB_READ_WRITE, &db, NULL) < 0)
                _exit(1);
        for (int i = 0;; i++) {
                _cleanup_(db_rollbackp) Db *transaction = NULL;
                char text[256];

                /* Of different lengths, so that pages move. */
                (void) snprintf(text, sizeof(text), "%0*d", 1 + i % 200, i);
                if (db_begin_immediate(db, &transaction, NULL) < 0 || metadata_set(db, "a", text, NULL) < 0 ||
                    change_append(db, CHANGE_TAG, text, NOW, NULL, NULL) < 0 || metadata_set(db, "b", text, NULL) < 0 ||
                    db_commit(&transaction, NULL) < 0)
                        _exit(1);
        }
}

/* What the copy says of the pair, which must be of one moment; the number. */
static int check_copy(const char *path) {
        _cleanup_free_ char *a = NULL, *b = NULL;
        _cleanup_(db_freep) Db *copy = NULL;

        ASSERT_OK(db_open(path, DB_READ_WRITE, &copy, NULL));
        ASSERT_OK(db_check(copy, NULL));
        ASSERT_OK(metadata_get(copy, "a", &a, NULL));
        ASSERT_OK(metadata_get(copy, "b", &b, NULL));
        assert_string_equal(a, b);
        return atoi(a);
}

/* In `make check` some, GANTRY_TEST_FULL=1 a thousand. */
TEST(T78_backups_under_load_are_each_of_one_moment) {
        _cleanup_test_db_ TestDb t = {};
        int n = getenv("GANTRY_TEST_FULL") ? 1000 : 25, last = -1, status = 0;
        char path[80];
        pid_t writer;

        test_db_new(&t);
        ASSERT_OK(metadata_set(t.db, "a", "0", NULL));
        ASSERT_OK(metadata_set(t.db, "b", "0", NULL));
        (void) snprintf(path, sizeof(path), "%s/copy.db", t.directory);
        writer = fork();
        assert_true(writer >= 0);
        if (writer == 0)
                write_pairs(t.path);
        for (int i = 0, seen = 0; i < n; i++) {
                ASSERT_OK(db_backup(t.db, path, NULL));
                seen = check_copy(path);
                assert_true(seen >= last);
                last = seen;
                assert_int_equal(unlink(path), 0);
        }
        /* The writer was at work all the while. */
        assert_int_equal(waitpid(writer, &status, WNOHANG), 0);
        assert_int_equal(kill(writer, SIGKILL), 0);
        assert_int_equal(waitpid(writer, &status, 0), writer);
        assert_true(last > n);
}

TEST(a_damaged_page_is_found) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_free_ char *content = NULL;
        size_t n;

        test_db_new(&t);
        ASSERT_OK(db_check(t.db, NULL));
        t.db = db_free(t.db);
        ASSERT_OK(read_file(t.path, 1 << 24, &content, &n, NULL));
        /* A page in the middle: tables and indexes are all over the file. */
        memset(content + 4096 * 9, 0xee, 4096);
        ASSERT_OK(write_file_atomic(t.path, content, n, 0600, NULL));
        ASSERT_OK(db_open(t.path, DB_READ_WRITE, &t.db, NULL));
        ASSERT_ERROR(db_check(t.db, NULL), EBADMSG);
}

TEST_MAIN()
