/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl tag. */

#include "ctl/ctl.h"

extern const CtlNoun ctl_noun_tag;
