/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "db/db-internal.h"
#include "db/spec-store.h"

int spec_store_get(Db *db, const char *reference, char **ret, Error **reterr_error) {
        return db_get_text(db, SQL_SPEC_GET, BINDS(B_TEXT("reference", reference)), ret, reterr_error);
}

int spec_store_put(Db *db, const char *reference, const char *spec, usec_t now, Error **reterr_error) {
        return db_run(db, SQL_SPEC_PUT, NULL, NULL,
                      BINDS(B_TEXT("reference", reference), B_TEXT("spec", spec), B_I64("now", now)), reterr_error);
}
