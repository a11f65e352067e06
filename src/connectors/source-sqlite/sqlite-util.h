/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SQLite with our rules: opened for reading, errors as sentences, clean-up attributes, quoting. */

#include <sqlite3.h>

#include "basic/buffer.h"
#include "basic/error.h"

static inline void sqlite_closep(sqlite3 **db) {
        (void) sqlite3_close_v2(*db);
}
static inline void sqlite_finalizep(sqlite3_stmt **s) {
        (void) sqlite3_finalize(*s);
}
#define _cleanup_db_ _cleanup_(sqlite_closep)
#define _cleanup_stmt_ _cleanup_(sqlite_finalizep)

/* Opens a database that somebody else may be writing to, and begins the one read transaction that
 * everything is read in (scenario S29). A database in WAL mode whose directory we cannot write to needs
 * SQLite's "immutable" way of reading: taken only when no write-ahead log is there, with *ret_immutable
 * set, so that it can be said. */
int sqlite_open(const char *path, sqlite3 **ret, bool *ret_immutable, Error **reterr_error);

int sqlite_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret, Error **reterr_error);
/* 1 a row, 0 done. */
int sqlite_step(sqlite3_stmt *s, Error **reterr_error);
/* The errno and sentence of what just failed. */
int sqlite_fail(sqlite3 *db, Error **reterr_error, const char *what);

/* Appends a name in quotes, whatever it holds (threat T32). */
int sqlite_append_name(Buffer *b, const char *name);
