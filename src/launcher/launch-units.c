/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties that all have stand in tables with their reasons; what depends on the workload is added in
 * code behind them, replacing what a table said. Units are never loaded from files: all of a unit is in
 * the one call that starts it, and nothing of it outlives a boot.
 *
 * The kinds differ in who puts the fence up. `lite`: the shim, as root with a few capabilities, for
 * native connectors. `service`: systemd, before the shim starts, for what strangers wrote. `podman`:
 * podman, for images. In all three the control group's limits are systemd's, and the main process is the
 * shim.
 *
 * Times to stop are nested. A connector has its grace, then the shim kills it; systemd's own kill comes
 * STOP_MARGIN_USEC later and only meets a shim that hangs. The worker's is longer than the destination's,
 * for which it waits. */

#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>

#include "launcher/launch-files.h"
#include "launcher/launch-install.h"
#include "launcher/launch-network.h"
#include "launcher/launch-units.h"
#include "launcher/podman-unit.h"
#include "launcher/unit-property.h"
#include "runtime/connector-plan.h"

/* A connector that is told to stop may finish what it does. */
#define SOURCE_GRACE_USEC (10 * USEC_PER_SEC)
#define DESTINATION_GRACE_USEC (60 * USEC_PER_SEC)
/* Above the grace times: systemd's SIGKILL is for those that the shim could not end. */
#define STOP_MARGIN_USEC (15 * USEC_PER_SEC)
/* The worker waits for the destination, which waits for its own commits. */
#define WORKER_STOP_USEC (2 * DESTINATION_GRACE_USEC + STOP_MARGIN_USEC)

static const UnitProperty common_properties[] = {
        { "Type", "s", "\"exec\"",
          "a program that can't be started is a failed job, not a unit that ends at once" },
        { "RemainAfterExit", "b", "true", "the result stays until the launcher has stored it" },
        { "CollectMode", "s", "\"inactive\"", "… that of a failure too" },
        { "KillMode", "s", "\"mixed\"", "SIGTERM is for the first process, which knows what to do with it" },
        { "StandardOutput", "s", "\"null\"", "fd 0 is a socket; output does not follow it" },
        { "StandardError", "s", "\"journal\"", "last words of a shim or worker" },
        { "UMask", "u", "63", "0077: what it makes is nobody else's" },
        { "LimitCORE", "t", "1", "a core would hold secrets; 0 does not hold for one that goes to a program" },
        { "NoNewPrivileges", "b", "true", "no set-user-ID program helps anybody" },
        { "KeyringMode", "s", "\"private\"", "no keys of others" },
};

static const UnitProperty connector_properties[] = {
        { "NotifyAccess", "s", "\"none\"", "a connector tells systemd nothing (T15)" },
        { "OOMPolicy", "s", "\"continue\"",
          "the shim lives to tell that the connector was killed for memory" },
        { "MemorySwapMax", "t", "0", "configurations are in memory only" },
};

/* What the shim needs to make the sandbox by itself; nothing of it gets inside. CHOWN, SETUID, SETGID,
 * SETPCAP: to become the connector's user; SYS_ADMIN: namespaces and mounts; DAC_READ_SEARCH: to open
 * what the plan names; SYS_RESOURCE: the shim's place in the order of OOM kills; KILL. */
#define CAPABILITY(n) (UINT64_C(1) << (n))
#define SHIM_CAPABILITIES                                                                                \
        (CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_DAC_READ_SEARCH) | CAPABILITY(CAP_KILL) |                \
         CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETPCAP) |                     \
         CAPABILITY(CAP_SYS_ADMIN) | CAPABILITY(CAP_SYS_RESOURCE))

/* What the worker needs to shut itself in, which is the first thing that it does. */
#define WORKER_CAPABILITIES                                                                              \
        (CAPABILITY(CAP_SETGID) | CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETPCAP) | CAPABILITY(CAP_SYS_ADMIN))

/* Nothing here that takes a mount namespace or a system call filter: to put those up takes systemd six
 * times as long as the worker itself (orchestrator/worker-confine.h), and all connectors wait for it. */
static const UnitProperty worker_properties[] = {
        { "NotifyAccess", "s", "\"main\"", "it says how far it is" },
        { "MemoryMax", "t", "2147483648", "buffers are bounded; catalogs and states of that size are not" },
        { "MemorySwapMax", "t", "0", "secrets and records are in memory only" },
        { "TasksMax", "t", "16", "it is one process" },
};

static int add_exec(UnitPlan *u, const char *const argv[]) {
        JsonObject *list = json_object_new_array(), *exec = json_object_new_array(),
                *arguments = json_object_new_array();

        if (!list || !exec || !arguments)
                return -ENOMEM;
        for (const char *const *a = argv; *a; a++)
                json_object_array_add(arguments, json_object_new_string(*a));
        json_object_array_add(exec, json_object_new_string(argv[0]));
        json_object_array_add(exec, arguments);
        json_object_array_add(exec, json_object_new_boolean(false));
        json_object_array_add(list, exec);
        return unit_property_add(u->properties, "ExecStart", "a(sasb)", list);
}

/* What `systemctl status` says of it. An attempt is known by its job; all others by their id, which is text
 * of somebody's, but a description is only shown. */
static int describe(const UnitPlan *u, const LaunchRequest *q, char **ret) {
        const char *role = unit_role_to_string(u->role);
        int r;

        if (q->job_id > 0)
                r = asprintf(ret, "Gantry %s of job %lld, attempt %lld", role, (long long) q->job_id,
                             (long long) MAX(q->attempt, 0));
        else
                r = asprintf(ret, "Gantry %s: %s", role, q->id);
        if (r >= 0)
                return 0;
        *ret = NULL;
        return -ENOMEM;
}

int launch_unit_common(UnitPlan *u, const LaunchRequest *q, const char *slice) {
        _cleanup_free_ char *description = NULL;
        int r;

        u->properties = json_object_new_object();
        if (!u->properties)
                return -ENOMEM;
        r = describe(u, q, &description);
        if (r >= 0)
                r = unit_property_add_string(u->properties, "Description", description);
        if (r >= 0)
                r = unit_property_add_string(u->properties, "Slice", slice);
        return r < 0 ? r : unit_property_add_table(u->properties, common_properties,
                                                   ELEMENTSOF(common_properties));
}

int launch_unit_worker(UnitPlan *u, const LaunchRequest *q) {
        char uid[24], group[24];
        int r = unit_property_add_table(u->properties, worker_properties, ELEMENTSOF(worker_properties));

        snprintf(uid, sizeof(uid), "%" PRIu64, unit_uid(u->name));
        snprintf(group, sizeof(group), "%" PRIu64, q->worker_group);
        if (r >= 0)
                r = unit_property_add_u64(u->properties, "CapabilityBoundingSet", WORKER_CAPABILITIES);
        if (r >= 0)
                r = unit_property_add_u64(u->properties, "TimeoutStopUSec", WORKER_STOP_USEC);
        return r < 0 ? r : add_exec(u, (const char *const[]) { q->worker, uid, uid, group, q->api, NULL });
}

static int add_limits(UnitPlan *u, const LaunchActor *a, usec_t grace) {
        int r = unit_property_add_u64(u->properties, "TimeoutStopUSec", grace + STOP_MARGIN_USEC);

        if (r >= 0 && a->memory_max > 0)
                r = unit_property_add_u64(u->properties, "MemoryMax", a->memory_max);
        if (r >= 0 && a->cpu_quota > 0)
                r = unit_property_add_u64(u->properties, "CPUQuotaPerSecUSec",
                                          a->cpu_quota * USEC_PER_SEC / 100);
        /* The shim and the first process inside are two of them. */
        if (r >= 0 && a->tasks_max > 0)
                r = unit_property_add_u64(u->properties, "TasksMax", a->tasks_max + 2);
        return r;
}

/* Its own user; connectors with files are all one, whose the files are. For an image only the check
 * counts: podman_unit_add() arranges users by itself. */
static int choose_user(const UnitPlan *u, const LaunchRequest *q, ConnectorStart *start,
                       Error **reterr_error) {
        bool files = start->read_paths || start->write_paths;

        if (q->install) {
                start->uid = q->install->uid;
                start->gid = q->install->gid;
                return 0;
        }
        start->uid = start->gid = files ? q->files_uid : unit_uid(u->name);
        if (files)
                start->gid = q->files_gid;
        if (start->uid == 0)
                return error_set(reterr_error, -EINVAL,
                                 "There is no user 'gantry-files' for connectors with files");
        return 0;
}

int launch_unit_connector(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, ConnectorStart *start,
                          Error **reterr_error) {
        usec_t grace = u->role == UNIT_DESTINATION ? DESTINATION_GRACE_USEC : SOURCE_GRACE_USEC;
        int r;

        if ((u->kind == UNIT_PODMAN) != (start->connector->kind == CONNECTOR_IMAGE))
                return error_set(reterr_error, -EINVAL, "'%s' can't be run by the executor '%s'", a->reference,
                                 unit_kind_to_string(u->kind));
        if (u->kind == UNIT_PODMAN &&
            strv_length(a->read_paths) + strv_length(a->write_paths) > PODMAN_PATHS_MAX)
                return error_set(reterr_error, -E2BIG, "'%s': an image can have %u paths in its configuration",
                                 a->reference, PODMAN_PATHS_MAX);
        start->stop_grace = grace;
        start->memory_max = a->memory_max;
        start->tasks_max = a->tasks_max;
        start->read_paths = a->read_paths;
        start->write_paths = a->write_paths;
        start->network = a->network;
        if (q->install) {
                start->mounts = q->install->mounts;
                start->n_mounts = ELEMENTSOF(q->install->mounts);
        }
        start->hold_term_until_stdin_ends = u->role == UNIT_DESTINATION;
        r = choose_user(u, q, start, reterr_error);
        if (r >= 0)
                r = connector_plan_new(start, /* scratch= */ NULL, &u->sandbox, reterr_error);
        if (r >= 0)
                r = launch_files_check(a, u->sandbox, reterr_error);
        if (r >= 0)
                r = launch_network_add(u, q, a, reterr_error);
        /* The control group counts all of it, and who meets its limit is killed and told so. */
        if (r >= 0 && a->memory_max > 0)
                u->sandbox->memory_max = 0;
        if (r >= 0)
                r = unit_property_add_table(u->properties, connector_properties,
                                            ELEMENTSOF(connector_properties));
        if (r >= 0 && u->kind == UNIT_SERVICE)
                r = launch_unit_service(u, q, start);
        if (r >= 0 && u->kind == UNIT_LITE)
                r = unit_property_add_u64(u->properties, "CapabilityBoundingSet", SHIM_CAPABILITIES);
        /* Who is in its group may read what it writes. */
        if (r >= 0 && start->write_paths)
                r = unit_property_add(u->properties, "UMask", "u", json_object_new_int(027));
        if (r >= 0)
                r = add_limits(u, a, grace);
        if (r >= 0 && u->kind == UNIT_PODMAN)
                r = podman_unit_add(u, q, a, start);
        return r < 0 ? r : add_exec(u, (const char *const[]) { q->shim, NULL });
}
