/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A walk over the whole table for each request: programs have some hundred routes, and comparing them
 * costs less than the request's system calls. All routes of a path are looked at even after a match, for
 * two reasons: a literal segment wins over a parameter whatever the order in the table, and a 405 names
 * all methods of the path. */

#include <stdio.h>

#include "http/http-router.h"

/* Whether the path fits; `ret_literals` counts its literal segments, the more the better. */
static bool match_path(const char *pattern, const HttpTarget *t, const char **values,
                       unsigned *ret_literals) {
        size_t segment = 0, value = 0;
        unsigned literals = 0;

        while (*pattern == '/' && pattern[1]) {
                const char *start = ++pattern;
                size_t n;

                pattern = strchrnul(pattern, '/');
                n = (size_t) (pattern - start);
                if (segment == t->n_segments)
                        return false;
                if (*start == '{') {
                        assert(value < HTTP_ROUTE_PARAMETERS_MAX);
                        if (!*t->segments[segment])
                                return false;
                        values[value++] = t->segments[segment++];
                        continue;
                }
                if (strlen(t->segments[segment]) != n || memcmp(t->segments[segment], start, n) != 0)
                        return false;
                segment++;
                literals++;
        }
        /* A slash at the end is an empty last segment, but for "/" itself. */
        if (*pattern == '/' && segment > 0 && (segment == t->n_segments || *t->segments[segment++]))
                return false;
        *ret_literals = literals;
        return segment == t->n_segments;
}

static void add_allowed(char *allow, size_t size, const char *method) {
        size_t used = strlen(allow);

        if (!strstr(allow, method))
                (void) snprintf(allow + used, size - used, "%s%s", used ? ", " : "", method);
}

int http_router_match(const HttpRoute *routes, size_t n_routes, const char *method, const HttpTarget *target,
                      HttpMatch *ret) {
        HttpMatch found = {};
        unsigned best = 0;

        if (streq(method, "HEAD"))
                method = "GET";
        for (size_t i = 0; i < n_routes; i++) {
                const char *values[HTTP_ROUTE_PARAMETERS_MAX] = {};
                unsigned literals;

                if (!match_path(routes[i].path, target, values, &literals))
                        continue;
                add_allowed(found.allow, sizeof(found.allow), routes[i].method);
                if (!streq(routes[i].method, method) || (found.route && literals <= best))
                        continue;
                found.route = routes + i;
                best = literals;
                memcpy(found.values, values, sizeof(values));
        }
        *ret = found;
        if (found.route)
                return 0;
        return *found.allow ? -EOPNOTSUPP : -ENOENT;
}

const char *http_match_value(const HttpMatch *m, const char *name) {
        size_t value = 0, n_name = strlen(name);

        for (const char *p = strchr(m->route->path, '{'); p; p = strchr(p + 1, '{'), value++)
                if (strncmp(p + 1, name, n_name) == 0 && p[1 + n_name] == '}')
                        return m->values[value];
        assert(false);
        return NULL;
}
