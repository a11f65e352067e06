/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all lists of the public API have in common. */

#include "db/list-options.h"
#include "server/call.h"

/* Airbyte's page: 20 unless asked for otherwise, 100 at most. */
#define PAGE_LIMIT_DEFAULT 20U
#define PAGE_LIMIT_MAX 100U

typedef struct Listing {
        ListOptions options;
        char **workspace_ids; /* NULL: of all */
        bool none;            /* the caller can see no workspace */
        uint64_t passed;      /* rows before the one that options.after names, for links: nobody counts them */
} Listing;

void listing_done(Listing *l);
#define _cleanup_listing_ _cleanup_(listing_done)

/* Airbyte's page out of texts (NULL: not given). -EINVAL with a sentence. */
int listing_set_page(Call *c, const char *limit, const char *offset, Listing *l);
/* The row that the page comes behind (NULL: not given), its number where rows have numbers; then the offset is
 * only told. `after` is borrowed. -EINVAL with a sentence. */
int listing_set_after(Call *c, const char *after, bool numbers, Listing *l);
/* The workspaces that were asked for (NULL: none), as far as the caller may see them. */
int listing_set_workspaces(Call *c, char *const *wanted, Listing *l);
