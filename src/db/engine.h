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

/* In the file's header, "GANT": what file(1) may know it by. */
#define ENGINE_APPLICATION_ID 1195462228 /* decimal, as it becomes part of a pragma */

/* Opens the file with our settings, unless `create` only where it exists. */
int engine_open(const char *path, bool read_only, bool create, sqlite3 **ret, Error **reterr_error);

/* Opens a file that may be anybody's: no statement runs for longer than that many
 * instructions, nor does the reading of the schema, until engine_trust_schema(). */
int engine_open_strange(const char *path, int instructions, bool read_only, sqlite3 **ret, Error **reterr_error);
void engine_trust_schema(sqlite3 *handle);

/* Makes it one file, without a log beside it. */
int engine_leave_wal(sqlite3 *handle, Error **reterr_error);

/* What a result of SQLite's means to our callers, with the sentence. */
int engine_error(sqlite3 *handle, int result, const char *doing, Error **reterr_error);

/* 1: it has tables; 0: it is empty. */
int engine_has_tables(sqlite3 *handle, Error **reterr_error);
/* 1, 0. */
int engine_has_table(sqlite3 *handle, const char *name, Error **reterr_error);
