/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading one table as a stream. */

#include "connectors/lib/emitter.h"
#include "connectors/source-sqlite/sqlite-state.h"

/* `state` may be NULL. The stream's statuses, states and records go to `out`. */
int sqlite_table_read(sqlite3 *db, const SqliteConfig *config, const SqliteTable *t,
                      const ConfiguredStream *configured,
                      const char *state, size_t n_state, Emitter *out, Error **reterr_error);

/* The column that serves as cursor where nobody names one; NULL when there is none. */
const char *sqlite_table_default_cursor(const SqliteTable *t);
