/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A polkit agent on our terminal, for whom no desktop has one: it asks for the password. */

#include "ctl/ctl.h"

/* Starts it and waits until polkit knows it. 1: it asks from now on; 0: there is nobody to ask, or it has
 * been started before. */
int ctl_agent_open(const Ctl *c);
/* Ends it, where there is one. */
void ctl_agent_close(void);
