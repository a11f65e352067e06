/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where things lie. A program that runs from a build tree finds its helpers beside itself, an installed
 * one in the directory that was configured; the environment overrides both for tests. The directories of
 * the user follow the XDG rules. */

#include <stdio.h>
#include <unistd.h>

#include "basic/path-util.h"
#include "runtime/runtime-paths.h"

/* No build tree has a longer path; readlink() needs some bound, and a link that fills it is taken as
 * unknown. */
#define EXE_PATH_MAX 4096U

/* The directory of the running program, through all links. NULL when it cannot be told. */
static char *own_directory(void) {
        _cleanup_free_ char *path = malloc(EXE_PATH_MAX);
        ssize_t n;

        if (!path)
                return NULL;
        n = readlink("/proc/self/exe", path, EXE_PATH_MAX);
        if (n <= 0 || n >= EXE_PATH_MAX)
                return NULL;
        path[n] = 0;
        return path_dirname(path);
}

/* Hands `dir`/`name` over; 0 when it is there, -ENOENT when not. */
static int try_directory(const char *dir, const char *name, char **ret) {
        char *path = path_join(dir, name);

        if (!path)
                return -ENOMEM;
        free(*ret);
        *ret = path;
        return access(path, F_OK) < 0 ? -ENOENT : 0;
}

int runtime_libexec_path(const char *name, char **ret) {
        _cleanup_free_ char *own = NULL, *path = NULL;
        const char *dir = getenv("GANTRY_LIBEXEC_DIR");
        int r = -ENOENT;

        if (dir && *dir) {
                _cleanup_free_ char *absolute = path_absolute(dir);

                if (!absolute)
                        return -ENOMEM;
                r = try_directory(absolute, name, &path);
        } else {
                own = own_directory();
                if (own)
                        r = try_directory(own, name, &path);
                if (r == -ENOENT)
                        r = try_directory(LIBEXECDIR, name, &path);
        }
        *ret = TAKE_PTR(path);
        return r;
}

/* `tail` ("gantry") below the directory that the environment names, or below $HOME/`home_tail`. */
static int user_dir(const char *own_variable, const char *xdg_variable, const char *home_tail, char **ret) {
        const char *own = getenv(own_variable), *xdg = getenv(xdg_variable), *home = getenv("HOME");
        _cleanup_free_ char *dir = NULL;

        if (own && *own)
                *ret = path_absolute(own);
        else if (xdg && *xdg == '/') /* the XDG rules: a relative path is to be ignored */
                *ret = path_join(xdg, "gantry");
        else if (home && *home == '/') {
                dir = path_join(home, home_tail);
                *ret = dir ? path_join(dir, "gantry") : NULL;
        } else
                return -ENXIO;
        return *ret ? 0 : -ENOMEM;
}

int runtime_data_dir(char **ret) {
        return user_dir("GANTRY_DATA_DIR", "XDG_DATA_HOME", ".local/share", ret);
}

int runtime_state_dir(char **ret) {
        return user_dir("GANTRY_STATE_DIR", "XDG_STATE_HOME", ".local/state", ret);
}

int runtime_cache_dir(char **ret) {
        return user_dir("GANTRY_CACHE_DIR", "XDG_CACHE_HOME", ".cache", ret);
}
