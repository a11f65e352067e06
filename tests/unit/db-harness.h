/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A real database in a directory of its own, with one of everything in it. */

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "db/actor-store.h"
#include "db/connection-store.h"
#include "db/dataplane-store.h"
#include "db/definition-store.h"
#include "db/migrate.h"
#include "db/workspace-store.h"
#include "unit/test.h"

#define NOW (UINT64_C(1790000000) * USEC_PER_SEC)

typedef struct TestDb {
        char directory[32], path[64];
        Db *db;
} TestDb;

static inline void test_db_done(TestDb *t) {
        db_free(t->db);
        (void) remove_tree(t->directory);
}
#define _cleanup_test_db_ _cleanup_(test_db_done)

static inline void test_db_make_file(TestDb *t) {
        _cleanup_(db_freep) Db *db = NULL;
        int from;

        memcpy(t->directory, "/tmp/gantry-db-XXXXXX", sizeof("/tmp/gantry-db-XXXXXX"));
        assert_non_null(mkdtemp(t->directory));
        (void) snprintf(t->path, sizeof(t->path), "%s/gantry.db", t->directory);
        ASSERT_OK(db_open(t->path, DB_MIGRATE, &db, NULL));
        ASSERT_OK(db_migrate(db, NOW, &from, NULL));
}

/* Workspace "w", definitions "ds" and "dd", source "s", destination "d", connection "c", dataplane "p". */
static inline int test_db_fill(Db *db) {
        static const Workspace w = { .id = (char *) "w", .name = (char *) "Workspace" };
        static const Definition ds = { .id = (char *) "ds", .role = ACTOR_SOURCE, .name = (char *) "Source",
                                       .reference = (char *) "native:source-x", .connector_type = (char *) "x" };
        static const Definition dd = { .id = (char *) "dd", .role = ACTOR_DESTINATION, .name = (char *) "Destination",
                                       .reference = (char *) "native:destination-x", .connector_type = (char *) "x" };
        static const Actor s = { .id = (char *) "s", .workspace_id = (char *) "w", .definition_id = (char *) "ds",
                                 .role = ACTOR_SOURCE, .name = (char *) "My source",
                                 .configuration = (char *) "{}" };
        static const Actor d = { .id = (char *) "d", .workspace_id = (char *) "w", .definition_id = (char *) "dd",
                                 .role = ACTOR_DESTINATION, .name = (char *) "My destination",
                                 .configuration = (char *) "{}" };
        static const Connection c = { .id = (char *) "c", .workspace_id = (char *) "w", .source_id = (char *) "s",
                                      .destination_id = (char *) "d", .name = (char *) "My connection",
                                      .catalog = (char *) "{\"streams\":[]}" };
        static const Dataplane p = { .id = (char *) "p", .name = (char *) "local", .enabled = true };
        int r;

        r = workspace_store_insert(db, &w, NOW, NULL);
        if (r >= 0)
                r = definition_store_insert(db, &ds, NOW, NULL);
        if (r >= 0)
                r = definition_store_insert(db, &dd, NOW, NULL);
        if (r >= 0)
                r = actor_store_insert(db, &s, NOW, NULL);
        if (r >= 0)
                r = actor_store_insert(db, &d, NOW, NULL);
        if (r >= 0)
                r = connection_store_insert(db, &c, NOW, NULL);
        if (r >= 0)
                r = dataplane_store_insert(db, &p, NOW, NULL);
        return r;
}

static inline void test_db_new(TestDb *t) {
        test_db_make_file(t);
        ASSERT_OK(db_open(t->path, DB_READ_WRITE, &t->db, NULL));
        ASSERT_OK(test_db_fill(t->db));
}
