/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The file system inside: an empty root with what the plan mounts, and the few things that programs
 * expect of a system. */

#include "sandbox/sandbox.h"

/* As root, before entering: root inside has no power over other users' directories, so what the plan
 * names is opened with the power of the caller. What cannot be opened is tried again inside. */
void sandbox_root_open_sources_early(Sandbox *s);
void sandbox_root_close_sources(Sandbox *s);

/* Makes the plan's files below `root`, which is open; negative: where they are, in the scratch directory. */
int sandbox_root_make_files(Sandbox *s, int root);

/* Where somebody else has mounted for us: whether all is what the plan says. */
int sandbox_root_check(Sandbox *s);

/* Builds the root and moves into it. */
int sandbox_root_enter(Sandbox *s);
