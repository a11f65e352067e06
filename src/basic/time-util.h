/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Times as text. Clocks are read through the Env (basic/env.h), never here. */

#include "basic/macro.h"

typedef uint64_t usec_t;
#define USEC_PER_SEC ((usec_t) 1000000)
#define USEC_PER_MSEC ((usec_t) 1000)
#define USEC_INFINITY UINT64_MAX

/* "2026-11-23T05:26:53.000001Z" */
#define RFC3339_MAX 32
char *format_rfc3339(usec_t realtime, char buf[static RFC3339_MAX]);
/* The same back: seconds may have a fraction (digits after the sixth are dropped), the zone is Z or +hh:mm.
 * -EINVAL for anything else and for times before 1970. */
int parse_timestamp(const char *s, usec_t *ret);

/* "1 h 02 min", "3.2 s", "12 ms": for people. */
#define FORMAT_SPAN_MAX 32
char *format_span(usec_t span, char buf[static FORMAT_SPAN_MAX]);
/* A span as systemd's settings have it: "30min", "2 weeks 3d", "18month"; a bare number is seconds; "infinity" is
 * USEC_INFINITY. A month is 30.44 days, a year 365.25. */
int parse_span(const char *s, usec_t *ret);

/* "12.3 MB", powers of 1000; for people. */
#define FORMAT_BYTES_MAX 32
char *format_bytes(uint64_t bytes, char buf[static FORMAT_BYTES_MAX]);
