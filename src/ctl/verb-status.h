/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* gantryctl status and web. */

#include "ctl/ctl.h"

extern const CtlNoun ctl_noun_launcher, ctl_noun_status, ctl_noun_web;
