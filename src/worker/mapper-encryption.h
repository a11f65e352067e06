/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The encryption mapper: AES with a key out of the configuration, or RSA with a public key. What is
 * written is hex text: for AES the random IV and behind it the ciphertext (GCM: and its 16-byte tag), as
 * Java's Cipher, which Airbyte uses, would make it; ECB has no IV. */

#include "basic/buffer.h"
#include "shared/json-util.h"
#include "worker/mapper.h"

typedef struct Encryption Encryption;
typedef struct Encryptor Encryptor;

/* Reads algorithm, mode, padding, key or publicKey out of the mapper's configuration. The key is in no
 * error message. */
int encryption_from_json(JsonObject *config, Encryption **ret, Error **reterr_error);
Encryption *encryption_free(Encryption *e);

/* The key as it was configured, NULL for RSA. */
const char *encryption_secret(const Encryption *e);

/* The contexts that are kept between records. `e` must outlive them. */
Encryptor *encryptor_new(const Encryption *e, MapperRandom fill_random, void *userdata);
Encryptor *encryptor_free(Encryptor *e);

/* Appends the hex text. -EMSGSIZE when the text does not fit the key (RSA) or, without padding, the
 * block; -EIO. */
int encryptor_append_hex(Encryptor *e, const void *p, size_t n, Buffer *out);
