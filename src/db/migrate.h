/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The schema's version: comparing it, and leading a database to ours. Steps are numbered and never
 * changed once they were released (docs/DATABASE.md). */

#include "db/db.h"

/* What this program knows. */
int db_schema_known(void);
/* What the file has; 0: nothing yet. -EINVAL: it is a database of something else. */
int db_schema_version(Db *db, int *ret, Error **reterr_error);
/* 0 when both are the same, else -EPROTO with a sentence that names both. */
int db_schema_compare(Db *db, Error **reterr_error);
/* Applies the missing steps, each in a transaction of its own, so that a failure leaves the schema of the
 * step before. -EPROTO: the file's schema is newer. `ret_from` is the version that was there. */
int db_migrate(Db *db, usec_t now, int *ret_from, Error **reterr_error);
