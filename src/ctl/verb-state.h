/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl state. */

#include "ctl/ctl.h"

extern const CtlNoun ctl_noun_state;
