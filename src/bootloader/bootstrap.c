/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What every deployment has once: an id, a workspace, an application with a secret, a dataplane. Each is
 * looked for before it is made, all in one transaction, so there is never half of it.
 *
 * Deleting is respected: a workspace that was deleted isn't made again. Of applications there is at least
 * one after each start, since without it nobody comes in by the API. */

#include "basic/uuid.h"
#include "bootloader/bootstrap.h"
#include "db/application-store.h"
#include "db/dataplane-store.h"
#include "db/metadata-store.h"
#include "db/permission-store.h"
#include "db/secret-store.h"
#include "db/workspace-store.h"
#include "secrets/token.h"

/* 1: made; 0: there already. */
static int ensure_deployment(Db *db, Env *e, Error **reterr_error) {
        _cleanup_free_ char *there = NULL;
        char id[UUID_STRING_MAX];
        int r;

        r = metadata_get(db, METADATA_DEPLOYMENT_ID, &there, NULL);
        if (r != -ENOENT)
                return r;
        r = uuid7_new(e, id);
        return r < 0 ? r : metadata_set(db, METADATA_DEPLOYMENT_ID, id, reterr_error);
}

static int ensure_workspace(Db *db, Env *e, usec_t now, Error **reterr_error) {
        _cleanup_(workspace_array_done) WorkspaceArray there = {};
        char id[UUID_STRING_MAX], name[] = "Default Workspace", residency[] = "auto";
        Workspace w = { .id = id, .name = name, .data_residency = residency };
        int r;

        /* A deleted one counts too: whoever deleted the last one meant it. */
        r = workspace_store_list(db, &(ListOptions) { .limit = 1, .include_deleted = true }, &there,
                                 reterr_error);
        if (r < 0 || there.n > 0)
                return r;
        r = uuid7_new(e, id);
        if (r >= 0)
                r = workspace_store_insert(db, &w, now, reterr_error);
        return r < 0 ? r : 1;
}

/* The client secret is stored as its hash, which logins are compared with, and sealed, for nobody was there
 * to be told: who may is shown it at any time ("gantryctl web credentials"). The file alone tells nothing. */
static int insert_application(Db *db, Env *e, const SealingKeys *k, usec_t now, Error **reterr_error) {
        char id[UUID_STRING_MAX], client_id[UUID_STRING_MAX], permission_id[UUID_STRING_MAX];
        char name[] = "Default", secret[TOKEN_MAX];
        _cleanup_free_ void *sealed = NULL;
        uint8_t hash[TOKEN_HASH_SIZE];
        Application a = {
                .id = id, .name = name, .client_id = client_id, .secret_hash = { hash, sizeof(hash) }
        };
        Permission p = { .id = permission_id,
                         .principal_kind = PRINCIPAL_APPLICATION,
                         .principal_id = id,
                         .role = ROLE_ADMIN };
        int r;

        r = uuid7_new(e, id);
        if (r >= 0)
                r = uuid7_new(e, client_id);
        if (r >= 0)
                r = uuid7_new(e, permission_id);
        if (r < 0)
                return r;
        token_generate(secret);
        token_hash(secret, hash);
        r = sealing_seal(k, &(SealingPlace) { APPLICATION_SECRET_TABLE, id, "" }, secret, strlen(secret),
                         &sealed, &a.sealed_secret.n);
        wipe(secret, sizeof(secret));
        if (r < 0)
                return r;
        a.sealed_secret.p = sealed;
        r = application_store_insert(db, &a, now, reterr_error);
        return r < 0 ? r : permission_store_insert(db, &p, now, reterr_error);
}

static int ensure_application(Db *db, Env *e, const SealingKeys *k, usec_t now, Error **reterr_error) {
        _cleanup_(application_array_done) ApplicationArray there = {};
        int r;

        r = application_store_list(db, &(ListOptions) { .limit = 1 }, &there, reterr_error);
        if (r < 0 || there.n > 0)
                return r;
        if (!k)
                return error_set(reterr_error, -ENOKEY,
                                 "The first application's secret can't be sealed without a key");
        r = insert_application(db, e, k, now, reterr_error);
        return r < 0 ? r : 1;
}

static int ensure_dataplane(Db *db, Env *e, usec_t now, Error **reterr_error) {
        _cleanup_(dataplane_freep) Dataplane *there = NULL;
        char id[UUID_STRING_MAX], name[] = "local";
        Dataplane d = { .id = id, .name = name, .enabled = true };
        int r;

        r = dataplane_store_get_by_name(db, name, &there, NULL);
        if (r != -ENOENT)
                return r;
        r = uuid7_new(e, id);
        if (r >= 0)
                r = dataplane_store_insert(db, &d, now, reterr_error);
        if (r >= 0)
                r = metadata_set(db, METADATA_LOCAL_DATAPLANE, id, reterr_error);
        return r < 0 ? r : 1;
}

int bootstrap_platform(Db *db, Env *e, const SealingKeys *k, Bootstrap *ret, Error **reterr_error) {
        _cleanup_(db_rollbackp) Db *transaction = NULL;
        usec_t now = env_now(e, ENV_CLOCK_REALTIME);
        int deployment, workspace = 0, application = 0, dataplane = 0, r;

        r = db_begin_immediate(db, &transaction, reterr_error);
        if (r < 0)
                return r;
        r = deployment = ensure_deployment(db, e, reterr_error);
        if (r >= 0)
                r = workspace = ensure_workspace(db, e, now, reterr_error);
        if (r >= 0)
                r = application = ensure_application(db, e, k, now, reterr_error);
        if (r >= 0)
                r = dataplane = ensure_dataplane(db, e, now, reterr_error);
        if (r >= 0)
                r = metadata_set(db, METADATA_VERSION, PACKAGE_VERSION, reterr_error);
        if (r < 0)
                return r;
        r = db_commit(&transaction, reterr_error);
        if (r < 0)
                return r;
        *ret = (Bootstrap) { deployment > 0, workspace > 0, application > 0, dataplane > 0 };
        return 0;
}

static int check_application(const Application *a, const SealingKeys *k, Error **reterr_error) {
        _cleanup_wipe_ char *secret = NULL;

        if (!a->sealed_secret.p)
                return 0;
        return sealing_open(k, &(SealingPlace) { APPLICATION_SECRET_TABLE, a->id, "" }, a->sealed_secret.p,
                            a->sealed_secret.n, &secret, NULL, reterr_error);
}

int bootstrap_check_key(Db *db, const SealingKeys *k, Error **reterr_error) {
        _cleanup_(application_array_done) ApplicationArray applications = {};
        _cleanup_(secret_array_done) SecretArray secrets = {};
        int r;

        r = application_store_list(db, &(ListOptions) { .limit = 1 }, &applications, reterr_error);
        if (r >= 0 && applications.n > 0)
                r = check_application(applications.items[0], k, reterr_error);
        if (r >= 0)
                r = secret_store_list(db, &(ListOptions) { .limit = 1 }, &secrets, reterr_error);
        if (r >= 0 && secrets.n > 0) {
                const Secret *s = secrets.items[0];
                _cleanup_wipe_ char *value = NULL;

                r = sealing_open(k, &(SealingPlace) { "secret", s->id, s->owner_id }, s->sealed.p,
                                 s->sealed.n, &value, NULL, reterr_error);
        }
        return r;
}
