/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A running connector: started through gantry-shim in its sandbox, its pipes in our hands, its exit
 * reported. */

#include "basic/env.h"
#include "runtime/connector-store.h"
#include "sandbox/sandbox-plan.h"

typedef struct ConnectorProcess ConnectorProcess;

typedef struct ConnectorUsage {
        EnvExit exit;
        uint64_t user_usec, system_usec;
        uint64_t max_rss_kib;
} ConnectorUsage;

typedef struct ConnectorStart ConnectorStart;

/* Puts the shim, and with it all that it will start, where the limits of its sandbox hold for all of them
 * together. Called before anything of the connector runs. A place that can't be had is no failure. */
typedef void (*ConnectorPlace)(const ConnectorStart *start, pid_t shim, uint64_t memory_max, uint64_t tasks_max,
                               void *userdata);

struct ConnectorStart {
        const InstalledConnector *connector;
        ConnectorRole role;
        const char *verb;     /* spec, check, discover, read, write */
        const char *config;   /* JSON text or NULL: put into a private file, writable for the connector, mode 0600 */
        const char *catalog;  /* JSON text or NULL: read-only file */
        const char *state;    /* JSON text or NULL */
        char *const *read_paths;  /* host paths it may read */
        char *const *write_paths; /* host paths it may write */
        const SandboxMount *mounts; /* what it sees elsewhere than where it lies */
        size_t n_mounts;
        bool want_stdin;
        const int *fds; /* NULL: pipes. Else three descriptors of ours that become its stdin, stdout and stderr. */
        bool network;
        uint64_t memory_max; /* 0 = the default limits */
        uint64_t tasks_max;
        uint64_t uid, gid;   /* who it is; 0 = who we are. See SandboxPlan */
        usec_t stop_grace;
        bool hold_term_until_stdin_ends;
        ConnectorPlace place; /* may be NULL */
        void *place_userdata;
};

/* Both are optional. `exited` comes once, last: with a failed start, error says why and usage is NULL.
 * `missing` (of `started`) lists sandbox layers that could not be applied. */
typedef struct ConnectorEvents {
        int (*started)(ConnectorProcess *p, char *const *missing, void *userdata);
        int (*exited)(ConnectorProcess *p, const ConnectorUsage *usage, const Error *error, void *userdata);
        void *userdata;
} ConnectorEvents;

int connector_process_start(Env *env, const ConnectorStart *start, const ConnectorEvents *events,
                            ConnectorProcess **ret, Error **reterr_error);
/* The same for a shim that somebody else has started and told the plan, and whose control socket and
 * pipes are handed to us; all are made non-blocking and closed on failure, too. `name` is for messages;
 * fds[0] may be -EBADF. `memory_max` is its limit, for what is told when it breaks it; 0: unknown. */
int connector_process_attach(Env *env, const char *name, uint64_t memory_max, int control, const int fds[3],
                             const ConnectorEvents *events, ConnectorProcess **ret, Error **reterr_error);
/* Kills what still runs, removes the private files. */
ConnectorProcess *connector_process_free(ConnectorProcess *p);
DEFINE_CLEANUP(ConnectorProcess, connector_process_free);

/* Our ends, non-blocking: stdin (to write, -EBADF if not wanted), stdout and stderr (to read). Taking one
 * hands over the duty to close it. */
int connector_process_take_fd(ConnectorProcess *p, int fd);

/* SIGTERM, then SIGKILL after the grace period. Idempotent. */
int connector_process_stop(ConnectorProcess *p);
int connector_process_kill(ConnectorProcess *p);
