/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/file-util.h"
#include "installer/install.h"
#include "runtime/connector-store.h"
#include "runtime/suite-store.h"
#include "shared/env-event.h"

#define WHAT "The installation's configuration"

/* What pip, uv and npm listen to. A URL may hold a password: the environment is this user's alone. */
static int set_index(JsonObject *config, const char *key, const char *const variables[], Error **reterr_error) {
        const char *url = NULL;
        int r = json_get_string(config, key, &url, WHAT, reterr_error);

        for (; r > 0 && *variables; variables++)
                if (setenv(*variables, url, /* overwrite= */ 1) < 0)
                        return -errno;
        return MIN(r, 0);
}

static int prepare_environment(JsonObject *config, Error **reterr_error) {
        static const char *const python[] = { "PIP_INDEX_URL", "UV_DEFAULT_INDEX", NULL };
        static const char *const npm[] = { "NPM_CONFIG_REGISTRY", NULL };
        int r = mkdir_parents(SUITE_SCRATCH "/tmp", 0700);

        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", SUITE_SCRATCH "/tmp");
        /* uv would say of each file that it can't be linked from the cache, which is another mount. */
        if (setenv("TMPDIR", SUITE_SCRATCH "/tmp", 1) < 0 || setenv("GANTRY_CACHE_DIR", SUITE_SCRATCH, 1) < 0 ||
            setenv("GANTRY_CONNECTOR_DIR", SUITE_STORE, 1) < 0 || setenv("UV_LINK_MODE", "copy", 1) < 0)
                return -errno;
        r = set_index(config, "indexUrl", python, reterr_error);
        return r < 0 ? r : set_index(config, "npmRegistryUrl", npm, reterr_error);
}

int install_run_job(JsonObject *config, Error **reterr_error) {
        _cleanup_(installed_connector_freep) InstalledConnector *c = NULL;
        _cleanup_(connector_ref_freep) ConnectorRef *ref = NULL;
        _cleanup_(env_event_freep) Env *env = NULL;
        const char *reference = NULL;
        int r;

        r = json_get_string(config, "reference", &reference, WHAT, reterr_error);
        if (r == 0)
                r = error_set(reterr_error, -EINVAL, WHAT " names no connector");
        if (r >= 0)
                r = connector_ref_parse(reference, CONNECTOR_ANY_ROLE, &ref, reterr_error);
        if (r >= 0 && ref->kind != CONNECTOR_PYPI && ref->kind != CONNECTOR_NPM)
                r = error_set(reterr_error, -EINVAL, "'%s' is nothing to install", reference);
        if (r >= 0)
                r = prepare_environment(config, reterr_error);
        if (r >= 0)
                r = env_event_new(&env);
        return r < 0 ? r : connector_store_install(env, ref, CONNECTOR_INSTALL_NO_SPEC, &c, reterr_error);
}
