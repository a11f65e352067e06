/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts about this installation, by name. Written by the bootloader. */

#include "db/db.h"

#define METADATA_DEPLOYMENT_ID "deployment_id" /* a UUID, made once; the issuer of tokens */
#define METADATA_VERSION "version"             /* of the bootloader that ran last */
#define METADATA_LOCAL_DATAPLANE "local_dataplane_id"

/* -ENOENT. */
int metadata_get(Db *db, const char *name, char **ret, Error **reterr_error);
/* 1: changed; 0: it was so. */
int metadata_set(Db *db, const char *name, const char *value, Error **reterr_error);
