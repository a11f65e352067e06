/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/strv.h"
#include "shim/shim-oom.h"

#define PROTECTED "-500"
#define USUAL "0"
#define FILE_MAX 4096U

static char *read_small(const char *path) {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_free_ char *text = malloc(FILE_MAX + 1);
        ssize_t n;

        if (fd < 0 || !text)
                return NULL;
        n = read_full(fd, text, FILE_MAX);
        if (n < 0)
                return NULL;
        text[n] = 0;
        return TAKE_PTR(text);
}

/* The number behind "oom_kill " in a control group's file (Documentation/admin-guide/cgroup-v2.rst,
 * memory.events). */
uint64_t shim_oom_kills_in(const char *path) {
        _cleanup_free_ char *text = read_small(path);
        _cleanup_strv_ char **lines = text ? strv_split(text, "\n") : NULL;
        uint64_t n = 0;

        STRV_FOREACH(line, lines)
                if (sscanf(*line, "oom_kill %" SCNu64, &n) == 1)
                        return n;
        return 0;
}

/* `line` is one of /proc/self/cgroup: "ID:CONTROLLERS:PATH", the second version's with neither. */
static uint64_t kills_of(const char *line) {
        _cleanup_free_ char *path = NULL;
        const char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':')
                : NULL;
        bool v2 = strncmp(line, "0::", 3) == 0;

        if (!group || (!v2 && strncmp(controllers, ":memory:", 8) != 0))
                return 0;
        if (asprintf(&path, v2 ? "/sys/fs/cgroup%s/memory.events"
                     : "/sys/fs/cgroup/memory%s/memory.oom_control",
                     group + 1) < 0) {
                path = NULL;
                return 0;
        }
        return shim_oom_kills_in(path);
}

char *shim_oom_groups(void) {
        return read_small("/proc/self/cgroup");
}

uint64_t shim_oom_kills(const char *groups) {
        _cleanup_strv_ char **lines = groups ? strv_split(groups, "\n") : NULL;
        uint64_t n = 0;

        STRV_FOREACH(line, lines)
                n += kills_of(*line);
        return n;
}

void shim_oom_protect(bool protect) {
        _cleanup_close_ int fd = geteuid() == 0 ? open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)
                : -EBADF;

        if (fd >= 0)
                (void) write_full(fd, protect ? PROTECTED : USUAL, protect ? STRLEN(PROTECTED)
                                  : STRLEN(USUAL));
}
