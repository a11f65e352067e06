/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sqlite3.h>

#include "db/attempt-store.h"
#include "db/catalog-store.h"
#include "db/job-store.h"
#include "db/maintenance.h"
#include "db/prune-store.h"
#include "unit/db-harness.h"

#define S(text) ((char *) (text))

static int64_t make_job(Db *db, JobStatus status, usec_t now) {
        Job j = { .connection_id = S("c"), .type = JOB_SYNC, .config = S("{}") };

        ASSERT_OK(job_store_create(db, &j, now, NULL));
        if (status == JOB_PENDING)
                return j.id;
        ASSERT_OK(job_store_set_status(db, j.id, JOB_RUNNING, NULL, now, NULL));
        if (status != JOB_RUNNING)
                ASSERT_OK(job_store_set_status(db, j.id, status, NULL, now, NULL));
        return j.id;
}

/* A job with one attempt and `n` streams called s0, s1, … */
static int64_t make_job_with_streams(Db *db, unsigned n, usec_t now) {
        Job j = { .connection_id = S("c"), .type = JOB_SYNC, .config = S("{}") };
        int number;

        ASSERT_OK(job_store_create(db, &j, now, NULL));
        ASSERT_OK(job_store_set_status(db, j.id, JOB_RUNNING, NULL, now, NULL));
        ASSERT_OK(attempt_store_create(db, j.id, now, &number, NULL));
        for (unsigned i = 0; i < n; i++) {
                char name[16];
                StreamStats s = { .job_id = j.id, .attempt = number, .stream_name = name };

                (void) snprintf(name, sizeof(name), "s%u", i);
                ASSERT_OK(stream_stats_store_set(db, &s, 1, now, NULL));
        }
        ASSERT_OK(attempt_store_finish(db, &(Attempt) { .job_id = j.id, .number = number,
                                                        .status = ATTEMPT_SUCCEEDED }, now, NULL));
        ASSERT_OK(job_store_set_status(db, j.id, JOB_SUCCEEDED, NULL, now, NULL));
        return j.id;
}

static void expect_candidates(Db *db, usec_t before, const char *expected) {
        _cleanup_(job_array_done) JobArray jobs = {};
        char text[128] = "";
        size_t n = 0;

        ASSERT_OK(prune_list_jobs(db, before, &(PruneCursor) {}, 100, &jobs, NULL));
        for (size_t i = 0; i < jobs.n; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, "%d ", (int) jobs.items[i]->id);
        assert_string_equal(text, expected);
}

TEST(O06_the_newest_job_and_the_last_success_stay) {
        _cleanup_test_db_ TestDb t = {};
        JobStreak streak;

        test_db_new(&t);
        (void) make_job(t.db, JOB_SUCCEEDED, NOW);     /* 1 */
        (void) make_job(t.db, JOB_FAILED, NOW + 1);    /* 2 */
        (void) make_job(t.db, JOB_SUCCEEDED, NOW + 2); /* 3: the last success */
        (void) make_job(t.db, JOB_CANCELLED, NOW + 3); /* 4 */
        (void) make_job(t.db, JOB_FAILED, NOW + 4);    /* 5: the newest */
        expect_candidates(t.db, NOW + 2, "1 2 ");
        expect_candidates(t.db, NOW + 1000, "1 2 4 ");
        assert_int_equal(prune_job(t.db, 3, 10, NULL), 0);
        assert_int_equal(prune_job(t.db, 5, 10, NULL), 0);
        assert_int_equal(prune_job(t.db, 99, 10, NULL), 0);
        assert_int_equal(prune_job(t.db, 1, 10, NULL), 1);
        expect_candidates(t.db, NOW + 1000, "2 4 ");
        /* What turns a failing connection off reads the same as before. */
        ASSERT_OK(job_store_streak(t.db, "c", &streak, NULL));
        assert_int_equal(streak.last_success_at, NOW + 2);
        assert_int_equal(streak.failed, 1);
        /* Its number is not given out again. */
        assert_int_equal(make_job(t.db, JOB_PENDING, NOW), 6);
}

TEST(what_has_not_ended_stays_whatever_its_age) {
        static const JobStatus live[] = { JOB_PENDING, JOB_RUNNING };

        for (size_t i = 0; i < ELEMENTSOF(live); i++) {
                _cleanup_test_db_ TestDb t = {};
                int64_t id;

                test_db_new(&t);
                id = make_job(t.db, live[i], NOW);
                expect_candidates(t.db, NOW + 1000, "");
                assert_int_equal(prune_job(t.db, id, 10, NULL), 0);
                /* It is for being alive that it stays, not for being the newest. */
                ASSERT_OK(job_store_set_status(t.db, id, JOB_CANCELLED, NULL, NOW, NULL));
                (void) make_job(t.db, JOB_FAILED, NOW);
                assert_int_equal(prune_job(t.db, id, 10, NULL), 1);
        }
}

TEST(the_newest_statistics_of_each_stream_stay) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(stream_stats_array_done) StreamStatsArray latest = {};

        test_db_new(&t);
        (void) make_job_with_streams(t.db, 3, NOW);     /* 1: s2 was in this one for the last time */
        (void) make_job_with_streams(t.db, 2, NOW + 1); /* 2 */
        (void) make_job_with_streams(t.db, 2, NOW + 2); /* 3 */
        expect_candidates(t.db, NOW + 1000, "2 ");
        assert_int_equal(prune_job(t.db, 1, 10, NULL), 0);
        ASSERT_OK(stream_stats_store_list_latest(t.db, "c", &latest, NULL));
        assert_int_equal(latest.n, 3);
}

TEST(a_job_with_many_statistics_goes_in_parts) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(stream_stats_array_done) StreamStatsArray left = {};
        Job *none;
        int64_t id;

        test_db_new(&t);
        id = make_job_with_streams(t.db, 5, NOW);
        (void) make_job_with_streams(t.db, 5, NOW + 1);
        assert_int_equal(prune_job(t.db, id, 2, NULL), 2);
        ASSERT_OK(stream_stats_store_list(t.db, id, 0, &left, NULL));
        assert_int_equal(left.n, 3);
        assert_int_equal(prune_job(t.db, id, 2, NULL), 2);
        assert_int_equal(prune_job(t.db, id, 2, NULL), 1);
        ASSERT_ERROR(job_store_get(t.db, id, &none, NULL), ENOENT);
}

TEST(surplus_jobs_are_those_before_the_newest_ones) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_array_done) JobArray all = {}, rest = {}, none = {};
        _cleanup_free_ char *first = NULL, *second = NULL;

        test_db_new(&t);
        for (usec_t i = 0; i < 6; i++)
                (void) make_job(t.db, JOB_FAILED, NOW + i);
        ASSERT_OK(prune_list_surplus_jobs(t.db, "c", 2, &(PruneCursor) {}, 100, &all, NULL));
        assert_int_equal(all.n, 4);
        assert_int_equal(all.items[3]->id, 4);
        ASSERT_OK(prune_list_surplus_jobs(t.db, "c", 2, &(PruneCursor) { .number = 3 }, 100, &rest, NULL));
        assert_int_equal(rest.n, 1);
        /* 0 is no smaller than 1: the newest stays. */
        ASSERT_OK(prune_list_surplus_jobs(t.db, "c", 0, &(PruneCursor) { .number = 4 }, 100, &none, NULL));
        assert_int_equal(none.n, 1);
        ASSERT_OK(prune_next_connection(t.db, "", &first, NULL));
        assert_string_equal(first, "c");
        ASSERT_ERROR(prune_next_connection(t.db, "c", &second, NULL), ENOENT);
}

static void add_fetch(Db *db, const char *id, const char *content, usec_t now) {
        char hash[CATALOG_HASH_MAX];
        CatalogFetch f = { .id = S(id), .actor_id = S("s") };

        ASSERT_OK(catalog_fetch_store_insert(db, &f, content, strlen(content), now, hash, NULL));
}

TEST(discovers_go_but_for_the_newest_and_those_in_use) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(catalog_fetch_array_done) CatalogFetchArray found = {}, later = {};
        _cleanup_(connection_freep) Connection *c = NULL;

        test_db_new(&t);
        add_fetch(t.db, "f1", "{\"a\":1}", NOW);
        add_fetch(t.db, "f2", "{\"a\":2}", NOW + 1);
        add_fetch(t.db, "f3", "{\"a\":3}", NOW + 2);
        ASSERT_OK(connection_store_get(t.db, "c", &c, NULL));
        free(c->source_catalog_id);
        c->source_catalog_id = strdup("f1");
        ASSERT_OK(connection_store_update(t.db, c, NOW, NULL));
        ASSERT_OK(prune_list_fetches(t.db, NOW + 1000, &(PruneCursor) {}, 100, &found, NULL));
        assert_int_equal(found.n, 1);
        assert_string_equal(found.items[0]->id, "f2");
        assert_int_equal(found.items[0]->created_at, NOW + 1);
        ASSERT_OK(prune_list_fetches(t.db, NOW + 1000, &(PruneCursor) { .at = NOW + 1, .id = "f2" }, 100, &later,
                                     NULL));
        assert_int_equal(later.n, 0);
        assert_int_equal(prune_fetch(t.db, "f1", NULL), 0);
        assert_int_equal(prune_fetch(t.db, "f3", NULL), 0);
        assert_int_equal(prune_fetch(t.db, "f2", NULL), 1);
}

TEST(catalogs_go_when_nothing_refers_to_them) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(catalog_fetch_array_done) CatalogFetchArray found = {}, young = {};
        char unused[CATALOG_HASH_MAX], *none;

        test_db_new(&t);
        ASSERT_OK(catalog_store_put(t.db, "{\"a\":1}", 7, NOW, unused, NULL));
        add_fetch(t.db, "f1", "{\"a\":2}", NOW);
        ASSERT_OK(prune_list_catalogs(t.db, NOW, &(PruneCursor) {}, 100, &young, NULL));
        assert_int_equal(young.n, 0);
        ASSERT_OK(prune_list_catalogs(t.db, NOW + 1, &(PruneCursor) {}, 100, &found, NULL));
        assert_int_equal(found.n, 1);
        assert_string_equal(found.items[0]->id, unused);
        assert_int_equal(prune_catalog(t.db, unused, NULL), 1);
        assert_int_equal(prune_catalog(t.db, unused, NULL), 0);
        ASSERT_ERROR(catalog_store_get(t.db, unused, &none, NULL, NULL), ENOENT);
}

TEST(the_owner_of_logs_is_looked_up) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(job_freep) Job *j = NULL;
        Workload *none;

        test_db_new(&t);
        (void) make_job(t.db, JOB_FAILED, NOW + 7);
        ASSERT_OK(prune_get_job(t.db, 1, &j, NULL));
        assert_int_equal(j->status, JOB_FAILED);
        assert_int_equal(j->ended_at, NOW + 7);
        ASSERT_ERROR(prune_get_workload(t.db, "none", &none, NULL), ENOENT);
}

/* --- the file --- */

TEST(a_backup_is_one_file_and_becomes_a_database_again) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_(db_freep) Db *copy = NULL, *reader = NULL;
        char path[80], log[88];
        int from;

        test_db_new(&t);
        (void) snprintf(path, sizeof(path), "%s/copy.db", t.directory);
        (void) snprintf(log, sizeof(log), "%s-wal", path);
        ASSERT_OK(db_backup(t.db, path, NULL));
        assert_int_equal(access(log, F_OK), -1);
        ASSERT_OK(db_open(path, DB_READ_ONLY, &reader, NULL));
        ASSERT_OK(db_check(reader, NULL));
        reader = db_free(reader);
        assert_int_equal(access(log, F_OK), -1);
        /* Put back in its place, the bootloader makes it what it was: with a log beside it. */
        ASSERT_OK(db_open(path, DB_MIGRATE, &copy, NULL));
        ASSERT_OK(db_migrate(copy, NOW, &from, NULL));
        assert_int_equal(from, db_schema_known());
        assert_int_equal(access(log, F_OK), 0);
}

TEST(what_is_freed_is_given_back) {
        _cleanup_test_db_ TestDb t = {};
        _cleanup_free_ char *text = malloc(1 << 20);
        char hash[CATALOG_HASH_MAX];
        uint64_t full, size, unused;
        int r;

        test_db_new(&t);
        assert_non_null(text);
        /* Nothing that zstd makes small. */
        for (size_t i = 0, x = 1; i < 1 << 20; i++, x = x * 6364136223846793005U + 1442695040888963407U)
                text[i] = (char) (x >> 56);
        ASSERT_OK(catalog_store_put(t.db, text, 1 << 20, NOW, hash, NULL));
        ASSERT_OK(db_measure(t.db, &full, &unused, NULL));
        assert_true(full > 1 << 20);
        assert_int_equal(prune_catalog(t.db, hash, NULL), 1);
        ASSERT_OK(db_measure(t.db, &size, &unused, NULL));
        assert_int_equal(size, full);
        assert_true(unused >= 1 << 20);
        do
                ASSERT_OK(r = db_vacuum(t.db, 16, NULL));
        while (r > 0);
        ASSERT_OK(db_measure(t.db, &size, &unused, NULL));
        assert_int_equal(unused, 0);
        assert_true(size + (1 << 20) <= full);
        ASSERT_OK(db_check(t.db, NULL));
}

TEST_MAIN()
