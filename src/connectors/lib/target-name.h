/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names of streams and namespaces as names of files. */

#include "basic/buffer.h"

/* Appends a name so that it is one harmless component: letters, digits, '_', '-' and inner '.' stay, all
 * else becomes %XX; a long one is cut and gets a hash. `dots`: whether '.' may stay. */
int target_encode_name(const char *name, bool dots, Buffer *b);
