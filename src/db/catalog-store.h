/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Catalogs, stored once by the hash of their content, and the discovers that brought them. `catalog` is
 * insert-only: everybody may add to it. `catalog_fetch` is gantry-workflow's. */

#include "db/db.h"
#include "model/catalog-fetch.h"

/* As the public limit on a catalog: 32 MB of text. */
#define CATALOG_SIZE_MAX (32U * 1024 * 1024)
#define CATALOG_HASH_MAX 65U /* hexadecimal, with the NUL */

/* The hash of a text, under which catalog_store_put() keeps it. */
int catalog_store_hash(const char *json, size_t n, char ret[static CATALOG_HASH_MAX]);
/* Stores the text unless it is there, and returns its hash. -E2BIG: too large. */
int catalog_store_put(Db *db, const char *json, size_t n, usec_t now, char ret_hash[static CATALOG_HASH_MAX],
                      Error **reterr_error);
/* The text, NUL-terminated; `ret_size` may be NULL. -EBADMSG: what is stored isn't what was. */
int catalog_store_get(Db *db, const char *hash, char **ret, size_t *ret_size, Error **reterr_error);

/* Stores a discover and the catalog that it brought, whose hash is returned and not looked for in `f`. */
int catalog_fetch_store_insert(Db *db, const CatalogFetch *f, const char *json, size_t n, usec_t now,
                               char ret_hash[static CATALOG_HASH_MAX], Error **reterr_error);
int catalog_fetch_store_get(Db *db, const char *id, CatalogFetch **ret, Error **reterr_error);
/* The newest discover of the actor; with a hash or version given, of that configuration and connector
 * only. -ENOENT. */
int catalog_fetch_store_latest(Db *db, const char *actor_id, const char *config_hash,
                               const char *connector_version, CatalogFetch **ret, Error **reterr_error);
