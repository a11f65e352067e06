/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/metadata-store.h"

int metadata_get(Db *db, const char *name, char **ret, Error **reterr_error) {
        int r;

        r = db_get_text(db, SQL_METADATA_GET, BINDS(B_TEXT("name", name)), ret, reterr_error);
        return r == -ENOENT ? error_set(reterr_error, r, "The database has no '%s'", name) : r;
}

int metadata_set(Db *db, const char *name, const char *value, Error **reterr_error) {
        return db_run(db, SQL_METADATA_SET, NULL, NULL, BINDS(B_TEXT("name", name), B_TEXT("value", value)),
                      reterr_error);
}
