/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The executor "podman": connectors in container images. The unit's shim is root and starts `podman run`,
 * which makes the fence: systemd's mount, seccomp and capability properties are left out, since podman fails
 * under each of them. The container's processes stay in the unit's control group (--cgroups=split), so that
 * its limits, its address rules and its end hold for them. */

#include "launcher/launch-actor.h"

#define PODMAN_PROGRAM "/usr/bin/podman"
/* What every container of ours is found by; its value is the unit's name. */
#define PODMAN_LABEL "org.gantry.unit"

/* CONTAINER_MOUNTS_MAX of shim/shim-container.h: what the container's first process can be told to compare. */
#define PODMAN_PATHS_MAX 16U

/* What is in the directory of hooks: podman has each image's root looked at before it is used
 * (shim/container-check.c). */
#define PODMAN_HOOK "container-check.json"

/* -ENOENT with what to do when this host has no podman. */
int podman_unit_probe(const char *hooks, Error **reterr_error);
/* Puts podman in front of the plan's arguments and adds the unit's properties, replacing limits by such that
 * leave room for podman itself. `start` says what is run; its connector is an image. */
int podman_unit_add(UnitPlan *u, const LaunchRequest *q, const LaunchActor *a, const ConnectorStart *start);
