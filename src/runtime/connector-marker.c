/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file that makes an installation real. It is written last, atomically, and removed first; a
 * directory without it is the rest of something that was interrupted, and the next installation clears it
 * away. It holds what starting the connector takes, so that nothing has to look into a virtual
 * environment or a package.json again. */

#include <stdio.h>
#include <unistd.h>

#include "basic/file-util.h"
#include "basic/path-util.h"
#include "basic/strv.h"
#include "runtime/connector-marker.h"

#define MARKER_MAX (256U * 1024U)

/* npm's scoped names hold a slash: "@scope/name" becomes one directory, "@scope+name". No package name
 * has a plus. */
int connector_store_flat_name(const char *name, char **ret) {
        *ret = strdup(name);
        for (char *p = *ret; p && *p; p++)
                if (*p == '/')
                        *p = '+';
        return *ret ? 0 : -ENOMEM;
}

int connector_store_name_dir(ConnectorKind kind, const char *name, char **ret) {
        _cleanup_free_ char *data = NULL, *flat = NULL;
        const char *own = getenv("GANTRY_CONNECTOR_DIR");
        int r = connector_store_flat_name(name, &flat);

        if (r < 0)
                return r;
        if (own && *own)
                return asprintf(ret, "%s/%s/%s", own, connector_kind_to_string(kind), flat) < 0 ? -ENOMEM : 0;
        r = runtime_data_dir(&data);
        if (r < 0)
                return r;
        return asprintf(ret, "%s/connectors/%s/%s", data, connector_kind_to_string(kind),
                        flat) < 0 ? -ENOMEM : 0;
}

/* A member that must be there, as a copy. */
static int copy_string(JsonObject *o, const char *key, const char *path, char **ret, Error **reterr_error) {
        const char *s = NULL;
        int r;

        r = json_get_string(o, key, &s, path, reterr_error);
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(reterr_error, -EBADMSG, "'%s' has no '%s'", path, key);
        *ret = strdup(s);
        return *ret ? 0 : -ENOMEM;
}

/* What an older Gantry wrote must be read by a newer one: only members that starting needs are required. */
static int read_members(JsonObject *o, const char *path, InstalledConnector *c, Error **reterr_error) {
        _cleanup_free_ char *kind = NULL;
        int r;

        r = copy_string(o, "reference", path, &c->reference, reterr_error);
        if (r >= 0)
                r = copy_string(o, "name", path, &c->name, reterr_error);
        if (r >= 0)
                r = copy_string(o, "version", path, &c->version, reterr_error);
        if (r >= 0)
                r = copy_string(o, "kind", path, &kind, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "command", &c->command, path, reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "read_paths", &c->read_paths, path, reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "allow_write_exec", &c->allow_write_exec, path, reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "built_from_source", &c->built_from_source, path, reterr_error);
        if (r < 0)
                return r;
        c->kind = streq(kind, "npm") ? CONNECTOR_NPM : CONNECTOR_PYPI;
        c->needs_network = true;
        if (strv_length(c->command) == 0)
                return error_set(reterr_error, -EBADMSG, "'%s' names no command", path);
        return 0;
}

int connector_marker_read(const char *directory, InstalledConnector **ret, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = calloc(1, sizeof(*c));
        _cleanup_free_ char *path = path_join(directory, CONNECTOR_MARKER);
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (!c || !path)
                return -ENOMEM;
        if (access(path, F_OK) < 0)
                return error_set(reterr_error, -ENOENT, "'%s' holds no finished installation", directory);
        r = json_parse_file(path, MARKER_MAX, &o, reterr_error);
        if (r < 0)
                return r;
        c->directory = strdup(directory);
        if (!c->directory)
                return -ENOMEM;
        r = read_members(o, path, c, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

static int add_strv(JsonObject *o, const char *key, char *const *l) {
        JsonObject *array = json_object_new_array();

        if (!array)
                return -ENOMEM;
        STRV_FOREACH(s, l)
                if (json_object_array_add(array, json_object_new_string(*s)) < 0) {
                        json_object_put(array);
                        return -ENOMEM;
                }
        return json_add(o, key, array);
}

int connector_marker_write(const InstalledConnector *c, const char *installer, usec_t now,
                           Error **reterr_error) {
        _cleanup_free_ char *path = path_join(c->directory, CONNECTOR_MARKER), *text = NULL;
        _cleanup_json_ JsonObject *o = json_object_new_object();
        char when[RFC3339_MAX];
        int r;

        if (!path || !o)
                return -ENOMEM;
        r = json_add_string(o, "reference", c->reference);
        if (r >= 0)
                r = json_add_string(o, "kind", connector_kind_to_string(c->kind));
        if (r >= 0)
                r = json_add_string(o, "name", c->name);
        if (r >= 0)
                r = json_add_string(o, "version", c->version);
        if (r >= 0)
                r = add_strv(o, "command", c->command);
        if (r >= 0)
                r = add_strv(o, "read_paths", c->read_paths);
        if (r >= 0)
                r = json_add(o, "allow_write_exec", json_object_new_boolean(c->allow_write_exec));
        if (r >= 0 && c->built_from_source)
                r = json_add(o, "built_from_source", json_object_new_boolean(true));
        if (r >= 0)
                r = json_add_string(o, "installer", installer);
        if (r >= 0)
                r = json_add_string(o, "installed_at", format_rfc3339(now, when));
        if (r < 0)
                return r;
        text = json_to_string(o);
        return text ? write_file_atomic(path, text, strlen(text), 0644, reterr_error) : -ENOMEM;
}
