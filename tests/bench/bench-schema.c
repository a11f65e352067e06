/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long a sync holds the database, by the processor's time of its longest transactions: with the catalog that its
 * connection knows, and with one where a column has come.
 *
 *   tests/bench/bench-schema [STREAMS [FIELDS]] */

#include <time.h>

#include "unit/workflow-schema-harness.h"

int __real_db_begin_immediate(Db *db, Db **ret_transaction, Error **reterr_error);
int __wrap_db_begin_immediate(Db *db, Db **ret_transaction, Error **reterr_error);
int __real_db_begin_read(Db *db, Db **ret_transaction, Error **reterr_error);
int __wrap_db_begin_read(Db *db, Db **ret_transaction, Error **reterr_error);
int __real_db_commit(Db **transaction, Error **reterr_error);
int __wrap_db_commit(Db **transaction, Error **reterr_error);
void __real_db_rollbackp(Db **transaction);
void __wrap_db_rollbackp(Db **transaction);

static unsigned depth, n_held, n_long;
static double held_since, longest, total;

static double now_ms(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void leave(void) {
        double ms;

        if (depth == 0 || --depth > 0)
                return;
        ms = now_ms() - held_since;
        n_held++;
        n_long += ms > 50;
        total += ms;
        longest = MAX(longest, ms);
}

int __wrap_db_begin_immediate(Db *db, Db **ret_transaction, Error **reterr_error) {
        int r = __real_db_begin_immediate(db, ret_transaction, reterr_error);

        if (r >= 0 && depth++ == 0)
                held_since = now_ms();
        return r;
}

/* One that only reads counts where it is nested in one that writes. */
int __wrap_db_begin_read(Db *db, Db **ret_transaction, Error **reterr_error) {
        int r = __real_db_begin_read(db, ret_transaction, reterr_error);

        if (r >= 0 && depth > 0)
                depth++;
        return r;
}

int __wrap_db_commit(Db **transaction, Error **reterr_error) {
        int r = __real_db_commit(transaction, reterr_error);

        leave();
        return r;
}

void __wrap_db_rollbackp(Db **transaction) {
        bool open = *transaction;

        __real_db_rollbackp(transaction);
        if (open)
                leave();
}

static char *make_catalog(size_t n_streams, size_t n_fields, const char *more) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_appendf(&b, "{\"catalog\":{\"streams\":["));
        for (size_t i = 0; i < n_streams; i++) {
                ASSERT_OK(buffer_appendf(&b, "%s{\"name\":\"stream%zu\",\"supported_sync_modes\":[\"full_refresh\"],\"json_schema\":"
                                         "{\"type\":\"object\",\"properties\":{", i > 0 ? "," : "", i));
                for (size_t k = 0; k < n_fields; k++)
                        ASSERT_OK(buffer_appendf(&b, "%s\"column%zu\":{\"type\":[\"null\",\"string\"]}", k > 0 ? "," : "", k));
                ASSERT_OK(buffer_appendf(&b, "%s}}}", i == 0 ? more : ""));
        }
        ASSERT_OK(buffer_appendf(&b, "]}}"));
        return buffer_steal_string(&b);
}

static char *make_selection(size_t n_streams) {
        _cleanup_buffer_ Buffer b = {};

        ASSERT_OK(buffer_appendf(&b, "{\"streams\":["));
        for (size_t i = 0; i < n_streams; i++)
                ASSERT_OK(buffer_appendf(&b, "%s{\"name\":\"stream%zu\",\"syncMode\":\"full_refresh_overwrite\"}", i > 0 ? "," : "", i));
        ASSERT_OK(buffer_appendf(&b, "]}"));
        return buffer_steal_string(&b);
}

static void measure(World *w, const char *what, unsigned hours, const char *catalog) {
        int64_t id;

        depth = n_held = n_long = 0;
        longest = total = 0;
        id = sync_after(w, hours, catalog);
        assert_status(w, id, JOB_SUCCEEDED);
        printf("%-28s %3u transactions, %7.1f ms in all, longest %7.1f ms, %u above 50 ms\n", what, n_held, total, longest, n_long);
}

int main(int argc, char *argv[]) {
        size_t n_streams = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000, n_fields = argc > 2 ? strtoul(argv[2], NULL, 10) : 50;
        _cleanup_free_ char *before = make_catalog(n_streams, n_fields, ""), *selection = make_selection(n_streams),
                            *after = make_catalog(n_streams, n_fields, ",\"new\":{\"type\":\"string\"}");
        _cleanup_world_ World w;

        world_init(&w, well);
        offered = before;
        ASSERT_OK(definition_store_set_spec(w.db.db, "dd", DEDUPLICATES, NOW, NULL));
        configure(&w, selection, NON_BREAKING_PROPAGATE_COLUMNS, /* backfill= */ true);
        printf("%zu streams of %zu fields, a catalog of %zu bytes\n", n_streams, n_fields, strlen(before));
        measure(&w, "the first sync", 0, before);
        measure(&w, "nothing to compare", 0, before);
        measure(&w, "discovered, and the same", 25, before);
        measure(&w, "a column has come", 25, after);
        measure(&w, "nothing to compare", 0, after);
        configure(&w, selection, NON_BREAKING_IGNORE, false);
        measure(&w, "ignored", 25, before);
        return 0;
}
