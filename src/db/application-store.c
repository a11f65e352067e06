/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/application-store.h"
#include "db/db-internal.h"
#include "db/session-store.h"
#include "model/event.h"

int application_store_insert(Db *db, const Application *a, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_APPLICATION_INSERT, &application_model, a, BINDS(B_I64("now", now)),
                      CHANGE_APPLICATION, a->id, now, reterr_error);
        return r < 0 ? r : 0;
}

int application_store_get(Db *db, const char *id, Application **ret, Error **reterr_error) {
        return db_get_one(db, SQL_APPLICATION_GET, BINDS(B_TEXT("id", id)), &application_model, ret, id,
                          reterr_error);
}

int application_store_get_by_client_id(Db *db, const char *client_id, Application **ret,
                                       Error **reterr_error) {
        return db_get_one(db, SQL_APPLICATION_GET_BY_CLIENT_ID, BINDS(B_TEXT("client_id", client_id)),
                          &application_model, ret, client_id, reterr_error);
}

int application_store_list(Db *db, const ListOptions *options, ApplicationArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_APPLICATION_LIST, BINDS(B_PAGE(options)), &application_model, ret,
                             reterr_error);
}

int application_store_reseal(Db *db, const char *id, const Blob *old, const Blob *sealed, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_APPLICATION_RESEAL, NULL, NULL,
                   BINDS(B_TEXT("id", id), B_BLOB("old", old->p, old->n), B_BLOB("sealed", sealed->p, sealed->n)),
                   reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ESTALE, "The secret of application '%s' was changed meanwhile", id);
        return r < 0 ? r : 0;
}

int application_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        const char *kind = principal_kind_to_string(PRINCIPAL_APPLICATION);
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_change_one(db, SQL_APPLICATION_DELETE, NULL, NULL, BINDS(B_TEXT("id", id)),
                          CHANGE_APPLICATION, "application", id, now, reterr_error);
        if (r < 0)
                return r;
        r = db_run(db, SQL_PERMISSION_DELETE_OF, NULL, NULL,
                   BINDS(B_TEXT("kind", kind), B_TEXT("principal_id", id)), reterr_error);
        if (r < 0)
                return r;
        r = session_store_delete_of(db, PRINCIPAL_APPLICATION, id, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
