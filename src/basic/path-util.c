/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <unistd.h>

#include "basic/buffer.h"
#include "basic/path-util.h"
#include "basic/strv.h"

char *path_join(const char *dir, const char *name) {
        char *s;

        if (name[0] == '/' || dir[0] == 0)
                return strdup(name);
        if (asprintf(&s, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name) < 0)
                return NULL;
        return s;
}

char *path_dirname(const char *path) {
        const char *slash = strrchr(path, '/');

        if (!slash)
                return strdup(".");
        return slash == path ? strdup("/") : strndup(path, (size_t) (slash - path));
}

const char *path_basename(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

char *path_absolute(const char *path) {
        _cleanup_free_ char *cwd = NULL, *whole = NULL;
        _cleanup_strv_ char **parts = NULL;
        _cleanup_buffer_ Buffer b = {};

        if (path[0] != '/') {
                cwd = getcwd(NULL, 0);
                if (!cwd)
                        return NULL;
        }
        whole = path_join(cwd ?: "", path);
        if (!whole)
                return NULL;
        parts = strv_split(whole, "/");
        if (!parts)
                return NULL;
        STRV_FOREACH(p, parts) {
                if ((*p)[0] == 0 || streq(*p, "."))
                        continue;
                if (streq(*p, "..")) {
                        while (b.len > 0 && buffer_bytes(&b)[--b.len] != '/')
                                ;
                        continue;
                }
                if (buffer_appendf(&b, "/%s", *p) < 0)
                        return NULL;
        }
        if (b.len == 0 && buffer_append_char(&b, '/') < 0)
                return NULL;
        return buffer_steal_string(&b);
}

bool path_exists(const char *path) {
        return access(path, F_OK) >= 0;
}

bool path_is_under(const char *path, const char *prefix) {
        size_t n = strlen(prefix);

        if (streq(prefix, "/"))
                return path[0] == '/';
        return strncmp(path, prefix, n) == 0 && (path[n] == 0 || path[n] == '/');
}
