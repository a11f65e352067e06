/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What differs between database engines, in one place. SQLite is the only one so far; the SQL of the
 * other files is what PostgreSQL takes too. */

#include <sqlite3.h>

#include "basic/error.h"

/* Words of the schema. */
#define ENGINE_I64 "INTEGER"
#define ENGINE_BLOB "BLOB"
#define ENGINE_STRICT "STRICT"

/* Opens the file with our settings, unless `create` only where it exists. */
int engine_open(const char *path, bool read_only, bool create, sqlite3 **ret, Error **reterr_error);

/* Makes it one file, without a log beside it. */
int engine_leave_wal(sqlite3 *handle, Error **reterr_error);

/* What a result of SQLite's means to our callers, with the sentence. */
int engine_error(sqlite3 *handle, int result, const char *doing, Error **reterr_error);

/* 1: it has tables; 0: it is empty. */
int engine_has_tables(sqlite3 *handle, Error **reterr_error);
/* 1, 0. */
int engine_has_table(sqlite3 *handle, const char *name, Error **reterr_error);
