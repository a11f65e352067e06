/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a connector may see and do: a plan that is made by pure functions, printed, tested, and carried
 * out by sandbox/sandbox.h in the process that will become the connector. */

#include <sys/stat.h>

#include "shared/json-util.h"

/* What the sandbox is made of. A layer that the kernel or a missing privilege refuses is left out by
 * itself and named to the starter (`missing` in shim-protocol.h); nothing is left out in silence. */
typedef enum SandboxLayer {
        SANDBOX_USER_NAMESPACE,
        SANDBOX_MOUNT_NAMESPACE,
        SANDBOX_PID_NAMESPACE,
        SANDBOX_IPC_NAMESPACE,
        SANDBOX_UTS_NAMESPACE,
        SANDBOX_CGROUP_NAMESPACE,
        SANDBOX_NETWORK_NAMESPACE,
        SANDBOX_PROC, /* a /proc of its own */
        SANDBOX_CAPABILITIES,
        SANDBOX_NO_NEW_PRIVS,
        SANDBOX_LANDLOCK,
        SANDBOX_LANDLOCK_SCOPE, /* abstract sockets and signals to others, Landlock ABI 6 */
        SANDBOX_SECCOMP,
        SANDBOX_LIMITS,
        SANDBOX_TASKS_LIMIT, /* tasks_max holds for root too */
        _SANDBOX_LAYER_MAX,
        _SANDBOX_LAYER_INVALID = -EINVAL,
} SandboxLayer;
const char *sandbox_layer_to_string(SandboxLayer l);
SandboxLayer sandbox_layer_from_string(const char *s);
#define SANDBOX_LAYER_BIT(l) (UINT32_C(1) << (l))

typedef enum NetworkClass {
        NETWORK_NONE, /* a network namespace of its own with loopback only */
        NETWORK_ANY,
        _NETWORK_CLASS_MAX,
        _NETWORK_CLASS_INVALID = -EINVAL,
} NetworkClass;
const char *network_class_to_string(NetworkClass c);
NetworkClass network_class_from_string(const char *s);

typedef struct SandboxMount {
        char *source; /* on the host; NULL: an empty private tmpfs */
        char *target; /* inside; absolute */
        bool writable;
        bool optional; /* a missing source is no error */
        /* The source is a place that others can change: what is mounted must be this file or directory, which
         * whoever made the plan has looked at. 0, 0: nothing was there, and nothing may be. */
        bool checked;
        uint64_t device, inode; /* of its stat(2); the inode without its highest bit */
} SandboxMount;

/* Whether what was opened or mounted is that. -ESTALE: it is another. */
int sandbox_mount_check(const SandboxMount *m, const struct stat *st);

/* A file that the sandbox makes inside, out of a descriptor that comes beside the plan, in the plan's
 * order. It belongs to the connector and must lie in a private tmpfs. */
typedef struct SandboxFile {
        char *target;
        uint64_t mode;
} SandboxFile;

#define SANDBOX_FILES_MAX 4U

typedef struct SandboxPlan {
        char **argv;
        char **environment;
        char *working_directory; /* inside */
        /* The connector is in this image, and argv is podman's: the rest is podman's to carry out, and files
         * are made by the first process of the container. NULL: no container */
        char *image;
        SandboxMount *mounts;
        size_t n_mounts;
        SandboxFile files[SANDBOX_FILES_MAX];
        size_t n_files;
        /* Who the connector is, 0 = who the shim is. Only root can make it somebody else, and then
         * nothing is started without namespaces. */
        uint64_t uid, gid;
        NetworkClass network;
        bool allow_write_exec; /* JITs (Node) need it */
        uint64_t memory_max;   /* bytes of address space or cgroup; 0 = no limit */
        uint64_t tasks_max;
        uint64_t file_size_max;
        uint64_t files_max; /* RLIMIT_NOFILE */
        uint64_t stop_grace_usec;
        bool hold_term_until_stdin_ends; /* destinations: SIGTERM waits for the end of input or the grace period */
        /* on the host, private: removed with all in it when the connector is gone. NULL: none */
        char *scratch_directory;
        uint32_t outside;        /* layers that whoever starts the shim has put around it already */
        uint32_t without;        /* layers left out on purpose, for positive controls; they count as missing */
} SandboxPlan;

SandboxPlan *sandbox_plan_new(void);
SandboxPlan *sandbox_plan_free(SandboxPlan *p);
DEFINE_CLEANUP(SandboxPlan, sandbox_plan_free);

/* Adds a mount, in the order of targets; a path that lies under one with the same rights is left out, a
 * writable one wins. `source` NULL makes a private tmpfs. -EINVAL for a target that isn't absolute and
 * normal or is "/", -EPERM for one in /proc, /dev or /sys, which the sandbox makes itself. */
int sandbox_plan_add_mount(SandboxPlan *p, const char *source, const char *target, bool writable,
                           bool optional);
/* Adds a file. -EINVAL unless a private tmpfs of the plan is above `target`, -E2BIG beyond the limit. */
int sandbox_plan_add_file(SandboxPlan *p, const char *target, unsigned mode);
/* The base every connector gets: /usr, libraries, certificates, time zones, resolver files if it has a
 * network. */
int sandbox_plan_add_base(SandboxPlan *p);
/* Whether the program lies at or below `path`, a target. */
bool sandbox_plan_runs_from(const SandboxPlan *p, const char *path);
/* Turns the plan into one that needs no mounts: arguments, environment and working directory that name a
 * target name its source from then on; a private tmpfs becomes a directory made below the scratch
 * directory. */
int sandbox_plan_flatten(SandboxPlan *p);

int sandbox_plan_to_json(const SandboxPlan *p, JsonObject **ret);
int sandbox_plan_from_json(JsonObject *o, SandboxPlan **ret, Error **reterr_error);
