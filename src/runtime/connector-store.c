/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which connectors there are, from four places: programs that are part of Gantry, packages that were
 * installed, programs of the user's own, and bare names, which may mean any of the first two. Nothing is
 * remembered between calls and there is no index: a connector exists when its file or the marker of its
 * installation does, so that removing a directory is enough to remove it.
 *
 * `read_paths` is what the sandbox will show of the machine beside the system's own directories. It is
 * made here, where it is known what kind of program this is; the plan takes it over as it is. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "basic/suggest.h"
#include "runtime/connector-marker.h"
#include "runtime/python-paths.h"
#include "runtime/shebang.h"

InstalledConnector *installed_connector_free(InstalledConnector *c) {
        if (!c)
                return NULL;
        free(c->reference);
        free(c->name);
        free(c->version);
        free(c->directory);
        strv_free(c->command);
        strv_free(c->read_paths);
        free(c);
        return NULL;
}

static void connector_list_free(InstalledConnector **list) {
        for (InstalledConnector **c = list; c && *c; c++)
                installed_connector_free(*c);
        free(list);
}
DEFINE_CLEANUP(InstalledConnector *, connector_list_free);

/* The sorted names in a directory, hidden ones left out. A missing directory has none. */
static int directory_names(const char *dir, char ***ret) {
        _cleanup_strv_ char **names = NULL;
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(dir, &entries, NULL, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0 : -errno;
        for (int i = 0; i < n; i++) {
                if (r >= 0 && entries[i]->d_name[0] != '.')
                        r = strv_extend(&names, entries[i]->d_name);
                free(entries[i]);
        }
        free(entries);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(names);
        return 0;
}

/* ---- Native connectors ---- */

/* Whether a native connector may need the network at all. */
static bool native_needs_network(const char *name) {
        return streq(name, "source-file");
}

/* Its version is Gantry's own: both come from one build. */
static int find_native(const char *name, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));
        _cleanup_free_ char *below = path_join("connectors", name), *program = NULL;
        int r;

        if (!c || !below)
                return -ENOMEM;
        r = runtime_libexec_path(below, &program);
        if (r == -ENOENT)
                return error_set(reterr_error, r, "There is no native connector '%s' ('%s' does not exist)", name,
                                 program);
        if (r < 0)
                return r;
        c->kind = CONNECTOR_NATIVE;
        c->directory = path_dirname(program);
        c->name = strdup(name);
        c->version = strdup(PACKAGE_VERSION);
        if (!c->directory || !c->name || !c->version || asprintf(&c->reference, "native:%s", name) < 0)
                return -ENOMEM;
        r = strv_extend(&c->read_paths, c->directory);
        if (r >= 0)
                r = strv_consume(&c->command, TAKE_PTR(program));
        if (r < 0)
                return r;
        c->needs_network = native_needs_network(name);
        *ret = TAKE_PTR(c);
        return 0;
}

/* ---- Programs of the user ---- */

/* Says beforehand what execve() would say less clearly, and too late for a good message. */
static int check_program(const char *path, Error **reterr_error) {
        struct stat st;

        if (stat(path, &st) < 0)
                return error_set_errno(reterr_error, -errno, "The connector '%s' cannot be started", path);
        if (!S_ISREG(st.st_mode))
                return error_set(reterr_error, -EACCES, "'%s' is not a program but a %s", path,
                                 S_ISDIR(st.st_mode) ? "directory" : "special file");
        if (access(path, X_OK) < 0)
                return error_set(reterr_error, -EACCES, "'%s' is not executable: chmod +x makes it so", path);
        return 0;
}

/* Adds the directory that `path` lies in, but never the root. */
static int add_own_directory(const char *path, char ***paths) {
        _cleanup_free_ char *dir = path_dirname(path);

        if (!dir)
                return -ENOMEM;
        return streq(dir, "/") || strv_contains(*paths, dir) ? 0 : strv_extend(paths, dir);
}

/* What its first line says of how it runs: a script of Node's is ended by its own compiler where memory may not be
 * made executable. */
static int look_at_script(InstalledConnector *c, const char *path) {
        _cleanup_free_ char *interpreter = NULL, *name = NULL;
        int r = shebang_read(path, &interpreter, &name);

        c->allow_write_exec = r > 0 && shebang_is_jit(name);
        return r < 0 ? r : python_read_paths(path, &c->read_paths);
}

/* Assumed to need the network, since nobody says that it does not. */
static int find_exec(const char *name, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));
        _cleanup_free_ char *path = path_absolute(name), *real = NULL;
        int r;

        if (!c || !path)
                return -ENOMEM;
        r = check_program(path, reterr_error);
        if (r < 0)
                return r;
        real = realpath(path, NULL);
        c->kind = CONNECTOR_EXEC;
        c->name = strdup(path);
        c->version = strdup("");
        c->directory = path_dirname(path);
        if (!c->name || !c->version || !c->directory || asprintf(&c->reference, "exec:%s", path) < 0)
                return -ENOMEM;
        /* Where it lies, where a link to it leads, and what its interpreter needs. */
        r = add_own_directory(path, &c->read_paths);
        if (r >= 0 && real)
                r = add_own_directory(real, &c->read_paths);
        if (r >= 0)
                r = look_at_script(c, path);
        if (r >= 0)
                r = strv_consume(&c->command, TAKE_PTR(path));
        if (r < 0)
                return r;
        c->needs_network = true;
        *ret = TAKE_PTR(c);
        return 0;
}

/* ---- Images ---- */

/* Whether podman has it is podman's to say, when it is started. */
static int find_image(const char *name, InstalledConnector **ret) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->kind = CONNECTOR_IMAGE;
        c->name = strdup(name);
        c->version = strdup("");
        if (!c->name || !c->version || asprintf(&c->reference, "image:%s", name) < 0)
                return -ENOMEM;
        /* Images bring their runtimes along, with whatever these need. */
        c->needs_network = c->allow_write_exec = true;
        *ret = TAKE_PTR(c);
        return 0;
}

/* ---- Installed packages ---- */

/* The directory of the wanted version, or of the highest that is whole. -ENOENT when there is none. */
static int find_package(ConnectorKind kind, const char *name, const char *version,
                        InstalledConnector **ret) {
        _cleanup_(installed_connector_freep) InstalledConnector *best = NULL;
        _cleanup_free_ char *dir = NULL;
        _cleanup_strv_ char **versions = NULL;
        int r;

        r = connector_store_name_dir(kind, name, &dir);
        if (r < 0)
                return r == -ENXIO ? -ENOENT : r;
        r = directory_names(dir, &versions);
        if (r < 0)
                return r;
        STRV_FOREACH(v, versions) {
                _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
                _cleanup_free_ char *path = path_join(dir, *v);

                if (!path)
                        return -ENOMEM;
                if (version && !streq(*v, version))
                        continue;
                r = connector_marker_read(path, &c, NULL);
                if (r == -ENOMEM)
                        return r;
                if (r < 0 || (best && strverscmp(c->version, best->version) < 0))
                        continue;
                installed_connector_free(best);
                best = TAKE_PTR(c);
        }
        if (!best)
                return -ENOENT;
        *ret = TAKE_PTR(best);
        return 0;
}

/* The sentence names the command that helps. */
static int missing_package(const ConnectorRef *ref, Error **reterr_error) {
        _cleanup_free_ char *s = connector_ref_to_string(ref);

        if (!s)
                return -ENOMEM;
        return error_set(reterr_error, -ENOENT,
                         "'%s' is not installed: '%s connector install %s' does it", s,
                         *strempty(getenv("GANTRY_CONNECTOR_DIR")) ? "gantryctl" : "gantry", s);
}

/* ---- Bare names ---- */

/* A name close to one that exists was probably meant. */
static int missing_name(const char *name, Error **reterr_error) {
        _cleanup_(connector_list_freep) InstalledConnector **list = NULL;
        _cleanup_strv_ char **names = NULL;
        const char *near;
        int r;

        if (connector_store_list(&list, NULL) >= 0)
                for (InstalledConnector **c = list; *c; c++) {
                        r = strv_extend(&names, (*c)->name);
                        if (r < 0)
                                return r;
                }
        near = suggest_nearest(name, names);
        if (near)
                return error_set(reterr_error, -ENOENT, "There is no connector '%s'; did you mean '%s'?",
                                 name, near);
        return error_set(reterr_error, -ENOENT,
                         "There is no connector '%s': 'gantry connector list' shows those there "
                         "are, 'gantry connector install pypi:NAME' adds one", name);
}

/* An installed one under its own name or without the "airbyte-" that PyPI's carry, else a native one. */
static int find_installed(const ConnectorRef *ref, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_free_ char *prefixed = NULL;
        const ConnectorKind kinds[] = { CONNECTOR_PYPI, CONNECTOR_NPM };
        int r;

        if (asprintf(&prefixed, "airbyte-%s", ref->name) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++) {
                r = find_package(kinds[i], ref->name, ref->version, ret);
                if (r == -ENOENT)
                        r = find_package(kinds[i], prefixed, ref->version, ret);
                if (r != -ENOENT)
                        return r;
        }
        r = ref->version ? -ENOENT : find_native(ref->name, ret, NULL);
        return r == -ENOENT ? missing_name(ref->name, reterr_error) : r;
}

int connector_store_find(const ConnectorRef *ref, InstalledConnector **ret, Error **reterr_error) {
        int r;

        assert(ref);
        assert(ret);

        switch (ref->kind) {
        case CONNECTOR_NATIVE:
                return find_native(ref->name, ret, reterr_error);
        case CONNECTOR_EXEC:
                return find_exec(ref->name, ret, reterr_error);
        case CONNECTOR_IMAGE:
                return find_image(ref->name, ret);
        case CONNECTOR_INSTALLED:
                return find_installed(ref, ret, reterr_error);
        default:
                r = find_package(ref->kind, ref->name, ref->version, ret);
                return r == -ENOENT ? missing_package(ref, reterr_error) : r;
        }
}

/* ---- The list ---- */

typedef struct List {
        InstalledConnector **items; /* ends with NULL */
        size_t n;
} List;

/* Takes `c` over. */
/* The list is always one that ends with NULL, so that an error half way can free it. */
static int list_add(List *l, InstalledConnector *c) {
        InstalledConnector **items = reallocarray(l->items, l->n + 2, sizeof(*items));

        if (!items) {
                installed_connector_free(c);
                return -ENOMEM;
        }
        l->items = items;
        items[l->n++] = c;
        items[l->n] = NULL;
        return 0;
}

static void list_done(List *l) {
        connector_list_free(l->items);
}

/* By what lies in the directory: a connector that was left out of a package is not offered. */
static int list_native(List *l) {
        _cleanup_free_ char *dir = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        r = runtime_libexec_path("connectors", &dir);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = directory_names(dir, &names);
        if (r < 0)
                return r;
        STRV_FOREACH(name, names) {
                InstalledConnector *c = NULL;

                if (strncmp(*name, "source-", 7) != 0 && strncmp(*name, "destination-", 12) != 0)
                        continue;
                r = find_native(*name, &c, NULL);
                if (r >= 0)
                        r = list_add(l, c);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Every finished version of every package of one kind. */
static int list_packages(List *l, ConnectorKind kind) {
        _cleanup_free_ char *data = NULL, *dir = NULL;
        _cleanup_strv_ char **names = NULL;
        int r;

        r = runtime_data_dir(&data);
        if (r < 0)
                return r == -ENXIO ? 0 : r;
        if (asprintf(&dir, "%s/connectors/%s", data, connector_kind_to_string(kind)) < 0)
                return -ENOMEM;
        r = directory_names(dir, &names);
        STRV_FOREACH(name, names) {
                _cleanup_free_ char *below = path_join(dir, *name);
                _cleanup_strv_ char **versions = NULL;

                if (!below)
                        return -ENOMEM;
                r = directory_names(below, &versions);
                STRV_FOREACH(version, versions) {
                        _cleanup_free_ char *path = path_join(below, *version);
                        InstalledConnector *c = NULL;

                        if (!path)
                                return -ENOMEM;
                        r = connector_marker_read(path, &c, NULL);
                        if (r == -ENOMEM)
                                return r;
                        if (r >= 0)
                                r = list_add(l, c);
                        if (r == -ENOMEM)
                                return r;
                }
        }
        return r == -ENOMEM ? r : 0;
}

static int compare_references(const void *a, const void *b) {
        return strcmp((*(InstalledConnector *const *) a)->reference,
                      (*(InstalledConnector *const *) b)->reference);
}

int connector_store_list(InstalledConnector ***ret, _unused_ Error **reterr_error) {
        _cleanup_(list_done) List l = {};
        int r;

        l.items = calloc(1, sizeof(*l.items));
        if (!l.items)
                return -ENOMEM;
        r = list_native(&l);
        if (r >= 0)
                r = list_packages(&l, CONNECTOR_PYPI);
        if (r >= 0)
                r = list_packages(&l, CONNECTOR_NPM);
        if (r < 0)
                return r;
        qsort(l.items, l.n, sizeof(*l.items), compare_references);
        *ret = TAKE_PTR(l.items);
        return 0;
}

/* ---- Removal ---- */

/* The directory of the package goes with its last version. */
static int remove_installation(const InstalledConnector *c, Error **reterr_error) {
        _cleanup_free_ char *marker = path_join(c->directory,
                                                CONNECTOR_MARKER), *parent = path_dirname(c->directory);
        int r;

        if (!marker || !parent)
                return -ENOMEM;
        /* First the marker: whatever happens next, nobody starts half a connector. */
        r = RET_NERRNO(unlink(marker));
        if (r >= 0)
                r = remove_tree(c->directory);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to remove '%s'", c->directory);
        (void) rmdir(parent);
        return 0;
}

int connector_store_remove(const ConnectorRef *ref, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        int r;

        if (ref->kind == CONNECTOR_EXEC)
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "'%s' is your own program: Gantry keeps nothing of it",
                                 ref->name);
        if (ref->kind == CONNECTOR_IMAGE)
                return error_set(reterr_error, -EOPNOTSUPP, "Images are podman's: 'podman rmi %s' removes it",
                                 ref->name);
        r = connector_store_find(ref, &c, reterr_error);
        if (r < 0)
                return r;
        if (c->kind == CONNECTOR_NATIVE)
                return error_set(reterr_error, -EOPNOTSUPP, "'%s' is part of Gantry and cannot be removed",
                                 c->reference);
        return remove_installation(c, reterr_error);
}
