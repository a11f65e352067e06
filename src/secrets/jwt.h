/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON Web Tokens of this installation: HS256 and nothing else (T49), under a key derived from the
 * sealing key, issued by and for one deployment id. */

#include "basic/time-util.h"
#include "secrets/sealing.h"

typedef struct JwtClaims {
        char *subject;    /* application id, workload id, … */
        char *audience;   /* "api", "workload", "dataplane": what it is good for */
        int64_t epoch;    /* lease epoch of a workload's; 0 = none */
        usec_t issued_at, expires_at; /* whole seconds */
} JwtClaims;

void jwt_claims_done(JwtClaims *c);

typedef struct JwtKey JwtKey;
/* `deployment_id` is the issuer of all tokens that it makes and accepts. */
int jwt_key_new(const SealingKeys *k, const char *deployment_id, JwtKey **ret);
JwtKey *jwt_key_free(JwtKey *k);
DEFINE_CLEANUP(JwtKey, jwt_key_free);

int jwt_make(const JwtKey *k, const JwtClaims *claims, char **ret);
/* -EKEYREJECTED: not ours, changed, or for another audience; -EKEYEXPIRED. No leeway: the clock is one
 * machine's. Under the key before a rotation only tokens with an epoch are taken. */
int jwt_verify(const JwtKey *k, const char *token, const char *audience, usec_t now, JwtClaims *ret);
