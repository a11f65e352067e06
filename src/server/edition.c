/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Optimistic locking, as HTTP has it (RFC 9110, 13.1.1): the ETag that a reader got comes back as
 * If-Match. Objects that count their changes use the count. The others use a hash of all that can be
 * changed of them, which two equal contents share: rightly, since who read one has seen the other.
 *
 * The check is made in the same event as the change, and no other event comes in between; other daemons'
 * writes are caught by the store's own look at the revision. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/hash.h"
#include "server/edition.h"

void edition_of_revision(int64_t revision, char ret[static EDITION_MAX]) {
        (void) snprintf(ret, EDITION_MAX, "%" PRIi64, revision);
}

/* As much of a hash as a number leaves room for; 40 bits are enough to tell two catalogs of one source
 * apart. */
void edition_add_content(const char *hash, char edition[static EDITION_MAX]) {
        size_t n = strlen(edition);

        (void) snprintf(edition + n, EDITION_MAX - n, "-%.10s", hash);
}

void edition_of_texts(const char *const *texts, size_t n, char ret[static EDITION_MAX]) {
        uint64_t h = HASH64_START;

        for (size_t i = 0; i < n; i++) {
                /* With its end, so that "a", "b" is not "ab". */
                h = hash64(h, strempty(texts[i]), strlen(strempty(texts[i])) + 1);
                h = hash64(h, texts[i] ? "+" : "-", 1);
        }
        (void) snprintf(ret, EDITION_MAX, "%016" PRIx64, h);
}

static int malformed(Call *c) {
        return call_fail(c, -EINVAL, NULL, "'If-Match' must be '*' or a list of tags in quotes");
}

/* Does a list of entity tags (RFC 9110, section 8.8.3) hold this one? A weak tag never matches. */
static int list_has(Call *c, const char *s, const char *edition) {
        bool found = false;

        for (;;) {
                bool weak = false;
                const char *end;

                s += strspn(s, " \t,");
                if (!*s)
                        return found;
                if (strncmp(s, "W/", 2) == 0) {
                        weak = true;
                        s += 2;
                }
                end = *s == '"' ? strchr(s + 1, '"') : NULL;
                if (!end)
                        return malformed(c);
                found = found || (!weak && (size_t) (end - s - 1) == strlen(edition) &&
                                  strncmp(s + 1, edition, strlen(edition)) == 0);
                s = end + 1;
                s += strspn(s, " \t");
                if (*s && *s != ',')
                        return malformed(c);
        }
}

int edition_check(Call *c, const char *edition, const char *what) {
        return edition_check_either(c, edition, edition, what);
}

int edition_check_either(Call *c, const char *edition, const char *other, const char *what) {
        const char *wanted = c->request ? http_request_header(c->request, "If-Match") : NULL;
        char revision[EDITION_MAX];
        int r;

        if (wanted && !*(wanted + strspn(wanted, " \t,")))
                return malformed(c);
        if (wanted) {
                r = streq(wanted, "*") ? 1 : list_has(c, wanted, edition);
                if (r == 0)
                        r = list_has(c, wanted, other);
        } else {
                edition_of_revision(c->revision, revision);
                r = c->revision == 0 || streq(revision, edition);
        }
        if (r == 0)
                return call_fail(c, -ESTALE, NULL, "The %s was changed since you have read it: read it again", what);
        return r < 0 ? r : 0;
}

int edition_show(Call *c, const char *edition) {
        char tag[EDITION_MAX + 2];

        if (!c->request)
                return 0;
        (void) snprintf(tag, sizeof(tag), "\"%s\"", edition);
        return http_reply_add_header(c->request, "ETag", tag);
}
