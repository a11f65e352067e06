/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Installing a package, whatever its kind: choose a version, take the lock of the package, build in the
 * final place, write the marker, ask for the specification. Building in the final place is forced upon
 * us, since a virtual environment cannot be moved; the marker makes it atomic all the same
 * (connector-marker.c).
 *
 * The package managers run outside of the connector's sandbox, with an environment of their own and
 * wheels preferred, so that the code of a stranger runs in the sandbox before it runs anywhere else where
 * that can be had. */

#include <stdio.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/utf8.h"
#include "runtime/connector-install.h"
#include "runtime/connector-marker.h"
#include "runtime/connector-oneshot.h"
#include "runtime/install-child.h"
#include "runtime/install-npm.h"
#include "runtime/install-python.h"
#include "runtime/spec-cache.h"

#define LOCK_POLL_USEC (200U * 1000U)

void install_say(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
}

/* Airbyte's convention; it is how a connector is told from the tools that it brings along. */
static bool is_connector_name(const char *s) {
        return strncmp(s, "source-", 7) == 0 || strncmp(s, "destination-", 12) == 0;
}

int install_pick_program(const char *name, char *const *programs, const char **ret, Error **reterr_error) {
        const char *bare = strncmp(name, "airbyte-", 8) == 0 ? name + 8 : path_basename(name);
        const char *found = NULL;
        size_t n = strv_length(programs), n_connectors = 0;

        STRV_FOREACH(p, programs) {
                if (streq(*p, bare)) {
                        *ret = *p;
                        return 0;
                }
                if (is_connector_name(*p)) {
                        found = *p;
                        n_connectors++;
                }
        }
        if (n_connectors != 1)
                found = n_connectors == 0 && n == 1 ? programs[0] : NULL;
        if (!found)
                return error_set(reterr_error, -ENOENT,
                                 "The package '%s' brings no program named source-… or "
                                 "destination-…: it is no connector", name);
        *ret = found;
        return 0;
}

/* ---- The spec ---- */

typedef struct SpecWait {
        Env *env;
        const InstalledConnector *connector;
} SpecWait;

/* A connector without a specification is installed all the same. */
static void on_spec(_unused_ ConnectorOneshot *o, const OneshotResult *result, void *userdata) {
        SpecWait *w = userdata;
        int r = -EIO;

        if (result->spec)
                r = spec_cache_put(w->connector, result->spec, NULL);
        if (r < 0)
                /* source-declarative-manifest, for one, has a spec only once it has a manifest. */
                install_say("  It gave no specification%s%s", result->error ? ": " : "",
                            result->error ? error_message(result->error, r) : "");
        w->env->ops->exit(w->env, 0);
}

/* Asks once, in the sandbox, so that the first sync needn't; that it cannot be asked doesn't undo an
 * installation. */
static int ask_spec(Env *env, const InstalledConnector *c, Error **reterr_error) {
        _cleanup_(connector_oneshot_freep) ConnectorOneshot *o = NULL;
        SpecWait wait = { .env = env, .connector = c };
        const ConnectorStart start = {
                .connector = c,
                .role = CONNECTOR_ANY_ROLE,
                .verb = "spec",
                .stop_grace = 10 * USEC_PER_SEC,
        };
        int r;

        r = connector_oneshot_start(env, &start, NULL, on_spec, &wait, &o, reterr_error);
        return r < 0 ? r : env->ops->run(env);
}

/* ---- Packages ---- */

static void job_done(InstallJob *job) {
        free(job->version);
        free(job->name_dir);
        free(job->directory);
        free(job->installer);
        strv_free(job->environment);
}

/* Waits for other installations of the same package to end. The lock's file stays: removing it would let
 * two in. */
static int take_lock(Env *env, const InstallJob *job, int *ret_fd, Error **reterr_error) {
        _cleanup_free_ char *parent = path_dirname(job->name_dir), *path = NULL;
        bool said = false;
        int r;

        if (!parent || asprintf(&path, "%s/.%s.lock", parent, path_basename(job->name_dir)) < 0)
                return -ENOMEM;
        r = mkdir_parents(parent, 0755);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", parent);
        for (;;) {
                r = env->ops->file_lock(env, path, ret_fd);
                if (r != -EBUSY)
                        break;
                if (!said)
                        install_say("  Waiting for another installation of %s …", job->name);
                said = true;
                (void) usleep(LOCK_POLL_USEC);
        }
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to lock '%s'", path) : 0;
}

/* HOME of the package managers lies in our cache: no settings of the user, no credentials of theirs. */
static int prepare_job(InstallJob *job, Error **reterr_error) {
        _cleanup_free_ char *cache = NULL, *home = NULL;
        int r;

        r = connector_store_name_dir(job->kind, job->name, &job->name_dir);
        if (r >= 0)
                r = runtime_cache_dir(&cache);
        if (r == -ENXIO)
                return error_set(reterr_error, r,
                                 "There is no place to install to: set $HOME or $GANTRY_DATA_DIR");
        if (r < 0)
                return r;
        home = path_join(cache, "home");
        if (!home)
                return -ENOMEM;
        r = mkdir_parents(home, 0700);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", home);
        return install_environment(cache, &job->environment);
}

/* Removes what an interrupted installation left, and makes the directory anew. */
static int clear_directory(const InstallJob *job, Error **reterr_error) {
        int r;

        r = remove_tree(job->directory);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to remove the remains in '%s'",
                                       job->directory);
        r = mkdir_parents(job->directory, 0755);
        return r < 0 ? error_set_errno(reterr_error, r, "Failed to make '%s'", job->directory) : 0;
}

/* From here to the marker, whatever fails leaves a directory that counts as nothing. */
static int build(Env *env, InstallJob *job, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));
        const ConnectorRef exact = { .kind = job->kind, .name = (char *) job->name, .version = job->version };
        int r;

        if (!c)
                return -ENOMEM;
        c->kind = job->kind;
        c->reference = connector_ref_to_string(&exact);
        c->name = strdup(job->name);
        c->version = strdup(job->version);
        c->directory = strdup(job->directory);
        c->needs_network = true;
        if (!c->reference || !c->name || !c->version || !c->directory)
                return -ENOMEM;
        install_say("Installing %s …", c->reference);
        r = clear_directory(job, reterr_error);
        if (r >= 0)
                r = job->kind == CONNECTOR_NPM ? npm_install(job, c, reterr_error)
                                               : python_install(job, c, reterr_error);
        if (r >= 0)
                r = connector_marker_write(c, job->installer, env_now(env, ENV_CLOCK_REALTIME),
                                           reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

/* With the lock held. 1 when it was there already. */
static int install_locked(Env *env, InstallJob *job, InstalledConnector **ret, Error **reterr_error) {
        int r;

        if (!job->version) {
                install_say("Asking which version of %s there is …", job->name);
                r = job->kind == CONNECTOR_NPM ? npm_resolve_version(job, reterr_error)
                                               : python_resolve_version(job, reterr_error);
                if (r < 0)
                        return r;
                /* An index says what it likes, and what is in the directory's place is removed. */
                if (!connector_version_is_valid(job->version))
                        return error_set(reterr_error, -EBADMSG, "The index names '%s', which is no version",
                                         job->version);
        }
        job->directory = path_join(job->name_dir, job->version);
        if (!job->directory)
                return -ENOMEM;
        if (connector_marker_read(job->directory, ret, NULL) >= 0)
                return 1;
        r = build(env, job, ret, reterr_error);
        if (r < 0) {
                (void) remove_tree(job->directory);
                (void) rmdir(job->name_dir); /* unless another version lies there */
        }
        return r;
}

/* The lock is held over the choice of the version, too: two installations at once end with one. */
static int install_package(Env *env, const ConnectorRef *ref, unsigned flags, InstalledConnector **ret,
                           Error **reterr_error) {
        _cleanup_(job_done) InstallJob job = { .kind = ref->kind, .name = ref->name,
                                               .verbose = flags & CONNECTOR_INSTALL_VERBOSE };
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        int lock = -EBADF, r;

        if (ref->version) {
                job.version = strdup(ref->version);
                if (!job.version)
                        return -ENOMEM;
        }
        r = prepare_job(&job, reterr_error);
        if (r >= 0)
                r = take_lock(env, &job, &lock, reterr_error);
        if (r < 0)
                return r;
        r = install_locked(env, &job, &c, reterr_error);
        env_close(env, lock);
        if (r < 0) {
                _cleanup_free_ char *text = connector_ref_to_string(ref);

                return error_prefix(reterr_error, r, "%s could not be installed", text ?: ref->name);
        }
        if (r > 0)
                install_say("%s is installed already", c->reference);
        else {
                r = flags & CONNECTOR_INSTALL_NO_SPEC ? 0 : ask_spec(env, c, reterr_error);
                if (r < 0)
                        return r;
                install_say("%s is installed", c->reference);
        }
        *ret = TAKE_PTR(c);
        return 0;
}

int connector_store_install(Env *env, const ConnectorRef *ref, unsigned flags, InstalledConnector **ret,
                            Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        int r;

        assert(env);
        assert(ref);
        assert(ret);

        switch (ref->kind) {
        case CONNECTOR_PYPI:
        case CONNECTOR_NPM:
                return install_package(env, ref, flags, ret, reterr_error);
        case CONNECTOR_IMAGE:
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "Images are podman's: 'podman pull %s' or 'podman load' brings one",
                                 ref->name);
        case CONNECTOR_INSTALLED:
                r = connector_store_find(ref, &c, NULL);
                if (r < 0)
                        return error_set(reterr_error, -EINVAL,
                                         "'%s' doesn't say from where: write pypi:%s or npm:%s",
                                         ref->name, ref->name, ref->name);
                break;
        default:
                /* Nothing to install; it is checked, and its spec kept. */
                r = connector_store_find(ref, &c, reterr_error);
                if (r < 0)
                        return r;
                if (c->kind == CONNECTOR_EXEC) {
                        r = ask_spec(env, c, reterr_error);
                        if (r < 0)
                                return r;
                }
        }
        *ret = TAKE_PTR(c);
        return 0;
}
