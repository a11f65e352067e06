/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sources and destinations. Two people may edit one at the same time, so an update names the revision
 * that was read and changes no row when it is another by now; missed() then asks what is there, to tell
 * "gone" from "changed". The result of a check is not part of that: it comes long after the question, and
 * raising the revision for it would refuse the edit of whoever watches the check. `check_hash` says of
 * which configuration it speaks.
 *
 * Deleting marks the row and keeps it, since jobs and timelines name it, but empties the configuration
 * and removes the secrets in the same transaction. */

#include "basic/strv.h"
#include "db/actor-store.h"
#include "db/db-internal.h"
#include "db/secret-store.h"
#include "model/event.h"

int actor_store_insert(Db *db, const Actor *a, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_ACTOR_INSERT, &actor_model, a, BINDS(B_I64("now", now)), CHANGE_ACTOR, a->id,
                      now, reterr_error);
        return r < 0 ? r : 0;
}

int actor_store_get(Db *db, const char *id, Actor **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_ACTOR_GET, BINDS(B_TEXT("id", id)), &actor_model, ret, reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "There is no source or destination '%s'", id) : r;
}

static int list_part(Db *db, size_t part, const ListOptions *options, const void *filter, void *array,
                     Error **reterr_error) {
        const ActorFilter *f = filter;
        const char *workspace_id = f->workspace_ids ? f->workspace_ids[part] : NULL;
        const char *role = actor_role_to_string(f->role);
        const Bind *binds =
                BINDS(B_PAGE(options), B_TEXT("workspace_id", workspace_id), B_TEXT("role", role),
                      B_TEXT("definition_id", f->definition_id), B_TEXT("name", f->name),
                      B_I64("tombstone", 0), B_I64("deleted", list_deleted(options)));
        SqlId id = SQL_ACTOR_LIST_FILTERED;

        /* What is asked often has an index of its own. */
        if (role && !list_deleted(options)) {
                if (f->name && !f->definition_id)
                        id = SQL_ACTOR_LIST_NAMED;
                else if (!f->name && !f->definition_id)
                        id = workspace_id ? SQL_ACTOR_LIST_OF_WORKSPACE : SQL_ACTOR_LIST;
        } else if (!role && f->definition_id && !f->name && !workspace_id && !list_deleted(options))
                id = SQL_ACTOR_LIST_OF_DEFINITION;
        return db_list(db, id, binds, &actor_model, array, reterr_error);
}

static int compare_ids(const void *a, const void *b) {
        return strcmp((*(const Actor *const *) a)->id, (*(const Actor *const *) b)->id);
}

int actor_store_list(Db *db, const ActorFilter *filter, const ListOptions *options, ActorArray *ret,
                     Error **reterr_error) {
        const ListUnion u = { MAX(strv_length(filter->workspace_ids), (size_t) 1), list_part, compare_ids,
                              &actor_model };

        return db_list_union(db, &u, options, filter, ret, reterr_error);
}

/* An update that found no row of that revision: was there a row? */
static int missed(Db *db, const char *id, Error **reterr_error) {
        _cleanup_(actor_freep) Actor *a = NULL;
        int r;

        r = actor_store_get(db, id, &a, reterr_error);
        if (r < 0)
                return r;
        if (a->tombstone)
                return error_set(reterr_error, -ENOENT, "The %s '%s' is deleted",
                                 actor_role_to_string(a->role), id);
        return error_set(reterr_error, -ESTALE, "The %s '%s' was changed by somebody else meanwhile",
                         actor_role_to_string(a->role), id);
}

int actor_store_update(Db *db, const Actor *a, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_ACTOR_UPDATE, &actor_model, a, BINDS(B_I64("now", now)), CHANGE_ACTOR, a->id,
                      now, reterr_error);
        if (r == 0)
                return missed(db, a->id, reterr_error);
        return r < 0 ? r : 0;
}

int actor_store_set_check(Db *db, const char *id, CheckStatus status, const char *message, const char *hash,
                          usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_ACTOR_SET_CHECK, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_TEXT("status", check_status_to_string(status)),
                                   B_TEXT("message", message), B_TEXT("hash", hash), B_I64("now", now)),
                             CHANGE_ACTOR, "source or destination", id, now, reterr_error);
}

static int delete_row(Db *db, const char *id, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_ACTOR_DELETE, NULL, NULL, BINDS(B_TEXT("id", id), B_I64("now", now)),
                      CHANGE_ACTOR, id, now, reterr_error);
        if (r < 0)
                return r;
        if (r == 0) {
                r = missed(db, id, reterr_error);
                /* It exists and is deleted: then all of this was done before. */
                _cleanup_(actor_freep) Actor *a = NULL;
                if (r == -ENOENT &&
                    db_get(db, SQL_ACTOR_GET, BINDS(B_TEXT("id", id)), &actor_model, &a, NULL) >= 0)
                        return 0;
                return r;
        }
        r = db_run(db, SQL_ACTOR_FORGET, NULL, NULL, BINDS(B_TEXT("id", id)), reterr_error);
        if (r < 0)
                return r;
        return secret_store_delete_of_owner(db, id, NULL, reterr_error);
}

/* Names one of the connections that hold it, which is where whoever wants it gone has to go on. */
static int refuse_in_use(Db *db, const char *id, Error **reterr_error) {
        _cleanup_free_ char *name = NULL;
        int r = db_get_text(db, SQL_ACTOR_USER, BINDS(B_TEXT("id", id)), &name, reterr_error);

        if (r >= 0)
                return error_set(reterr_error, -EBUSY, "The connection '%s' uses it", name);
        return r == -ENOENT ? 0 : r;
}

int actor_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = refuse_in_use(db, id, reterr_error);
        if (r < 0)
                return r;
        r = delete_row(db, id, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
