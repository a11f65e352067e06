/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a connector may see and use, decided in one place and without touching anything: its own
 * installation, the paths of its configuration, a home and a /tmp that are thrown away, three files with
 * fixed names. Nothing of the caller's environment is passed on but proxies, and those only with a
 * network. Defaults are generous where they protect the machine and not the connector: half of its
 * memory, more threads than interpreters make.
 *
 * With a scratch directory the three files lie there already and are mounted; without one they travel as
 * descriptors and are made inside, so that no secret is ever on the disk. */

#include <unistd.h>

#include "basic/path-util.h"
#include "runtime/connector-plan.h"

/* Thread pools of interpreters on large machines stay below; a fork bomb ends here. */
#define TASKS_MAX_DEFAULT 1024U
#define FILES_MAX_DEFAULT 16384U
/* Without a path of its own to write to, a connector only fills its private tmpfs. */
#define SCRATCH_FILE_MAX (UINT64_C(4) << 30)
#define MEMORY_MAX_FLOOR (UINT64_C(2) << 30)
#define STOP_GRACE_DEFAULT (10 * USEC_PER_SEC)

static const struct {
        const char *flag, *name;
        size_t offset;
        bool writable;
} connector_files[] = {
        /* The Python CDK writes its configuration back to the file that it was given. */
        { "--config", "config.json", offsetof(ConnectorStart, config), true },
        { "--catalog", "catalog.json", offsetof(ConnectorStart, catalog), false },
        { "--state", "state.json", offsetof(ConnectorStart, state), false },
};

static int add_files(SandboxPlan *p, const ConnectorStart *start, const char *scratch) {
        int r;

        for (size_t i = 0; i < ELEMENTSOF(connector_files); i++) {
                _cleanup_free_ char *source = NULL, *target = NULL;

                if (!*(const char *const *) ((const char *) start + connector_files[i].offset))
                        continue;
                source = scratch ? path_join(scratch, connector_files[i].name) : NULL;
                target = path_join(CONNECTOR_RUN_DIR, connector_files[i].name);
                if ((!source && scratch) || !target)
                        return -ENOMEM;
                if (scratch)
                        r = sandbox_plan_add_mount(p, source, target, connector_files[i].writable,
                                                   /* optional= */ false);
                else
                        r = sandbox_plan_add_file(p, target, connector_files[i].writable ? 0600 : 0400);
                if (r >= 0)
                        r = strv_extend(&p->argv, connector_files[i].flag);
                if (r >= 0)
                        r = strv_extend(&p->argv, target);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int add_path(SandboxPlan *p, const char *path, bool writable, Error **reterr_error) {
        _cleanup_free_ char *absolute = path_absolute(path);
        int r;

        if (!absolute)
                return -ENOMEM;
        r = sandbox_plan_add_mount(p, absolute, absolute, writable, /* optional= */ false);
        if (r == -EINVAL || r == -EPERM)
                return error_set(reterr_error, r,
                                 "A connector cannot be given '%s': name a directory or file below",
                                 absolute);
        return r;
}

static int add_paths(SandboxPlan *p, char *const *paths, bool writable, Error **reterr_error) {
        STRV_FOREACH(path, paths) {
                int r = add_path(p, *path, writable, reterr_error);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Nothing of the caller's environment comes along but the way to the network, if it has one. */
static int add_environment(SandboxPlan *p) {
        static const char *const fixed[] = {
                "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", ("HOME=" CONNECTOR_HOME), "TMPDIR=/tmp",
#ifdef HAVE_SANITIZERS
                /* The leak checker traces its own process, which the sandbox forbids. */
                "ASAN_OPTIONS=detect_leaks=0",
#endif
        };
        static const char *const network[] = {
                "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
        };
        int r;

        for (size_t i = 0; i < ELEMENTSOF(fixed); i++) {
                r = strv_extend(&p->environment, fixed[i]);
                if (r < 0)
                        return r;
        }
        for (size_t i = 0; p->network != NETWORK_NONE && i < ELEMENTSOF(network); i++) {
                const char *value = getenv(network[i]);

                r = value ? strv_extendf(&p->environment, "%s=%s", network[i], value) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

static void set_limits(SandboxPlan *p, const ConnectorStart *start) {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        uint64_t half = pages > 0 && page > 0 ? (uint64_t) pages * (uint64_t) page / 2 : 0;

        p->memory_max = start->memory_max ?: MAX(half, MEMORY_MAX_FLOOR);
        p->tasks_max = start->tasks_max ?: TASKS_MAX_DEFAULT;
        p->uid = start->uid;
        p->gid = start->gid;
        p->files_max = FILES_MAX_DEFAULT;
        p->file_size_max = (start->write_paths && start->write_paths[0]) || start->n_mounts > 0 ? 0 : SCRATCH_FILE_MAX;
        p->stop_grace_usec = start->stop_grace ?: STOP_GRACE_DEFAULT;
        p->hold_term_until_stdin_ends = start->hold_term_until_stdin_ends;
}

/* What of this machine a connector sees; one in an image brings the rest along. */
static int add_places(SandboxPlan *p, const ConnectorStart *start, const char *scratch,
                      Error **reterr_error) {
        const InstalledConnector *c = start->connector;
        int r = c->kind == CONNECTOR_IMAGE ? 0 : sandbox_plan_add_base(p);

        if (r >= 0)
                r = sandbox_plan_add_mount(p, NULL, CONNECTOR_HOME, /* writable= */ true,
                                           /* optional= */ false);
        if (r >= 0 && !scratch)
                r = sandbox_plan_add_mount(p, NULL, CONNECTOR_RUN_DIR, /* writable= */ true,
                                           /* optional= */ false);
        if (r >= 0 && c->directory)
                r = add_path(p, c->directory, /* writable= */ false, reterr_error);
        if (r >= 0)
                r = add_paths(p, c->read_paths, /* writable= */ false, reterr_error);
        if (r >= 0)
                r = add_paths(p, start->write_paths, /* writable= */ true, reterr_error);
        return r < 0 ? r : add_paths(p, start->read_paths, /* writable= */ false, reterr_error);
}

int connector_plan_new(const ConnectorStart *start, const char *scratch, SandboxPlan **ret,
                       Error **reterr_error) {
        _cleanup_(sandbox_plan_freep) SandboxPlan *p = sandbox_plan_new();
        const InstalledConnector *c = start->connector;
        int r;

        if (!p)
                return -ENOMEM;
        /* Asking for its specification takes neither a configuration nor a network. */
        p->network = start->network && !streq(start->verb, "spec") ? NETWORK_ANY : NETWORK_NONE;
        p->allow_write_exec = c->allow_write_exec;
        set_limits(p, start);
        p->scratch_directory = scratch ? strdup(scratch) : NULL;
        p->working_directory = strdup("/tmp");
        p->image = c->kind == CONNECTOR_IMAGE ? strdup(c->name) : NULL;
        p->argv = c->command ? strv_copy(c->command) : NULL;
        if ((scratch && !p->scratch_directory) || !p->working_directory || (c->command && !p->argv) ||
            (c->kind == CONNECTOR_IMAGE && !p->image))
                return -ENOMEM;
        r = strv_extend(&p->argv, start->verb);
        if (r >= 0)
                r = add_places(p, start, scratch, reterr_error);
        for (size_t i = 0; r >= 0 && i < start->n_mounts; i++)
                r = sandbox_plan_add_mount(p, start->mounts[i].source, start->mounts[i].target,
                                           start->mounts[i].writable, start->mounts[i].optional);
        if (r >= 0)
                r = add_files(p, start, scratch);
        if (r >= 0)
                r = add_environment(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}
