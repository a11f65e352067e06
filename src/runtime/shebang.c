/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "basic/fd-util.h"
#include "runtime/shebang.h"

/* What the kernel reads of it (BINPRM_BUF_SIZE). */
#define SHEBANG_MAX 255U

static char *next_word(const char **p) {
        const char *start = *p + strspn(*p, " \t");
        size_t n = strcspn(start, " \t\r\n");

        *p = start + n;
        return strndup(start, n);
}

static const char *last_component(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* `env`'s options and settings are passed over: "-S", "A=1". */
static char *program_of_env(const char *p) {
        for (;;) {
                char *word = next_word(&p);

                if (!word || !*word || (*word != '-' && !strchr(word, '=')))
                        return word;
                free(word);
        }
}

int shebang_read(const char *program, char **ret_path, char **ret_name) {
        _cleanup_close_ int fd = open(program, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        _cleanup_free_ char *path = NULL, *word = NULL, *name = NULL;
        char line[SHEBANG_MAX + 1];
        const char *p = line + 2;
        ssize_t n;

        if (fd < 0)
                return 0;
        n = read_full(fd, line, SHEBANG_MAX);
        if (n < 2 || line[0] != '#' || line[1] != '!')
                return 0;
        line[n] = 0;
        path = next_word(&p);
        if (!path)
                return -ENOMEM;
        word = streq(last_component(path), "env") ? program_of_env(p) : strdup(path);
        name = word ? strdup(last_component(word)) : NULL;
        if (!name)
                return -ENOMEM;
        *ret_path = TAKE_PTR(path);
        *ret_name = TAKE_PTR(name);
        return 1;
}

bool shebang_is_jit(const char *name) {
        static const char *const names[] = { "node", "nodejs", "deno", "bun" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i]))
                        return true;
        return false;
}
