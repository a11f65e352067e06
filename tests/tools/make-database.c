/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Makes an empty database of the suite, as the bootloader would: `make-database PATH`. For tests of one daemon. */

#include <stdio.h>

#include "db/metadata-store.h"
#include "db/migrate.h"

int main(int argc, char **argv) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_(db_freep) Db *db = NULL;
        int from = 0, r = -EINVAL;

        if (argc == 2)
                r = db_open(argv[1], DB_MIGRATE, &db, &error);
        if (r >= 0)
                r = db_migrate(db, /* now= */ 1, &from, &error);
        if (r >= 0)
                r = metadata_set(db, METADATA_DEPLOYMENT_ID, "0190a1b2-0000-7000-8000-000000000000", &error);
        if (r < 0)
                fprintf(stderr, "make-database: %s\n", error_message(error, r));
        return r < 0;
}
