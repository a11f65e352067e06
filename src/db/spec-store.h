/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Specifications by version: of a connector that is installed as "pypi:NAME==VERSION" or
 * "npm:NAME@VERSION" it never changes. Written by gantry-workflow when one has answered. */

#include "db/db.h"

/* -ENOENT: nobody has asked that version yet. */
int spec_store_get(Db *db, const char *reference, char **ret, Error **reterr_error);
int spec_store_put(Db *db, const char *reference, const char *spec, usec_t now, Error **reterr_error);
