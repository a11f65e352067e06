/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The executor "service": systemd puts the fence up before the shim starts, which has no privilege at all
 * then and adds Landlock and its own list of system calls. Foreign connectors run so. What `lite` does by
 * itself and systemd 252 cannot give: a process namespace (unique users and an own /proc stand for it; where
 * the user is shared, the shim makes one). */

#include <sched.h>
#include <stdio.h>

#include "launcher/launch-install.h"
#include "launcher/launch-units.h"
#include "launcher/unit-property.h"

#define FILES_USER "gantry-files"

static const UnitProperty service_properties[] = {
        /* the file system: see add_root() */
        { "TemporaryFileSystem", "a(ss)", "[[\"/dev/shm\",\"size=512m,mode=1777\"]]",
          "no shared memory of others (T07)" },
        { "ProtectSystem", "s", "\"strict\"", "what is bound is read-only unless the plan says otherwise" },
        { "PrivateTmp", "b", "true", "no files of others in /tmp, none left behind (T07)" },
        { "PrivateDevices", "b", "true", "null, zero, full, random, tty; no disks, no kernel memory (T11)" },
        { "PrivateMounts", "b", "true", "what is mounted here is not mounted there" },
        /* Stronger than ProtectKernelTunables= and ProtectControlGroups=, whose list of places, each made
         * read-only by itself, costs 40 ms of CPU a start. With it and without the machine's part of /proc
         * there is nothing for them to protect. */
        { "InaccessiblePaths", "as", "[\"/sys\"]",
          "no kernel switches, and no control groups, so that it can't lift its own limits (T14)" },
        { "ProtectProc", "s", "\"invisible\"", "other users' processes are not there (T03)" },
        { "ProcSubset", "s", "\"pid\"", "nor is the machine's own part of /proc" },
        /* privileges */
        { "CapabilityBoundingSet", "t", "0", "none, for ever" },
        { "AmbientCapabilities", "t", "0", "none to inherit" },
        { "RestrictSUIDSGID", "b", "true", "no file that gives rights to who runs it (T12)" },
        { "RestrictNamespaces", "t", "0", "no namespace in which it would be root (T11)" },
        { "RestrictRealtime", "b", "true", "no priority over everything else (T13)" },
        { "LockPersonality", "b", "true", "no other ABI (T11)" },
        { "ProtectClock", "b", "true", "no clock to set" },
        { "ProtectHostname", "b", "true", "no host name to change" },
        { "ProtectKernelLogs", "b", "true", "no kernel log to read" },
        { "ProtectKernelModules", "b", "true", "no code into the kernel" },
        { "RemoveIPC", "b", "true", "shared memory of its user goes with it (T07)" },
        { "PrivateIPC", "b", "true", "System V objects of its own only" },
        /* system calls */
        { "SystemCallArchitectures", "as", "[\"native\"]",
          "no 32-bit calls, which have had bugs of their own (T11)" },
        { "SystemCallFilter", "(bas)",
          "[true,[\"@system-service\",\"seccomp\",\"landlock_create_ruleset\",\"landlock_add_rule\","
          "\"landlock_restrict_self\"]]", "what services need, and what the shim locks itself up with" },
        { "SystemCallErrorNumber", "i", "1", "EPERM: libraries try something else" },
};

/* What systemd does in the shim's place. */
#define LAYERS_OUTSIDE                                                                                   \
        (SANDBOX_LAYER_BIT(SANDBOX_USER_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_MOUNT_NAMESPACE) |        \
         SANDBOX_LAYER_BIT(SANDBOX_PID_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_IPC_NAMESPACE) |           \
         SANDBOX_LAYER_BIT(SANDBOX_UTS_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_CGROUP_NAMESPACE) |        \
         SANDBOX_LAYER_BIT(SANDBOX_NETWORK_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_PROC) |                \
         SANDBOX_LAYER_BIT(SANDBOX_TASKS_LIMIT))

/* Connectors with files are all one user outside. A user namespace each keeps them from each other's memory
 * and descriptors (the kernel asks for a capability there), and a process namespace, which the shim makes,
 * from each other's signals (T03). */
#define LAYERS_OF_SHARED_USER                                                                            \
        (SANDBOX_LAYER_BIT(SANDBOX_USER_NAMESPACE) | SANDBOX_LAYER_BIT(SANDBOX_PID_NAMESPACE))

static int add_shared_user(UnitPlan *u) {
        int r = unit_property_add_bool(u->properties, "PrivateUsers", true);

        u->sandbox->outside &= ~LAYERS_OF_SHARED_USER;
        /* For the shim; the connector's own filter refuses all of them. */
        return r < 0 ? r : unit_property_add_u64(u->properties, "RestrictNamespaces",
                                                 CLONE_NEWUSER | CLONE_NEWPID);
}

#define MS_REC_FLAG UINT64_C(16384) /* systemd takes 0 or MS_REC */

static int add_bind(JsonObject *list, const SandboxMount *m) {
        JsonObject *bind = json_object_new_array();

        if (!bind)
                return -ENOMEM;
        json_object_array_add(bind, json_object_new_string(m->source));
        json_object_array_add(bind, json_object_new_string(m->target));
        json_object_array_add(bind, json_object_new_boolean(m->optional));
        json_object_array_add(bind, json_object_new_uint64(MS_REC_FLAG));
        return json_object_array_add(list, bind) < 0 ? -ENOMEM : 0;
}

/* systemd sorts all mounts by path, so that two properties keep the plan's order. */
static int add_binds(UnitPlan *u, const char *property, bool writable) {
        JsonObject *list = json_object_new_array();
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < u->sandbox->n_mounts; i++)
                if (u->sandbox->mounts[i].source && u->sandbox->mounts[i].writable == writable)
                        r = add_bind(list, &u->sandbox->mounts[i]);
        if (r < 0) {
                json_object_put(list);
                return r;
        }
        /* To systemd an empty list means: forget all binds, read-only ones, too. */
        if (json_object_array_length(list) == 0) {
                json_object_put(list);
                return 0;
        }
        return unit_property_add(u->properties, property, "a(ssbt)", list);
}

static int add_list(UnitPlan *u, const char *property, char *const *items) {
        JsonObject *list = json_object_new_array();

        if (!list)
                return -ENOMEM;
        STRV_FOREACH(s, items)
                json_object_array_add(list, json_object_new_string(*s));
        return unit_property_add(u->properties, property, "as", list);
}

/* Two places in memory that systemd makes for the unit's user and removes with the unit. `root` is its
 * empty root, into which the plan's mounts are bound: nothing of the host's but what is named, so no
 * sockets, homes or state of others (T01, T08, T16). TemporaryFileSystem=/ would read better, but systemd
 * 252 takes it and does nothing. `files` is for configuration, catalog, state and what the plan calls
 * private. */
static int add_root(UnitPlan *u) {
        _cleanup_free_ char *stem = strndup(u->name, strlen(u->name) - STRLEN(".service")), *root = NULL;
        _cleanup_strv_ char **places = NULL;
        int r;

        if (!stem)
                return -ENOMEM;
        r = strv_extendf(&places, "gantry-run/%s/root", stem);
        if (r >= 0)
                r = strv_extendf(&places, "gantry-run/%s/files", stem);
        if (r >= 0)
                r = add_list(u, "RuntimeDirectory", places);
        if (r < 0)
                return r;
        if (asprintf(&root, "/run/%s", places[0]) < 0) {
                root = NULL;
                return -ENOMEM;
        }
        if (asprintf(&u->sandbox->scratch_directory, "/run/%s", places[1]) < 0) {
                u->sandbox->scratch_directory = NULL;
                return -ENOMEM;
        }
        r = unit_property_add_string(u->properties, "RootDirectory", root);
        return r < 0 ? r : unit_property_add_bool(u->properties, "MountAPIVFS", true);
}

static int add_user(UnitPlan *u, const LaunchRequest *q, bool files) {
        const char *user = q->install ? INSTALL_USER : FILES_USER;
        int r;

        u->sandbox->uid = u->sandbox->gid = 0;
        if (!files && !q->install)
                return unit_property_add_bool(u->properties, "DynamicUser", true);
        r = unit_property_add_string(u->properties, "User", user);
        return r < 0 ? r : unit_property_add_string(u->properties, "Group", user);
}

static int add_network(UnitPlan *u, bool network) {
        JsonObject *families = NULL;
        const char *text = network ? "[true,[\"AF_UNIX\",\"AF_INET\",\"AF_INET6\",\"AF_NETLINK\"]]"
                                   : "[true,[\"AF_UNIX\"]]";
        int r = json_parse(text, strlen(text), &families, NULL);

        if (r >= 0)
                r = unit_property_add(u->properties, "RestrictAddressFamilies", "(bas)", families);
        return r < 0 || network ? r : unit_property_add_bool(u->properties, "PrivateNetwork", true);
}

int launch_unit_service(UnitPlan *u, const LaunchRequest *q, const ConnectorStart *start) {
        int r = unit_property_add_table(u->properties, service_properties, ELEMENTSOF(service_properties));
        bool files = start->read_paths || start->write_paths;

        u->sandbox->outside = LAYERS_OUTSIDE;
        if (r >= 0)
                r = add_user(u, q, files);
        if (r >= 0 && files)
                r = add_shared_user(u);
        if (r >= 0)
                r = add_root(u);
        if (r >= 0)
                r = add_network(u, u->sandbox->network != NETWORK_NONE);
        if (r >= 0)
                r = add_binds(u, "BindReadOnlyPaths", /* writable= */ false);
        if (r >= 0)
                r = add_binds(u, "BindPaths", /* writable= */ true);
        if (r >= 0)
                r = unit_property_add(u->properties, "RuntimeDirectoryMode", "u", json_object_new_int(0700));
        /* That what it can write can't be executed is Landlock's part: NoExecPaths= is taken by systemd
         * 252 and does nothing below a RootDirectory=. Node compiles as it runs. */
        if (r >= 0 && !start->connector->allow_write_exec)
                r = unit_property_add_bool(u->properties, "MemoryDenyWriteExecute", true);
        return r;
}
