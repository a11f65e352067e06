/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/session-store.h"

#define B_TOKEN(hash_) B_BLOB("token_hash", (hash_)->p, (hash_)->n)

int session_store_insert(Db *db, const Session *s, usec_t now, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SESSION_INSERT, &session_model, s, BINDS(B_I64("created_at", now)), reterr_error);
        return r < 0 ? r : 0;
}

int session_store_get(Db *db, const Blob *token_hash, usec_t now, Session **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_SESSION_GET, BINDS(B_TOKEN(token_hash), B_I64("now", now)), &session_model, ret,
                   reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "There is no such session, or it has expired") : r;
}

int session_store_take(Db *db, const Blob *token_hash, usec_t now, Session **ret, Error **reterr_error) {
        _cleanup_(session_freep) Session *s = NULL;
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = session_store_get(db, token_hash, now, &s, reterr_error);
        if (r < 0)
                return r;
        r = session_store_delete(db, token_hash, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

int session_store_extend(Db *db, const Blob *token_hash, usec_t expires_at, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SESSION_EXTEND, NULL, NULL,
                   BINDS(B_TOKEN(token_hash), B_I64("expires_at", expires_at)), reterr_error);
        if (r == 0)
                return error_set(reterr_error, -ENOENT, "There is no such session");
        return r < 0 ? r : 0;
}

int session_store_delete(Db *db, const Blob *token_hash, Error **reterr_error) {
        int r;

        r = db_run(db, SQL_SESSION_DELETE, NULL, NULL, BINDS(B_TOKEN(token_hash)), reterr_error);
        return r < 0 ? r : 0;
}

int session_store_delete_of(Db *db, PrincipalKind kind, const char *principal_id, Error **reterr_error) {
        int r;

        r = db_run(
                db, SQL_SESSION_DELETE_OF, NULL, NULL,
                BINDS(B_TEXT("kind", principal_kind_to_string(kind)), B_TEXT("principal_id", principal_id)),
                reterr_error);
        return r < 0 ? r : 0;
}

int session_store_prune(Db *db, usec_t now, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_SESSION_PRUNE, NULL, NULL, BINDS(B_I64("now", now), B_I64("limit", limit)),
                      reterr_error);
}
