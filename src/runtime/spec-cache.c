/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "basic/hash.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "runtime/spec-cache.h"

#define SPEC_MAX (16U * 1024U * 1024U)

static uint64_t hash_string(uint64_t seed, const char *s) {
        return hash64(seed, s, strlen(s) + 1);
}

static int cache_path(const InstalledConnector *c, char **ret) {
        _cleanup_free_ char *dir = NULL;
        uint64_t h = hash_string(HASH64_START, c->reference);
        struct stat st;
        int r;

        r = runtime_cache_dir(&dir);
        if (r < 0)
                return r;
        h = hash_string(h, strempty(c->version));
        STRV_FOREACH(a, c->command) {
                h = hash_string(h, *a);
                /* Programs that lie outside the store change under the same name. */
                if (stat(*a, &st) >= 0) {
                        int64_t facts[] = { st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (int64_t) st.st_ino };

                        h = hash64(h, facts, sizeof(facts));
                }
        }
        return asprintf(ret, "%s/specs/%016" PRIx64 ".json", dir, h) < 0 ? -ENOMEM : 0;
}

int spec_cache_get(const InstalledConnector *c, ConnectorSpec **ret) {
        _cleanup_json_ JsonObject *spec = NULL;
        _cleanup_free_ char *path = NULL;
        int r;

        r = cache_path(c, &path);
        if (r < 0)
                return r;
        if (json_parse_file(path, SPEC_MAX, &spec, NULL) < 0)
                return 0;
        return connector_spec_from_json(spec, ret, NULL) < 0 ? 0 : 1;
}

int spec_cache_put(const InstalledConnector *c, JsonObject *spec, Error **reterr_error) {
        _cleanup_free_ char *path = NULL, *dir = NULL, *text = NULL;
        int r;

        r = cache_path(c, &path);
        if (r < 0)
                return r;
        dir = path_dirname(path);
        text = json_to_string(spec);
        if (!dir || !text)
                return -ENOMEM;
        r = mkdir_parents(dir, 0700);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", dir);
        return write_file_atomic(path, text, strlen(text), 0600, reterr_error);
}
