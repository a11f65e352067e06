/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a connector may see and do: a plan that is made by pure functions, printed, tested, and carried out by
 * sandbox/sandbox.h in the process that will become the connector. */

#include "shared/json-util.h"

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
} SandboxMount;

typedef struct SandboxPlan {
        char **argv;
        char **environment;
        char *working_directory; /* inside */
        SandboxMount *mounts;
        size_t n_mounts;
        NetworkClass network;
        bool allow_write_exec; /* JITs (Node) need it */
        uint64_t memory_max;   /* bytes of address space or cgroup; 0 = no limit */
        uint64_t tasks_max;
        uint64_t file_size_max;
        uint64_t files_max; /* RLIMIT_NOFILE */
        uint64_t stop_grace_usec;
        bool hold_term_until_stdin_ends; /* destinations: SIGTERM waits for the end of input or the grace period */
} SandboxPlan;

SandboxPlan *sandbox_plan_new(void);
SandboxPlan *sandbox_plan_free(SandboxPlan *p);
DEFINE_CLEANUP(SandboxPlan, sandbox_plan_free);

/* Adds a mount; a path that lies under one with the same rights is left out, a writable one wins. */
int sandbox_plan_add_mount(SandboxPlan *p, const char *source, const char *target, bool writable, bool optional);
/* The base every connector gets: /usr, libraries, certificates, time zones, resolver files if it has a network. */
int sandbox_plan_add_base(SandboxPlan *p);

int sandbox_plan_to_json(const SandboxPlan *p, JsonObject **ret);
int sandbox_plan_from_json(JsonObject *o, SandboxPlan **ret, Error **reterr_error);
