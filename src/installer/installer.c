/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantry-installer: connectors for the suite. `install` runs in a sandbox, as a connector does, and says
 * how it went in the connectors' words; the other verbs run as root, as gantry-launcher's children, and
 * have nothing of a network.
 *
 * The verbs have two sides. "install" runs in a sandbox, with the network and without rights, and writes
 * into a staging place; the others run as root and never run anything of the package. What passes from
 * one to the other is that directory, and it is believed as little as any stranger's (publish.c). */

#include <stdio.h>
#include <sys/stat.h>

#include "basic/json-write.h"
#include "basic/log.h"
#include "installer/install.h"
#include "installer/publish.h"
#include "installer/staging.h"
#include "runtime/connector-store.h"
#include "runtime/suite-store.h"
#include "shared/exit-codes.h"

#define CONFIG_MAX (64U * 1024U)

static const char usage[] =
        "gantry-installer install --config FILE   Install into the sandbox's directories\n"
        "gantry-installer publish ID              Put what was installed in its place\n"
        "gantry-installer discard ID              Remove what was not finished\n"
        "gantry-installer sweep [ID...]           Remove all that was not finished but these\n"
        "gantry-installer remove REFERENCE        Remove an installed connector\n"
        "\nRun by gantry-launcher(8); see gantry-installer(8).\n";

static const char *failure_type(int r) {
        return r == -ENETUNREACH || r == -ENOSPC ? "transient_error"
                : r == -ENOENT || r == -EINVAL   ? "config_error"
                                                 : "system_error";
}

/* The protocol's way to fail: TRACE ERROR. */
static void say_failure(int r, const Error *error) {
        _cleanup_buffer_ Buffer b = {};

        if (buffer_append_string(&b, "{\"type\":\"TRACE\",\"trace\":{\"type\":\"ERROR\",\"emitted_at\":0,") < 0 ||
            buffer_append_string(&b, "\"error\":{") < 0 ||
            json_write_member_string(&b, "message", error_message(error, r)) < 0 ||
            json_write_member_string(&b, "failure_type", failure_type(r)) < 0 ||
            buffer_append_string(&b, "}}}") < 0)
                return;
        puts(strempty(buffer_string(&b)));
}

static int verb_install(int argc, char *argv[]) {
        _cleanup_json_ JsonObject *config = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (argc != 2 || !streq(argv[0], "--config"))
                return -EINVAL;
        r = json_parse_file(argv[1], CONFIG_MAX, &config, &error);
        if (r >= 0)
                r = install_run_job(config, &error);
        if (r < 0)
                say_failure(r, error);
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int verb_publish(int argc, char *argv[]) {
        const PublishPlace place = { SUITE_STORE, SUITE_STAGING, 0, 0 };
        _cleanup_json_ JsonObject *result = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (argc != 1)
                return -EINVAL;
        r = publish(&place, argv[0], &result, &error);
        /* The last line on standard output: the result, or the sentence. */
        puts(r < 0 ? error_message(error, r) : json_object_to_json_string_ext(result, JSON_C_TO_STRING_PLAIN));
        return r < 0 ? EXIT_FAILED : EXIT_OK;
}

static int finish(int r, const Error *error) {
        if (r >= 0)
                return EXIT_OK;
        puts(error_message(error, r));
        return exit_code_from_errno(r);
}

static int verb_discard(int argc, char *argv[]) {
        _cleanup_error_ Error *error = NULL;

        return argc != 1 ? -EINVAL : finish(staging_discard(SUITE_STAGING, argv[0], &error), error);
}

static int verb_sweep(int argc, char *argv[]) {
        _cleanup_error_ Error *error = NULL;

        return finish(staging_sweep(SUITE_STAGING, argv, &error), error);
}

static int verb_remove(int argc, char *argv[]) {
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        if (argc != 1)
                return -EINVAL;
        if (setenv("GANTRY_CONNECTOR_DIR", SUITE_STORE, /* overwrite= */ 1) < 0)
                return EXIT_FAILED;
        r = connector_ref_parse(argv[0], CONNECTOR_ANY_ROLE, &ref, &error);
        if (r >= 0)
                r = connector_store_remove(ref, &error);
        return finish(r, error);
}

static const struct {
        const char *name;
        int (*run)(int argc, char *argv[]); /* an exit code; -EINVAL: other arguments are wanted */
} verbs[] = {
        { "install", verb_install }, { "publish", verb_publish }, { "discard", verb_discard },
        { "sweep", verb_sweep },     { "remove", verb_remove },
};

int main(int argc, char *argv[]) {
        /* What is made is for everybody to read, whoever starts us. */
        (void) umask(022);
        if (argc > 1 && streq(argv[1], "--help")) {
                fputs(usage, stdout);
                return EXIT_OK;
        }
        if (argc > 1 && streq(argv[1], "--version")) {
                puts("gantry-installer " PACKAGE_VERSION);
                return EXIT_OK;
        }
        for (size_t i = 0; argc > 1 && i < ELEMENTSOF(verbs); i++)
                if (streq(argv[1], verbs[i].name)) {
                        int code = verbs[i].run(argc - 2, argv + 2);

                        if (code >= 0)
                                return code;
                }
        fputs(usage, stderr);
        return EXIT_USAGE;
}
