/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl source and destination. */

#include "ctl/ctl.h"

extern const CtlNoun ctl_noun_destination, ctl_noun_source;
