/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* npm packages, each below a prefix of its own. Install scripts of packages are not run.
 *
 * The registry's metadata names the program ("bin"); it is the package's own word, so the path must lie
 * inside of the package. Node runs it by its real path, with the prefix of a Node that isn't the system's
 * made visible in the sandbox. */

#include <stdio.h>
#include <unistd.h>

#include "basic/path-util.h"
#include "runtime/install-child.h"
#include "runtime/install-npm.h"

#define PACKAGE_JSON_MAX (4U * 1024U * 1024U)

static int find_npm(char **ret, Error **reterr_error) {
        int r;

        r = install_find_program("npm", ret);
        return r == -ENOENT ? error_set(reterr_error, r,
                                        "npm connectors need 'npm' on PATH (Debian: npm)") : r;
}

int npm_resolve_version(InstallJob *job, Error **reterr_error) {
        _cleanup_free_ char *npm = NULL, *text = NULL;
        int r;

        r = find_npm(&npm, reterr_error);
        if (r < 0)
                return r;
        r = install_run((char *const[]) { npm, (char *) "view", (char *) job->name, (char *) "version", NULL },
                        job->environment, job->verbose, &text, reterr_error);
        if (r < 0)
                return r;
        job->version = strndup(text, strcspn(text, " \t\r\n"));
        if (!job->version)
                return -ENOMEM;
        return job->version[0] ? 0 : error_set(reterr_error, -ENOENT, "npm named no version");
}

/* The programs of a package: "bin" is a path, for one that is named like the package, or an object of
 * names and paths. */
static int list_programs(JsonObject *bin, const char *name, char ***ret) {
        int r = 0;

        if (json_object_is_type(bin, json_type_string))
                return strv_extend(ret, path_basename(name));
        if (!json_object_is_type(bin, json_type_object))
                return 0;
        json_object_object_foreach(bin, key, value) {
                if (r >= 0 && json_object_is_type(value, json_type_string))
                        r = strv_extend(ret, key);
        }
        return r;
}

/* package.json is the package's own, so a path that it names must lie inside of the package. */
static int find_program(const InstallJob *job, char **ret, Error **reterr_error) {
        _cleanup_free_ char *package = NULL, *path = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_strv_ char **programs = NULL;
        const char *program, *relative;
        JsonObject *bin;
        int r;

        if (asprintf(&package, "%s/node_modules/%s", job->directory, job->name) < 0)
                return -ENOMEM;
        path = path_join(package, "package.json");
        if (!path)
                return -ENOMEM;
        r = json_parse_file(path, PACKAGE_JSON_MAX, &o, reterr_error);
        if (r < 0)
                return r;
        bin = json_member(o, "bin");
        r = list_programs(bin, job->name, &programs);
        if (r >= 0)
                r = install_pick_program(job->name, programs, &program, reterr_error);
        if (r < 0)
                return r;
        relative = json_object_get_string(json_object_is_type(bin,
                                                              json_type_string) ? bin : json_member(bin,
                                                                      program));
        path = (free(path), path_join(package, relative));
        *ret = path ? path_absolute(path) : NULL;
        if (!*ret)
                return -ENOMEM;
        if (!path_is_under(*ret, package))
                return error_set(reterr_error, -EINVAL, "The program '%s' lies outside of its package",
                                 relative);
        return 0;
}

/* Node and, where it isn't the system's, its prefix. */
static int add_node(InstalledConnector *c, Error **reterr_error) {
        _cleanup_free_ char *node = NULL, *real = NULL, *bin = NULL, *prefix = NULL;
        int r;

        r = install_find_program("node", &node);
        if (r < 0)
                return error_set(reterr_error, r, "npm connectors need 'node' on PATH (Debian: nodejs)");
        real = realpath(node, NULL);
        bin = real ? path_dirname(real) : NULL;
        prefix = bin ? path_dirname(bin) : NULL;
        if (!prefix)
                return -ENOMEM;
        r = strv_extend(&c->command, real);
        if (r >= 0 && !path_is_under(prefix, "/usr") && !streq(prefix, "/"))
                r = strv_extend(&c->read_paths, prefix);
        return r;
}

int npm_install(InstallJob *job, InstalledConnector *c, Error **reterr_error) {
        _cleanup_free_ char *npm = NULL, *requirement = NULL, *program = NULL;
        int r;

        r = find_npm(&npm, reterr_error);
        if (r < 0)
                return r;
        job->installer = strdup("npm");
        if (!job->installer || asprintf(&requirement, "%s@%s", job->name, job->version) < 0)
                return -ENOMEM;
        r = install_run((char *const[]) { npm, (char *) "install", (char *) "--prefix", job->directory,
                                          (char *) "--no-audit", (char *) "--no-fund", (char *) "--no-save",
                                          (char *) "--omit=dev", (char *) "--ignore-scripts", requirement, NULL },
                        job->environment, job->verbose, NULL, reterr_error);
        if (r >= 0)
                r = find_program(job, &program, reterr_error);
        if (r >= 0)
                r = add_node(c, reterr_error);
        if (r >= 0)
                r = strv_consume(&c->command, TAKE_PTR(program));
        if (r >= 0)
                r = strv_extend(&c->read_paths, job->directory);
        c->allow_write_exec = true; /* V8 compiles to memory */
        return r;
}
