/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sealing of secrets for storage: XChaCha20-Poly1305 under a key that is a systemd credential. Where a
 * blob belongs is bound to it: under another table, row or owner it doesn't open. */

#include "basic/error.h"

#define SEALING_KEY_SIZE 32U
#define SEALED_OVERHEAD 48U        /* magic and version 4, key id 4, nonce 24, tag 16 */
#define SECRET_SIZE_MAX (1024U * 1024)

/* Keys that can open blobs; the first one seals. */
typedef struct SealingKeys SealingKeys;

/* Where a blob is stored. All three are given; "" where there is no owner. */
typedef struct SealingPlace {
        const char *table, *row_id, *owner_id;
} SealingPlace;

/* Reads the key: $CREDENTIALS_DIRECTORY/gantry.key, or $GANTRY_KEY_FILE for development; 32 bytes. A
 * second credential, gantry.key.old, is the key before a rotation. -ENOKEY: there is none. */
int sealing_keys_load(SealingKeys **ret, Error **reterr_error);
/* `old` may be NULL. */
int sealing_keys_new(const uint8_t key[static SEALING_KEY_SIZE], const uint8_t *old, SealingKeys **ret);
/* Wipes them. */
SealingKeys *sealing_keys_free(SealingKeys *k);
DEFINE_CLEANUP(SealingKeys, sealing_keys_free);

int sealing_seal(const SealingKeys *k, const SealingPlace *place, const void *p, size_t n, void **ret,
                 size_t *ret_n);
/* The value, NUL-terminated, to be freed with wipe_and_free(). -EBADMSG: not sealed for this place, or
 * damaged; -ENOKEY: sealed under a key that isn't here. */
int sealing_open(const SealingKeys *k, const SealingPlace *place, const void *p, size_t n, char **ret,
                 size_t *ret_n, Error **reterr_error);
/* Whether it is sealed under another key than the one that seals now. */
bool sealing_is_old(const SealingKeys *k, const void *p, size_t n);

/* The same as text for JSON: {"_sealed": "<base64>"}. */
int sealing_seal_text(const SealingKeys *k, const SealingPlace *place, const char *s, char **ret);
int sealing_open_text(const SealingKeys *k, const SealingPlace *place, const char *base64, char **ret,
                      Error **reterr_error);

/* Wipes and frees a string. Returns NULL. */
char *wipe_and_free(char *s);
DEFINE_CLEANUP(char, wipe_and_free);
#define _cleanup_wipe_ _cleanup_(wipe_and_freep)
/* Wipes memory in a way that the compiler keeps. */
void wipe(void *p, size_t n);
