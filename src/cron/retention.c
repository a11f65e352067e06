/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stddef.h>

#include "basic/parse-util.h"
#include "cron/retention.h"
#include "shared/conf-file.h"

#define DAY (86400 * USEC_PER_SEC)
#define MONTH (2629800 * USEC_PER_SEC)
#define GIBI (UINT64_C(1) << 30)

/* Jobs and timeline are Airbyte's six and eighteen months, the histories its thirty days of Temporal. It prunes
 * neither logs nor by number. */
static const Retention defaults = {
        .jobs = 6 * MONTH,
        .jobs_per_connection = 10000,
        .timeline = 18 * MONTH,
        .workflows = 30 * DAY,
        .workloads = 30 * DAY,
        .catalogs = 30 * DAY,
        .changes = 7 * DAY,
        .logs = USEC_INFINITY,
        .logs_use = 4 * GIBI,
        .backups = 7,
};

static int parse_count(const char *s, uint64_t *ret) {
        if (streq(s, "infinity")) {
                *ret = UINT64_MAX;
                return 0;
        }
        return parse_u64(s, ret);
}

static const struct {
        const char *key;
        int (*parse)(const char *s, uint64_t *ret);
        size_t offset;
} settings[] = {
        { "JobsMaxAge", parse_span, offsetof(Retention, jobs) },
        { "JobsMaxPerConnection", parse_count, offsetof(Retention, jobs_per_connection) },
        { "LogsMaxAge", parse_span, offsetof(Retention, logs) },
        { "LogsMaxUse", parse_bytes, offsetof(Retention, logs_use) },
        { "TimelineMaxAge", parse_span, offsetof(Retention, timeline) },
        { "WorkflowsMaxAge", parse_span, offsetof(Retention, workflows) },
        { "WorkloadsMaxAge", parse_span, offsetof(Retention, workloads) },
        { "CatalogsMaxAge", parse_span, offsetof(Retention, catalogs) },
        { "ChangesMaxAge", parse_span, offsetof(Retention, changes) },
        { "BackupsKeep", parse_count, offsetof(Retention, backups) },
};

int retention_load(const char *path, Retention *ret, Error **reterr_error) {
        _cleanup_(conf_file_freep) ConfFile *c = NULL;
        Retention keep = defaults;
        int r;

        r = conf_file_load(path, &c, reterr_error);
        if (r < 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(settings); i++) {
                const char *value = conf_file_get(c, "Retention", settings[i].key);

                if (value && settings[i].parse(value, (uint64_t *) ((char *) &keep + settings[i].offset)) < 0)
                        return error_set(reterr_error, -EINVAL, "%s: %s=%s is not understood", path,
                                         settings[i].key, value);
        }
        *ret = keep;
        return 0;
}

usec_t retention_before(usec_t now, usec_t keep) {
        return keep >= now ? 0 : now - keep;
}
