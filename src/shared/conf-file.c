/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One map from section and key to a text; whoever comes later wins, so the main file, then the drop-ins
 * in the order of their names. A missing file is an empty one: everything has a default. A line that is
 * neither section nor assignment is an error with its number, since a typing mistake in a limit must not
 * pass for the default. */

#include <dirent.h>
#include <stdio.h>

#include "basic/file-util.h"
#include "basic/hashmap.h"
#include "basic/strv.h"
#include "shared/conf-file.h"

#define DROP_INS_MAX 1024

struct ConfFile {
        Hashmap *values; /* "Section\nKey" → text */
};

ConfFile *conf_file_free(ConfFile *c) {
        if (!c)
                return NULL;
        hashmap_free(c->values);
        free(c);
        return NULL;
}

static bool is_space(char c) {
        return c == ' ' || c == '\t' || c == '\r';
}

/* In place, without the spaces around it. */
static char *trim(char *s) {
        size_t n;

        while (is_space(*s))
                s++;
        n = strlen(s);
        while (n > 0 && is_space(s[n - 1]))
                s[--n] = 0;
        return s;
}

static int set(ConfFile *c, const char *section, const char *key, const char *value) {
        _cleanup_free_ char *name = NULL, *text = strdup(value);
        int n = asprintf(&name, "%s\n%s", section, key), r;

        if (n < 0 || !text)
                return -ENOMEM;
        r = hashmap_set(c->values, name, (size_t) n, text);
        if (r >= 0)
                text = NULL;
        return r;
}

/* One line; `section` is replaced by a new one's name. */
static int parse_line(ConfFile *c, char *line, char **section) {
        char *equals;

        line = trim(line);
        if (!*line || *line == '#' || *line == ';')
                return 0;
        if (*line == '[') {
                size_t n = strlen(line);

                if (n < 3 || line[n - 1] != ']')
                        return -EBADMSG;
                line[n - 1] = 0;
                free(*section);
                *section = strdup(line + 1);
                return *section ? 0 : -ENOMEM;
        }
        equals = strchr(line, '=');
        if (!equals || !*section)
                return -EBADMSG;
        *equals = 0;
        return set(c, *section, trim(line), trim(equals + 1));
}

static int parse(ConfFile *c, const char *path, Error **reterr_error) {
        _cleanup_free_ char *text = NULL, *section = NULL;
        size_t number = 0;
        int r;

        r = read_file(path, CONF_FILE_MAX, &text, NULL, reterr_error);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                number++;
                r = parse_line(c, line, &section);
                if (r < 0)
                        return error_set(reterr_error, r, "%s:%zu: neither [Section] nor Key=Value", path,
                                         number);
        }
        return 0;
}

static int is_drop_in(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return n > 5 && e->d_name[0] != '.' && streq(e->d_name + n - 5, ".conf");
}

static int parse_drop_ins(ConfFile *c, const char *path, Error **reterr_error) {
        _cleanup_free_ char *directory = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        if (asprintf(&directory, "%s.d", path) < 0)
                return -ENOMEM;
        n = scandir(directory, &entries, is_drop_in, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0 : error_set_errno(reterr_error, -errno, "Failed to read '%s'",
                                                             directory);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;

                if (r >= 0 && i < DROP_INS_MAX) {
                        r = asprintf(&file, "%s/%s", directory, entries[i]->d_name) < 0 ? -ENOMEM : 0;
                        if (r >= 0)
                                r = parse(c, file, reterr_error);
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

int conf_file_load(const char *path, ConfFile **ret, Error **reterr_error) {
        _cleanup_(conf_file_freep) ConfFile *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->values = hashmap_new(free);
        if (!c->values)
                return -ENOMEM;
        r = parse(c, path, reterr_error);
        if (r >= 0)
                r = parse_drop_ins(c, path, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

const char *conf_file_get(const ConfFile *c, const char *section, const char *key) {
        _cleanup_free_ char *name = NULL;
        int n = asprintf(&name, "%s\n%s", section, key);

        return n < 0 ? NULL : hashmap_get(c->values, name, (size_t) n);
}

int conf_file_get_strv(const ConfFile *c, const char *section, const char *key, char ***ret) {
        _cleanup_strv_ char **words = NULL, **l = NULL;
        const char *value = conf_file_get(c, section, key);

        if (value) {
                words = strv_split(value, " \t");
                if (!words)
                        return -ENOMEM;
        }
        STRV_FOREACH(w, words)
                if (**w) {
                        int r = strv_extend(&l, *w);

                        if (r < 0)
                                return r;
                }
        *ret = TAKE_PTR(l);
        return 0;
}
