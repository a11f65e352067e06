/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The input of a workload is written by gantry-workflow, but parts of it come from definitions and
 * configurations that people send in. So everything is looked at here before it becomes a property of a
 * unit that root starts: limits are numbers in a range, paths are absolute, words are of the known ones.
 *
 * Configurations are searched for names of this machine, because a fence that forbids loopback would keep
 * a connector from the very database that it was configured for. A hit in an unrelated text only opens
 * the way to loopback, which is why the search may be generous. It is for containers, whose address rules
 * are systemd's; the zone of all others reads the configuration by itself (network/network-zone.h). */

#include "launcher/launch-actor.h"
#include "runtime/connector-paths.h"

#define WHAT "actor"
/* Less than this starts nothing; more than this is no limit. */
#define MEMORY_MAX_FLOOR (UINT64_C(16) << 20)
#define CPU_QUOTA_MAX 1000000

void launch_actor_done(LaunchActor *a) {
        a->read_paths = strv_free(a->read_paths);
        a->write_paths = strv_free(a->write_paths);
}

static int get_limit(JsonObject *limits, const char *key, int64_t max, uint64_t *ret, Error **reterr_error) {
        int64_t n = 0;
        int r = json_get_i64(limits, key, &n, "limits", reterr_error);

        if (r < 0)
                return r;
        if (n < 0 || n > max)
                return error_set(reterr_error, -EINVAL, "limits: '%s' is out of range", key);
        *ret = (uint64_t) n;
        return 0;
}

static int parse_limits(JsonObject *o, LaunchActor *a, Error **reterr_error) {
        JsonObject *limits = NULL;
        int r = json_get_object(o, "limits", &limits, WHAT, reterr_error);

        if (r <= 0)
                return r;
        r = get_limit(limits, "memoryMax", INT64_MAX, &a->memory_max, reterr_error);
        if (r >= 0)
                r = get_limit(limits, "cpuQuota", CPU_QUOTA_MAX, &a->cpu_quota, reterr_error);
        if (r >= 0)
                r = get_limit(limits, "tasksMax", INT32_MAX, &a->tasks_max, reterr_error);
        if (r >= 0 && a->memory_max > 0)
                a->memory_max = MAX(a->memory_max, MEMORY_MAX_FLOOR);
        return r;
}

static int parse_paths(JsonObject *o, LaunchActor *a, Error **reterr_error) {
        JsonObject *array = NULL;
        int r = json_get_array(o, "paths", &array, WHAT, reterr_error);

        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                JsonObject *p = json_object_array_get_idx(array, i);
                const char *path = NULL;
                bool write = false;

                r = json_get_string(p, "path", &path, "paths", reterr_error);
                if (r >= 0 && path && connector_path_is_remote(path))
                        continue;
                if (r >= 0 && path && strncmp(path, "file://", STRLEN("file://")) == 0)
                        path += STRLEN("file://");
                if (r >= 0)
                        r = json_get_bool(p, "write", &write, "paths", reterr_error);
                if (r >= 0 && (!path || path[0] != '/'))
                        r = error_set(reterr_error, -EINVAL, "paths: '%s' is not absolute", strempty(path));
                if (r >= 0)
                        r = strv_consume(write ? &a->write_paths : &a->read_paths,
                                         connector_path_visible(path, write));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_words(JsonObject *o, LaunchActor *a, Error **reterr_error) {
        const char *role = NULL, *executor = NULL, *network = NULL;
        int r;

        r = json_get_string(o, "reference", &a->reference, WHAT, reterr_error);
        if (r == 0)
                r = error_set(reterr_error, -EINVAL, WHAT ": 'reference' is missing");
        if (r >= 0)
                r = json_get_string(o, "role", &role, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "executor", &executor, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_string(o, "network", &network, WHAT, reterr_error);
        if (r < 0)
                return r;
        a->role = role && streq(role, "destination") ? CONNECTOR_DESTINATION : CONNECTOR_SOURCE;
        a->kind = unit_kind_from_string(executor ?: "lite");
        if (a->kind < 0)
                return error_set(reterr_error, -EINVAL, WHAT ": there is no executor '%s'", executor);
        if (!network || streq(network, "none"))
                a->network = false;
        else if (streq(network, "any") || streq(network, "hosts"))
                a->network = true;
        else
                return error_set(reterr_error, -EINVAL, WHAT ": there is no network class '%s'", network);
        a->any = a->network && streq(network, "any");
        return 0;
}

int launch_actor_parse(JsonObject *o, LaunchActor *ret, Error **reterr_error) {
        _cleanup_(launch_actor_done) LaunchActor a = {};
        int r;

        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "The workload lacks its " WHAT);
        r = parse_words(o, &a, reterr_error);
        if (r >= 0)
                r = json_get_object(o, "configuration", &a.configuration, WHAT, reterr_error);
        if (r >= 0)
                r = json_get_array(o, "allowedHosts", &a.allowed_hosts, WHAT, reterr_error);
        if (r >= 0)
                r = parse_limits(o, &a, reterr_error);
        if (r >= 0)
                r = parse_paths(o, &a, reterr_error);
        if (r < 0)
                return r;
        *ret = a;
        a = (LaunchActor) {};
        return 0;
}
