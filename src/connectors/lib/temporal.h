/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a text is a date, time or timestamp of the shapes that connectors write. Nothing is converted:
 * a text that is one is stored as it came. */

#include "basic/macro.h"

/* [-+]YYYY-MM-DD, years of four digits or more, " BC" allowed behind. */
bool temporal_is_date(const char *p, size_t n);
/* HH:MM[:SS[.f…]] and an optional zone: Z, ±HH, ±HHMM, ±HH:MM. 24:00:00 and second 60 are taken. */
bool temporal_is_time(const char *p, size_t n);
/* A date, 'T', 't' or a space, a time. A date alone is taken too. */
bool temporal_is_timestamp(const char *p, size_t n);
