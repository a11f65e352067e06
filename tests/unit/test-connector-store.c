/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "runtime/connector-marker.h"
#include "runtime/python-paths.h"
#include "unit/test.h"

TEST_MAIN()

/* An own data directory and libexec directory for one test, and the way out. */
static char *enter(void) {
        char dir[] = "/tmp/gantry-test-XXXXXX";
        _cleanup_free_ char *data = NULL, *libexec = NULL;

        assert_non_null(mkdtemp(dir));
        data = path_join(dir, "data");
        libexec = path_join(dir, "libexec");
        setenv("GANTRY_DATA_DIR", data, 1);
        setenv("GANTRY_LIBEXEC_DIR", libexec, 1);
        return strdup(dir);
}

static void leave(char **dir) {
        ASSERT_OK(remove_tree(*dir));
        free(*dir);
}
#define _in_directory_ _cleanup_(leave)

static void put(const char *dir, const char *name, const char *text, unsigned mode) {
        _cleanup_free_ char *path = path_join(dir, name), *parent = path_dirname(path);

        ASSERT_OK(mkdir_parents(parent, 0755));
        ASSERT_OK(write_file_atomic(path, text, strlen(text), mode, NULL));
}

static int find(const char *s, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;

        ASSERT_OK(connector_ref_parse(s, CONNECTOR_SOURCE, &ref, NULL));
        return connector_store_find(ref, ret, reterr_error);
}

/* A finished installation, as the installer leaves it. */
static void install(const char *name, const char *version) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));
        _cleanup_free_ char *dir = NULL;

        assert_non_null(c);
        ASSERT_OK(connector_store_name_dir(CONNECTOR_PYPI, name, &dir));
        c->kind = CONNECTOR_PYPI;
        c->name = strdup(name);
        c->version = strdup(version);
        c->directory = path_join(dir, version);
        assert_true(asprintf(&c->reference, "pypi:%s==%s", name, version) > 0);
        ASSERT_OK(strv_extendf(&c->command, "%s/bin/source-x", c->directory));
        ASSERT_OK(strv_extend(&c->read_paths, c->directory));
        ASSERT_OK(mkdir_parents(c->directory, 0755));
        ASSERT_OK(connector_marker_write(c, "test", 0, NULL));
}

TEST(programs_must_exist_and_be_executable) {
        _in_directory_ char *dir = enter();
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *reference = NULL, *program = path_join(dir, "x/source-x");

        assert_true(asprintf(&reference, "exec:%s", program) > 0);
        ASSERT_ERROR(find(reference, &c, &error), ENOENT);
        put(dir, "x/source-x", "#!/usr/bin/env python3\n", 0644);
        ASSERT_ERROR(find(reference, &c, &error), EACCES);
        assert_non_null(strstr(error->message, "chmod +x"));
        assert_int_equal(chmod(program, 0755), 0);
        ASSERT_OK(find(reference, &c, &error));
        assert_string_equal(c->command[0], program);
        assert_int_equal(strv_length(c->read_paths), 1);
        assert_true(path_is_under(program, c->read_paths[0]));
        assert_string_equal(c->version, "");
}

TEST(scripts_of_node_may_compile_to_memory_and_no_others) {
        static const struct {
                const char *text;
                bool may;
        } cases[] = {
                { "#!/usr/bin/env node\n", true },        { "#!/usr/bin/node --no-warnings\n", true },
                { "#! /usr/bin/env -S node\n", true },    { "#!/usr/bin/env A=1 deno run\n", true },
                { "#!/usr/bin/env python3\n", false },    { "#!/bin/sh node\n", false },
                { "#!/usr/bin/env\n", false },            { "#!\n", false },
                { "#!", false },                          { "", false },
                { "/usr/bin/env node\n", false },         { "#!/usr/bin/env nodes", false },
        };
        _in_directory_ char *dir = enter();
        _cleanup_free_ char *reference = NULL, *program = path_join(dir, "x/source-x");

        assert_true(asprintf(&reference, "exec:%s", program) > 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;

                put(dir, "x/source-x", cases[i].text, 0755);
                ASSERT_OK(find(reference, &c, NULL));
                assert_int_equal(c->allow_write_exec, cases[i].may);
        }
}

TEST(a_program_in_a_venv_sees_the_venv_and_its_interpreter) {
        _in_directory_ char *dir = enter();
        _cleanup_strv_ char **paths = NULL;
        _cleanup_free_ char *cfg = NULL, *program = path_join(dir, "venv/bin/source-x"),
                            *python = path_join(dir, "opt/py/bin/python3.11"), *link = path_join(dir, "venv/bin/python"),
                            *venv = path_join(dir, "venv"), *prefix = path_join(dir, "opt/py");

        put(dir, "opt/py/bin/python3.11", "", 0755);
        assert_true(asprintf(&cfg, "include-system-site-packages = false\nhome = %s/opt/py/bin\r\n", dir) > 0);
        put(dir, "venv/pyvenv.cfg", cfg, 0644);
        put(dir, "venv/bin/source-x", "", 0755);
        assert_int_equal(symlink(python, link), 0);
        ASSERT_OK(python_read_paths(program, &paths));
        assert_int_equal(strv_length(paths), 2);
        assert_true(strv_contains(paths, venv));
        assert_true(strv_contains(paths, prefix));
}

TEST(a_venv_of_the_systems_python_needs_itself_only) {
        _in_directory_ char *dir = enter();
        _cleanup_strv_ char **paths = NULL, **none = NULL;
        _cleanup_free_ char *program = path_join(dir, "venv/bin/source-x"), *venv = path_join(dir, "venv");

        put(dir, "venv/pyvenv.cfg", "home = /usr/bin\n", 0644);
        put(dir, "venv/bin/source-x", "", 0755);
        ASSERT_OK(python_read_paths(program, &paths));
        assert_int_equal(strv_length(paths), 1);
        assert_string_equal(paths[0], venv);
        ASSERT_OK(python_read_paths("/usr/bin/env", &none));
        assert_null(none);
}

TEST(unfinished_installations_do_not_exist) {
        _in_directory_ char *dir = enter();
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        _cleanup_error_ Error *error = NULL;

        put(dir, "data/connectors/pypi/airbyte-source-x/1.0/bin/source-x", "", 0755);
        ASSERT_ERROR(find("pypi:airbyte-source-x", &c, &error), ENOENT);
        assert_non_null(strstr(error->message, "gantry connector install pypi:airbyte-source-x"));
        put(dir, "data/connectors/pypi/airbyte-source-x/1.0/" CONNECTOR_MARKER, "{\"half", 0644);
        ASSERT_ERROR(find("pypi:airbyte-source-x", &c, &error), ENOENT);
}

TEST(the_highest_version_counts_unless_one_is_named) {
        _in_directory_ _unused_ char *dir = enter();
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL, *named = NULL, *bare = NULL, *none = NULL;

        install("airbyte-source-x", "1.9.0");
        install("airbyte-source-x", "1.10.0");
        ASSERT_OK(find("pypi:airbyte-source-x", &c, NULL));
        assert_string_equal(c->reference, "pypi:airbyte-source-x==1.10.0");
        assert_true(c->needs_network);
        ASSERT_OK(find("pypi:airbyte-source-x==1.9.0", &named, NULL));
        assert_string_equal(named->version, "1.9.0");
        ASSERT_OK(find("source-x", &bare, NULL));
        assert_string_equal(bare->version, "1.10.0");
        ASSERT_ERROR(find("source-x==2", &none, NULL), ENOENT);
}

TEST(the_list_is_sorted_and_removal_leaves_nothing) {
        _in_directory_ char *dir = enter();
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL, *native = NULL;
        _cleanup_error_ Error *error = NULL;
        InstalledConnector **list = NULL;
        struct stat st;

        put(dir, "libexec/connectors/source-native", "", 0755);
        put(dir, "libexec/connectors/notes.txt", "", 0644);
        install("airbyte-source-y", "1");
        install("airbyte-source-x", "2");
        ASSERT_OK(connector_store_list(&list, NULL));
        assert_string_equal(list[0]->reference, "native:source-native");
        assert_false(list[0]->needs_network);
        assert_string_equal(list[1]->reference, "pypi:airbyte-source-x==2");
        assert_string_equal(list[2]->reference, "pypi:airbyte-source-y==1");
        assert_null(list[3]);
        for (InstalledConnector **c = list; *c; c++)
                installed_connector_free(*c);
        free(list);

        ASSERT_OK(connector_ref_parse("pypi:airbyte-source-x", CONNECTOR_SOURCE, &ref, NULL));
        ASSERT_OK(connector_store_remove(ref, NULL));
        ASSERT_ERROR(connector_store_remove(ref, NULL), ENOENT);
        assert_int_equal(chdir(dir), 0);
        assert_int_equal(stat("data/connectors/pypi/airbyte-source-x", &st), -1);
        assert_int_equal(chdir("/"), 0);
        ASSERT_OK(connector_ref_parse("native:source-native", CONNECTOR_SOURCE, &native, NULL));
        ASSERT_ERROR(connector_store_remove(native, &error), EOPNOTSUPP);
}

TEST(typos_are_answered_with_the_nearest_name) {
        _in_directory_ char *dir = enter();
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        _cleanup_error_ Error *error = NULL;

        put(dir, "libexec/connectors/source-native", "", 0755);
        ASSERT_ERROR(find("source-nativ", &c, &error), ENOENT);
        assert_string_equal(error->message, "There is no connector 'source-nativ'; did you mean 'source-native'?");
        ASSERT_OK(find("source-native", &c, &error));
        assert_int_equal(c->kind, CONNECTOR_NATIVE);
}
