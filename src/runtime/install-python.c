/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Python packages: a virtual environment each, by uv where it is found, else by venv and pip.
 *
 * Wheels alone are tried first: then no code of a stranger runs before the connector does, in its
 * sandbox. What exists as source only is built in a second go, which is said, and remembered in the
 * marker. The program is found by the package's metadata, since bin/ has those of its dependencies, too. */

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "runtime/install-child.h"
#include "runtime/install-python.h"
#include "runtime/python-paths.h"

/* The system's interpreter: another one on PATH may lie in somebody's home and vanish, or be out of a
 * sandbox's sight. */
#define PYTHON "/usr/bin/python3"
#define ENTRY_POINTS_MAX (256U * 1024U)

static int run(InstallJob *job, char *const *argv, char **ret_stdout, Error **reterr_error) {
        return install_run(argv, job->environment, job->verbose, ret_stdout, reterr_error);
}

static int check_python(Error **reterr_error) {
        if (access(PYTHON, X_OK) < 0)
                return error_set(reterr_error, -ENOENT, "Python connectors need %s (Debian: python3-venv)", PYTHON);
        return 0;
}

/* Debian splits the module off into a package of its own, which is what is missing nearly always. */
static int make_venv(InstallJob *job, const char *dir, Error **reterr_error) {
        int r;

        r = run(job,
                (char *const[]) { (char *) PYTHON, (char *) "-m", (char *) "venv", (char *) dir, NULL }, NULL,
                reterr_error);
        if (r != -EIO)
                return r;
        return error_prefix(reterr_error, r,
                            "No virtual environment could be made (Debian has what it needs in "
                            "python3-venv)");
}

/* ---- Which version ---- */

/* uv prints "NAME==VERSION". */
static int uv_resolve(InstallJob *job, const char *uv, Error **reterr_error) {
        _cleanup_free_ char *file = NULL, *text = NULL, *line = NULL;
        const char *version;
        int r;

        if (asprintf(&file, "%s.in", job->name_dir) < 0 || asprintf(&line, "%s\n", job->name) < 0)
                return -ENOMEM;
        r = write_file_atomic(file, line, strlen(line), 0600, reterr_error);
        if (r < 0)
                return r;
        r = run(job, (char *const[]) { (char *) uv, (char *) "pip", (char *) "compile", (char *) "--quiet",
                                       (char *) "--no-deps", (char *) "--no-header", (char *) "--no-annotate",
                                       (char *) "--python", (char *) PYTHON, file, NULL }, &text, reterr_error);
        (void) unlink(file);
        if (r < 0)
                return r;
        version = strstr(text, "==");
        if (!version)
                return error_set(reterr_error, -ENOENT, "uv named no version");
        version += 2;
        job->version = strndup(version, strcspn(version, " \t\r\n;"));
        return job->version ? 0 : -ENOMEM;
}

/* pip's report (its "installation report", format 1) has install[0].metadata.version. */
static int version_of_report(const char *text, InstallJob *job, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        JsonObject *install, *first;
        const char *version = NULL;
        int r;

        r = json_parse(text, strlen(text), &o, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "pip's report");
        install = json_member(o, "install");
        first = json_object_is_type(install, json_type_array) ? json_object_array_get_idx(install, 0) : NULL;
        r = json_get_string(json_member(first, "metadata"), "version", &version, "pip's report",
                            reterr_error);
        if (r <= 0)
                return r < 0 ? r : error_set(reterr_error, -ENOENT, "pip named no version");
        job->version = strdup(version);
        return job->version ? 0 : -ENOMEM;
}

/* pip has no command that only names a version; a dry run in an environment that is thrown away does. */
static int pip_resolve(InstallJob *job, Error **reterr_error) {
        _cleanup_free_ char *venv = NULL, *python = NULL, *text = NULL;
        int r;

        if (asprintf(&venv, "%s/.resolve", job->name_dir) < 0)
                return -ENOMEM;
        python = path_join(venv, "bin/python");
        if (!python)
                return -ENOMEM;
        (void) remove_tree(venv);
        r = mkdir_parents(venv, 0755);
        if (r >= 0)
                r = make_venv(job, venv, reterr_error);
        if (r >= 0)
                r = run(job, (char *const[]) { python, (char *) "-m", (char *) "pip", (char *) "install",
                                               (char *) "--quiet", (char *) "--dry-run", (char *) "--no-deps",
                                               (char *) "--ignore-installed", (char *) "--report", (char *) "-",
                                               (char *) job->name, NULL }, &text, reterr_error);
        (void) remove_tree(venv);
        (void) rmdir(job->name_dir);
        return r < 0 ? r : version_of_report(text, job, reterr_error);
}

int python_resolve_version(InstallJob *job, Error **reterr_error) {
        _cleanup_free_ char *uv = NULL;
        int r;

        r = check_python(reterr_error);
        if (r < 0)
                return r;
        r = install_find_program("uv", &uv);
        if (r == -ENOENT)
                return pip_resolve(job, reterr_error);
        return r < 0 ? r : uv_resolve(job, uv, reterr_error);
}

/* ---- Installation ---- */

/* One go: with `wheels_only`, nothing that a stranger wrote runs before the connector does. */
static int add_packages(InstallJob *job, const char *uv, const char *requirement, bool wheels_only,
                        Error **reterr_error) {
        _cleanup_free_ char *python = path_join(job->directory, "bin/python");
        _cleanup_strv_ char **argv = NULL;
        static const char *const with_uv[] = { "pip", "install", "--compile-bytecode", "--python", NULL };
        static const char *const with_pip[] = { "-m", "pip", "install", "--prefer-binary", "--compile", NULL };
        int r;

        if (!python)
                return -ENOMEM;
        r = strv_extend(&argv, uv ?: python);
        for (const char *const *a = uv ? with_uv : with_pip; r >= 0 && *a; a++)
                r = strv_extend(&argv, *a);
        if (r >= 0 && uv)
                r = strv_extend(&argv, python);
        if (r >= 0 && wheels_only)
                r = strv_extend(&argv, uv ? "--no-build" : "--only-binary=:all:");
        if (r >= 0)
                r = strv_extend(&argv, requirement);
        return r < 0 ? r : run(job, argv, NULL, reterr_error);
}

/* Relocatable, since otherwise its scripts would carry the path of the interpreter in their first line. */
static int make_environment(InstallJob *job, const char *uv, Error **reterr_error) {
        if (!uv)
                return make_venv(job, job->directory, reterr_error);
        /* The directory is empty and ours; uv wants to be told that it may use it. */
        return run(job,
                   (char *const[]) { (char *) uv, (char *) "venv", (char *) "--quiet", (char *) "--relocatable",
                                          (char *) "--allow-existing", (char *) "--python", (char *) PYTHON,
                                          job->directory, NULL }, NULL, reterr_error);
}

/* Wheels alone first. Some packages exist only as sources, whose setup then runs here: that is said
 * before it is done. */
static int fill_environment(InstallJob *job, const char *uv, bool *ret_built, Error **reterr_error) {
        _cleanup_free_ char *requirement = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (asprintf(&requirement, "%s==%s", job->name, job->version) < 0)
                return -ENOMEM;
        r = add_packages(job, uv, requirement, /* wheels_only= */ true, &error);
        /* Without wheels, a package looks as if it were not there. */
        if (r == -EIO || r == -ENOENT) {
                install_say("  Wheels alone do not do (above); building what exists as source only …");
                *ret_built = true;
                r = add_packages(job, uv, requirement, /* wheels_only= */ false, reterr_error);
        } else if (r < 0)
                return error_set(reterr_error, r, "%s", error_message(error, r));
        return r;
}

/* ---- Which program ---- */

/* The first entry of `dir` that begins and ends like this. */
static int find_entry(const char *dir, const char *prefix, const char *suffix, bool (*fits)(const char *,
        const char *),
                      const char *what, char **ret) {
        DIR *d = opendir(dir);
        struct dirent *e;
        int r = -ENOENT;

        if (!d)
                return -errno;
        while (r == -ENOENT && (e = readdir(d))) {
                size_t n = strlen(e->d_name), m = strlen(suffix);

                if (strncmp(e->d_name, prefix, strlen(prefix)) != 0 || n < m || !streq(e->d_name + n - m,
                        suffix) ||
                    (fits && !fits(e->d_name, what)))
                        continue;
                *ret = path_join(dir, e->d_name);
                r = *ret ? 0 : -ENOMEM;
        }
        (void) closedir(d);
        return r;
}

/* "airbyte_source_faker-7.2.1.dist-info" is of "airbyte-source-faker". */
static bool is_dist_info_of(const char *entry, const char *name) {
        _cleanup_free_ char *own = strndup(entry, strcspn(entry, "-"));

        if (!own)
                return false;
        pypi_normalize_name(own);
        return streq(own, name);
}

/* The names in the section [console_scripts] of an entry_points.txt. */
static int console_scripts(const char *text, char ***ret) {
        _cleanup_strv_ char **lines = strv_split(text, "\n"), **scripts = NULL;
        bool inside = false;
        int r;

        if (!lines)
                return -ENOMEM;
        STRV_FOREACH(l, lines) {
                const char *line = *l + strspn(*l, " \t");
                size_t n = strcspn(line, " \t=\r");

                if (*line == '[')
                        inside = strncmp(line, "[console_scripts]", 17) == 0;
                else if (inside && n > 0 && *line != '#' && strchr(line, '=')) {
                        char *name = strndup(line, n);

                        r = name ? strv_consume(&scripts, name) : -ENOMEM;
                        if (r < 0)
                                return r;
                }
        }
        *ret = TAKE_PTR(scripts);
        return 0;
}

/* The package's own metadata name its programs; bin/ holds those of its dependencies as well. */
static int find_script(const InstallJob *job, char **ret, Error **reterr_error) {
        _cleanup_free_ char *lib = path_join(job->directory,
                                             "lib"), *python = NULL, *site = NULL, *info = NULL,
                            *path = NULL, *text = NULL;
        _cleanup_strv_ char **scripts = NULL;
        const char *script;
        int r;

        if (!lib)
                return -ENOMEM;
        r = find_entry(lib, "python", "", NULL, NULL, &python);
        if (r >= 0) {
                site = path_join(python, "site-packages");
                r = site ? find_entry(site, "", ".dist-info", is_dist_info_of, job->name, &info) : -ENOMEM;
        }
        if (r < 0)
                return error_set_errno(reterr_error, r, "The package left no trace in '%s'", lib);
        path = path_join(info, "entry_points.txt");
        if (!path)
                return -ENOMEM;
        /* A package without programs has no such file: the same as an empty one. */
        r = read_file(path, ENTRY_POINTS_MAX, &text, NULL, NULL);
        if (r >= 0)
                r = console_scripts(text, &scripts);
        if (r < 0 && r != -ENOENT)
                return error_set_errno(reterr_error, r, "Failed to read '%s'", path);
        r = install_pick_program(job->name, scripts, &script, reterr_error);
        if (r < 0)
                return r;
        return asprintf(ret, "%s/bin/%s", job->directory, script) < 0 ? -ENOMEM : 0;
}

int python_install(InstallJob *job, InstalledConnector *c, Error **reterr_error) {
        _cleanup_free_ char *uv = NULL, *python = path_join(job->directory, "bin/python"), *script = NULL;
        int r;

        if (!python)
                return -ENOMEM;
        r = check_python(reterr_error);
        if (r < 0)
                return r;
        r = install_find_program("uv", &uv);
        if (r < 0 && r != -ENOENT)
                return r;
        job->installer = strdup(uv ? "uv" : "pip");
        if (!job->installer)
                return -ENOMEM;
        install_say("  with %s", uv ?: "venv and pip (uv would be faster)");
        r = make_environment(job, uv, reterr_error);
        if (r >= 0)
                r = fill_environment(job, uv, &c->built_from_source, reterr_error);
        if (r >= 0)
                r = find_script(job, &script, reterr_error);
        if (r < 0)
                return r;
        /* By the interpreter's name: the script's first line would need a shell in a relocatable
         * environment. */
        r = strv_extend(&c->command, python);
        if (r >= 0)
                r = strv_consume(&c->command, TAKE_PTR(script));
        return r < 0 ? r : python_read_paths(python, &c->read_paths);
}
