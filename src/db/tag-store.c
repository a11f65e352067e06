/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/change-store.h"
#include "db/db-internal.h"
#include "db/tag-store.h"
#include "model/event.h"

int tag_store_insert(Db *db, const Tag *t, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_TAG_INSERT, &tag_model, t, BINDS(B_I64("now", now)), CHANGE_TAG, t->id, now,
                      reterr_error);
        return r < 0 ? r : 0;
}

int tag_store_get(Db *db, const char *id, Tag **ret, Error **reterr_error) {
        return db_get_one(db, SQL_TAG_GET, BINDS(B_TEXT("id", id)), &tag_model, ret, id, reterr_error);
}

int tag_store_list(Db *db, char *const *workspace_ids, TagArray *ret, Error **reterr_error) {
        _cleanup_(tag_array_done) TagArray found = {};
        int r = 0;

        if (!workspace_ids || !workspace_ids[0])
                r = db_list(db, SQL_TAG_LIST, NULL, &tag_model, &found, reterr_error);
        for (char *const *w = workspace_ids; w && *w && r >= 0; w++)
                r = db_list(db, SQL_TAG_LIST_OF_WORKSPACE, BINDS(B_TEXT("workspace_id", *w)), &tag_model,
                            &found, reterr_error);
        if (r < 0)
                return r;
        *ret = found;
        found = (TagArray) {};
        return 0;
}

int tag_store_update(Db *db, const Tag *t, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_TAG_UPDATE, &tag_model, t, NULL, CHANGE_TAG, "tag", t->id, now,
                             reterr_error);
}

int tag_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_TAG_DELETE, NULL, NULL, BINDS(B_TEXT("id", id)), CHANGE_TAG, "tag", id,
                             now, reterr_error);
}

int tag_store_list_of_connection(Db *db, const char *connection_id, TagArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_TAG_LIST_OF_CONNECTION, BINDS(B_TEXT("connection_id", connection_id)),
                             &tag_model, ret, reterr_error);
}

static int add_to_connection(Db *db, const char *connection_id, const char *tag_id, Error **reterr_error) {
        const Bind *binds = BINDS(B_TEXT("connection_id", connection_id), B_TEXT("tag_id", tag_id));
        int64_t there;
        int r;

        r = db_run(db, SQL_TAG_ADD_TO_CONNECTION, NULL, NULL, binds, reterr_error);
        if (r != 0)
                return r;
        /* Nothing was added: named twice, or not a tag of the connection's workspace. */
        r = db_get_i64(db, SQL_TAG_IS_ON_CONNECTION, binds, &there, reterr_error);
        if (r == -ENOENT)
                return error_set(reterr_error, -EINVAL, "The workspace has no tag '%s'", tag_id);
        return r;
}

int tag_store_set_of_connection(Db *db, const char *connection_id, char *const *tag_ids, usec_t now,
                                Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_run(db, SQL_TAG_CLEAR_CONNECTION, NULL, NULL, BINDS(B_TEXT("connection_id", connection_id)),
                   reterr_error);
        if (r < 0)
                return r;
        for (char *const *t = tag_ids; t && *t; t++) {
                r = add_to_connection(db, connection_id, *t, reterr_error);
                if (r < 0)
                        return r;
        }
        r = change_append(db, CHANGE_CONNECTION, connection_id, now, NULL, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
