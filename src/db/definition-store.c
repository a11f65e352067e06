/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A definition is what its package or its author says now, while sources and destinations may be pinned
 * to an older version. Three things then depend on the version: the tag, the exact reference that is run
 * and the specification. Specifications of versions are kept by reference (spec-store.c), and one that
 * the definition is about to give up is put there first (a package's is there already).
 *
 * A seeded row is written only if something differs. A specification that a run of the same version has
 * told isn't lost by a package that doesn't bring one. */

#include "db/db-internal.h"
#include "db/definition-store.h"
#include "db/spec-store.h"
#include "model/event.h"

int definition_store_insert(Db *db, const Definition *d, usec_t now, Error **reterr_error) {
        int r;

        r = db_change(db, SQL_DEFINITION_INSERT, &definition_model, d, BINDS(B_I64("now", now)),
                      CHANGE_DEFINITION, d->id, now, reterr_error);
        return r < 0 ? r : 0;
}

int definition_store_get(Db *db, const char *id, Definition **ret, Error **reterr_error) {
        return db_get_one(db, SQL_DEFINITION_GET, BINDS(B_TEXT("id", id)), &definition_model, ret, id,
                          reterr_error);
}

/* What differs in the version that is pinned. */
static int apply_pin(Definition *d, const char *pin) {
        if (!pin || streq_ptr(d->docker_image_tag, pin))
                return 0;
        free(d->docker_image_tag);
        free(d->spec);
        d->spec = NULL;
        d->docker_image_tag = strdup(pin);
        return d->docker_image_tag ? 0 : -ENOMEM;
}

int definition_store_get_version(Db *db, const char *id, const char *pin, Definition **ret, Error **reterr_error) {
        _cleanup_(definition_freep) Definition *d = NULL;
        _cleanup_free_ char *reference = NULL;
        int r;

        r = definition_store_get(db, id, &d, reterr_error);
        if (r >= 0 && definition_has_versions(d)) {
                /* A tag of an image may be given to another one: what its definition says now is newer. */
                bool look = definition_is_package(d) || (pin && !streq_ptr(pin, d->docker_image_tag));

                r = apply_pin(d, pin);
                if (r >= 0)
                        r = definition_exact_reference(d, pin, &reference);
                if (r >= 0 && !d->spec && look) {
                        r = spec_store_get(db, reference, &d->spec, NULL);
                        r = r == -ENOENT ? 0 : r;
                }
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

int definition_store_get_by_type(Db *db, ActorRole role, const char *connector_type,
                                 const char *workspace_id, Definition **ret, Error **reterr_error) {
        int r;

        r = db_get(db, SQL_DEFINITION_GET_BY_TYPE,
                   BINDS(B_TEXT("role", actor_role_to_string(role)),
                         B_TEXT("connector_type", connector_type), B_TEXT("workspace_id", workspace_id)),
                   &definition_model, ret, reterr_error);
        if (r == -ENOENT)
                return error_set(reterr_error, r, "There is no %s connector of type '%s'",
                                 actor_role_to_string(role), connector_type);
        return r;
}

int definition_store_list(Db *db, const DefinitionFilter *filter, const ListOptions *options,
                          DefinitionArray *ret, Error **reterr_error) {
        return db_list_whole(db, SQL_DEFINITION_LIST,
                             BINDS(B_PAGE(options), B_I64("deleted", list_deleted(options)),
                                   B_TEXT("role", actor_role_to_string(filter->role)),
                                   B_TEXT("workspace_id", filter->workspace_id),
                                   B_I64("custom", filter->custom_only)),
                             &definition_model, ret, reterr_error);
}

/* Who is pinned to the version that it has now still needs what that one has said. */
static int keep_spec(Db *db, const Definition *d, usec_t now, Error **reterr_error) {
        _cleanup_(definition_freep) Definition *stored = NULL;
        _cleanup_free_ char *old = NULL, *new = NULL, *said = NULL;
        int r;

        r = db_get(db, SQL_DEFINITION_GET, BINDS(B_TEXT("id", d->id)), &definition_model, &stored, reterr_error);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (!stored->spec || !definition_has_versions(stored))
                return 0;
        r = definition_exact_reference(stored, NULL, &old);
        if (r >= 0)
                r = definition_exact_reference(d, NULL, &new);
        if (r < 0 || streq(old, new))
                return r;
        /* What a version of a package has said itself stays: gantry-workflow has written it. */
        r = definition_is_package(stored) ? spec_store_get(db, old, &said, NULL) : -ENOENT;
        return r == -ENOENT ? spec_store_put(db, old, stored->spec, now, reterr_error) : MIN(r, 0);
}

int definition_store_update(Db *db, const Definition *d, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r >= 0)
                r = keep_spec(db, d, now, reterr_error);
        if (r >= 0)
                r = db_change_one(db, SQL_DEFINITION_UPDATE, &definition_model, d,
                                  BINDS(B_I64("now", now), B_I64("tombstone", 0)), CHANGE_DEFINITION,
                                  "definition", d->id, now, reterr_error);
        return r < 0 ? r : db_commit(&transaction, reterr_error);
}

int definition_store_set_spec(Db *db, const char *id, const char *spec, usec_t now, Error **reterr_error) {
        return db_change_one(db, SQL_DEFINITION_SET_SPEC, NULL, NULL,
                             BINDS(B_TEXT("id", id), B_TEXT("spec", spec), B_I64("now", now)),
                             CHANGE_DEFINITION, "definition", id, now, reterr_error);
}

/* Whether the shipped definition says the same as the stored one. */
static bool is_seeded(const Definition *d, const Definition *stored) {
        return d->role == stored->role && streq_ptr(d->name, stored->name) &&
               streq_ptr(d->reference, stored->reference) &&
               streq_ptr(d->connector_type, stored->connector_type) &&
               streq_ptr(d->docker_repository, stored->docker_repository) &&
               streq_ptr(d->docker_image_tag, stored->docker_image_tag) &&
               streq_ptr(d->documentation_url, stored->documentation_url) &&
               streq_ptr(d->allowed_hosts, stored->allowed_hosts) && streq_ptr(d->limits, stored->limits) &&
               streq_ptr(d->manifest, stored->manifest) && streq_ptr(d->spec, stored->spec) &&
               d->manifest_version == stored->manifest_version && d->executor == stored->executor &&
               d->network == stored->network && d->supports_refreshes == stored->supports_refreshes &&
               !stored->tombstone;
}

int definition_store_seed(Db *db, const Definition *d, usec_t now, Error **reterr_error) {
        _cleanup_(definition_freep) Definition *stored = NULL;
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        Definition wanted = *d;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_get(db, SQL_DEFINITION_GET, BINDS(B_TEXT("id", d->id)), &definition_model, &stored,
                   reterr_error);
        if (r < 0 && r != -ENOENT)
                return r;
        if (stored && (stored->custom || stored->role != d->role))
                return error_set(reterr_error, -EEXIST, "Definition '%s' is another connector already",
                                 d->id);
        /* What a run of the same version has told stays. */
        if (stored && !wanted.spec && streq_ptr(wanted.docker_image_tag, stored->docker_image_tag))
                wanted.spec = stored->spec;
        if (stored && is_seeded(&wanted, stored))
                return 0;
        r = stored ? definition_store_update(db, &wanted, now, reterr_error)
                   : definition_store_insert(db, &wanted, now, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        return r < 0 ? r : 1;
}

int definition_store_delete(Db *db, const char *id, usec_t now, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        int r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = db_refuse_in_use(db, SQL_DEFINITION_IN_USE, id, "Definition", reterr_error);
        if (r < 0)
                return r;
        r = db_change_one(db, SQL_DEFINITION_DELETE, NULL, NULL, BINDS(B_TEXT("id", id), B_I64("now", now)),
                          CHANGE_DEFINITION, "definition", id, now, reterr_error);
        if (r < 0)
                return r;
        return db_commit(&transaction, reterr_error);
}
