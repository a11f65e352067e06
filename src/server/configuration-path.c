/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* By the text alone: whether a path exists, and where links lead, is not the server's to find out, since
 * a link may change after it was looked at. That nothing but the allowed directories is reached is the
 * sandbox's doing, which binds the directory; this check is for the sentence that a person gets.
 *
 * Whether a place differs is judged by names of settings and by what looks like a URL. It errs on the
 * side of asking for secrets once more: a port or a region counts as a place too. */

#include <stdio.h>
#include <strings.h>

#include "basic/strv.h"
#include "basic/utf8.h"
#include "server/configuration-path.h"

static bool is_url(const char *s) {
        return strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0;
}

static bool climbs(const char *path) {
        for (const char *p = path; p; p = strchr(p, '/')) {
                p += *p == '/';
                if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
                        return true;
        }
        return false;
}

static bool is_below(const char *path, const char *root) {
        size_t n = strlen(root);

        while (n > 1 && root[n - 1] == '/')
                n--;
        return n == 1 || (strncmp(path, root, n) == 0 && (path[n] == '/' || !path[n]));
}

int configuration_path_check(const ConfFile *conf, const char *path, bool write, char **ret_why) {
        _cleanup_strv_ char **roots = NULL;
        _cleanup_free_ char *list = NULL;
        int r;

        if (is_url(path))
                return 0;
        if (strncasecmp(path, "file://", 7) == 0)
                path += 7;
        r = conf_file_get_strv(conf, "Files", write ? "WriteRoots" : "ReadRoots", &roots);
        if (r >= 0 && !roots)
                r = strv_extend(&roots, FILES_ROOT_DEFAULT);
        if (r < 0)
                return r;
        if (utf8_has_controls(path)) {
                *ret_why = strdup("must not have control characters");
                return *ret_why ? -EPERM : -ENOMEM;
        }
        if (*path == '/' && !climbs(path))
                STRV_FOREACH(root, roots)
                        if (is_below(path, *root))
                                return 0;
        list = strv_join(roots, ", ");
        if (!list || asprintf(ret_why, "must be a path below %s (gantry.conf, [Files])", list) < 0)
                return -ENOMEM;
        return -EPERM;
}

/* Names of settings that say where a connector goes. */
static bool names_a_place(const char *key) {
        static const char *const words[] = {
                "host", "url", "uri", "endpoint", "server", "domain", "port", "address", "proxy", "region", "account",
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (strcasestr(key, words[i]))
                        return true;
        return false;
}

static bool value_differs(const char *key, JsonObject *a, JsonObject *b) {
        bool is_place = names_a_place(key);

        /* A URL is a place under any name. */
        if (json_object_is_type(b, json_type_string))
                is_place |= strstr(json_object_get_string(b), "://") != NULL;
        if (json_object_is_type(a, json_type_string))
                is_place |= strstr(json_object_get_string(a), "://") != NULL;
        return is_place && !json_equal(a, b);
}

static bool is_secret(JsonObject *o) {
        return json_member(o, "_secret");
}

bool configuration_place_differs(JsonObject *a, JsonObject *b) {
        if (is_secret(a) || is_secret(b))
                return false;
        if (json_object_is_type(b, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(b); i++) {
                        JsonObject *old = json_object_is_type(a,
                                                              json_type_array) ? json_object_array_get_idx(a,
                                                                                                           i) : NULL;
                        JsonObject *new = json_object_array_get_idx(b, i);

                        if (value_differs("", old, new) || configuration_place_differs(old, new))
                                return true;
                }
                return false;
        }
        if (!json_object_is_type(b, json_type_object))
                return false;
        json_object_object_foreach(b, key, new) {
                JsonObject *old = json_member(a, key);

                if (json_object_is_type(new, json_type_object) || json_object_is_type(new, json_type_array) ?
                    configuration_place_differs(old, new) : value_differs(key, old, new))
                        return true;
        }
        return false;
}
