/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <ctype.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "runtime/python-paths.h"
#include "runtime/shebang.h"

#define PYVENV_CFG_MAX (64U * 1024U)

/* Adds a directory that the sandbox doesn't show anyway. Never the root: a broken link must not open
 * everything. */
static int add_directory(char ***paths, const char *dir) {
        if (dir[0] != '/' || streq(dir, "/") || path_is_under(dir, "/usr") || strv_contains(*paths, dir))
                return 0;
        return strv_extend(paths, dir);
}

/* The directory above the one that `path` lies in: the prefix of a "PREFIX/bin/python". */
static char *prefix_of(const char *path) {
        _cleanup_free_ char *bin = path_dirname(path);

        return bin ? path_dirname(bin) : NULL;
}

/* Adds a prefix as it is named and as it is reached through links. */
static int add_prefix(char ***paths, const char *prefix) {
        _cleanup_free_ char *real = realpath(prefix, NULL);
        int r;

        r = add_directory(paths, prefix);
        return r < 0 || !real ? r : add_directory(paths, real);
}

/* The prefix of a real interpreter, links followed to their end. */
static int add_interpreter(char ***paths, const char *interpreter) {
        _cleanup_free_ char *real = realpath(interpreter, NULL), *prefix = NULL;

        if (!real)
                return 0;
        prefix = prefix_of(real);
        return prefix ? add_directory(paths, prefix) : -ENOMEM;
}

/* The value of "home = DIR" in pyvenv.cfg: where the interpreter lies that the environment was made with. */
static int read_home(const char *venv, char **ret) {
        _cleanup_free_ char *path = path_join(venv, "pyvenv.cfg"), *text = NULL;
        _cleanup_strv_ char **lines = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        r = read_file(path, PYVENV_CFG_MAX, &text, NULL, NULL);
        if (r < 0)
                return 0;
        lines = strv_split(text, "\n");
        if (!lines)
                return -ENOMEM;
        STRV_FOREACH(line, lines) {
                const char *p = *line;
                size_t n;

                if (strncmp(p, "home", 4) != 0)
                        continue;
                p += 4;
                p += strspn(p, " \t");
                if (*p != '=')
                        continue;
                p++;
                p += strspn(p, " \t");
                n = strlen(p);
                while (n > 0 && isspace((unsigned char) p[n - 1]))
                        n--;
                *ret = strndup(p, n);
                return *ret ? 1 : -ENOMEM;
        }
        return 0;
}

/* 1 when `program` lies in VENV/bin and the environment was added. */
static int add_venv(char ***paths, const char *program) {
        _cleanup_free_ char *venv = prefix_of(program), *home = NULL, *prefix = NULL, *python = NULL;
        int r;

        if (!venv)
                return -ENOMEM;
        r = read_home(venv, &home);
        if (r <= 0)
                return r;
        r = add_prefix(paths, venv);
        if (r < 0)
                return r;
        prefix = path_dirname(home);
        python = path_join(venv, "bin/python");
        if (!prefix || !python)
                return -ENOMEM;
        r = add_prefix(paths, prefix);
        if (r >= 0)
                r = add_interpreter(paths, python);
        return r < 0 ? r : 1;
}

int python_read_paths(const char *program, char ***paths) {
        _cleanup_free_ char *interpreter = NULL, *name = NULL;
        int r;

        r = add_venv(paths, program);
        if (r != 0)
                return r < 0 ? r : 0;
        r = shebang_read(program, &interpreter, &name);
        if (r <= 0 || interpreter[0] != '/')
                return r < 0 ? r : 0;
        /* "#!/usr/bin/env python3" finds what the sandbox's PATH holds, which lies below /usr. */
        r = add_venv(paths, interpreter);
        return r != 0 ? (r < 0 ? r : 0) : add_interpreter(paths, interpreter);
}
