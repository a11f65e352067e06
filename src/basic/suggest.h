/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* "Did you mean …?" for words that people type. */

#include "basic/strv.h"

/* The candidate nearest to `word` by edit distance (a swap of neighbours counts once), NULL when none is
 * near enough to be meant. Borrowed from `candidates`. */
const char *suggest_nearest(const char *word, char *const *candidates);
