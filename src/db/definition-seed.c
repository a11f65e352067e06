/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The definitions that a package brings, made rows: by the bootloader and, for those that come later, by
 * gantry-cron. All files in one transaction, in the order of their names; the first one that can't be
 * read ends it, and the error names the file. What the files say wins over the rows of the same id,
 * except that a row that somebody has made custom is refused. Files that disappear leave their rows:
 * sources and destinations may be made of them.
 *
 * The database sees only what differs, so a start without news writes nothing and the log can tell what
 * an upgrade has changed. */

#include <dirent.h>
#include <stdio.h>

#include "basic/path-util.h"
#include "basic/uuid.h"
#include "db/definition-seed.h"
#include "db/definition-store.h"
#include "shared/json-util.h"

#define FILE_SIZE_MAX (1024U * 1024)
/* More changes than anybody reads in one line. */
#define CHANGES_MAX 2000U

void seeded_done(Seeded *s) {
        buffer_done(&s->changes);
}

/* A member as a string of its own; NULL where it is absent. */
static int copy_string(JsonObject *o, const char *key, char **ret, Error **reterr_error) {
        const char *s;
        int r;

        r = json_get_string(o, key, &s, "the definition", reterr_error);
        if (r <= 0)
                return r;
        *ret = strdup(s);
        return *ret ? 1 : -ENOMEM;
}

/* The text of a member that is an object or array; NULL where it is absent. */
static int copy_json(JsonObject *o, const char *key, char **ret) {
        JsonObject *value = json_member(o, key);

        if (!value)
                return 0;
        *ret = json_to_string(value);
        return *ret ? 1 : -ENOMEM;
}

/* One of the names of an enum; -EINVAL for another one. */
static int read_name(JsonObject *o, const char *key, const EnumTable *names, int *ret,
                     Error **reterr_error) {
        const char *s;
        int r;

        r = json_get_string(o, key, &s, "the definition", reterr_error);
        if (r <= 0)
                return r;
        *ret = enum_from_string(names, s);
        return *ret < 0 ? error_set(reterr_error, -EINVAL, "'%s' is no %s", s, names->what) : 1;
}

static int read_role(JsonObject *o, Definition *d, Error **reterr_error) {
        int r;

        r = copy_string(o, "sourceType", &d->connector_type, reterr_error);
        if (r != 0) {
                d->role = ACTOR_SOURCE;
                return r;
        }
        d->role = ACTOR_DESTINATION;
        r = copy_string(o, "destinationType", &d->connector_type, reterr_error);
        return r == 0 ? error_set(reterr_error, -EINVAL, "It has neither 'sourceType' nor 'destinationType'")
                      : r;
}

static int read_spec(JsonObject *o, const char *data, Definition *d, Error **reterr_error) {
        _cleanup_free_ char *name = NULL, *path = NULL;
        _cleanup_json_ JsonObject *spec = NULL;
        int r;

        r = copy_string(o, "specFile", &name, reterr_error);
        if (r <= 0)
                return r < 0 ? r : copy_json(o, "spec", &d->spec);
        if (strchr(name, '/'))
                return error_set(reterr_error, -EINVAL, "'specFile' is a name, not a path");
        if (asprintf(&path, "%s/specs/%s", data, name) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        r = json_parse_file(path, FILE_SIZE_MAX, &spec, reterr_error);
        if (r < 0)
                return r;
        d->spec = json_to_string(spec);
        return d->spec ? 1 : -ENOMEM;
}

static int read_strings(JsonObject *o, Definition *d, Error **reterr_error) {
        const struct {
                const char *key;
                char **to;
                bool required;
        } strings[] = {
                { "definitionId", &d->id, true },
                { "name", &d->name, true },
                { "reference", &d->reference, true },
                { "dockerRepository", &d->docker_repository, false },
                { "dockerImageTag", &d->docker_image_tag, false },
                { "documentationUrl", &d->documentation_url, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(strings); i++) {
                int r = copy_string(o, strings[i].key, strings[i].to, reterr_error);

                if (r == 0 && strings[i].required)
                        r = error_set(reterr_error, -EINVAL, "It has no '%s'", strings[i].key);
                if (r < 0)
                        return r;
        }
        if (!uuid_is_valid(d->id))
                return error_set(reterr_error, -EINVAL, "'definitionId' is no UUID");
        return 0;
}

static int read_definition(JsonObject *o, const char *data, Definition *d, Error **reterr_error) {
        int executor = EXECUTOR_SERVICE, network = NETWORK_NONE, r;

        r = read_strings(o, d, reterr_error);
        if (r >= 0)
                r = read_role(o, d, reterr_error);
        if (r >= 0)
                r = read_name(o, "executor", &executor_names, &executor, reterr_error);
        if (r >= 0)
                r = read_name(o, "network", &network_class_names, &network, reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "supportsRefreshes", &d->supports_refreshes, "the definition",
                                  reterr_error);
        if (r >= 0)
                r = copy_json(o, "allowedHosts", &d->allowed_hosts);
        if (r >= 0)
                r = copy_json(o, "limits", &d->limits);
        if (r >= 0)
                r = read_spec(o, data, d, reterr_error);
        if (r < 0)
                return r;
        d->executor = executor;
        d->network = network;
        /* A native connector has the version of the package that brings it. */
        if (!d->docker_image_tag && strncmp(d->reference, "native:", STRLEN("native:")) == 0) {
                d->docker_image_tag = strdup(PACKAGE_VERSION);
                if (!d->docker_image_tag)
                        return -ENOMEM;
        }
        return 0;
}

static int note_change(Seeded *seeded, const Definition *d, const Definition *before) {
        const char *tag = strempty(d->docker_image_tag), *old = before ? strempty(before->docker_image_tag) : NULL;

        seeded->changed++;
        if (seeded->changes.len > CHANGES_MAX)
                return 0;
        return buffer_appendf(&seeded->changes, "%s%s %s%s%s%s", seeded->changed > 1 ? ", " : "", d->name,
                              old && !streq(old, tag) ? old : "", old && !streq(old, tag) ? " -> " : "", tag,
                              before ? "" : " (new)");
}

static int seed_one(Db *db, const Definition *d, usec_t now, Seeded *seeded, Error **reterr_error) {
        _cleanup_(definition_freep) Definition *before = NULL;
        int r;

        r = definition_store_get(db, d->id, &before, NULL);
        if (r < 0 && r != -ENOENT)
                return r;
        r = definition_store_seed(db, d, now, reterr_error);
        if (r < 0)
                return r;
        seeded->definitions++;
        return r > 0 ? note_change(seeded, d, before) : 0;
}

static int seed_file(Db *db, const char *data, const char *path, usec_t now, Seeded *seeded,
                     Error **reterr_error) {
        _cleanup_(definition_freep) Definition *d = calloc(1, sizeof(*d));
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (!d)
                return -ENOMEM;
        r = json_parse_file(path, FILE_SIZE_MAX, &o, reterr_error);
        if (r >= 0 && !json_object_is_type(o, json_type_object))
                r = error_set(reterr_error, -EINVAL, "It is no JSON object");
        if (r >= 0)
                r = read_definition(o, data, d, reterr_error);
        /* Whatever is wrong with a file is for a person to mend; it says nothing of the database. */
        if (r < 0 && r != -ENOMEM)
                r = -EINVAL;
        if (r >= 0)
                r = seed_one(db, d, now, seeded, reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "%s", path) : 0;
}

static int is_definition(const struct dirent *e) {
        size_t n = strlen(e->d_name);

        return e->d_name[0] != '.' && n > STRLEN(".json") && streq(e->d_name + n - STRLEN(".json"), ".json");
}

static int seed_directory(Db *db, const char *data, const char *directory, usec_t now, Seeded *seeded,
                          Error **reterr_error) {
        struct dirent **entries = NULL;
        int n, r = 0;

        n = scandir(directory, &entries, is_definition, alphasort);
        if (n < 0)
                return errno == ENOENT ? 0
                                       : error_set_errno(reterr_error, -errno, "Can't read '%s'", directory);
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL;

                if (r >= 0) {
                        path = path_join(directory, entries[i]->d_name);
                        r = path ? seed_file(db, data, path, now, seeded, reterr_error) : -ENOMEM;
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

int definition_seed_directory(Db *db, const char *data, usec_t now, Seeded *ret, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        _cleanup_seeded_ Seeded seeded = {};
        _cleanup_free_ char *directory = NULL;
        int r;

        directory = path_join(data, "definitions.d");
        if (!directory)
                return -ENOMEM;
        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = seed_directory(db, data, directory, now, &seeded, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = seeded;
        seeded = (Seeded) {};
        return 0;
}
