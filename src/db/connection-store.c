/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections, with the revision as in actor-store.c. The catalog is put under its hash in the transaction
 * that stores the connection: no row names a catalog that isn't there, and retention can't take it in
 * between.
 *
 * A deleted connection becomes `deprecated` and loses its state; its jobs and timeline stay. `next_run` is
 * the scheduler's own column: it needs no revision and leaves no row in `change`, else each run would
 * invalidate what people have open. `source_catalog_id` needs none either: each discover moves it on, and
 * nobody sets it by hand but with the streams. So an update that doesn't mean it names none.
 *
 * A list is a union of simple ones, each with an index to itself: one workspace and one tag at a time, or
 * one of the two roles that an actor may have. The parts come in order of id, so merging them is a sort of
 * what one page needs at most. */

#include "basic/strv.h"
#include "db/catalog-store.h"
#include "db/change-store.h"
#include "db/connection-store.h"
#include "db/db-internal.h"

/* Stores the catalog and says under which hash; without one, what `c` says already. */
static int put_catalog(Db *db, const Connection *c, usec_t now, char hash[static CATALOG_HASH_MAX],
                       const char **ret, Error **reterr_error) {
        int r;

        *ret = c->catalog_hash;
        if (!c->catalog)
                return 0;
        r = catalog_store_put(db, c->catalog, strlen(c->catalog), now, hash, reterr_error);
        if (r < 0)
                return r;
        *ret = hash;
        return 0;
}

int connection_store_insert(Db *db, const Connection *c, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        char buffer[CATALOG_HASH_MAX];
        const char *hash;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = put_catalog(db, c, now, buffer, &hash, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_CONNECTION_INSERT, &connection_model, c,
                      BINDS(B_I64("now", now), B_TEXT("catalog_hash", hash)), CHANGE_CONNECTION, c->id, now,
                      reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

static int fill_catalog(Db *db, Connection *c, Error **reterr_error) {
        return c->catalog_hash ? catalog_store_get(db, c->catalog_hash, &c->catalog, NULL, reterr_error) : 0;
}

int connection_store_get(Db *db, const char *id, Connection **ret, Error **reterr_error) {
        _cleanup_(connection_freep) Connection *c = NULL;
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_read(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_one(db, SQL_CONNECTION_GET, BINDS(B_TEXT("id", id)), &connection_model, &c, id,
                       reterr_error);
        if (r < 0)
                return r;
        r = fill_catalog(db, c, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static int compare_ids(const void *a, const void *b) {
        return strcmp((*(const Connection *const *) a)->id, (*(const Connection *const *) b)->id);
}

static size_t count_or_one(char *const *l) {
        return MAX(strv_length(l), (size_t) 1);
}

/* A part is one of the workspaces with one of the tags; or, for an actor, with one of its two possible
 * roles. */
static size_t second_count(const ConnectionFilter *f) {
        bool tagged = f->tag_ids && f->tag_ids[0];

        return f->actor_id && !tagged ? 2 : count_or_one(f->tag_ids);
}

static int list_part(Db *db, size_t part, const ListOptions *options, const void *filter, void *array,
                     Error **reterr_error) {
        const ConnectionFilter *f = filter;
        size_t n = second_count(f), second = part % n;
        const char *workspace_id = f->workspace_ids ? f->workspace_ids[part / n] : NULL;
        const char *tag_id = f->tag_ids && f->tag_ids[0] ? f->tag_ids[second] : NULL;
        bool all = list_deleted(options) || f->status == CONNECTION_DEPRECATED;
        SqlId id;

        if (tag_id)
                id = SQL_CONNECTION_LIST_OF_TAG;
        else if (f->actor_id)
                id = second == 0 ? SQL_CONNECTION_LIST_OF_SOURCE : SQL_CONNECTION_LIST_OF_DESTINATION;
        else if (f->status >= 0)
                id = SQL_CONNECTION_LIST_FILTERED;
        else if (workspace_id)
                id = all ? SQL_CONNECTION_LIST_ALL_OF_WORKSPACE : SQL_CONNECTION_LIST_OF_WORKSPACE;
        else
                id = all ? SQL_CONNECTION_LIST_ALL : SQL_CONNECTION_LIST;
        return db_list(db, id,
                       BINDS(B_PAGE(options), B_TEXT("workspace_id", workspace_id), B_TEXT("tag_id", tag_id),
                             B_TEXT("actor_id", f->actor_id), B_I64("deleted", all),
                             B_TEXT("status", connection_status_to_string(f->status))),
                       &connection_model, array, reterr_error);
}

int connection_store_list(Db *db, const ConnectionFilter *filter, const ListOptions *options,
                          ConnectionArray *ret, Error **reterr_error) {
        const ListUnion u = { count_or_one(filter->workspace_ids) * second_count(filter), list_part,
                              compare_ids, &connection_model };
        _cleanup_(connection_array_done) ConnectionArray found = {};
        int r;

        r = db_list_union(db, &u, options, filter, &found, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; filter->with_catalog && i < found.n; i++) {
                r = fill_catalog(db, found.items[i], reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = found;
        found = (ConnectionArray) {};
        return 0;
}

/* An update or deletion that found no row: what is there? 0 for one that is deprecated. */
static int missed(Db *db, const char *id, Error **reterr_error) {
        _cleanup_(connection_freep) Connection *c = NULL;
        int r;

        r = db_get_one(db, SQL_CONNECTION_GET, BINDS(B_TEXT("id", id)), &connection_model, &c, id,
                       reterr_error);
        if (r < 0)
                return r;
        if (c->status == CONNECTION_DEPRECATED)
                return 0;
        return error_set(reterr_error, -ESTALE, "Connection '%s' was changed by somebody else meanwhile",
                         id);
}

int connection_store_update(Db *db, const Connection *c, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        char buffer[CATALOG_HASH_MAX];
        const char *hash;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = put_catalog(db, c, now, buffer, &hash, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_CONNECTION_UPDATE, &connection_model, c,
                      BINDS(B_I64("now", now), B_TEXT("catalog_hash", hash)), CHANGE_CONNECTION, c->id, now,
                      reterr_error);
        if (r == 0) {
                r = missed(db, c->id, reterr_error);
                return r == 0 ? error_set(reterr_error, -ENOENT, "Connection '%s' is deleted", c->id) : r;
        }
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int connection_store_set_source_catalog(Db *db, const char *id, const char *source_catalog_id, usec_t now,
                                        Error **reterr_error) {
        return db_change_one(db, SQL_CONNECTION_SET_SOURCE_CATALOG, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_TEXT("source_catalog_id", source_catalog_id),
                                   B_I64("now", now)),
                             CHANGE_CONNECTION, "connection", id, now, reterr_error);
}

int connection_store_set_next_run(Db *db, const char *id, usec_t next_run, Error **reterr_error) {
        int r;

        r = db_run_one(db, SQL_CONNECTION_SET_NEXT_RUN, NULL, NULL,
                       BINDS(B_TEXT("id", id), B_TIME("next_run", next_run)), "connection", id,
                       reterr_error);
        return r < 0 ? r : 0;
}

int connection_store_list_due(Db *db, usec_t until, size_t limit, ConnectionArray *ret,
                              Error **reterr_error) {
        return db_list_whole(db, SQL_CONNECTION_LIST_DUE,
                             BINDS(B_I64("until", MIN(until, (usec_t) INT64_MAX)),
                                   B_I64("limit", MIN(limit, LIST_LIMIT_MAX))),
                             &connection_model, ret, reterr_error);
}

int connection_store_list_scheduled(Db *db, const char *after, size_t limit, ConnectionArray *ret,
                                    Error **reterr_error) {
        return db_list_whole(db, SQL_CONNECTION_LIST_SCHEDULED,
                             BINDS(B_TEXT("after", after), B_I64("limit", MIN(limit, LIST_LIMIT_MAX))),
                             &connection_model, ret, reterr_error);
}

int connection_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change(db, SQL_CONNECTION_DELETE, NULL, NULL, BINDS(B_TEXT("id", id), B_I64("now", now)),
                      CHANGE_CONNECTION, id, now, reterr_error);
        if (r == 0)
                return missed(db, id, reterr_error);
        if (r < 0)
                return r;
        r = db_run(db, SQL_STATE_CLEAR, NULL, NULL, BINDS(B_TEXT("connection_id", id)), reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
