/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A page is a range of the index by connection, time and id, read backwards. Time comes first, since an id
 * may be made of what the event is about, to be told once, and not of when it was told. A page goes on
 * behind the event that `after` names; one that has been pruned was among the oldest, and nothing is left
 * behind it.
 *
 * Filtering by type reads pages until enough were found: connections have few events, and an index for
 * each type would be written far more often than read. */

#include "basic/strv.h"
#include "db/db-internal.h"
#include "db/timeline-store.h"

/* The place before the first event of a page. */
typedef struct Place {
        int64_t at;
        const char *id;
} Place;

int timeline_store_append(Db *db, const TimelineEvent *e, usec_t now, Error **reterr_error) {
        return db_change(db, SQL_TIMELINE_INSERT, &timeline_event_model, e, BINDS(B_I64("now", now)),
                         CHANGE_TIMELINE, e->connection_id, now, reterr_error);
}

/* 0: there is nothing behind it. */
static int find_place(Db *db, const char *after, Place *ret, Error **reterr_error) {
        int r;

        *ret = (Place) { INT64_MAX, "" };
        if (!after)
                return 1;
        ret->id = after;
        r = db_get_i64(db, SQL_TIMELINE_AT, BINDS(B_TEXT("id", after)), &ret->at, reterr_error);
        return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

/* Reads page after page until enough events are of a wanted type. */
static int list_filtered(Db *db, const char *connection_id, char *const *types, const ListOptions *options,
                         Place place, TimelineEventArray *ret, Error **reterr_error) {
        int64_t skip = list_offset(options), limit = list_limit(options);
        _cleanup_free_ char *before = NULL;

        for (;;) {
                _cleanup_(timeline_event_array_done) TimelineEventArray page = {};
                int r;

                r = db_list(db, SQL_TIMELINE_LIST,
                            BINDS(B_TEXT("connection_id", connection_id), B_I64("before", place.at),
                                  B_TEXT("before_id", place.id), B_I64("offset", 0),
                                  B_I64("limit", LIST_LIMIT_MAX)),
                            &timeline_event_model, &page, reterr_error);
                if (r < 0)
                        return r;
                /* Before events go over to the caller. */
                if (page.n > 0) {
                        place.at = (int64_t) page.items[page.n - 1]->created_at;
                        free(before);
                        place.id = before = strdup(page.items[page.n - 1]->id);
                        if (!before)
                                return -ENOMEM;
                }
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
                if (page.n < LIST_LIMIT_MAX)
                        return 0;
        }
}

int timeline_store_list(Db *db, const char *connection_id, char *const *types, const ListOptions *options,
                        TimelineEventArray *ret, Error **reterr_error) {
        Place place;
        int r;

        r = find_place(db, options ? options->after : NULL, &place, reterr_error);
        if (r <= 0)
                return r;
        if (!types || !types[0])
                return db_list_whole(db, SQL_TIMELINE_LIST,
                                     BINDS(B_TEXT("connection_id", connection_id), B_I64("before", place.at),
                                           B_TEXT("before_id", place.id),
                                           B_I64("limit", list_limit(options)),
                                           B_I64("offset", list_offset(options))),
                                     &timeline_event_model, ret, reterr_error);
        r = list_filtered(db, connection_id, types, options, place, ret, reterr_error);
        if (r < 0)
                timeline_event_array_done(ret);
        return r;
}

int timeline_store_prune(Db *db, usec_t before, size_t limit, Error **reterr_error) {
        return db_run(db, SQL_TIMELINE_PRUNE, NULL, NULL,
                      BINDS(B_I64("before", before), B_I64("limit", limit)), reterr_error);
}
