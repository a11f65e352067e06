/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The database file: opening it for bulk writing, transactions that take turns with other syncs, errors
 * as sentences. */

#include <sqlite3.h>

#include "connectors/lib/connector.h"

typedef struct Database {
        sqlite3 *db;
        char *path;
        int lock_fd; /* stream locks and turns (connectors/lib/stream-lock.h) */
        bool in_transaction;
        bool created; /* the file wasn't there before */
} Database;

#define DATABASE_INIT ((Database) { .lock_fd = -EBADF })

/* Opens the file; nothing is read or locked yet. */
int database_open(Database *d, const char *path, int busy_timeout_seconds, Error **reterr_error);
/* Reads its header and sets it up for writing. `wait`: in turn with other syncs, however long theirs
 * takes. */
int database_configure(Database *d, bool wait, Error **reterr_error);
void database_close(Database *d);

/* Begins, unless one is open: waits for its turn, then for SQLite's lock. */
int database_begin(Database *d, Error **reterr_error);
/* Durable when it returns. No transaction: nothing happens. */
int database_commit(Database *d, Error **reterr_error);
void database_rollback(Database *d);

/* Statements are built with sqlite3_mprintf(): "%w" inside double quotes is the one way a name gets into
 * SQL. */
int database_exec(Database *d, Error **reterr_error, const char *format, ...);
int database_prepare(Database *d, const char *sql, sqlite3_stmt **ret, Error **reterr_error);

/* The sentence for SQLite's last error, as "what in 'path': why", and the errno that it is. */
int database_error(Database *d, int rc, const char *what, Error **reterr_error);

static inline void sqlite_strp(char **s) {
        sqlite3_free(*s);
}
#define _cleanup_sqlite_str_ _cleanup_(sqlite_strp)
static inline void sqlite_stmtp(sqlite3_stmt **s) {
        sqlite3_finalize(*s);
}
#define _cleanup_stmt_ _cleanup_(sqlite_stmtp)
