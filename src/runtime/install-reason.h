/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a package manager means. uv, pip and npm say much when they fail, each in its own words; what a person
 * can do about it is one of a few things. */

#include "basic/macro.h"

typedef struct InstallReason {
        const char *words; /* that the output has, in any case */
        int code;          /* negative errno */
        const char *sentence;
} InstallReason;

/* The reason that these words give; NULL: none that is known. -ENOSPC and -ENETUNREACH are told of before
 * -ENOENT, for without an index every package is missing. */
const InstallReason *install_reason_find(const char *output);
