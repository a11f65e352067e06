/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "installer/staging.h"

#define ID_LENGTH 36U

bool staging_id_is_valid(const char *id) {
        return strlen(id) == ID_LENGTH && strspn(id, "0123456789abcdef-") == ID_LENGTH;
}

int staging_discard(const char *staging, const char *id, Error **reterr_error) {
        _cleanup_free_ char *path = path_join(staging, id);
        int r;

        if (!staging_id_is_valid(id))
                return error_set(reterr_error, -EINVAL, "'%s' is no installation's id", id);
        r = path ? remove_tree(path) : -ENOMEM;
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to remove '%s'", strempty(path)) : 0;
}

int staging_sweep(const char *staging, char *const *keep, Error **reterr_error) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(staging, &entries, NULL, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr_error, -errno, "Failed to read '%s'", staging);
        for (int i = 0; i < n; i++) {
                if (staging_id_is_valid(entries[i]->d_name) && !strv_contains(keep, entries[i]->d_name)) {
                        int k = staging_discard(staging, entries[i]->d_name, reterr_error);

                        r = r < 0 ? r : k;
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}
