/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every installation has from its first start on: an identity, a workspace, an application, a
 * dataplane. All of it is made once, and found again afterwards. */

#include "basic/env.h"
#include "db/db.h"
#include "secrets/sealing.h"

/* What was made now. */
typedef struct Bootstrap {
        bool deployment, workspace, application, dataplane;
} Bootstrap;

/* The id and the name that a sealed application secret is bound to (secrets/sealing.h). */
#define APPLICATION_SECRET_TABLE "application"

/* Makes what is missing. `k` may be NULL where nothing has to be sealed; else -ENOKEY. */
int bootstrap_platform(Db *db, Env *e, const SealingKeys *k, Bootstrap *ret, Error **reterr_error);

/* Whether the secrets of the database open under these keys: 0; -ENOKEY or -EBADMSG with the sentence. */
int bootstrap_check_key(Db *db, const SealingKeys *k, Error **reterr_error);
