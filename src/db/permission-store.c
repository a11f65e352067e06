/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/permission-store.h"
#include "model/event.h"

int permission_store_insert(Db *db, const Permission *p, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_PERMISSION_INSERT, &permission_model, p, BINDS(B_I64("now", now)),
                      CHANGE_PERMISSION, p->id, now, reterr_error);
        return r < 0 ? r : 0;
}

int permission_store_get(Db *db, const char *id, Permission **ret, Error **reterr_error) {
        return db_get_one(db, SQL_PERMISSION_GET, BINDS(B_TEXT("id", id)), &permission_model, ret, id,
                          reterr_error);
}

int permission_store_list(Db *db, const ListOptions *options, PermissionArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_PERMISSION_LIST, BINDS(B_PAGE(options)), &permission_model, ret,
                             reterr_error);
}

int permission_store_list_of(Db *db, PrincipalKind kind, const char *principal_id, PermissionArray *ret,
                             Error **reterr_error) {
        return db_list_whole(
                db, SQL_PERMISSION_LIST_OF,
                BINDS(B_TEXT("kind", principal_kind_to_string(kind)), B_TEXT("principal_id", principal_id)),
                &permission_model, ret, reterr_error);
}

int permission_store_set_role(Db *db, const char *id, Role role, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_PERMISSION_SET_ROLE, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_TEXT("role", role_to_string(role))),
                             CHANGE_PERMISSION, "permission", id, now, reterr_error);
}

int permission_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_PERMISSION_DELETE, NULL, NULL, BINDS(B_TEXT("id", id)),
                             CHANGE_PERMISSION, "permission", id, now, reterr_error);
}

int permission_store_role(Db *db, PrincipalKind kind, const char *principal_id, const char *workspace_id,
                          Role *ret, Error **reterr_error) {
        _cleanup_(permission_array_done) PermissionArray all = {};
        Role highest = _ROLE_INVALID;
        int r;

        r = permission_store_list_of(db, kind, principal_id, &all, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < all.n; i++) {
                const Permission *p = all.items[i];

                if (!p->workspace_id || (workspace_id && streq(p->workspace_id, workspace_id)))
                        highest = MAX(highest, p->role);
        }
        *ret = highest;
        return 0;
}
