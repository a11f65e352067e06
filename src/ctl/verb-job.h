/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl job, logs and sync. */

#include "ctl/ctl.h"

extern const CtlNoun ctl_noun_job, ctl_noun_logs, ctl_noun_sync;
