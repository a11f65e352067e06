/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The schema's steps are texts in the program, numbered from 1. Each runs in a transaction together with
 * the row that records it: after a crash the next start goes on with the step that isn't recorded. Only
 * the bootloader migrates, before the daemons start; they compare and refuse, in both directions. There
 * is no way back: a newer schema means a backup. */

#include "db/migrate.h"
#include "db/db-internal.h"

int db_schema_known(void) {
        return SCHEMA_VERSION;
}

int db_schema_version(Db *db, int *ret, Error **reterr_error) {
        int64_t version;
        int r;

        r = engine_has_table(db->handle, "schema_migration", reterr_error);
        if (r < 0)
                return r;
        if (r == 0) {
                r = engine_has_tables(db->handle, reterr_error);
                if (r > 0)
                        return error_set(reterr_error, -EINVAL,
                                         "This is a database, but not one of Gantry's");
                *ret = 0;
                return r;
        }
        r = db_get_i64(db, SQL_SCHEMA_VERSION, NULL, &version, reterr_error);
        if (r == -ENOENT)
                return error_set(reterr_error, -EINVAL, "The database doesn't say which schema it has");
        if (r < 0)
                return r;
        *ret = (int) version;
        return 0;
}

int db_schema_compare(Db *db, Error **reterr_error) {
        int version, r;

        r = db_schema_version(db, &version, reterr_error);
        if (r < 0)
                return r;
        if (version < SCHEMA_VERSION)
                return error_set(
                        reterr_error, -EPROTO,
                        "The database has schema %d and this program needs %d; gantry-bootloader migrates it",
                        version, SCHEMA_VERSION);
        if (version > SCHEMA_VERSION)
                return error_set(
                        reterr_error, -EPROTO,
                        "The database has schema %d, which is newer than this program's %d; install the newer Gantry "
                        "again, or restore a backup",
                        version, SCHEMA_VERSION);
        return 0;
}

static int migrate_step(Db *db, int version, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        const SchemaStep *step = &schema_steps[version - 1];
        int result, r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        result = sqlite3_exec(db->handle, step->text, NULL, NULL, NULL);
        if (result != SQLITE_OK)
                return engine_error(db->handle, result, step->name, reterr_error);
        r = db_run(db, SQL_SCHEMA_RECORD, NULL, NULL,
                   BINDS(B_I64("version", version), B_TEXT("name", step->name), B_I64("now", now)),
                   reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}

int db_migrate(Db *db, usec_t now, int *ret_from, Error **reterr_error) {
        int version, r;

        r = db_schema_version(db, &version, reterr_error);
        if (r < 0)
                return r;
        if (version > SCHEMA_VERSION)
                return db_schema_compare(db, reterr_error);
        *ret_from = version;
        for (int v = version + 1; v <= SCHEMA_VERSION; v++) {
                r = migrate_step(db, v, now, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "Schema %d", v);
        }
        return 0;
}
