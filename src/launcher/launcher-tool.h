/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A short program of ours at work beside the loop: what would hold the launcher up for too long. */

#include "basic/env.h"

/* What a tool may say in all; one that says more is ended. */
#define TOOL_OUTPUT_MAX (1024U * 1024U)
/* As long as a connector of many thousand files may take to be looked through on a slow disk. One that is
 * still there then hangs, and is ended. */
#define TOOL_PATIENCE_USEC (15 * 60 * USEC_PER_SEC)

typedef struct Tool Tool;

/* Comes once, when the tool is gone. `code`: its exit code, 128 and more for a signal; `said`: its last
 * line on standard output, "" without one, always valid UTF-8 (what isn't is escaped). Of one that was
 * ended by us it says why. */
typedef void (*ToolDone)(int code, const char *said, void *userdata);

/* argv[0] is a path. What it says is read while it runs. After `patience` it is killed, with all that it
 * started. */
int tool_start(Env *env, char *const *argv, usec_t patience, ToolDone done, void *userdata, Tool **ret,
               Error **reterr_error);
/* In `done`: the first line that it said, "" without one, made text as the last is. */
int tool_first_line(const Tool *t, char **ret);
/* Doesn't stop it; `done` won't come any more. May be called in `done`. */
Tool *tool_free(Tool *t);
DEFINE_CLEANUP(Tool, tool_free);
