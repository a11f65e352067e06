/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/dataplane-store.h"
#include "db/db-internal.h"
#include "model/event.h"

int dataplane_store_insert(Db *db, const Dataplane *d, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_DATAPLANE_INSERT, &dataplane_model, d, BINDS(B_I64("now", now)),
                      CHANGE_DATAPLANE, d->id, now, reterr_error);
        return r < 0 ? r : 0;
}

int dataplane_store_get(Db *db, const char *id, Dataplane **ret, Error **reterr_error) {
        return db_get_one(db, SQL_DATAPLANE_GET, BINDS(B_TEXT("id", id)), &dataplane_model, ret, id,
                          reterr_error);
}

int dataplane_store_get_by_name(Db *db, const char *name, Dataplane **ret, Error **reterr_error) {
        return db_get_one(db, SQL_DATAPLANE_GET_BY_NAME, BINDS(B_TEXT("name", name)), &dataplane_model, ret,
                          name, reterr_error);
}

int dataplane_store_list(Db *db, DataplaneArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_DATAPLANE_LIST, NULL, &dataplane_model, ret, reterr_error);
}

int dataplane_store_set_token(Db *db, const char *id, const Blob *token_hash, usec_t now,
                              Error **reterr_error) {
        return db_change_one(db, SQL_DATAPLANE_SET_TOKEN, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_BLOB("token_hash", token_hash->p, token_hash->n)),
                             CHANGE_DATAPLANE, "dataplane", id, now, reterr_error);
}

int dataplane_store_heartbeat(Db *db, const char *id, usec_t now, Error **reterr_error) {
        int r;

        r = db_run_one(db, SQL_DATAPLANE_HEARTBEAT, NULL, NULL, BINDS(B_TEXT("id", id), B_I64("now", now)),
                       "dataplane", id, reterr_error);
        return r < 0 ? r : 0;
}

int dataplane_store_set_enabled(Db *db, const char *id, bool enabled, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_DATAPLANE_SET_ENABLED, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_I64("enabled", enabled)), CHANGE_DATAPLANE,
                             "dataplane", id, now, reterr_error);
}
