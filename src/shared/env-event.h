/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The production Env: sd-event, the kernel's clocks, real pipes, children and files. */

#include "basic/env.h"

struct sd_event;

int env_event_new(Env **ret);
Env *env_event_free(Env *e);
DEFINE_CLEANUP(Env, env_event_free);

/* The loop behind it, borrowed, for what only sd-event has (buses, watchdogs). */
struct sd_event *env_event_loop(Env *e);
