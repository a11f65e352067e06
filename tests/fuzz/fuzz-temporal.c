/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Dates and times as texts: no byte behind the end is looked at, and what is a date is a timestamp too. */

#include "connectors/lib/temporal.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = size > 0 ? (const char *) data : "";

        if (temporal_is_date(p, size))
                FUZZ_CHECK(temporal_is_timestamp(p, size));
        if (temporal_is_time(p, size))
                FUZZ_CHECK(!temporal_is_date(p, size) && !temporal_is_timestamp(p, size));
        return 0;
}
