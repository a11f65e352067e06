/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/path-util.h"
#include "runtime/connector-paths.h"

/* Whether a file has companions that say what it holds: the write-ahead log or the rollback journal of
 * SQLite. A database without them is an older or a broken one, and nothing inside the sandbox could tell. */
static bool has_journal(const char *path) {
        static const char *const suffixes[] = { "-wal", "-journal" };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++) {
                _cleanup_free_ char *companion = NULL;

                if (asprintf(&companion, "%s%s", path, suffixes[i]) < 0) {
                        companion = NULL;
                        return true;
                }
                if (access(companion, F_OK) >= 0)
                        return true;
        }
        return false;
}

char *connector_path_visible(const char *path, bool write) {
        size_t plain = strcspn(path, "*?[{");
        _cleanup_free_ char *head = strndup(path, plain);
        struct stat st;

        if (!head)
                return NULL;
        if (!path[plain] && stat(path, &st) >= 0 && (S_ISDIR(st.st_mode) || (!write && !has_journal(path))))
                return strdup(path);
        /* To write a file is to make others beside it: journals, temporary files that are renamed. */
        return path_dirname(head);
}

bool connector_path_is_remote(const char *path) {
        return strstr(path, "://") && strncmp(path, "file://", 7) != 0;
}
