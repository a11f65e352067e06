/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The places where installations are made (runtime/suite-store.h), from root's side: what is left in them is
 * removed. `staging` is SUITE_STAGING; tests have others. */

#include "basic/error.h"

/* Whether it names one of these places: it is a UUID. */
bool staging_id_is_valid(const char *id);
/* Removes one with all that is in it; one that isn't there is no error. */
int staging_discard(const char *staging, const char *id, Error **reterr_error);
/* Removes all but those named (a strv). */
int staging_sweep(const char *staging, char *const *keep, Error **reterr_error);
