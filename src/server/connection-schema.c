/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/catalog-diff.h"
#include "server/connection-schema.h"
#include "worker/stream-selection.h"

static int base_fetch(Call *c, const Connection *connection, CatalogFetch **ret) {
        const char *id = connection->source_catalog_id;

        return id ? catalog_fetch_store_get(c->server->db, id, ret, &c->error)
                  : catalog_fetch_store_latest(c->server->db, connection->source_id, NULL, NULL, ret, &c->error);
}

int connection_schema_base(Call *c, const Connection *connection, Catalog **ret) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *fetch = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = base_fetch(c, connection, &fetch);
        if (r >= 0)
                r = catalog_store_get(c->server->db, fetch->catalog_hash, &text, &n, &c->error);
        if (r >= 0)
                r = json_parse(text, n, &o, &c->error);
        return r < 0 ? r : catalog_from_json(o, ret, &c->error);
}

/* NULL: the connection moves everything. */
static int configured_streams(Call *c, const Connection *connection, const Catalog *base, ConfiguredCatalog **ret) {
        _cleanup_json_ JsonObject *configurations = NULL;
        int r;

        if (!connection->catalog)
                return 0;
        r = json_parse(connection->catalog, strlen(connection->catalog), &configurations, &c->error);
        if (r < 0 || stream_selection_is_everything(configurations))
                return r;
        return stream_selection_configure(configurations, base, ret, &c->error);
}

int connection_schema_compare(Call *c, const Connection *connection, const Catalog *found, JsonObject **ret_diff,
                              bool *ret_breaking) {
        _cleanup_configured_catalog_ ConfiguredCatalog *configured = NULL;
        _cleanup_catalog_diff_ CatalogDiff diff = {};
        _cleanup_catalog_ Catalog *base = NULL;
        int r;

        r = connection_schema_base(c, connection, &base);
        if (r >= 0)
                r = configured_streams(c, connection, base, &configured);
        if (r >= 0)
                r = catalog_diff_make(base, found, configured, &diff);
        if (r >= 0)
                r = catalog_diff_to_json(&diff, 0, ret_diff);
        if (r >= 0)
                *ret_breaking = catalog_diff_is_breaking(&diff);
        return r;
}

int connection_schema_change(Call *c, const Connection *connection, const char **ret) {
        _cleanup_(catalog_fetch_freep) CatalogFetch *base = NULL, *newest = NULL;
        int r;

        *ret = connection->breaking_change ? "breaking" : "no_change";
        if (connection->breaking_change || !connection->source_catalog_id)
                return 0;
        r = base_fetch(c, connection, &base);
        if (r >= 0)
                r = catalog_fetch_store_latest(c->server->db, connection->source_id, NULL, NULL, &newest, &c->error);
        if (r >= 0 && !streq(base->catalog_hash, newest->catalog_hash))
                *ret = "non_breaking";
        return r;
}
