/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs the draft-7 part of the JSON-Schema-Test-Suite, where Debian's package of it is installed. One TAP line a file;
 * every case must give the suite's answer but for the exceptions named here. */

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>

#include "protocol/json-schema.h"

#define SUITE "/usr/share/json-schema-test-suite/tests/draft7"
#define FILE_MAX (4U * 1024U * 1024U)

/* What we don't do, and why. `group` NULL: the whole file. */
static const struct {
        const char *file, *group, *reason;
} exceptions[] = {
        { "refRemote.json", NULL, "references to other documents are refused: a schema never makes us fetch" },
        { "definitions.json", NULL, "refers to the meta-schema, which is another document" },
        { "ref.json", "remote ref, containing refs itself", "refers to the meta-schema, which is another document" },
        { "optional/content.json", NULL, "contentMediaType and contentEncoding are annotations to us" },
};

static struct {
        unsigned passed, failed, excepted;
} required, optional;
static unsigned n_files, n_failed_files;

static const char *exception(const char *file, const char *group) {
        for (size_t i = 0; i < ELEMENTSOF(exceptions); i++)
                if (streq(exceptions[i].file, file) && (!exceptions[i].group || streq(exceptions[i].group, group)))
                        return exceptions[i].reason;
        return NULL;
}

static bool run_case(const char *file, const char *group, JsonObject *schema_json, JsonObject *test) {
        _cleanup_(json_schema_freep) JsonSchema *schema = NULL;
        _cleanup_error_ Error *error = NULL;
        JsonSchemaProblem *problems = NULL;
        bool expected = json_object_get_boolean(json_member(test, "valid"));
        int r, quick;

        r = json_schema_compile(schema_json, &schema, &error);
        if (r < 0) {
                printf("# %s: %s: does not compile: %s\n", file, group, error_message(error, r));
                return false;
        }
        r = json_schema_validate(schema, json_member(test, "data"), 8, &problems);
        quick = json_schema_validate(schema, json_member(test, "data"), 0, NULL);
        /* A value that is refused has a problem that can be told, and both ways agree. */
        if (r != expected || quick != r || (r == 0 && (!problems || !problems[0].path))) {
                printf("# %s: %s: %s: %d, without problems %d\n", file, group,
                       json_object_get_string(json_member(test, "description")), r, quick);
                r = -EINVAL;
        }
        json_schema_problems_free(problems);
        return r >= 0;
}

static void run_file(const char *file) {
        _cleanup_free_ char *path = NULL;
        _cleanup_json_ JsonObject *groups = NULL;
        unsigned n = 0, passed = 0, excepted = 0;
        const char *reason = NULL;

        if (asprintf(&path, "%s/%s", SUITE, file) < 0 || json_parse_file(path, FILE_MAX, &groups, NULL) < 0) {
                printf("not ok %u - %s cannot be read\n", ++n_files, file);
                n_failed_files++;
                return;
        }
        for (size_t i = 0; i < json_object_array_length(groups); i++) {
                JsonObject *group = json_object_array_get_idx(groups, i), *tests = json_member(group, "tests");
                const char *description = json_object_get_string(json_member(group, "description"));

                for (size_t k = 0; k < json_object_array_length(tests); k++) {
                        n++;
                        if (exception(file, description)) {
                                reason = exception(file, description);
                                excepted++;
                        } else
                                passed += run_case(file, description, json_member(group, "schema"),
                                                   json_object_array_get_idx(tests, k));
                }
        }
        n_files++;
        n_failed_files += passed + excepted < n;
        printf("%sok %u - %s: %u of %u%s%s\n", passed + excepted < n ? "not " : "", n_files, file, passed, n,
               reason ? " # excepted: " : "", reason ?: "");
        if (strncmp(file, "optional/", 9) == 0) {
                optional.passed += passed;
                optional.excepted += excepted;
                optional.failed += n - passed - excepted;
        } else {
                required.passed += passed;
                required.excepted += excepted;
                required.failed += n - passed - excepted;
        }
}

static int is_suite_file(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return n > 5 && streq(e->d_name + n - 5, ".json");
}

static void run_directory(const char *directory) {
        _cleanup_free_ char *path = NULL;
        struct dirent **entries = NULL;
        int n;

        if (asprintf(&path, "%s/%s", SUITE, directory) < 0)
                return;
        n = scandir(path, &entries, is_suite_file, alphasort);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *file = NULL;

                if (asprintf(&file, "%s%s", directory, entries[i]->d_name) >= 0)
                        run_file(file);
                free(entries[i]);
        }
        free(entries);
}

int main(void) {
        struct stat st;

        if (stat(SUITE, &st) < 0) {
                printf("1..0 # SKIP %s: the package json-schema-test-suite is not installed\n", SUITE);
                return 0;
        }
        run_directory("");
        run_directory("optional/");
        run_directory("optional/format/");
        printf("1..%u\n", n_files);
        printf("# required: %u passed, %u failed, %u excepted\n", required.passed, required.failed, required.excepted);
        printf("# optional: %u passed, %u failed, %u excepted\n", optional.passed, optional.failed, optional.excepted);
        return n_failed_files > 0;
}
