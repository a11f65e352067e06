/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From a claimed workload to the units that run it: a pure function, printed by
 * `gantry-launcher --print-plan`. Carrying it out is launcher/executor.h's.
 *
 * Nothing that a stranger has chosen is in a unit's name: that is made of the workload's autoId, a UUID, the
 * lease's number and the role (T17). No secret is in a property, an argument or the environment:
 * configurations are the units' files, which travel as sealed memory (T02). */

#include "network/network-zone.h"
#include "runtime/connector-store.h"
#include "sandbox/sandbox-plan.h"
#include "shared/json-util.h"

#define UNIT_PREFIX "gantry-run-"

typedef enum UnitRole {
        UNIT_SOURCE,
        UNIT_DESTINATION,
        UNIT_CONNECTOR, /* of a check, discover or spec */
        UNIT_WORKER,
        _UNIT_ROLE_MAX,
        _UNIT_ROLE_INVALID = -EINVAL,
} UnitRole;
const char *unit_role_to_string(UnitRole r);
UnitRole unit_role_from_string(const char *s);

/* How a connector's unit is fenced in. */
typedef enum UnitKind {
        UNIT_LITE,    /* the shim does it itself */
        UNIT_SERVICE, /* systemd does most of it */
        UNIT_PODMAN,
        _UNIT_KIND_MAX,
        _UNIT_KIND_INVALID = -EINVAL,
} UnitKind;
const char *unit_kind_to_string(UnitKind k);
UnitKind unit_kind_from_string(const char *s);

typedef struct UnitPlan {
        char *name; /* gantry-run-<autoId>-e<epoch>-<role>.service */
        UnitRole role;
        UnitKind kind;
        JsonObject *properties; /* see unit-property.h */
        /* a connector's: what the shim is told, and what its files hold, in the order of sandbox->files */
        SandboxPlan *sandbox;
        char *files[SANDBOX_FILES_MAX];
        bool wants_stdin;
        NetworkZone *zone; /* of a connector with a network, see launch-network.h */
} UnitPlan;

#define LAUNCH_UNITS_MAX 3U

typedef struct LaunchPlan {
        char *slice;
        UnitPlan units[LAUNCH_UNITS_MAX]; /* connectors, then the worker */
        size_t n_units;
        JsonObject *input; /* what the worker is told: the claim's, less configurations */
} LaunchPlan;

/* What the plan is made of. Borrowed. */
typedef struct LaunchRequest {
        const char *id, *auto_id;
        const char *type;     /* sync, check, discover, spec, install */
        int64_t job_id;       /* 0: none */
        int64_t attempt;      /* negative: none */
        int64_t epoch;
        JsonObject *input;
        /* found on this host: for sync source (NULL: a clear) and destination, else the one */
        const InstalledConnector *connectors[2];
        const char *shim, *worker, *fence; /* programs */
        const char *container_init; /* the first program in a container */
        const char *container_hooks; /* directory, see podman-unit.h */
        const char *api;           /* the API's socket */
        uint64_t worker_group;     /* may connect to it; 0: there is no such group here */
        uint64_t files_uid, files_gid; /* of connectors with paths; 0: there is no such user here */
        const struct InstallPlan *install; /* of an installation, whose connector is the installer */
} LaunchRequest;

/* -EINVAL with a sentence for an input that can't be run; -EOPNOTSUPP for what this version can't. */
int launch_plan_new(const LaunchRequest *q, LaunchPlan **ret, Error **reterr_error);
LaunchPlan *launch_plan_free(LaunchPlan *p);
DEFINE_CLEANUP(LaunchPlan, launch_plan_free);

/* The slice of an attempt or of another workload. */
int launch_slice_name(const char *type, int64_t job_id, int64_t attempt, const char *auto_id, char **ret);
/* Whether it is a name that launch_slice_name() gives, a workload's autoId being a UUID. */
bool launch_slice_name_is_valid(const char *name);
/* For people: everything but the content of files. */
int launch_plan_to_json(const LaunchPlan *p, JsonObject **ret);

/* The parts of a unit's name: 36 characters of autoId, epoch, role. -EINVAL for a name that isn't one of
 * ours. */
int unit_name_parse(const char *name, char ret_auto_id[static 37], int64_t *ret_epoch, UnitRole *ret_role);
/* Whether it is a UUID in its usual form. */
bool auto_id_is_valid(const char *s);
/* The user that a connector's unit has for itself, out of a range that nobody else uses. */
uint64_t unit_uid(const char *name);
