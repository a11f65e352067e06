/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From names to units, without looking at the host: all that depends on it (programs, users, installed
 * connectors) comes in with the request, so that the same request gives the same plan, and a test or
 * `--print-plan` sees what would be started.
 *
 * A user that a unit has for itself is made of the unit's name, by a hash into a range that nobody else
 * uses. Two units of one time get the same one once in some 16 million pairs. There is no table of given
 * users, and so nothing to lose or to clean up.
 *
 * The worker's input is a copy without configurations: it needs the catalogs and the list of secrets to
 * mask, and what it doesn't have it can't leak. */

#include <inttypes.h>
#include <stdio.h>

#include "basic/hash.h"
#include "basic/parse-util.h"
#include "basic/string-table.h"
#include "launcher/launch-units.h"

#define AUTO_ID_LENGTH 36U
#define FLAT_ID_LENGTH 32U /* less its dashes */
#define SLICE_PREFIX "gantry-jobs-"
#define SLICE_SUFFIX ".slice"
#define DIGITS "0123456789"
#define HEX_DIGITS DIGITS "abcdef"
#define LETTERS "abcdefghijklmnopqrstuvwxyz"
/* Of those that no distribution, directory or container manager gives away (systemd's UIDS-GIDS:
 * 1879048192 … 2147352575 is unused), the upper end, which sssd's default range does not reach either. */
#define UID_FIRST UINT32_C(0x7f000000)
#define UID_COUNT UINT32_C(0x00fd0000)

static const char *const unit_role_table[_UNIT_ROLE_MAX] = {
        [UNIT_SOURCE] = "source",
        [UNIT_DESTINATION] = "destination",
        [UNIT_CONNECTOR] = "connector",
        [UNIT_WORKER] = "worker",
};

static const char *const unit_kind_table[_UNIT_KIND_MAX] = {
        [UNIT_LITE] = "lite",
        [UNIT_SERVICE] = "service",
        [UNIT_PODMAN] = "podman",
};

DEFINE_STRING_TABLE_LOOKUP(unit_role, UnitRole)

DEFINE_STRING_TABLE_LOOKUP(unit_kind, UnitKind)

static bool is_auto_id(const char *s, size_t n) {
        for (size_t i = 0; i < AUTO_ID_LENGTH; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (i >= n || (dash ? s[i] != '-' : !strchr(HEX_DIGITS, s[i])))
                        return false;
        }
        return true;
}

bool auto_id_is_valid(const char *s) {
        return s && strlen(s) == AUTO_ID_LENGTH && is_auto_id(s, AUTO_ID_LENGTH);
}

int unit_name_parse(const char *name, char ret_auto_id[static 37], int64_t *ret_epoch, UnitRole *ret_role) {
        const char *rest = name + STRLEN(UNIT_PREFIX), *dash, *dot;
        _cleanup_free_ char *number = NULL, *role = NULL;
        UnitRole found;

        if (strncmp(name, UNIT_PREFIX, STRLEN(UNIT_PREFIX)) != 0 || !is_auto_id(rest, strlen(rest)) ||
            strncmp(rest + AUTO_ID_LENGTH, "-e", 2) != 0)
                return -EINVAL;
        dash = strchr(rest + AUTO_ID_LENGTH + 2, '-');
        dot = dash ? strchr(dash, '.') : NULL;
        if (!dot || !streq(dot, ".service"))
                return -EINVAL;
        number = strndup(rest + AUTO_ID_LENGTH + 2, (size_t) (dash - (rest + AUTO_ID_LENGTH + 2)));
        role = strndup(dash + 1, (size_t) (dot - dash - 1));
        if (!number || !role)
                return -ENOMEM;
        found = unit_role_from_string(role);
        if (found < 0 || parse_i64(number, ret_epoch) < 0)
                return -EINVAL;
        memcpy(ret_auto_id, rest, AUTO_ID_LENGTH);
        ret_auto_id[AUTO_ID_LENGTH] = 0;
        *ret_role = found;
        return 0;
}

uint64_t unit_uid(const char *name) {
        return UID_FIRST + hash64(HASH64_START, name, strlen(name)) % UID_COUNT;
}

static void unit_done(UnitPlan *u) {
        free(u->name);
        json_object_put(u->properties);
        sandbox_plan_free(u->sandbox);
        network_zone_free(u->zone);
        for (size_t i = 0; i < SANDBOX_FILES_MAX; i++)
                free(u->files[i]);
}

LaunchPlan *launch_plan_free(LaunchPlan *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < p->n_units; i++)
                unit_done(&p->units[i]);
        free(p->slice);
        json_object_put(p->input);
        free(p);
        return NULL;
}

/* Dashes nest slices: in "gantry-jobs-j7a0.slice" they lead to gantry-jobs.slice, in a UUID they would
 * lead nowhere good. */
int launch_slice_name(const char *type, int64_t job_id, int64_t attempt, const char *auto_id, char **ret) {
        _cleanup_free_ char *flat = NULL;
        size_t n = 0;

        if (job_id > 0 && attempt >= 0 && streq(type, "sync"))
                return asprintf(ret, SLICE_PREFIX "j%" PRId64 "a%" PRId64 SLICE_SUFFIX, job_id, attempt) < 0
                        ? -ENOMEM : 0;
        flat = strdup(auto_id);
        if (!flat)
                return -ENOMEM;
        for (const char *p = auto_id; *p; p++)
                if (*p != '-')
                        flat[n++] = *p;
        flat[n] = 0;
        return asprintf(ret, SLICE_PREFIX "%s%s" SLICE_SUFFIX, type, flat) < 0 ? -ENOMEM : 0;
}

/* "j<job>a<attempt>" */
static bool names_an_attempt(const char *s, size_t n) {
        size_t job = n > 0 && s[0] == 'j' ? strspn(s + 1, DIGITS) : 0, attempt;

        if (job == 0 || s[1 + job] != 'a')
                return false;
        attempt = strspn(s + job + 2, DIGITS);
        return attempt > 0 && job + attempt + 2 == n;
}

bool launch_slice_name_is_valid(const char *name) {
        size_t n = strlen(name), type;

        if (strncmp(name, SLICE_PREFIX, STRLEN(SLICE_PREFIX)) != 0 || n < STRLEN(SLICE_PREFIX SLICE_SUFFIX) ||
            !streq(name + n - STRLEN(SLICE_SUFFIX), SLICE_SUFFIX))
                return false;
        name += STRLEN(SLICE_PREFIX);
        n -= STRLEN(SLICE_PREFIX SLICE_SUFFIX);
        if (names_an_attempt(name, n))
                return true;
        if (n <= FLAT_ID_LENGTH)
                return false;
        type = n - FLAT_ID_LENGTH;
        return strspn(name, LETTERS) >= type && strspn(name + type, HEX_DIGITS) == FLAT_ID_LENGTH;
}

static int add_unit(LaunchPlan *p, const LaunchRequest *q, UnitRole role, UnitPlan **ret) {
        UnitPlan *u = &p->units[p->n_units];

        if (asprintf(&u->name, UNIT_PREFIX "%s-e%" PRId64 "-%s.service", q->auto_id, q->epoch,
                     unit_role_table[role]) < 0) {
                u->name = NULL;
                return -ENOMEM;
        }
        u->role = role;
        p->n_units++;
        *ret = u;
        return launch_unit_common(u, q, p->slice);
}

/* The text of a file, taken over by the unit; the order is the sandbox's. */
static int add_file(UnitPlan *u, size_t *n, JsonObject *content, const char **ret) {
        if (!content)
                return 0;
        u->files[*n] = json_to_string(content);
        if (!u->files[*n])
                return -ENOMEM;
        *ret = u->files[(*n)++];
        return 0;
}

static bool is_empty_array(JsonObject *o) {
        return !json_object_is_type(o, json_type_array) || json_object_array_length(o) == 0;
}

/* What `read --state` is given: NULL for none. A LEGACY state is its data alone, as Airbyte's platform hands it
 * over. */
static JsonObject *state_file(JsonObject *states) {
        JsonObject *first, *data;

        if (is_empty_array(states))
                return NULL;
        first = json_object_array_get_idx(states, 0);
        data = json_member(first, "data");
        return data && !json_member(first, "stream") && !json_member(first, "global") ? data : states;
}

static int add_connector(LaunchPlan *p, const LaunchRequest *q, UnitRole role, const char *verb,
                         const char *actor_key,
                         const char *catalog_key, const InstalledConnector *connector,
                                 Error **reterr_error) {
        JsonObject *state = role == UNIT_SOURCE ? state_file(json_member(q->input, "state")) : NULL;
        JsonObject *catalog = catalog_key ? json_member(q->input, catalog_key) : NULL;
        ConnectorStart start = { .connector = connector, .verb = verb,
                                 .want_stdin = role == UNIT_DESTINATION };
        _cleanup_(launch_actor_done) LaunchActor a = {};
        UnitPlan *u = NULL;
        size_t n_files = 0;
        int r;

        r = launch_actor_parse(json_member(q->input, actor_key), &a, reterr_error);
        if (r < 0)
                return r;
        if (catalog_key && !json_object_is_type(catalog, json_type_object))
                return error_set(reterr_error, -EINVAL, "The workload lacks its '%s'", catalog_key);
        if (!a.configuration && !streq(verb, "spec"))
                return error_set(reterr_error, -EINVAL, "The workload lacks the configuration of '%s'",
                                 a.reference);
        r = add_unit(p, q, role, &u);
        if (r >= 0 && !streq(verb, "spec"))
                r = add_file(u, &n_files, a.configuration, &start.config);
        if (r >= 0)
                r = add_file(u, &n_files, catalog, &start.catalog);
        if (r >= 0)
                r = add_file(u, &n_files, state, &start.state);
        if (r < 0)
                return r;
        u->kind = a.kind;
        u->wants_stdin = start.want_stdin;
        start.role = a.role;
        return launch_unit_connector(u, q, &a, &start, reterr_error);
}

static int add_connectors(LaunchPlan *p, const LaunchRequest *q, Error **reterr_error) {
        int r = 0;

        if (!streq(q->type, "sync"))
                return add_connector(p, q, UNIT_CONNECTOR, q->type, "actor", NULL, q->connectors[0],
                                     reterr_error);
        if (q->connectors[0])
                r = add_connector(p, q, UNIT_SOURCE, "read", "source", "sourceCatalog", q->connectors[0],
                                  reterr_error);
        return r < 0 ? r : add_connector(p, q, UNIT_DESTINATION, "write", "destination",
                                         "destinationCatalog",
                                         q->connectors[1], reterr_error);
}

/* What the worker is told: everything but the connectors' configurations. */
static int copy_input(const LaunchRequest *q, JsonObject **ret) {
        static const char *const actors[] = { "source", "destination", "actor" };
        _cleanup_json_ JsonObject *input = json_clone(q->input);

        if (!input)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(actors); i++) {
                JsonObject *actor = json_member(input, actors[i]);

                if (json_object_is_type(actor, json_type_object))
                        json_object_object_del(actor, "configuration");
        }
        *ret = TAKE_PTR(input);
        return 0;
}

int launch_plan_new(const LaunchRequest *q, LaunchPlan **ret, Error **reterr_error) {
        static const char *const types[] = { "sync", "check", "discover", "spec", "install" };
        _cleanup_(launch_plan_freep) LaunchPlan *p = calloc(1, sizeof(*p));
        UnitPlan *worker = NULL;
        bool known = false;
        int r;

        if (!p)
                return -ENOMEM;
        for (size_t i = 0; i < ELEMENTSOF(types); i++)
                known |= streq_ptr(q->type, types[i]);
        if (!known)
                return error_set(reterr_error, -EINVAL, "There is no workload type '%s'", strempty(q->type));
        if (!auto_id_is_valid(q->auto_id) || q->epoch < 0)
                return error_set(reterr_error, -EINVAL, "'%s' (epoch %" PRId64 ") can't name a unit",
                                 strempty(q->auto_id), q->epoch);
        if (!json_object_is_type(q->input, json_type_object))
                return error_set(reterr_error, -EINVAL, "The workload has no input");
        r = launch_slice_name(q->type, q->job_id, q->attempt, q->auto_id, &p->slice);
        if (r >= 0)
                r = add_connectors(p, q, reterr_error);
        if (r >= 0)
                r = add_unit(p, q, UNIT_WORKER, &worker);
        if (r >= 0)
                r = launch_unit_worker(worker, q);
        if (r >= 0)
                r = copy_input(q, &p->input);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

static int unit_to_json(const UnitPlan *u, JsonObject *array) {
        JsonObject *o = json_object_new_object(), *sandbox = NULL, *zone = NULL;
        int r;

        if (!o)
                return -ENOMEM;
        if (json_object_array_add(array, o) < 0) {
                json_object_put(o);
                return -ENOMEM;
        }
        r = json_add_string(o, "name", u->name);
        if (r >= 0)
                r = json_add_string(o, "role", unit_role_to_string(u->role));
        if (r >= 0 && u->sandbox)
                r = json_add_string(o, "executor", unit_kind_to_string(u->kind));
        if (r >= 0)
                r = json_add(o, "properties", json_object_get(u->properties));
        if (r >= 0 && u->sandbox)
                r = sandbox_plan_to_json(u->sandbox, &sandbox);
        if (r >= 0 && sandbox)
                r = json_add(o, "sandbox", sandbox);
        if (r >= 0 && u->zone)
                r = network_zone_to_json(u->zone, &zone);
        if (r >= 0 && zone)
                r = json_add(o, "network", zone);
        return r;
}

int launch_plan_to_json(const LaunchPlan *p, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        JsonObject *units = json_object_new_array();
        int r = o && units ? json_add_string(o, "slice", p->slice) : -ENOMEM;

        if (r < 0) {
                json_object_put(units);
                return r;
        }
        r = json_add(o, "units", units);
        for (size_t i = 0; r >= 0 && i < p->n_units; i++)
                r = unit_to_json(&p->units[i], units);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}
