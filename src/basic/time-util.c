/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "basic/time-util.h"

char *format_rfc3339(usec_t realtime, char buf[static RFC3339_MAX]) {
        time_t sec = (time_t) (realtime / USEC_PER_SEC);
        struct tm tm = {};

        if (!gmtime_r(&sec, &tm) || tm.tm_year > 9999 - 1900)
                (void) snprintf(buf, RFC3339_MAX, "-");
        else {
                size_t n = strftime(buf, RFC3339_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

                (void) snprintf(buf + n, RFC3339_MAX - n, ".%06" PRIu64 "Z", realtime % USEC_PER_SEC);
        }
        return buf;
}

char *format_span(usec_t span, char buf[static FORMAT_SPAN_MAX]) {
        uint64_t s = span / USEC_PER_SEC;

        if (span < USEC_PER_SEC)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " ms", span / USEC_PER_MSEC);
        else if (s < 60)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%.1f s", (double) span / USEC_PER_SEC);
        else if (s < 3600)
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " min %02" PRIu64 " s", s / 60, s % 60);
        else
                (void) snprintf(buf, FORMAT_SPAN_MAX, "%" PRIu64 " h %02" PRIu64 " min", s / 3600,
                                s / 60 % 60);
        return buf;
}

char *format_bytes(uint64_t bytes, char buf[static FORMAT_BYTES_MAX]) {
        static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
        double v = (double) bytes;
        size_t i = 0;

        for (; v >= 999.95 && i + 1 < ELEMENTSOF(units); i++)
                v /= 1000;
        (void) snprintf(buf, FORMAT_BYTES_MAX, i == 0 ? "%.0f %s" : "%.1f %s", v, units[i]);
        return buf;
}
