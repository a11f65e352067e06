/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an installation's unit is made of: gantry-installer in the place of a connector, as a user of its own,
 * with two directories to write to and a network to the package indexes. */

#include "launcher/launch-plan.h"
#include "shared/conf-file.h"

#define INSTALL_USER "gantry-install"

/* [Connectors] of gantry.conf. */
typedef struct InstallSettings {
        char *index_url;        /* of Python packages; NULL: the public one */
        char *npm_registry_url;
        char **hosts;           /* that these send their clients to */
        Error *error;           /* why nothing can be installed; NULL: it can */
} InstallSettings;

/* Settings that can't be used are told to whoever wants to install (`error`). */
void launch_install_settings_load(const ConfFile *conf, InstallSettings *ret);
void launch_install_settings_done(InstallSettings *s);
/* https, or http to this machine: what is installed must be what the index has (T24). 0, or -EINVAL. */
int launch_install_check_url(const char *url, Error **reterr_error);

typedef struct InstallPlan {
        uint64_t uid, gid;
        SandboxMount mounts[2]; /* of its place; sources are owned */
} InstallPlan;

/* For the place `staged`, a directory below SUITE_STAGING. */
int launch_install_plan_init(const char *staged, uint64_t uid, uint64_t gid, InstallPlan *ret);
void launch_install_plan_done(InstallPlan *p);

/* The input of the plan: an ACTOR whose configuration is the installer's. */
int launch_install_input(const InstallSettings *s, const char *reference, JsonObject **ret);
/* gantry-installer as if it were a connector; borrows `program`. */
InstalledConnector *launch_install_connector(const char *program, bool npm);
