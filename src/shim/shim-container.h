/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connector in a container, seen from outside: what its first process (container-init.c) is told, and what
 * it says about the connector's end. podman's own exit code can't tell a connector that ended with 125 from
 * a container that never was, nor a signal from a code above 128. */

#include <limits.h>

#include "sandbox/sandbox.h"
#include "shim/shim-init.h"

/* What podman hands on to the container (--preserve-fds=1). */
#define CONTAINER_CONTROL_FD 3
#define CONTAINER_TARGET_MAX 128U
/* Of files and directories that a configuration names. */
#define CONTAINER_MOUNTS_MAX 16U
/* The error of a step that is a sentence by itself. */
#define CONTAINER_REFUSED EKEYREJECTED

/* One packet to the container's first process, with a descriptor for each file. Both are of one build. */
typedef struct ContainerOrder {
        uint32_t n_files;
        uint32_t own_network; /* a network namespace that is not the host's */
        uint64_t files_max, file_size_max;
        struct {
                uint32_t mode;
                char target[CONTAINER_TARGET_MAX];
        } files[SANDBOX_FILES_MAX];
        uint32_t n_mounts;
        struct {
                uint64_t device, inode; /* sandbox_mount_check() */
                char target[PATH_MAX];
        } mounts[CONTAINER_MOUNTS_MAX];
} ContainerOrder;

/* Makes the socket to the container and puts the order into it: `ret_fds` are our end and the container's.
 * What comes back are InitReports: INIT_STARTED or INIT_FAILED, INIT_EXITED. An image that is held to a digest
 * becomes its id in the plan, or is refused. */
int shim_container_open(Sandbox *s, int ret_fds[static 2]);
/* podman has ended with `status`: waits until what it has left behind has cleaned up, as long as that is
 * still to be expected. */
void shim_container_settle(int status);
/* Puts together how the connector has ended. `rep` says what is known of it without the container. */
void shim_container_report(const Sandbox *s, int control, int status, InitReport *rep);
