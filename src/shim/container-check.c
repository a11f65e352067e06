/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-container-check: what podman asks about each container of ours before the runtime sees it (an OCI hook,
 * stage "precreate": the container's configuration on standard input, and back on standard output). The image's
 * root is mounted then, and nothing of the image has run.
 *
 * Where the container gets a mount, the image may have a directory, a file or nothing, and only directories on
 * the way there. crun 1.8 follows a "/dev" that is a link out to the host and makes empty files there as the
 * container's user; what else a runtime does at such places is not relied on either.
 *
 * A container in the host's network gets the host's /sys from podman, since a user namespace may not have one of
 * its own there. Ours get an empty one, with their own control group and nothing else of the host. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/log.h"
#include "shared/json-util.h"
#include "shim/shim-container.h"

/* podman's own limit of what an image says is 4 MiB; most of it comes back here. */
#define CONFIG_MAX (16U << 20)
/* Each VOLUME of an image is one. */
#define MOUNTS_MAX 1024U
#define WHAT "container"

static int read_config(Buffer *b) {
        ssize_t n;

        do {
                char *to = buffer_reserve(b, 65536);

                if (!to)
                        return -ENOMEM;
                n = read(STDIN_FILENO, to, 65536);
                if (n < 0)
                        return -errno;
                buffer_commit(b, (size_t) n);
        } while (n > 0 && b->len <= CONFIG_MAX);
        return b->len > CONFIG_MAX ? -EFBIG : 0;
}

static const char *destination_of(JsonObject *mounts, size_t i) {
        const char *destination = NULL;

        (void) json_get_string(json_object_array_get_idx(mounts, i), "destination", &destination, WHAT, NULL);
        return destination;
}

/* Below a mount the image is out of sight. */
static bool is_mounted(JsonObject *mounts, const char *path) {
        for (size_t i = 0; i < json_object_array_length(mounts); i++)
                if (streq_ptr(destination_of(mounts, i), path))
                        return true;
        return false;
}

static int refuse(const char *place, const char *what, const char *mount, Error **reterr_error) {
        return error_set(reterr_error, -ELOOP,
                         "The image has %s at '%s', where its container's own '%s' belongs:"
                         " such an image is not run", what, place, mount);
}

static int fail_errno(const char *place, Error **reterr_error) {
        return error_set_errno(reterr_error, -errno, "Failed to look at '%s' in the image", place);
}

static const char *name_of_kind(mode_t mode) {
        return S_ISLNK(mode) ? "a symbolic link" : S_ISDIR(mode) ? "a directory" : S_ISREG(mode) ? "a file"
                : "a device, pipe or socket";
}

static bool is_safe(mode_t mode, bool last) {
        return S_ISDIR(mode) || (last && S_ISREG(mode));
}

/* Goes to where a mount belongs, name by name. */
static int check_place(int root, JsonObject *mounts, const char *mount, Error **reterr_error) {
        _cleanup_free_ char *path = strdup(mount);
        _cleanup_close_ int dir = fcntl(root, F_DUPFD_CLOEXEC, 3);

        if (!path)
                return -ENOMEM;
        for (char *name = path + strspn(path, "/"); dir >= 0 && *name;) {
                char *end = strchrnul(name, '/'), after = *end, *next = end + strspn(end, "/");
                struct stat st;
                int fd;

                *end = 0;
                if (streq(name, ".") || streq(name, ".."))
                        return refuse(path, "no plain name", mount, reterr_error);
                fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return errno == ENOENT ? 0 : fail_errno(path, reterr_error);
                (void) close(dir);
                dir = fd;
                if (fstat(fd, &st) < 0)
                        return fail_errno(path, reterr_error);
                if (!is_safe(st.st_mode, !*next))
                        return refuse(path, name_of_kind(st.st_mode), mount, reterr_error);
                if (*next && is_mounted(mounts, path))
                        return 0;
                *end = after;
                name = next;
        }
        return dir < 0 ? fail_errno(mount, reterr_error) : 0;
}

static int check_root(JsonObject *config, Error **reterr_error) {
        JsonObject *root = NULL, *mounts = NULL;
        _cleanup_close_ int fd = -EBADF;
        const char *path = NULL;
        int r = json_get_object(config, "root", &root, WHAT, reterr_error);

        if (r > 0)
                r = json_get_string(root, "path", &path, WHAT, reterr_error);
        if (r > 0)
                r = json_get_array(config, "mounts", &mounts, WHAT, reterr_error);
        if (r < 0)
                return r;
        if (!path || path[0] != '/' || !mounts)
                return error_set(reterr_error, -EBADMSG, "podman's configuration has no root or no mounts");
        if (json_object_array_length(mounts) > MOUNTS_MAX)
                return error_set(reterr_error, -E2BIG, "The image has more volumes than %u", MOUNTS_MAX);
        fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return error_set_errno(reterr_error, -errno, "Failed to open the image's root");
        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                const char *mount = destination_of(mounts, i);

                if (!mount)
                        return error_set(reterr_error, -EBADMSG, "podman's configuration has a mount without a place");
                r = check_place(fd, mounts, mount, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_sys(JsonObject *mounts, const char *text) {
        _cleanup_json_ JsonObject *o = NULL;
        int r = json_parse(text, strlen(text), &o, NULL);

        if (r < 0)
                return r;
        return json_object_array_add(mounts, json_object_get(o)) < 0 ? -ENOMEM : 0;
}

/* Mounts are made in this order: what lies below /sys comes last, and podman says nothing of it where it binds. */
static int hide_sys(JsonObject *config) {
        JsonObject *mounts = json_member(config, "mounts");

        for (size_t i = 0; i < json_object_array_length(mounts); i++) {
                JsonObject *m = json_object_array_get_idx(mounts, i);
                const char *type = NULL;
                int r;

                (void) json_get_string(m, "type", &type, WHAT, NULL);
                if (!streq_ptr(destination_of(mounts, i), "/sys") || !streq_ptr(type, "bind"))
                        continue;
                if (json_object_array_del_idx(mounts, i, 1) < 0)
                        return -EINVAL;
                r = add_sys(mounts, "{\"destination\":\"/sys\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
                                    "[\"nosuid\",\"noexec\",\"nodev\",\"mode=755\",\"size=64k\",\"ro\"]}");
                if (r >= 0)
                        r = add_sys(mounts, "{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":"
                                            "\"cgroup\",\"options\":[\"rprivate\",\"nosuid\",\"noexec\","
                                            "\"nodev\",\"relatime\",\"ro\"]}");
                return r < 0 ? r : 1;
        }
        return 0;
}

static int write_config(JsonObject *config) {
        _cleanup_free_ char *text = json_to_string(config);

        return text ? write_full(STDOUT_FILENO, text, strlen(text)) : -ENOMEM;
}

/* The socket to the shim is podman's, which hands all that it has to its hooks. Where it is not there, podman's
 * words in the log are all there is. */
static void tell(const char *why) {
        InitReport rep = { .type = INIT_FAILED };
        int type = 0;
        socklen_t n = sizeof(type);

        snprintf(rep.step, sizeof(rep.step), "%s", why);
        if (getsockopt(CONTAINER_CONTROL_FD, SOL_SOCKET, SO_TYPE, &type, &n) >= 0 && type == SOCK_SEQPACKET)
                (void) send(CONTAINER_CONTROL_FD, &rep, sizeof(rep), MSG_NOSIGNAL | MSG_DONTWAIT);
}

int main(void) {
        _cleanup_json_ JsonObject *config = NULL;
        _cleanup_buffer_ Buffer text = {};
        _cleanup_error_ Error *error = NULL;
        int r = read_config(&text);

        if (r >= 0)
                r = json_parse(buffer_bytes(&text), text.len, &config, &error);
        if (r >= 0)
                r = check_root(config, &error);
        if (r >= 0)
                r = hide_sys(config);
        if (r >= 0)
                r = r > 0 ? write_config(config) : write_full(STDOUT_FILENO, buffer_bytes(&text), text.len);
        if (r >= 0)
                return EXIT_SUCCESS;
        log_error("%s", error_message(error, r));
        tell(error_message(error, r));
        return EXIT_FAILURE;
}
