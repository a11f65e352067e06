/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Random tokens, which are stored as their hash only, and comparing in constant time. */

#include "basic/macro.h"

#define TOKEN_MAX 44U      /* 32 random bytes in base64url, with the NUL */
#define TOKEN_HASH_SIZE 32U
#define CONTENT_HASH_MAX 65U

/* A token nobody can guess. */
void token_generate(char ret[static TOKEN_MAX]);
/* What is stored of it. A token has 256 bits of randomness, so a plain hash is enough; passwords never
 * come here. */
void token_hash(const char *token, uint8_t ret[static TOKEN_HASH_SIZE]);
/* Whether `token` has this hash; takes the same time whatever differs (T48). False for a hash of another
 * size. */
bool token_matches(const char *token, const void *hash, size_t n_hash);

/* The text that is base64 (RFC 4648, section 4; with padding or without) in an Authorization header. Takes a time
 * that only the length tells (T48). -EINVAL: it is none, has a NUL in it, or is longer than `size` - 1. */
int credentials_decode(const char *s, char *ret, size_t size);

/* Hash of content, BLAKE2b-256 in hexadecimal: names what is stored by content. */
void content_hash(const void *p, size_t n, char ret[static CONTENT_HASH_MAX]);
