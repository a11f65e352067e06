/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A short program of ours at work beside the loop: what would hold the launcher up for too long. */

#include "basic/env.h"

typedef struct Tool Tool;

/* Comes once. `code`: its exit code, 128 and more for a signal; `said`: its last line on standard output,
 * "" without one. */
typedef void (*ToolDone)(int code, const char *said, void *userdata);

/* argv[0] is a path. */
int tool_start(Env *env, char *const *argv, ToolDone done, void *userdata, Tool **ret, Error **reterr_error);
/* Doesn't stop it; `done` won't come any more. May be called in `done`. */
Tool *tool_free(Tool *t);
DEFINE_CLEANUP(Tool, tool_free);
