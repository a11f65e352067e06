/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A connector with files may write what another one's configuration names, or lies above that: both are
 * "gantry-files". With a link in that place it would have the next workload mount, as root, what it
 * doesn't have itself. systemd and podman take paths, not descriptors, and follow links. So the path is
 * walked here by somebody who knows whose links to trust, the plan says which file was found, and in the
 * sandbox, before the connector starts, it is compared with what was mounted. What changes in between
 * makes the start fail; a later attempt looks again. */

#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/path-trusted.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "basic/utf8.h"
#include "launcher/launch-files.h"

static bool names(char *const *paths, const char *source) {
        STRV_FOREACH(path, paths) {
                _cleanup_free_ char *absolute = path_absolute(*path);

                if (streq_ptr(absolute, source))
                        return true;
        }
        return false;
}

/* What gantry-launcher.service hides of the host (ProtectHome=, TemporaryFileSystem=): whoever mounts sees
 * other files there than the launcher does. An administrator has to allow such a place (ReadRoots=,
 * WriteRoots=), and what is mounted of it is not compared. */
static bool is_hidden(const char *path) {
        static const char *const places[] = { "/home", "/root", "/run/user", "/tmp", "/var/tmp" };

        for (size_t i = 0; path && i < ELEMENTSOF(places); i++)
                if (path_is_under(path, places[i]))
                        return true;
        return false;
}

/* A unit's properties are lines of a file to systemd. */
static int check_text(const char *path, Error **reterr_error) {
        _cleanup_buffer_ Buffer shown = {};

        if (!utf8_has_controls(path))
                return 0;
        (void) utf8_append_printable(&shown, path, strlen(path), /* keep_newlines= */ false);
        return error_set(reterr_error, -EINVAL, "The path '%s' has control characters",
                         strempty(buffer_string(&shown)));
}

static int identify(SandboxMount *m, Error **reterr_error) {
        _cleanup_free_ char *where = NULL;
        _cleanup_close_ int fd = path_open_trusted(m->source, &where);
        struct stat st = {};

        if (fd == -ENOLINK)
                return error_set(reterr_error, -EPERM,
                                 "The path '%s' is not followed: the link '%s' is not root's", m->source,
                                 strempty(where));
        if (is_hidden(where))
                return 0;
        if (fd >= 0 ? fstat(fd, &st) < 0 : fd != -ENOENT && fd != -ENOTDIR)
                return error_set_errno(reterr_error, fd < 0 ? fd : -errno, "Can't look at the path '%s'",
                                       m->source);
        m->checked = true;
        m->device = (uint64_t) st.st_dev;
        m->inode = (uint64_t) st.st_ino & INT64_MAX;
        return 0;
}

int launch_files_check(const LaunchActor *a, SandboxPlan *p, Error **reterr_error) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                SandboxMount *m = &p->mounts[i];
                int r;

                if (!m->source || (!names(a->read_paths, m->source) && !names(a->write_paths, m->source)))
                        continue;
                r = check_text(m->source, reterr_error);
                if (r >= 0)
                        r = identify(m, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}
