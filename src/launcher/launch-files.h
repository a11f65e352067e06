/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files and directories that a configuration names. Others than root can change them, and what lies
 * above them; the launcher is root. */

#include "launcher/launch-actor.h"
#include "sandbox/sandbox-plan.h"

/* Looks at the actor's paths on this host, and says in the plan's mounts of them what they must be when
 * they are mounted. -EPERM for a path with a link that somebody else than root has made and that leads
 * elsewhere (path_open_trusted()), -EINVAL for one with control characters. One that isn't there must
 * not be there then, either. */
int launch_files_check(const LaunchActor *a, SandboxPlan *p, Error **reterr_error);
