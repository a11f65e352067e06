/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/workspace-store.h"
#include "model/event.h"

int workspace_store_insert(Db *db, const Workspace *w, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_WORKSPACE_INSERT, &workspace_model, w, BINDS(B_I64("now", now)),
                      CHANGE_WORKSPACE, w->id, now, reterr_error);
        return r < 0 ? r : 0;
}

int workspace_store_get(Db *db, const char *id, Workspace **ret, Error **reterr_error) {
        return db_get_one(db, SQL_WORKSPACE_GET, BINDS(B_TEXT("id", id)), &workspace_model, ret, id,
                          reterr_error);
}

int workspace_store_get_default(Db *db, Workspace **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_WORKSPACE_GET_DEFAULT, NULL, &workspace_model, ret, reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "There is no workspace") : r;
}

int workspace_store_list(Db *db, const ListOptions *options, WorkspaceArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_WORKSPACE_LIST,
                             BINDS(B_PAGE(options), B_I64("deleted", list_deleted(options))),
                             &workspace_model, ret, reterr_error);
}

int workspace_store_update(Db *db, const Workspace *w, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_WORKSPACE_UPDATE, &workspace_model, w, BINDS(B_I64("now", now)),
                             CHANGE_WORKSPACE, "workspace", w->id, now, reterr_error);
}

int workspace_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_refuse_in_use(db, SQL_WORKSPACE_IN_USE, id, "Workspace", reterr_error);
        if (r < 0)
                return r;
        r = db_change_one(db, SQL_WORKSPACE_DELETE, NULL, NULL, BINDS(B_TEXT("id", id), B_I64("now", now)),
                          CHANGE_WORKSPACE, "workspace", id, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
