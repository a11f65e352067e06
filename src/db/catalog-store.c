/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A catalog may have megabytes, and the next discover, or another connection, often brings the same. So
 * the text is kept once, under its hash, and rows elsewhere name the hash. Nothing is ever changed, only
 * added, which is why any daemon may do it without asking the one that owns the tables around; two that
 * add the same at once store one row. Retention removes what nothing names any more
 * (sql/queries/retention.sql).
 *
 * What is stored is compressed and checked against its hash when it is read. The size stands in a column
 * of its own, so that a damaged blob can't ask for more memory than a catalog may have. */

#include <zstd.h>

#include "db/catalog-store.h"
#include "db/change-store.h"
#include "db/db-internal.h"
#include "secrets/token.h"

#define COMPRESSION_LEVEL 3 /* zstd's own default */

int catalog_store_hash(const char *json, size_t n, char ret[static CATALOG_HASH_MAX]) {
        static_assert(CATALOG_HASH_MAX == CONTENT_HASH_MAX, "both are the same hash");
        content_hash(json, n, ret);
        return 0;
}

static int compress(const char *p, size_t n, Blob *ret) {
        size_t bound = ZSTD_compressBound(n), size;
        _cleanup_free_ void *content = malloc(bound);

        if (!content)
                return -ENOMEM;
        size = ZSTD_compress(content, bound, p, n, COMPRESSION_LEVEL);
        if (ZSTD_isError(size))
                return -ENOMEM; /* nothing else can go wrong with memory in, memory out */
        *ret = (Blob) { TAKE_PTR(content), size };
        return 0;
}

int catalog_store_put(Db *db, const char *json, size_t n, usec_t now, char ret_hash[static CATALOG_HASH_MAX],
                      Error **reterr_error) {
        char hash[CATALOG_HASH_MAX];
        Blob content = {};
        int64_t there;
        int r;

        if (n > CATALOG_SIZE_MAX)
                return error_set(reterr_error, -E2BIG, "The catalog has more than %u bytes",
                                 CATALOG_SIZE_MAX);
        (void) catalog_store_hash(json, n, hash);
        r = db_get_i64(db, SQL_CATALOG_HAS, BINDS(B_TEXT("hash", hash)), &there, reterr_error);
        if (r == -ENOENT) {
                r = compress(json, n, &content);
                if (r < 0)
                        return r;
                r = db_run(db, SQL_CATALOG_PUT, NULL, NULL,
                           BINDS(B_TEXT("hash", hash), B_I64("size", n), B_I64("now", now),
                                 B_BLOB("content", content.p, content.n)),
                           reterr_error);
                free(content.p);
        }
        if (r < 0)
                return r;
        memcpy(ret_hash, hash, sizeof(hash));
        return 0;
}

/* What comes from the disk is believed only as far as its hash goes. */
static int decompress(const Blob *content, size_t size, const char *hash, char **ret, Error **reterr_error) {
        _cleanup_free_ char *text = malloc(size + 1);
        char found[CATALOG_HASH_MAX] = "";
        size_t n;

        if (!text)
                return -ENOMEM;
        n = ZSTD_decompress(text, size, content->p, content->n);
        if (!ZSTD_isError(n) && n == size)
                (void) catalog_store_hash(text, n, found);
        if (!streq(found, hash))
                return error_set(reterr_error, -EBADMSG, "The stored catalog %s is damaged", hash);
        text[n] = '\0';
        *ret = TAKE_PTR(text);
        return 0;
}

int catalog_store_get(Db *db, const char *hash, char **ret, size_t *ret_size, Error **reterr_error) {
        const Bind *binds = BINDS(B_TEXT("hash", hash));
        Blob content = {};
        int64_t size;
        int r;

        r = db_get_i64(db, SQL_CATALOG_SIZE, binds, &size, reterr_error);
        if (r >= 0)
                r = db_get_blob(db, SQL_CATALOG_CONTENT, binds, &content, reterr_error);
        if (r == -ENOENT)
                return error_set(reterr_error, r, "There is no catalog '%s'", hash);
        if (r >= 0 && (size < 0 || size > (int64_t) CATALOG_SIZE_MAX))
                r = error_set(reterr_error, -EBADMSG, "The stored catalog %s is damaged", hash);
        if (r >= 0)
                r = decompress(&content, (size_t) size, hash, ret, reterr_error);
        free(content.p);
        if (r < 0)
                return r;
        if (ret_size)
                *ret_size = (size_t) size;
        return 0;
}

/* In one transaction: an old catalog that nothing names is there one moment and pruned the next. */
int catalog_fetch_store_insert(Db *db, const CatalogFetch *f, const char *json, size_t n, usec_t now,
                               char ret_hash[static CATALOG_HASH_MAX], Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        char hash[CATALOG_HASH_MAX];
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r >= 0)
                r = catalog_store_put(db, json, n, now, hash, reterr_error);
        if (r >= 0)
                r = db_change(db, SQL_CATALOG_FETCH_INSERT, &catalog_fetch_model, f,
                              BINDS(B_TEXT("catalog_hash", hash), B_I64("now", now)), CHANGE_CATALOG,
                              f->actor_id, now, reterr_error);
        if (r >= 0)
                r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        memcpy(ret_hash, hash, sizeof(hash));
        return 0;
}

int catalog_fetch_store_get(Db *db, const char *id, CatalogFetch **ret, Error **reterr_error) {
        return db_get_one(db, SQL_CATALOG_FETCH_GET, BINDS(B_TEXT("id", id)), &catalog_fetch_model, ret, id,
                          reterr_error);
}

int catalog_fetch_store_latest(Db *db, const char *actor_id, const char *config_hash,
                               const char *connector_version, CatalogFetch **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_CATALOG_FETCH_LATEST,
                   BINDS(B_TEXT("actor_id", actor_id), B_TEXT("config_hash", config_hash),
                         B_TEXT("connector_version", connector_version)),
                   &catalog_fetch_model, ret, reterr_error);
        return r == -ENOENT
                       ? error_set(reterr_error, r, "Nothing was discovered yet for source '%s'", actor_id)
                       : r;
}
