/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order makes each check count. Ownership is taken first: the files may be changed by whoever still
 * holds one of them open for writing, but the process that made them is gone by then, and nobody else
 * may. Only what is root's is judged, and what was judged is what is moved. Hashes are written over the
 * files as they lie there, synced with all of them, and then one rename makes the version appear: whoever
 * looks sees all of it or nothing, also after a power cut.
 *
 * A version that is there stays: it may be running, and the same reference means the same files. What a
 * crash has left in its place has no marker and is removed. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "installer/publish.h"
#include "installer/staging.h"
#include "installer/tree.h"
#include "runtime/connector-marker.h"
#include "runtime/suite-store.h"
#include "secrets/digest.h"

#define REFERENCE_MAX 1024U
#define OPEN_DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

typedef struct Publication {
        const PublishPlace *place;
        ConnectorRef *ref;       /* what was asked for */
        char *version;
        char *made, *final;      /* directories */
        int fd;                  /* of `made` */
        InstalledConnector *connector;
        char hash[SHA256_TEXT_MAX];
} Publication;

static void publication_done(Publication *p) {
        connector_ref_free(p->ref);
        free(p->version);
        free(p->made);
        free(p->final);
        (void) safe_close(p->fd);
        installed_connector_free(p->connector);
}

static int read_reference(Publication *p, const char *place, Error **reterr_error) {
        _cleanup_free_ char *path = path_join(place, SUITE_STAGED_REFERENCE), *text = NULL;
        int r = path ? read_file(path, REFERENCE_MAX, &text, NULL, reterr_error) : -ENOMEM;

        return r < 0 ? r : connector_ref_parse(text, CONNECTOR_ANY_ROLE, &p->ref, reterr_error);
}

/* The one version that was made, where none was asked for. */
static int find_version(int fd, char **ret, Error **reterr_error) {
        _cleanup_free_ char *found = NULL;
        DIR *d = fdopendir(fd);
        struct dirent *e;
        int r = 0;

        if (!d) {
                r = -errno;
                (void) close(fd);
                return r;
        }
        while (r >= 0 && (e = readdir(d))) {
                if (!connector_version_is_valid(e->d_name))
                        continue;
                if (found)
                        r = error_set(reterr_error, -EINVAL, "It left more than one version");
                else {
                        found = strdup(e->d_name);
                        r = found ? 0 : -ENOMEM;
                }
        }
        (void) closedir(d);
        if (r >= 0 && !found)
                r = error_set(reterr_error, -EINVAL, "It left no version");
        if (r >= 0)
                *ret = TAKE_PTR(found);
        return r;
}

/* Step by step, so that no part of the way is a link. */
static int open_made(Publication *p, const char *place, Error **reterr_error) {
        _cleanup_free_ char *name_dir = NULL, *store = path_join(place, SUITE_STAGED_STORE);
        _cleanup_close_ int at = store ? open(store, OPEN_DIRECTORY) : -EBADF;
        const char *flat;
        int r;

        r = connector_store_flat_name(p->ref->name, &name_dir);
        if (r < 0)
                return r;
        flat = name_dir;
        for (const char *step = connector_kind_to_string(p->ref->kind);; step = flat) {
                int next = at < 0 ? -EBADF : openat(at, step, OPEN_DIRECTORY);

                if (next < 0)
                        return error_set_errno(reterr_error, -errno, "It left nothing of %s", p->ref->name);
                (void) safe_close(at);
                at = next;
                if (step == flat)
                        break;
        }
        p->version = p->ref->version ? strdup(p->ref->version) : NULL;
        if (!p->ref->version) {
                r = find_version(openat(at, ".", OPEN_DIRECTORY), &p->version, reterr_error);
                if (r < 0)
                        return r;
        }
        if (!p->version ||
            asprintf(&p->made, "%s/%s/%s/%s", store, connector_kind_to_string(p->ref->kind), flat, p->version) < 0 ||
            asprintf(&p->final, "%s/%s/%s/%s", p->place->store, connector_kind_to_string(p->ref->kind), flat,
                     p->version) < 0)
                return -ENOMEM;
        p->fd = openat(at, p->version, OPEN_DIRECTORY);
        return p->fd < 0 ? error_set_errno(reterr_error, -errno, "It left nothing of version %s", p->version) : 0;
}

static bool may_name(const Publication *p, const char *path) {
        _cleanup_free_ char *normal = path_absolute(path);

        return normal && streq(normal, path) && (path_is_under(path, p->final) || path_is_under(path, "/usr"));
}

/* The files are root's by now: what the marker says, it goes on saying. */
static int check_marker(Publication *p, Error **reterr_error) {
        InstalledConnector *c;
        int r = connector_marker_read(p->made, &p->connector, reterr_error);

        if (r < 0)
                return r;
        c = p->connector;
        if (c->kind != p->ref->kind || !streq(c->name, p->ref->name) || !streq(c->version, p->version))
                return error_set(reterr_error, -EINVAL, "It says that it is %s, version %s", c->reference,
                                 c->version);
        for (size_t i = 0; c->command[i]; i++)
                if ((i == 0 || c->command[i][0] == '/') && !may_name(p, c->command[i]))
                        return error_set(reterr_error, -EINVAL, "It wants to run '%s', which is not part of it",
                                         c->command[i]);
        STRV_FOREACH(path, c->read_paths)
                if (!may_name(p, *path))
                        return error_set(reterr_error, -EINVAL, "It wants to read '%s', which is not part of it",
                                         *path);
        return 0;
}

/* The marker is a file of the tree, and must not be anything else before it is read. */
static int take_over(Publication *p, Error **reterr_error) {
        _cleanup_free_ char *path = path_join(p->made, SUITE_HASHES);
        _cleanup_buffer_ Buffer hashes = {};
        struct stat st;
        int r;

        if (!path)
                return -ENOMEM;
        if (fstatat(p->fd, CONNECTOR_MARKER, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return error_set(reterr_error, -EINVAL, "The installation was never finished");
        if (unlinkat(p->fd, SUITE_HASHES, 0) < 0 && errno != ENOENT)
                return error_set_errno(reterr_error, -errno, "Failed to remove '%s'", path);
        r = tree_take_over(p->fd, p->place->uid, p->place->gid, &hashes, reterr_error);
        if (r < 0)
                return r;
        sha256_text(buffer_bytes(&hashes), hashes.len, p->hash);
        r = write_file_atomic(path, buffer_bytes(&hashes), hashes.len, 0644, reterr_error);
        /* All of it, before anybody can see it. */
        return r < 0 ? r : RET_NERRNO(syncfs(p->fd));
}

/* 1: that version was there already. */
static int move_in(Publication *p, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *there = NULL;
        _cleanup_free_ char *parent = path_dirname(p->final);
        _cleanup_close_ int fd = -EBADF;
        int r = parent ? mkdir_parents(parent, 0755) : -ENOMEM;

        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", strempty(parent));
        if (connector_marker_read(p->final, &there, NULL) >= 0)
                return 1;
        r = remove_tree(p->final);
        if (r >= 0)
                r = RET_NERRNO(rename(p->made, p->final));
        if (r == -ENOTEMPTY || r == -EEXIST)
                return 1;
        if (r >= 0) {
                fd = open(parent, OPEN_DIRECTORY);
                r = fd < 0 ? -errno : RET_NERRNO(fsync(fd));
        }
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to put '%s' in its place", p->final) : 0;
}

static int make_result(const Publication *p, bool already, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r = o ? json_add_string(o, "reference", p->connector->reference) : -ENOMEM;

        if (r >= 0)
                r = json_add_string(o, "version", p->version);
        if (r >= 0)
                r = json_add_string(o, "directory", p->final);
        if (r >= 0)
                r = json_add_string(o, "hash", p->hash);
        if (r >= 0)
                r = json_add(o, "already", json_object_new_boolean(already));
        if (r >= 0 && p->connector->built_from_source)
                r = json_add(o, "builtFromSource", json_object_new_boolean(true));
        if (r >= 0)
                *ret = TAKE_PTR(o);
        return r;
}

int publish(const PublishPlace *place, const char *id, JsonObject **ret, Error **reterr_error) {
        _cleanup_(publication_done) Publication p = { .place = place, .fd = -EBADF };
        _cleanup_free_ char *at = path_join(place->staging, id);
        int r, already;

        if (!at)
                return -ENOMEM;
        if (!staging_id_is_valid(id))
                return error_set(reterr_error, -EINVAL, "'%s' is no installation's id", id);
        r = read_reference(&p, at, reterr_error);
        if (r >= 0)
                r = open_made(&p, at, reterr_error);
        if (r >= 0)
                r = take_over(&p, reterr_error);
        if (r >= 0)
                r = check_marker(&p, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "What was installed can't be used");
        already = move_in(&p, reterr_error);
        if (already < 0)
                return already;
        r = make_result(&p, already, ret);
        return r < 0 ? r : staging_discard(place->staging, id, reterr_error);
}
