/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The mappers of `--mapper STREAM:MAPPER`, MAPPER being one of
 *
 *     TYPE:key=value,key=value        hashing:targetField=email,method=SHA-256,fieldNameSuffix=_hashed
 *     {"type": …} or [{…}, …]         Airbyte's JSON
 *     @FILE                           a file with that JSON; the place for keys of encryption
 */

#include "worker/mapper.h"

/* Appends to `*mappers`, a NULL-terminated list that may be NULL. */
int mapper_option_parse(const char *text, Mapper ***mappers, Error **reterr_error);
