/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every store function on a disk and with a memory that fail: after whatever happens, a change is there
 * as a whole or not at all, and one that was acknowledged is there.
 *
 * `make check` takes a part of the points; GANTRY_TEST_FULL=1 takes all,
 * GANTRY_TEST_SPARSE=1 one in twenty of that part. */

#include <sqlite3.h>

#include "basic/hash.h"
#include "db/application-store.h"
#include "db/attempt-store.h"
#include "db/backfill-store.h"
#include "db/catalog-store.h"
#include "db/change-store.h"
#include "db/generation-store.h"
#include "db/job-store.h"
#include "db/maintenance.h"
#include "db/metadata-store.h"
#include "db/permission-store.h"
#include "db/prune-store.h"
#include "db/secret-store.h"
#include "db/session-store.h"
#include "db/spec-store.h"
#include "db/state-store.h"
#include "db/tag-store.h"
#include "db/timeline-store.h"
#include "db/workflow-store.h"
#include "db/workload-store.h"
#include "unit/db-harness.h"
#include "unit/db-vfs.h"

#define S(text) ((char *) (text))
#define LATER (NOW + 1000)
static const char states[] =
        "[{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"a\"},\"stream_state\":2}},"
        "{\"type\":\"STREAM\",\"stream\":{\"stream_descriptor\":{\"name\":\"b\"},\"stream_state\":2}}]";
static const char globals[] = "[{\"type\":\"GLOBAL\",\"global\":{\"shared_state\":1,\"stream_states\":["
                              "{\"stream_descriptor\":{\"name\":\"a\"},\"stream_state\":3}]}}]";
static const Blob token = { S("token"), 5 }, other_token = { S("other"), 5 };

static char directory[] = "/tmp/gantry-faults-XXXXXX", path[64];

/* --- the memory --- */

static unsigned malloc_countdown; /* 0: off */
static bool malloc_fired;

static bool malloc_fails(void) {
        if (malloc_countdown == 0 || --malloc_countdown > 0)
                return false;
        malloc_fired = true;
        return true;
}

/* Ours, by --wrap of the linker. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

void *__wrap_malloc(size_t n) {
        return malloc_fails() ? NULL : __real_malloc(n);
}
void *__wrap_calloc(size_t n, size_t size) {
        return malloc_fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t n) {
        return malloc_fails() ? NULL : __real_realloc(p, n);
}
void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return malloc_fails() ? NULL : __real_reallocarray(p, n, size);
}
char *__wrap_strdup(const char *s) {
        return malloc_fails() ? NULL : __real_strdup(s);
}
char *__wrap_strndup(const char *s, size_t n) {
        return malloc_fails() ? NULL : __real_strndup(s, n);
}

/* SQLite's. */
static sqlite3_mem_methods system_memory;

static void *sqlite_malloc(int n) {
        return malloc_fails() ? NULL : system_memory.xMalloc(n);
}
static void *sqlite_realloc(void *p, int n) {
        return malloc_fails() ? NULL : system_memory.xRealloc(p, n);
}

__attribute__((constructor)) static void set_up(void) {
        sqlite3_mem_methods memory;

        (void) sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
        (void) sqlite3_config(SQLITE_CONFIG_GETMALLOC, &system_memory);
        memory = system_memory;
        memory.xMalloc = sqlite_malloc;
        memory.xRealloc = sqlite_realloc;
        (void) sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
        vfs_register();
        /* The disk is in memory, but whether the file exists is asked of the real one. */
        if (!mkdtemp(directory))
                abort();
        (void) snprintf(path, sizeof(path), "%s/gantry.db", directory);
        if (write_file_atomic(path, "", 0, 0600, NULL) < 0)
                abort();
}

__attribute__((destructor)) static void tear_down(void) {
        vfs_reset();
        (void) remove_tree(directory);
}

/* --- the steps: one call each, all from the same database --- */

static int fill_runs(Db *db) {
        Job job = { .connection_id = S("c"), .config = S("{}") },
            old = { .connection_id = S("c2"), .config = S("{}") };
        Workload run = { .id = S("run"),
                         .auto_id = S("run"),
                         .connection_id = S("c"),
                         .mutex_key = S("c"),
                         .input = S("{}"),
                         .attempt = -1 };
        Workload told = { .id = S("told"), .auto_id = S("told"), .mutex_key = S("t"), .attempt = -1 };
        Workload taken = { .id = S("taken"), .auto_id = S("taken"), .attempt = -1 };
        Workload pending = { .id = S("pend"), .auto_id = S("pend"), .attempt = -1 };
        Workload done = { .id = S("done"), .auto_id = S("done"), .attempt = -1 };
        Workflow workflow = { .id = S("wf"), .connection_id = S("c"), .type = WORKFLOW_SYNC },
                 ended = { .id = S("old"), .type = WORKFLOW_SPEC };
        WorkflowEvent event = { .type = S("e"), .payload = S("{}") };
        int64_t epoch;
        int number;

        ASSERT_OK(job_store_create(db, &old, NOW, NULL));
        ASSERT_OK(job_store_set_status(db, old.id, JOB_FAILED, NULL, NOW, NULL));
        ASSERT_OK(job_store_create(db, &old, NOW, NULL));
        ASSERT_OK(job_store_set_status(db, old.id, JOB_CANCELLED, NULL, NOW, NULL));
        ASSERT_OK(job_store_create(db, &job, NOW, NULL));
        assert_int_equal(job.id, 3);
        ASSERT_OK(job_store_set_status(db, 3, JOB_RUNNING, NULL, NOW, NULL));
        ASSERT_OK(attempt_store_create(db, 3, NOW, &number, NULL));
        ASSERT_OK(workload_store_create(db, &run, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_create(db, &pending, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_create(db, &done, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_cancel(db, "done", "user", "", NOW, NULL));
        ASSERT_OK(workload_store_set_notified(db, "done", NULL));
        ASSERT_OK(workload_store_claim(db, "run", "p", NOW, &epoch, NULL));
        ASSERT_OK(workload_store_advance(db, "run", 1, WORKLOAD_RUNNING, NOW, NULL));
        ASSERT_OK(workload_store_create(db, &told, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_claim(db, "told", "p", NOW, &epoch, NULL));
        ASSERT_OK(workload_store_advance(db, "told", 1, WORKLOAD_RUNNING, NOW, NULL));
        ASSERT_OK(workload_store_cancel(db, "told", "user", "r", NOW, NULL));
        ASSERT_OK(workload_store_create(db, &taken, NULL, 0, NOW, NULL, NULL));
        ASSERT_OK(workload_store_claim(db, "taken", "p", NOW, &epoch, NULL));
        ASSERT_OK(workload_store_cancel(db, "taken", "user", "r", NOW, NULL));
        ASSERT_OK(workflow_store_create(db, &workflow, NOW, NULL));
        ASSERT_OK(workflow_store_append(db, &workflow, 0, &event, 1, NOW, NULL));
        ASSERT_OK(workflow_store_create(db, &ended, NOW, NULL));
        return workflow_store_finish(db, "old", WORKFLOW_COMPLETED, "{}", NOW, NULL);
}

/* For whoever gives them back. */
static void free_some_pages(Db *db) {
        char noise[1 << 15], hash[CATALOG_HASH_MAX];
        uint64_t x = 1;

        for (size_t i = 0; i < sizeof(noise); i++) {
                x = x * 6364136223846793005U + 1442695040888963407U;
                noise[i] = (char) (x >> 56);
        }
        ASSERT_OK(catalog_store_put(db, noise, sizeof(noise), NOW, hash, NULL));
        assert_int_equal(prune_catalog(db, hash, NULL), 1);
}

static int fill_more(Db *db) {
        Connection c = { .id = S("c2"),
                         .workspace_id = S("w"),
                         .source_id = S("s"),
                         .destination_id = S("d"),
                         .name = S("C") };
        Actor a = { .id = S("unused"),
                    .workspace_id = S("w"),
                    .definition_id = S("ds"),
                    .name = S("U"),
                    .configuration = S("{}") };
        Definition d = { .id = S("du"), .name = S("D"), .reference = S("pypi:x"), .connector_type = S("y") };
        CatalogFetch f = { .id = S("f"), .actor_id = S("s") };
        char hash[CATALOG_HASH_MAX];
        Session s = { .token_hash = token, .principal_id = S("app"), .expires_at = NOW + 5 };

        ASSERT_OK(connection_store_insert(db, &c, NOW, NULL));
        ASSERT_OK(actor_store_insert(db, &a, NOW, NULL));
        ASSERT_OK(definition_store_insert(db, &d, NOW, NULL));
        ASSERT_OK(workspace_store_insert(db, &(Workspace) { .id = S("wu"), .name = S("W") }, NOW, NULL));
        ASSERT_OK(tag_store_insert(db, &(Tag) { S("t1"), S("w"), S("a"), S("ffffff") }, NOW, NULL));
        ASSERT_OK(tag_store_insert(db, &(Tag) { S("t2"), S("w"), S("b"), S("ffffff") }, NOW, NULL));
        ASSERT_OK(tag_store_set_of_connection(db, "c", (char *[]) { S("t1"), NULL }, NOW, NULL));
        ASSERT_OK(catalog_fetch_store_insert(db, &f, "{\"x\":1}", 7, NOW, hash, NULL));
        ASSERT_OK(catalog_store_put(db, "{\"y\":1}", 7, NOW, hash, NULL));
        free_some_pages(db);
        ASSERT_OK(state_store_merge(db, "c", states, strlen(states), NOW, NULL));
        ASSERT_OK(generation_store_set(db, &(Generation) { .connection_id = S("c"), .stream_name = S("a") },
                                       NOW, NULL));
        ASSERT_OK(backfill_store_owe(db, "c", &(StreamRef) { NULL, "a" }, /* forced= */ false, NOW, NULL));
        ASSERT_OK(secret_store_put(db, &(Secret) { .id = S("x"), .owner_id = S("unused"), .sealed = token },
                                   NOW, NULL));
        ASSERT_OK(secret_store_put(db, &(Secret) { .id = S("y"), .owner_id = S("unused"), .sealed = token },
                                   NOW, NULL));
        ASSERT_OK(application_store_insert(db,
                                           &(Application) { .id = S("app"),
                                                            .name = S("A"),
                                                            .client_id = S("i"),
                                                            .secret_hash = token,
                                                            .sealed_secret = token },
                                           NOW, NULL));
        ASSERT_OK(permission_store_insert(db, &(Permission) { .id = S("pe"), .principal_id = S("app") }, NOW,
                                          NULL));
        ASSERT_OK(session_store_insert(db, &s, NOW, NULL));
        ASSERT_OK(timeline_store_append(
                db, &(TimelineEvent) { .id = S("e"), .connection_id = S("c"), .event_type = S("E") }, NOW,
                NULL));
        return fill_runs(db);
}

typedef struct Step {
        const char *name;
        int (*run)(Db *db);
} Step;
#define STEPS_MAX 128
static Step steps[STEPS_MAX];
static size_t n_steps;

#define STEP(name_) \
        static int step_##name_(Db *db); \
        __attribute__((constructor)) static void add_##name_(void) { \
                assert(n_steps < STEPS_MAX); \
                steps[n_steps++] = (Step) { #name_, step_##name_ }; \
        } \
        static int step_##name_(Db *db)

STEP(workspace_insert) {
        return workspace_store_insert(db, &(Workspace) { .id = S("n"), .name = S("N") }, LATER, NULL);
}
STEP(workspace_update) {
        return workspace_store_update(db, &(Workspace) { .id = S("w"), .name = S("N") }, LATER, NULL);
}
STEP(workspace_delete) {
        return workspace_store_delete(db, "wu", LATER, NULL);
}
STEP(definition_insert) {
        return definition_store_insert(
                db,
                &(Definition) {
                        .id = S("n"), .name = S("N"), .reference = S("r"), .connector_type = S("t") },
                LATER, NULL);
}
STEP(definition_update) {
        return definition_store_update(
                db,
                &(Definition) {
                        .id = S("ds"), .name = S("N"), .reference = S("r"), .connector_type = S("t") },
                LATER, NULL);
}
STEP(definition_seed) {
        return definition_store_seed(
                db,
                &(Definition) {
                        .id = S("ds"), .name = S("N"), .reference = S("r"), .connector_type = S("t") },
                LATER, NULL);
}
STEP(definition_set_spec) {
        return definition_store_set_spec(db, "ds", "{}", LATER, NULL);
}
STEP(spec_put) {
        return spec_store_put(db, "pypi:x==1", "{}", LATER, NULL);
}
STEP(definition_delete) {
        return definition_store_delete(db, "du", LATER, NULL);
}
STEP(actor_insert) {
        return actor_store_insert(db,
                                  &(Actor) { .id = S("n"),
                                             .workspace_id = S("w"),
                                             .definition_id = S("ds"),
                                             .name = S("N"),
                                             .configuration = S("{}") },
                                  LATER, NULL);
}
STEP(actor_update) {
        return actor_store_update(
                db, &(Actor) { .id = S("s"), .name = S("N"), .configuration = S("{}"), .revision = 1 },
                LATER, NULL);
}
STEP(actor_set_check) {
        return actor_store_set_check(db, "s", CHECK_SUCCEEDED, "m", "h", LATER, NULL);
}
STEP(actor_delete) {
        return actor_store_delete(db, "unused", LATER, NULL);
}
STEP(connection_insert) {
        return connection_store_insert(db,
                                       &(Connection) { .id = S("n"),
                                                       .workspace_id = S("w"),
                                                       .source_id = S("s"),
                                                       .destination_id = S("d"),
                                                       .name = S("N"),
                                                       .catalog = S("{\"n\":1}") },
                                       LATER, NULL);
}
STEP(connection_update) {
        return connection_store_update(
                db, &(Connection) { .id = S("c"), .name = S("N"), .catalog = S("{\"n\":1}"), .revision = 1 },
                LATER, NULL);
}
/* As an edit does that takes a stream out. */
STEP(connection_loses_stream) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, NULL);
        if (r >= 0)
                r = connection_store_update(
                        db, &(Connection) { .id = S("c"), .name = S("N"), .catalog = S("{\"n\":1}"), .revision = 1 },
                        LATER, NULL);
        if (r >= 0)
                r = backfill_store_owe(db, "c", &(StreamRef) { NULL, "b" }, /* forced= */ true, LATER, NULL);
        return r >= 0 ? db_commit(&transaction, NULL) : r;
}
STEP(connection_set_source_catalog) {
        return connection_store_set_source_catalog(db, "c", "f", LATER, NULL);
}
STEP(connection_set_next_run) {
        return connection_store_set_next_run(db, "c", LATER, NULL);
}
STEP(connection_delete) {
        return connection_store_delete(db, "c", LATER, NULL);
}
STEP(tag_insert) {
        return tag_store_insert(db, &(Tag) { S("n"), S("w"), S("n"), S("000000") }, LATER, NULL);
}
STEP(tag_update) {
        return tag_store_update(db, &(Tag) { S("t1"), S("w"), S("n"), S("000000") }, LATER, NULL);
}
STEP(tag_set_of_connection) {
        return tag_store_set_of_connection(db, "c", (char *[]) { S("t2"), S("t1"), NULL }, LATER, NULL);
}
STEP(tag_delete) {
        return tag_store_delete(db, "t1", LATER, NULL);
}
STEP(catalog_put) {
        char hash[CATALOG_HASH_MAX];

        return catalog_store_put(db, "{\"n\":1}", 7, LATER, hash, NULL);
}
STEP(prune_catalog) {
        char hash[CATALOG_HASH_MAX];

        (void) catalog_store_hash("{\"y\":1}", 7, hash);
        return prune_catalog(db, hash, NULL);
}
STEP(prune_fetch) {
        return prune_fetch(db, "f", NULL);
}
STEP(catalog_fetch_insert) {
        char hash[CATALOG_HASH_MAX];

        return catalog_fetch_store_insert(db, &(CatalogFetch) { .id = S("n"), .actor_id = S("s") }, "{\"z\":1}", 7,
                                          LATER, hash, NULL);
}
STEP(state_set) {
        return state_store_set(db, "c", globals, strlen(globals), LATER, NULL);
}
STEP(state_merge) {
        return state_store_merge(db, "c", states, strlen(states), LATER, NULL);
}
STEP(state_drop) {
        return state_store_drop(db, "c", &(StreamRef) { NULL, "a" }, 1, LATER, NULL);
}
STEP(generation_set) {
        return generation_store_set(
                db,
                &(Generation) {
                        .connection_id = S("c"), .stream_name = S("a"), .generation_id = 1, .job_id = 3 },
                LATER, NULL);
}
STEP(backfill_owe) {
        return backfill_store_owe(db, "c", &(StreamRef) { NULL, "b" }, /* forced= */ false, LATER, NULL);
}
STEP(backfill_force) {
        return backfill_store_owe(db, "c", &(StreamRef) { NULL, "a" }, /* forced= */ true, LATER, NULL);
}
STEP(backfill_begin) {
        return backfill_store_begin(db, "c", &(StreamRef) { NULL, "a" }, NOW, NULL);
}
STEP(backfill_forget) {
        return backfill_store_forget(db, "c", &(StreamRef) { NULL, "a" }, NOW, NULL);
}
STEP(backfill_forget_all) {
        return backfill_store_forget_all(db, "c", NULL);
}
STEP(timeline_append) {
        return timeline_store_append(
                db, &(TimelineEvent) { .id = S("n"), .connection_id = S("c"), .event_type = S("E") }, LATER,
                NULL);
}
STEP(timeline_prune) {
        return timeline_store_prune(db, LATER, 10, NULL);
}
STEP(job_create) {
        return job_store_create(db, &(Job) { .connection_id = S("c2"), .config = S("{}") }, LATER, NULL);
}
STEP(job_set_status) {
        return job_store_set_status(db, 3, JOB_INCOMPLETE, "{}", LATER, NULL);
}
STEP(job_update) {
        return job_store_update(db, &(Job) { .id = 3, .config = S("{}"), .total_partial_failures = 1 },
                                LATER, NULL);
}
STEP(prune_job) {
        return prune_job(db, 1, 10, NULL);
}
STEP(prune_job_in_parts) {
        return prune_job(db, 1, 2, NULL);
}
STEP(vacuum) {
        return db_vacuum(db, 4, NULL);
}
STEP(attempt_finish) {
        return attempt_store_finish(
                db,
                &(Attempt) {
                        .job_id = 3, .status = ATTEMPT_FAILED, .output = S("{}"), .records_committed = 5 },
                LATER, NULL);
}
STEP(attempt_next) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int number, r;

        /* What the workflow does in one transaction: end an attempt, begin the next one. */
        r = db_begin_immediate(db, &transaction, NULL);
        if (r >= 0)
                r = attempt_store_fail_running(db, 3, "{}", LATER, NULL);
        if (r >= 0)
                r = attempt_store_create(db, 3, LATER, &number, NULL);
        return r < 0 ? r : db_commit(&transaction, NULL);
}
STEP(attempt_set_workload) {
        return attempt_store_set_workload(db, 3, 0, "x", LATER, NULL);
}
STEP(stream_stats_set) {
        StreamStats s[] = { { .job_id = 3, .stream_name = S("a") }, { .job_id = 3, .stream_name = S("b") } };

        return stream_stats_store_set(db, s, 2, LATER, NULL);
}
STEP(workload_create) {
        _cleanup_(workload_array_done) WorkloadArray gone = {};

        return workload_store_create(db,
                                     &(Workload) { .id = S("n"),
                                                   .auto_id = S("n"),
                                                   .connection_id = S("c"),
                                                   .mutex_key = S("c"),
                                                   .input = S("{}") },
                                     &(StreamRef) { NULL, "a" }, 1, LATER, &gone, NULL);
}
STEP(workload_poll) {
        _cleanup_(workload_array_done) WorkloadArray found = {};

        return workload_store_poll(db, WORKLOAD_DEFAULT, 10, LATER, &found, NULL);
}
STEP(workload_claim) {
        int64_t epoch;

        return workload_store_claim(db, "pend", "p", LATER, &epoch, NULL);
}
STEP(workload_advance) {
        return workload_store_advance(db, "run", 1, WORKLOAD_RUNNING, LATER, NULL);
}
STEP(workload_heartbeat) {
        return workload_store_heartbeat(db, "run", 1, LATER, NULL);
}
STEP(workload_finish) {
        return workload_store_finish(db, "run", 1, WORKLOAD_SUCCESS, "{}", NULL, NULL, LATER, NULL);
}
STEP(workload_cancel) {
        return workload_store_cancel(db, "run", "user", "r", LATER, NULL);
}
STEP(workload_cancel_waiting) {
        return workload_store_cancel(db, "pend", "user", "r", LATER, NULL);
}
STEP(workload_heartbeat_told) {
        return workload_store_heartbeat(db, "told", 1, LATER, NULL);
}
STEP(workload_finish_told) {
        return workload_store_finish(db, "told", 1, WORKLOAD_FAILURE, "{}", "s", "r", LATER, NULL);
}
STEP(workload_succeed_told) {
        return workload_store_finish(db, "told", 1, WORKLOAD_SUCCESS, "{}", NULL, NULL, LATER, NULL);
}
STEP(workload_claim_told) {
        int64_t epoch;

        return workload_store_claim(db, "taken", "p", LATER, &epoch, NULL);
}
STEP(workload_set_stats_told) {
        return workload_store_set_stats(db, "told", 1, "[]", LATER, NULL);
}
STEP(workload_expire) {
        _cleanup_(workload_array_done) WorkloadArray found = {};

        return workload_store_expire(db, NOW + 24 * 3600 * USEC_PER_SEC, 10, &found, NULL);
}
STEP(workload_prune) {
        return workload_store_prune(db, LATER, 10, NULL);
}
STEP(workload_merge_state) {
        return workload_store_merge_state(db, "run", 1, states, strlen(states), LATER, NULL);
}
STEP(workload_set_stats) {
        return workload_store_set_stats(db, "run", 1, "[]", LATER, NULL);
}
STEP(workflow_create) {
        return workflow_store_create(db, &(Workflow) { .id = S("n"), .input = S("{}") }, LATER, NULL);
}
STEP(workflow_append) {
        WorkflowEvent e[] = { { .type = S("a") }, { .type = S("b"), .payload = S("{}") } };

        return workflow_store_append(db, &(Workflow) { .id = S("wf"), .wake_at = LATER }, 1, e, 2, LATER,
                                     NULL);
}
STEP(workflow_restart) {
        return workflow_store_restart(db, "wf", "{}", LATER, NULL);
}
STEP(workflow_finish) {
        return workflow_store_finish(db, "wf", WORKFLOW_FAILED, "{}", LATER, NULL);
}
STEP(workflow_prune) {
        return workflow_store_prune(db, LATER, 10, NULL);
}
STEP(secret_put) {
        return secret_store_put(
                db, &(Secret) { .id = S("x"), .owner_id = S("unused"), .sealed = other_token }, LATER, NULL);
}
STEP(secret_reseal) {
        return secret_store_reseal(db, "x", &token, &other_token, LATER, NULL);
}
STEP(secret_delete_of_owner) {
        return secret_store_delete_of_owner(db, "unused", (char *[]) { S("x"), NULL }, NULL);
}
STEP(application_insert) {
        return application_store_insert(
                db,
                &(Application) { .id = S("n"), .name = S("N"), .client_id = S("n"), .secret_hash = token },
                LATER, NULL);
}
STEP(application_delete) {
        return application_store_delete(db, "app", LATER, NULL);
}
STEP(permission_insert) {
        return permission_store_insert(db, &(Permission) { .id = S("n"), .principal_id = S("x") }, LATER,
                                       NULL);
}
STEP(permission_set_role) {
        return permission_store_set_role(db, "pe", ROLE_ADMIN, LATER, NULL);
}
STEP(permission_delete) {
        return permission_store_delete(db, "pe", LATER, NULL);
}
STEP(session_insert) {
        return session_store_insert(
                db, &(Session) { .token_hash = other_token, .principal_id = S("x"), .expires_at = LATER },
                NOW, NULL);
}
STEP(session_take) {
        _cleanup_(session_freep) Session *s = NULL;

        return session_store_take(db, &token, NOW, &s, NULL);
}
STEP(application_reseal) {
        return application_store_reseal(db, "app", &token, &other_token, NULL);
}
STEP(session_prune) {
        return session_store_prune(db, LATER, 10, NULL);
}
STEP(dataplane_set_token) {
        return dataplane_store_set_token(db, "p", &other_token, LATER, NULL);
}
STEP(dataplane_heartbeat) {
        return dataplane_store_heartbeat(db, "p", LATER, NULL);
}
STEP(metadata_set) {
        return metadata_set(db, "n", "v", NULL);
}
STEP(change_prune) {
        return change_prune(db, LATER, 5, NULL);
}
/* The reading functions: nothing to lose, but nothing to trip over either. */
STEP(read_configuration) {
        _cleanup_(connection_array_done) ConnectionArray connections = {};
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_(actor_array_done) ActorArray actors = {};
        _cleanup_(tag_array_done) TagArray tags = {};
        char *both[] = { S("w"), S("wu"), NULL };
        ConnectionFilter filter = { .status = _CONNECTION_STATUS_INVALID,
                                    .workspace_ids = both,
                                    .with_catalog = true };
        int r;

        r = connection_store_list(db, &filter, NULL, &connections, NULL);
        if (r >= 0)
                r = connection_store_get(db, "c", &c, NULL);
        if (r >= 0)
                r = actor_store_list(db, &(ActorFilter) { .role = ACTOR_SOURCE, .workspace_ids = both },
                                     NULL, &actors, NULL);
        return r < 0 ? r : tag_store_list(db, both, &tags, NULL);
}
STEP(read_runs) {
        _cleanup_(workflow_event_array_done) WorkflowEventArray history = {};
        _cleanup_(change_array_done) ChangeArray changes = {};
        _cleanup_(workload_freep) Workload *w = NULL;
        _cleanup_free_ char *state = NULL;
        _cleanup_(job_array_done) JobArray jobs = {};
        JobStreak streak;
        int r;

        r = job_store_list(db, &JOB_FILTER_ALL, NULL, &jobs, NULL);
        if (r >= 0)
                r = job_store_streak(db, "c", &streak, NULL);
        if (r >= 0)
                r = workload_store_get(db, "run", &w, NULL);
        if (r >= 0)
                r = workflow_store_history(db, "wf", &history, NULL);
        if (r >= 0)
                r = state_store_get(db, "c", &state, NULL, NULL);
        return r < 0 ? r : change_list(db, 0, 1000, &changes, NULL);
}

/* --- what the database says --- */

static uint64_t hash_row(sqlite3_stmt *s, uint64_t h) {
        for (int i = 0; i < sqlite3_column_count(s); i++) {
                int type = sqlite3_column_type(s, i), n = sqlite3_column_bytes(s, i);

                h = hash64(h, &type, sizeof(type));
                h = hash64(h, &n, sizeof(n));
                h = hash64(h, sqlite3_column_blob(s, i) ?: "", (size_t) n);
        }
        return h;
}

/* A hash of all rows of all tables. The file must be sound. */
static uint64_t fingerprint(void) {
        sqlite3_stmt *tables, *rows;
        uint64_t h = HASH64_START;
        sqlite3 *handle;

        assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_prepare_v2(handle, "PRAGMA quick_check", -1, &rows, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
        assert_string_equal((const char *) sqlite3_column_text(rows, 0), "ok");
        sqlite3_finalize(rows);
        assert_int_equal(sqlite3_prepare_v2(handle,
                                            "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
                                            -1, &tables, NULL),
                         SQLITE_OK);
        while (sqlite3_step(tables) == SQLITE_ROW) {
                char sql[128];

                (void) snprintf(sql, sizeof(sql), "SELECT * FROM \"%s\" ORDER BY rowid",
                                (const char *) sqlite3_column_text(tables, 0));
                assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &rows, NULL), SQLITE_OK);
                while (sqlite3_step(rows) == SQLITE_ROW)
                        h = hash_row(rows, h);
                sqlite3_finalize(rows);
                h = hash64(h, "table", 5);
        }
        sqlite3_finalize(tables);
        sqlite3_close(handle);
        return h;
}

static void make_base(void) {
        Db *db;
        int from;

        vfs_reset();
        ASSERT_OK(db_open(path, DB_MIGRATE, &db, NULL));
        ASSERT_OK(db_migrate(db, NOW, &from, NULL));
        ASSERT_OK(test_db_fill(db));
        ASSERT_OK(fill_more(db));
        db_free(db);
        vfs_save();
}

/* How many points are skipped between two that are tried. Under valgrind a point takes fifty times as long. */
static unsigned stride(unsigned usual) {
        if (getenv("GANTRY_TEST_FULL"))
                return 1;
        return getenv("GANTRY_TEST_SPARSE") ? 20 * usual : usual;
}

typedef struct Expectation {
        uint64_t before, after;
} Expectation;

static Expectation expect(const Step *step) {
        Expectation e;
        Db *db;

        vfs_restore();
        e.before = fingerprint();
        ASSERT_OK(db_open(path, DB_READ_WRITE, &db, NULL));
        if (step->run(db) < 0)
                fail_msg("%s fails without a fault", step->name);
        db_free(db);
        e.after = fingerprint();
        return e;
}

static void judge(const Step *step, const char *fault, unsigned n, int r, const Expectation *e) {
        uint64_t now = fingerprint();

        if (now != e->before && now != e->after)
                fail_msg("%s, %s at %u: a part of the change was stored (%s)", step->name, fault, n,
                         strerror(r < 0 ? -r : 0));
        if (r >= 0 && now != e->after)
                fail_msg("%s, %s at %u: an acknowledged change was lost", step->name, fault, n);
}

/* One step with one fault; false when it had ended before the fault came. `close_too`: closing (which
 * moves the log into the file) belongs to the step. */
static bool try_fault(const Step *step, VfsFault fault, unsigned n, VfsFate fate, const Expectation *e) {
        static const char *const names[] = { "", "I/O error", "I/O errors", "full disk", "power cut" };
        bool happened;
        Db *db;
        int r;

        vfs_restore();
        ASSERT_OK(db_open(path, DB_READ_WRITE, &db, NULL));
        vfs_arm(fault, n);
        r = step->run(db);
        if (fault == VFS_POWER_CUT || fault == VFS_IO_ERRORS) {
                db_free(db);
                happened = vfs_disarm();
        } else {
                /* The connection goes on: what was rolled back doesn't come with the next commit. */
                happened = vfs_disarm();
                if (r < 0)
                        ASSERT_OK(dataplane_store_heartbeat(db, "p", NOW, NULL) >= 0 ? 0 : -EIO);
                db_free(db);
        }
        if (fault == VFS_POWER_CUT && happened)
                vfs_power_on(fate, n * 1000 + fate);
        judge(step, names[fault], n, r, e);
        return happened;
}

/* The heartbeat that proves a connection alive is part of what is compared. */
static void make_base_with_heartbeat(void) {
        Db *db;

        make_base();
        ASSERT_OK(db_open(path, DB_READ_WRITE, &db, NULL));
        ASSERT_OK(dataplane_store_heartbeat(db, "p", NOW, NULL));
        db_free(db);
        vfs_save();
}

static void try_all(VfsFault fault, unsigned usual_stride) {
        unsigned points = 0;

        make_base_with_heartbeat();
        for (size_t i = 0; i < n_steps; i++) {
                Expectation e = expect(&steps[i]);

                for (VfsFate fate = 0; fate < (fault == VFS_POWER_CUT ? _VFS_FATE_MAX : 1); fate++)
                        for (unsigned n = 1 + (unsigned) i % stride(usual_stride);;
                             n += stride(usual_stride)) {
                                if (!try_fault(&steps[i], fault, n, fate, &e))
                                        break;
                                points++;
                        }
        }
        assert_true(points > 0);
        print_message("# %zu steps, %u points\n", n_steps, points);
}

TEST(an_io_error_at_any_call_leaves_all_or_nothing) {
        try_all(VFS_IO_ERROR, 5);
}

TEST(a_disk_that_stays_broken_leaves_all_or_nothing) {
        try_all(VFS_IO_ERRORS, 7);
}

TEST(a_full_disk_leaves_all_or_nothing) {
        try_all(VFS_DISK_FULL, 2);
}

TEST(a_power_cut_at_any_write_leaves_all_or_nothing_and_loses_no_answer) {
        try_all(VFS_POWER_CUT, 5);
}

TEST(want_of_memory_at_any_allocation_leaves_all_or_nothing) {
        unsigned points = 0;

        make_base_with_heartbeat();
        for (size_t i = 0; i < n_steps; i++) {
                Expectation e = expect(&steps[i]);

                for (unsigned n = 1 + (unsigned) i % stride(97);; n += stride(97)) {
                        Db *db;
                        int r;

                        vfs_restore();
                        ASSERT_OK(db_open(path, DB_READ_WRITE, &db, NULL));
                        malloc_fired = false;
                        malloc_countdown = n;
                        r = steps[i].run(db);
                        malloc_countdown = 0;
                        if (r < 0) {
                                if (r != -ENOMEM)
                                        fail_msg("%s, allocation %u: %s instead of ENOMEM", steps[i].name, n,
                                                 strerror(-r));
                                ASSERT_OK(dataplane_store_heartbeat(db, "p", NOW, NULL));
                        }
                        db_free(db);
                        judge(&steps[i], "no memory", n, r, &e);
                        if (!malloc_fired)
                                break;
                        points++;
                }
        }
        assert_true(points > 0);
        print_message("# %zu steps, %u points\n", n_steps, points);
}

/* The bootloader's part: from no file to the schema, whenever the power goes. */
TEST(a_power_cut_while_migrating_leaves_a_schema_that_can_be_migrated) {
        for (unsigned n = 1; n < 100000; n += stride(7))
                for (VfsFate fate = 0; fate < _VFS_FATE_MAX; fate++) {
                        bool happened;
                        Db *db = NULL;
                        int from, version, r;

                        vfs_reset();
                        vfs_arm(VFS_POWER_CUT, n);
                        r = db_open(path, DB_MIGRATE, &db, NULL);
                        if (r >= 0)
                                r = db_migrate(db, NOW, &from, NULL);
                        db = db_free(db);
                        happened = vfs_disarm();
                        if (!happened) {
                                ASSERT_OK(r);
                                return;
                        }
                        vfs_power_on(fate, n);
                        ASSERT_OK(db_open(path, DB_MIGRATE, &db, NULL));
                        ASSERT_OK(db_schema_version(db, &version, NULL));
                        assert_true(version == 0 || version == db_schema_known());
                        assert_true(r < 0 || version == db_schema_known());
                        ASSERT_OK(db_migrate(db, NOW, &from, NULL));
                        ASSERT_OK(test_db_fill(db));
                        ASSERT_OK(db_check(db, NULL));
                        db_free(db);
                }
        fail_msg("it never ended");
}

/* The disk itself: without a sync nothing is promised, with one everything is. */
TEST(the_disk_forgets_what_was_not_synced) {
        Expectation e;
        Step step = { "metadata_set", step_metadata_set };
        sqlite3 *handle;

        make_base_with_heartbeat();
        e = expect(&step);
        vfs_restore();
        assert_int_equal(sqlite3_open_v2(path, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(handle,
                                      "PRAGMA synchronous = OFF; INSERT INTO metadata VALUES ('n', 'v')",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        vfs_arm(VFS_POWER_CUT, 1);
        sqlite3_close(handle);
        (void) vfs_disarm();
        vfs_power_on(VFS_DROP_UNSYNCED, 1);
        assert_true(fingerprint() == e.before);
}

TEST_MAIN()
