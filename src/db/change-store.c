/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/change-store.h"
#include "db/db-internal.h"

int change_append(Db *db, ChangeKind kind, const char *id, usec_t now, int64_t *ret_seq,
                  Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t seq;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_COUNTER_NEXT, BINDS(B_TEXT("name", "change")), &seq, reterr_error);
        if (r < 0)
                return r;
        r = db_run(db, SQL_CHANGE_INSERT, NULL, NULL,
                   BINDS(B_I64("seq", seq), B_TEXT("kind", change_kind_to_string(kind)), B_TEXT("id", id),
                         B_I64("at", now)),
                   reterr_error);
        if (r < 0)
                return r;
        db->pending = seq;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        if (ret_seq)
                *ret_seq = seq;
        return 0;
}

int change_last(Db *db, int64_t *ret, Error **reterr_error) {
        return db_get_i64(db, SQL_COUNTER_GET, BINDS(B_TEXT("name", "change")), ret, reterr_error);
}

int change_list(Db *db, int64_t since, size_t limit, ChangeArray *ret, Error **reterr_error) {
        _cleanup_(change_array_done) ChangeArray found = {};
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int64_t first = 0;
        int r;

        r = db_begin_read(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get_i64(db, SQL_CHANGE_FIRST, NULL, &first, reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        if (r >= 0 && since < first - 1)
                return error_set(reterr_error, -ESTALE, "Changes before %lld are forgotten",
                                 (long long) first);
        r = db_list(db, SQL_CHANGE_LIST,
                    BINDS(B_I64("since", since), B_I64("limit", MIN(limit, LIST_LIMIT_MAX))), &change_model,
                    &found, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = found;
        found = (ChangeArray) {};
        return 0;
}

int change_prune(Db *db, usec_t before, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_CHANGE_PRUNE, NULL, NULL,
                      BINDS(B_I64("before", before), B_I64("limit", limit)), reterr_error);
}
