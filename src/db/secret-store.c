/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/strv.h"
#include "db/db-internal.h"
#include "db/secret-store.h"

int secret_store_put(Db *db, const Secret *s, usec_t now, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SECRET_PUT, &secret_model, s, BINDS(B_I64("now", now)), reterr_error);
        if (r == 0)
                return error_set(reterr_error, -EEXIST, "Secret '%s' belongs to somebody else", s->id);
        return r < 0 ? r : 0;
}

int secret_store_get(Db *db, const char *id, Secret **ret, Error **reterr_error) {
        return db_get_one(db, SQL_SECRET_GET, BINDS(B_TEXT("id", id)), &secret_model, ret, id, reterr_error);
}

int secret_store_list(Db *db, const ListOptions *options, SecretArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_SECRET_LIST, BINDS(B_PAGE(options)), &secret_model, ret, reterr_error);
}

int secret_store_list_of_owner(Db *db, const char *owner_id, SecretArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_SECRET_LIST_OF_OWNER, BINDS(B_TEXT("owner_id", owner_id)),
                             &secret_model, ret, reterr_error);
}

int secret_store_reseal(Db *db, const char *id, const Blob *old, const Blob *sealed, usec_t now,
                        Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SECRET_RESEAL, NULL, NULL,
                   BINDS(B_TEXT("id", id), B_BLOB("old", old->p, old->n),
                         B_BLOB("sealed", sealed->p, sealed->n), B_I64("now", now)),
                   reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ESTALE, "Secret '%s' was changed meanwhile", id);
        return r < 0 ? r : 0;
}

int secret_store_delete(Db *db, const char *id, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SECRET_DELETE, NULL, NULL, BINDS(B_TEXT("id", id)), reterr_error);
        return r < 0 ? r : 0;
}

int secret_store_delete_of_owner(Db *db, const char *owner_id, char *const *keep, Error **reterr_error) {
        _cleanup_(secret_array_done) SecretArray all = {};
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r, n = 0;

        if (!keep || !keep[0])
                return db_run(db, SQL_SECRET_DELETE_OF_OWNER, NULL, NULL,
                              BINDS(B_TEXT("owner_id", owner_id)), reterr_error);
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = secret_store_list_of_owner(db, owner_id, &all, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < all.n; i++)
                if (!strv_contains(keep, all.items[i]->id)) {
                        r = secret_store_delete(db, all.items[i]->id, reterr_error);
                        if (r < 0)
                                return r;
                        n++;
                }
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : n;
}
