/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Connections. gantry-server writes them; gantry-workflow writes `next_run`
 * (connection_store_set_next_run()), and with an update of the revision it has read: the status,
 * status_reason, breaking_change and the catalog, where a schema change or too many failures ask for it. */

#include "db/db.h"
#include "db/list-options.h"
#include "model/connection.h"

typedef struct ConnectionFilter {
        char *const *workspace_ids; /* NULL or empty: all */
        char *const *tag_ids;       /* those with at least one of the tags; NULL or empty: all */
        const char *actor_id;       /* its source or destination; NULL: all */
        ConnectionStatus status;    /* _CONNECTION_STATUS_INVALID: all but deprecated (or include_deleted) */
        bool with_catalog;          /* fill `catalog` too */
} ConnectionFilter;

/* `catalog` is stored by its content, compressed. */
int connection_store_insert(Db *db, const Connection *c, usec_t now, Error **reterr_error);
/* Deprecated ones are found too. With its catalog. */
int connection_store_get(Db *db, const char *id, Connection **ret, Error **reterr_error);
int connection_store_list(Db *db, const ConnectionFilter *filter, const ListOptions *options,
                          ConnectionArray *ret, Error **reterr_error);
/* All but id, workspace_id, source_id, destination_id, next_run and created_at; a `catalog` or
 * `source_catalog_id` of NULL keeps the stored one. -ESTALE unless c->revision is the stored one, which is
 * raised. */
int connection_store_update(Db *db, const Connection *c, usec_t now, Error **reterr_error);
/* It goes by another catalog of its source, and nothing that is set of it changes: neither needs nor raises
 * the revision. -ENOENT where it is deleted. */
int connection_store_set_source_catalog(Db *db, const char *id, const char *source_catalog_id, usec_t now,
                                        Error **reterr_error);
/* 0: nothing is due. Neither needs nor raises the revision. */
int connection_store_set_next_run(Db *db, const char *id, usec_t next_run, Error **reterr_error);
/* Active connections with a next_run, in the order of their ids, behind `after` ("": from the first on). */
int connection_store_list_scheduled(Db *db, const char *after, size_t limit, ConnectionArray *ret,
                                    Error **reterr_error);
/* Active connections with next_run at most `until` (USEC_INFINITY: any), the earliest first. */
int connection_store_list_due(Db *db, usec_t until, size_t limit, ConnectionArray *ret,
                              Error **reterr_error);
/* Makes it deprecated and drops its state. Its jobs stay. Deleting twice is no error (P07). */
int connection_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error);
