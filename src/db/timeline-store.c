/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A page is a range of the index by connection and id, read backwards; "~" sorts behind all ids.
 * Filtering by type reads pages until enough were found: connections have few events, and an index for
 * each type would be written far more often than read. */

#include "basic/strv.h"
#include "db/db-internal.h"
#include "db/timeline-store.h"

int timeline_store_append(Db *db, const TimelineEvent *e, usec_t now, Error **reterr_error) {
        return db_change(db, SQL_TIMELINE_INSERT, &timeline_event_model, e, BINDS(B_I64("now", now)),
                         CHANGE_TIMELINE, e->connection_id, now, reterr_error);
}

/* Reads page after page until enough events are of a wanted type. */
static int list_filtered(Db *db, const char *connection_id, char *const *types, const ListOptions *options,
                         TimelineEventArray *ret, Error **reterr_error) {
        _cleanup_free_ char *before = strdup(options && options->after ? options->after : "~");
        int64_t skip = list_offset(options), limit = list_limit(options);

        if (!before)
                return -ENOMEM;
        for (;;) {
                _cleanup_(timeline_event_array_done) TimelineEventArray page = {};
                int r;

                r = db_list(db, SQL_TIMELINE_LIST,
                            BINDS(B_TEXT("connection_id", connection_id), B_TEXT("before", before),
                                  B_I64("offset", 0), B_I64("limit", LIST_LIMIT_MAX)),
                            &timeline_event_model, &page, reterr_error);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < page.n; i++) {
                        if (!strv_contains(types, page.items[i]->event_type) || skip-- > 0)
                                continue;
                        r = model_array_append((void ***) &ret->items, &ret->n, page.items[i]);
                        if (r < 0)
                                return r;
                        page.items[i] = NULL;
                        if ((int64_t) ret->n == limit)
                                return 0;
                }
                if (page.n < LIST_LIMIT_MAX || !page.items[page.n - 1])
                        return 0;
                free(before);
                before = strdup(page.items[page.n - 1]->id);
                if (!before)
                        return -ENOMEM;
        }
}

int timeline_store_list(Db *db, const char *connection_id, char *const *types, const ListOptions *options,
                        TimelineEventArray *ret, Error **reterr_error) {
        const Bind *binds =
                BINDS(B_TEXT("connection_id", connection_id),
                      B_TEXT("before", options && options->after ? options->after : "~"),
                      B_I64("limit", list_limit(options)), B_I64("offset", list_offset(options)));
        int r;

        if (!types || !types[0])
                return db_list_whole(db, SQL_TIMELINE_LIST, binds, &timeline_event_model, ret, reterr_error);
        r = list_filtered(db, connection_id, types, options, ret, reterr_error);
        if (r < 0)
                timeline_event_array_done(ret);
        return r;
}

int timeline_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_TIMELINE_PRUNE, NULL, NULL,
                      BINDS(B_I64("before", before), B_I64("limit", limit)), reterr_error);
}
