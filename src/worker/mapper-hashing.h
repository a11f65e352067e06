/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The digests of the hashing mapper. The algorithm is looked up in OpenSSL once, when the configuration
 * is read; a Hasher keeps the context between records, because setting one up costs more than hashing a
 * short text. */

#include "basic/error.h"

/* Lower-case hexadecimal text of the longest digest (SHA-512). */
#define HASHING_HEX_MAX 128U

typedef struct Hashing Hashing;
typedef struct Hasher Hasher;

/* `method` is Airbyte's name: MD2, MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512. -EINVAL for others,
 * -EOPNOTSUPP for one that this system's OpenSSL does not carry (MD2 is built into few). */
int hashing_new(const char *method, Hashing **ret, Error **reterr_error);
Hashing *hashing_free(Hashing *h);

/* `h` must outlive the hasher. */
Hasher *hasher_new(const Hashing *h);
Hasher *hasher_free(Hasher *h);

/* Writes the digest of the bytes as text without a final NUL; its length, or -EIO. */
ssize_t hasher_hex(Hasher *h, const void *p, size_t n, char out[static HASHING_HEX_MAX]);
