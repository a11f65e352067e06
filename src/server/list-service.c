/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/parse-util.h"
#include "basic/strv.h"
#include "server/list-service.h"

void listing_done(Listing *l) {
        strv_free(l->workspace_ids);
        *l = (Listing) {};
}

int listing_set_page(Call *c, const char *limit, const char *offset, Listing *l) {
        uint64_t n = PAGE_LIMIT_DEFAULT, skip = 0;

        if (limit && (parse_u64(limit, &n) < 0 || n < 1 || n > PAGE_LIMIT_MAX))
                return call_fail(c, -EINVAL, NULL, "'limit' must be a number from 1 to %u", PAGE_LIMIT_MAX);
        if (offset && (parse_u64(offset, &skip) < 0 || skip > INT64_MAX))
                return call_fail(c, -EINVAL, NULL, "'offset' must be a number from 0 on");
        l->options.limit = (size_t) n;
        l->options.offset = skip;
        return 0;
}

int listing_set_after(Call *c, const char *after, bool numbers, Listing *l) {
        if (!after)
                return 0;
        if (numbers && (parse_i64(after, &l->options.after_number) < 0 || l->options.after_number < 1))
                return call_fail(c, -EINVAL, NULL, "'after' must be the number of a row");
        if (!numbers)
                l->options.after = after;
        l->passed = l->options.offset;
        l->options.offset = 0;
        return 0;
}

int listing_set_workspaces(Call *c, char *const *wanted, Listing *l) {
        return call_visible_workspaces(c, wanted, &l->workspace_ids, &l->none);
}
