/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "launcher/launch-network.h"
#include "launcher/unit-property.h"
#include "network/network-files.h"

/* Names that programs expect. All others are the resolver's, this host's own among them. */
#define HOSTS_TEXT "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"

static const struct {
        const char *suffix;
        const char *target; /* inside; NULL: not there */
        unsigned mode;
} files[] = {
        { "zone", NULL, 0600 },
        { "resolv.conf", "/etc/resolv.conf", 0644 },
        { "hosts", "/etc/hosts", 0644 },
};

static char *file_path(const char *unit, size_t i) {
        char *path;

        return asprintf(&path, NETWORK_DIRECTORY "/%s.%s", unit, files[i].suffix) < 0 ? NULL : path;
}

static int add_mounts(UnitPlan *u) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = files[i].target ? file_path(u->name, i) : NULL;

                if (files[i].target)
                        r = path ? sandbox_plan_add_mount(u->sandbox, path, files[i].target,
                                                          /* writable= */ false, /* optional= */ false) : -ENOMEM;
        }
        return r;
}

/* [program, [program, unit], ["privileged"]]: with root's rights and none of the unit's fences, but in its
 * control group. When it fails, the unit does not start. */
static int add_fence(UnitPlan *u, const char *program) {
        JsonObject *list = json_object_new_array(), *exec = json_object_new_array(),
                *argv = json_object_new_array(), *flags = json_object_new_array();
        int r;

        if (!list || !exec || !argv || !flags)
                return -ENOMEM;
        json_object_array_add(argv, json_object_new_string(program));
        json_object_array_add(argv, json_object_new_string(u->name));
        json_object_array_add(flags, json_object_new_string("privileged"));
        json_object_array_add(exec, json_object_new_string(program));
        json_object_array_add(exec, argv);
        json_object_array_add(exec, flags);
        json_object_array_add(list, exec);
        r = unit_property_add(u->properties, "ExecStartPreEx", "a(sasas)", list);
        /* The fence works in the host's root, whatever the connector's is. */
        return r < 0 ? r : unit_property_add_bool(u->properties, "RootDirectoryStartOnly", true);
}

int launch_network_add(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, Error **reterr_error) {
        int r;

        if (u->sandbox->network == NETWORK_NONE)
                return 0;
        r = network_zone_new(a->any, a->allowed_hosts, a->configuration, u->name, &u->zone);
        if (r >= 0)
                r = add_mounts(u);
        return r < 0 ? r : add_fence(u, q->fence);
}

static int file_text(const NetworkZone *z, size_t i, char **ret) {
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (streq(files[i].suffix, "zone")) {
                r = network_zone_to_json(z, &o);
                if (r < 0)
                        return r;
                *ret = json_to_string(o);
        } else if (streq(files[i].suffix, "hosts"))
                *ret = strdup(HOSTS_TEXT);
        else if (asprintf(ret, "nameserver %s\n", z->resolver) < 0)
                *ret = NULL;
        return *ret ? 0 : -ENOMEM;
}

int launch_network_write(const UnitPlan *u, Error **reterr_error) {
        int r = 0;

        if (!u->zone)
                return 0;
        if (mkdir(NETWORK_DIRECTORY, 0755) < 0 && errno != EEXIST)
                return error_set_errno(reterr_error, -errno, "Failed to make '" NETWORK_DIRECTORY "'");
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = file_path(u->name, i), *text = NULL;

                r = path ? file_text(u->zone, i, &text) : -ENOMEM;
                if (r >= 0)
                        r = write_file_atomic(path, text, strlen(text), files[i].mode, reterr_error);
        }
        return r;
}

void launch_network_remove(const char *unit) {
        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                _cleanup_free_ char *path = file_path(unit, i);

                /* Most units have no network. */
                if (path)
                        (void) unlink(path);
        }
}
