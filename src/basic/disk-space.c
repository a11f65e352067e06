/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "basic/disk-space.h"

int disk_space_free(const char *path, uint64_t *ret) {
        struct statvfs fs;

        if (statvfs(path, &fs) < 0)
                return -errno;
        *ret = (uint64_t) fs.f_bavail * fs.f_frsize;
        return 0;
}

/* A line of proc_pid_mountinfo(5): "36 35 98:0 /root /mount/point options… - type source options". Names in it
 * are escaped, so that none has a space. */
static bool parse_line(char *line, dev_t device, const char **ret_point, const char **ret_source) {
        char *words[10] = {}, *rest = strstr(line, " - "), *save = NULL;
        unsigned major, minor;
        size_t n = 0;

        if (!rest)
                return false;
        *rest = 0;
        for (char *w = strtok_r(line, " ", &save); w && n < 5; w = strtok_r(NULL, " ", &save))
                words[n++] = w;
        if (n < 5 || sscanf(words[2], "%u:%u", &major, &minor) != 2 || makedev(major, minor) != device)
                return false;
        if (!strtok_r(rest + 3, " ", &save))
                return false;
        *ret_source = strtok_r(NULL, " \n", &save);
        *ret_point = words[4];
        return *ret_source;
}

static bool is_below(const char *path, const char *point) {
        size_t n = strlen(point);

        return streq(point, "/") || (strncmp(path, point, n) == 0 && (path[n] == '/' || path[n] == 0));
}

int disk_describe(const char *path, char **ret) {
        _cleanup_free_ char *real = realpath(path, NULL), *line = NULL, *found = NULL;
        size_t room = 0, longest = 0;
        struct stat st;
        FILE *f;

        if (!real || stat(real, &st) < 0)
                return -errno;
        f = fopen("/proc/self/mountinfo", "re");
        if (!f)
                return -errno;
        while (getline(&line, &room, f) > 0) {
                const char *point, *source;
                char *text;

                /* The last of the longest is what covers the others. */
                if (!parse_line(line, st.st_dev, &point, &source) || !is_below(real, point) || strlen(point) < longest)
                        continue;
                if (asprintf(&text, "%s (mounted on %s)", source, point) < 0)
                        continue;
                longest = strlen(point);
                free(found);
                found = text;
        }
        (void) fclose(f);
        if (!found)
                return -ENOENT;
        *ret = TAKE_PTR(found);
        return 0;
}
