/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "installer/publish.h"
#include "installer/staging.h"
#include "installer/tree.h"
#include "runtime/connector-store.h"
#include "runtime/install-reason.h"
#include "runtime/suite-store.h"
#include "unit/test.h"

TEST_MAIN()

#define ID "0190a6c2-7c1e-7abc-8def-0123456789ab"
#define OTHER "0190a6c2-7c1e-7abc-8def-0123456789ac"

/* A store with one installation that is to be published, in a directory of its own. */
typedef struct World {
        char root[64];
        char *store, *staging, *made, *final;
        PublishPlace place;
} World;

static char *format(const char *f, ...) _printf_(1, 2);
static char *format(const char *f, ...) {
        char *s = NULL;
        va_list ap;

        va_start(ap, f);
        assert_true(vasprintf(&s, f, ap) >= 0);
        va_end(ap);
        return s;
}

static void put(const char *dir, const char *name, const char *text, unsigned mode) {
        _cleanup_free_ char *path = path_join(dir, name);

        ASSERT_OK(write_file_atomic(path, text, strlen(text), mode, NULL));
        assert_int_equal(chmod(path, mode), 0);
}

static char *marker(const World *w, const char *name, const char *command, const char *read_path) {
        return format("{\"reference\":\"pypi:%s==1.2\",\"kind\":\"pypi\",\"name\":\"%s\",\"version\":\"1.2\","
                      "\"command\":[\"%s\",\"source-x\"],\"read_paths\":[\"%s\"]}",
                      name, name, command, read_path ?: w->final);
}

static void world_open(World *w, const char *reference) {
        _cleanup_free_ char *place = NULL, *text = NULL, *program = NULL;

        *w = (World) { .root = "/tmp/test-installer-XXXXXX" };
        assert_non_null(mkdtemp(w->root));
        w->store = path_join(w->root, "store");
        w->staging = path_join(w->store, ".staging");
        w->made = format("%s/" ID "/store/pypi/airbyte-source-x/1.2", w->staging);
        w->final = format("%s/pypi/airbyte-source-x/1.2", w->store);
        w->place = (PublishPlace) { w->store, w->staging, getuid(), getgid() };
        place = path_join(w->staging, ID);
        ASSERT_OK(mkdir_parents(w->made, 0700));
        put(place, SUITE_STAGED_REFERENCE, reference, 0600);
        program = path_join(w->final, "bin/python");
        text = marker(w, "airbyte-source-x", program, NULL);
        put(w->made, "gantry-installed.json", text, 0600);
        put(w->made, "program", "#!/bin/sh\n", 0700);
        put(w->made, "data", "abc", 0666);
}

static void world_close(World *w) {
        ASSERT_OK(remove_tree(w->root));
        free(w->store);
        free(w->staging);
        free(w->made);
        free(w->final);
}

static void assert_published(const World *w, const char *version) {
        _cleanup_json_ JsonObject *result = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = publish(&w->place, ID, &result, &error);

        if (r < 0)
                fail_msg("%s", error_message(error, r));
        assert_string_equal(json_object_get_string(json_member(result, "version")), version);
        assert_string_equal(json_object_get_string(json_member(result, "directory")), w->final);
}

static void assert_refused(const World *w, const char *words) {
        _cleanup_json_ JsonObject *result = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = publish(&w->place, ID, &result, &error);

        assert_true(r < 0);
        if (!strstr(error_message(error, r), words))
                fail_msg("\"%s\" lacks \"%s\"", error_message(error, r), words);
        assert_false(path_exists(w->final));
}

static mode_t mode_of(const char *dir, const char *name) {
        _cleanup_free_ char *path = path_join(dir, name);
        struct stat st;

        assert_int_equal(lstat(path, &st), 0);
        return st.st_mode & 07777;
}

TEST(what_was_installed_is_put_in_its_place_with_its_hashes) {
        _cleanup_free_ char *path = NULL, *hashes = NULL, *place = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        assert_published(&w, "1.2");
        assert_int_equal(mode_of(w.final, "program"), 0755);
        assert_int_equal(mode_of(w.final, "data"), 0644);
        assert_int_equal(mode_of(w.final, "."), 0755);
        path = path_join(w.final, SUITE_HASHES);
        ASSERT_OK(read_file(path, 65536, &hashes, NULL, NULL));
        /* The digest of "abc" is FIPS 180's own example. */
        assert_non_null(strstr(hashes, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  data\n"));
        place = path_join(w.staging, ID);
        assert_false(path_exists(place));
        world_close(&w);
}

TEST(a_version_that_was_not_asked_for_is_found) {
        World w;

        world_open(&w, "pypi:airbyte-source-x");
        assert_published(&w, "1.2");
        world_close(&w);
}

TEST(of_two_installations_of_one_version_the_first_stays) {
        _cleanup_json_ JsonObject *result = NULL;
        _cleanup_free_ char *text = NULL, *there = NULL, *path = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        ASSERT_OK(mkdir_parents(w.final, 0755));
        text = marker(&w, "airbyte-source-x", "/usr/bin/python3", NULL);
        put(w.final, "gantry-installed.json", text, 0644);
        ASSERT_OK(publish(&w.place, ID, &result, NULL));
        assert_true(json_object_get_boolean(json_member(result, "already")));
        path = path_join(w.final, "gantry-installed.json");
        ASSERT_OK(read_file(path, 65536, &there, NULL, NULL));
        assert_string_equal(there, text);
        world_close(&w);
}

TEST(remains_without_a_marker_give_way) {
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        ASSERT_OK(mkdir_parents(w.final, 0755));
        put(w.final, "half", "", 0644);
        assert_published(&w, "1.2");
        world_close(&w);
}

TEST(an_unfinished_installation_is_none) {
        _cleanup_free_ char *path = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        path = path_join(w.made, "gantry-installed.json");
        assert_int_equal(unlink(path), 0);
        assert_refused(&w, "never finished");
        world_close(&w);
}

TEST(T05_a_fifo_or_socket_is_refused_and_nobody_waits_for_it) {
        _cleanup_free_ char *path = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        path = path_join(w.made, "pipe");
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_refused(&w, "'pipe' is neither a file nor a directory");
        world_close(&w);
}

TEST(T05_links_are_not_followed_and_what_they_lead_to_stays_as_it_is) {
        _cleanup_free_ char *link = NULL, *link_dir = NULL, *outside = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        ASSERT_OK(mkdir_parents((outside = path_join(w.root, "outside")), 0700));
        put(outside, "secret", "x", 0600);
        link = path_join(w.made, "link");
        link_dir = path_join(w.made, "link-dir");
        assert_int_equal(symlink("../../../../../../../outside/secret", link), 0);
        assert_int_equal(symlink(outside, link_dir), 0);
        assert_published(&w, "1.2");
        assert_int_equal(mode_of(outside, "secret"), 0600);
        assert_int_equal(mode_of(outside, "."), 0700);
        world_close(&w);
}

/* The directories on the way, and the marker, as links that lead elsewhere. */
TEST(T05_an_installation_that_is_a_link_is_refused) {
        _cleanup_free_ char *elsewhere = NULL, *path = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        elsewhere = path_join(w.root, "elsewhere");
        assert_int_equal(rename(w.made, elsewhere), 0);
        assert_int_equal(symlink(elsewhere, w.made), 0);
        assert_refused(&w, "It left nothing of version 1.2");
        world_close(&w);

        world_open(&w, "pypi:airbyte-source-x==1.2");
        path = path_join(w.made, "gantry-installed.json");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        assert_refused(&w, "never finished");
        world_close(&w);
}

TEST(set_user_id_bits_do_not_survive) {
        _cleanup_free_ char *path = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        path = path_join(w.made, "program");
        assert_int_equal(chmod(path, 06755), 0);
        assert_published(&w, "1.2");
        assert_int_equal(mode_of(w.final, "program"), 0755);
        world_close(&w);
}

/* What a build script may write into the marker. */
TEST(a_marker_names_nothing_that_is_not_its_own) {
        _cleanup_free_ char *other = NULL, *shell = NULL, *etc = NULL, *up = NULL, *up_path = NULL, *program = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        program = path_join(w.final, "bin/python");
        other = marker(&w, "airbyte-source-y", program, NULL);
        put(w.made, "gantry-installed.json", other, 0644);
        assert_refused(&w, "It says that it is pypi:airbyte-source-y==1.2");
        shell = marker(&w, "airbyte-source-x", "/root/x", NULL);
        put(w.made, "gantry-installed.json", shell, 0644);
        assert_refused(&w, "It wants to run '/root/x'");
        etc = marker(&w, "airbyte-source-x", program, "/etc");
        put(w.made, "gantry-installed.json", etc, 0644);
        assert_refused(&w, "It wants to read '/etc'");
        up_path = format("%s/../../../../etc", w.final);
        up = marker(&w, "airbyte-source-x", program, up_path);
        put(w.made, "gantry-installed.json", up, 0644);
        assert_refused(&w, "which is not part of it");
        world_close(&w);
}

TEST(what_nobody_finished_is_swept_away_and_what_runs_stays) {
        _cleanup_free_ char *a = NULL, *b = NULL;
        World w;

        world_open(&w, "pypi:airbyte-source-x==1.2");
        a = path_join(w.staging, ID);
        b = format("%s/" OTHER "/store/deep", w.staging);
        ASSERT_OK(mkdir_parents(b, 0700));
        ASSERT_OK(staging_sweep(w.staging, (char *const[]) { (char *) ID, NULL }, NULL));
        assert_true(path_exists(a));
        assert_false(path_exists(b));
        ASSERT_OK(staging_discard(w.staging, ID, NULL));
        assert_false(path_exists(a));
        assert_true(staging_discard(w.staging, "../../etc", NULL) < 0);
        world_close(&w);
}

TEST(what_package_managers_say_becomes_a_reason) {
        static const struct {
                const char *words;
                int code;
        } cases[] = {
                { "error: Failed to fetch: `http://x/`\n  Caused by: dns error: failed to lookup", -ENETUNREACH },
                /* pip without an index: the network is the reason, though the package is missing as well. */
                { "WARNING: Retrying: Failed to establish a new connection: [Errno 111]\n"
                  "ERROR: Could not find a version that satisfies the requirement x (from versions: none)", -ENETUNREACH },
                { "ERROR: Could not find a version that satisfies the requirement x==9 (from versions: 1, 2)\n"
                  "ERROR: No matching distribution found for x==9", -ENOENT },
                { "Because x was not found in the package registry", -ENOENT },
                { "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", -ENOSPC },
                { "npm ERR! code E404", -ENOENT },
                { "npm ERR! code ETARGET", -ENOENT },
                { "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", -EBADMSG },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const InstallReason *reason = install_reason_find(cases[i].words);

                assert_non_null(reason);
                assert_int_equal(reason->code, cases[i].code);
        }
        assert_null(install_reason_find("Everything is different today"));
}
