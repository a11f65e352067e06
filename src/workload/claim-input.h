/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a runner gets: the input of a workload with the secrets in clear, the connection's state, and the
 * list of what must be masked in its logs. Nothing of it is logged or stored. */

#include "basic/buffer.h"
#include "basic/error.h"
#include "shared/json-util.h"

/* The clear text of `{"_secret": id}` or `{"_sealed": text}` in a configuration: a string, or JSON text where
 * the secret is an object or an array. `owner`: the source or destination whose configuration it is, and whose
 * the secret must be; NULL for a mapper's key. -ENOENT: no such secret; -EBADMSG: it is somebody else's. */
typedef struct ClaimResolver {
        int (*secret)(const char *id, const char *owner, char **ret, Error **reterr_error, void *userdata);
        int (*sealed)(const char *text, char **ret, Error **reterr_error, void *userdata);
        void *userdata;
} ClaimResolver;

/* Puts the secrets into the configurations of `input` (borrowed, changed) and collects them, each once, in
 * `ret_secrets`. Only configurations of actors and mappers of streams are looked into. */
int claim_input_resolve(JsonObject *input, const ClaimResolver *resolver, char ***ret_secrets, Error **reterr_error);

/* Appends the `input` of the claim's reply: `input` with "state" (an array's text; it keeps its bytes) and
 * "secrets" added. */
int claim_input_write(Buffer *b, JsonObject *input, const char *state, size_t n_state, char *const *secrets);

/* Overwrites what a string vector or a buffer held before it is freed. */
void claim_secrets_erase(char ***secrets);
void claim_buffer_erase(Buffer *b);
#define _cleanup_claim_secrets_ _cleanup_(claim_secrets_erase)
#define _cleanup_claim_buffer_ _cleanup_(claim_buffer_erase)
