/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What lies in the database is opened by the key and its place together. The place (table, row, owner)
 * goes into the tag, so that a blob copied to another row, by whoever can write the file but has no key,
 * is damage and not another one's password.
 *
 * Nonces are random and long enough for that (24 bytes). The id in front of a blob names its key: during
 * a rotation both are loaded, the new one seals, either opens, and sealing_is_old() finds what
 * gantry-cron seals anew. A key that isn't there is told apart from damage, as the first is mended by
 * bringing the key. */

#include <sodium.h>
#include <stdio.h>

#include "basic/buffer.h"
#include "basic/file-util.h"
#include "basic/path-util.h"
#include "secrets/sealing-internal.h"

/* A sealed blob: magic, id of the key, nonce, then what the AEAD made (with its tag at the end). */
#define MAGIC "GSB1"
#define MAGIC_SIZE 4U
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEAD_SIZE (MAGIC_SIZE + KEY_ID_SIZE + NONCE_SIZE)
static_assert(HEAD_SIZE + TAG_SIZE == SEALED_OVERHEAD, "what the header says");
static_assert(SEALING_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the cipher's key");

void wipe(void *p, size_t n) {
        sodium_memzero(p, n);
}

char *wipe_and_free(char *s) {
        if (s)
                sodium_memzero(s, strlen(s));
        free(s);
        return NULL;
}

/* Names a key without telling about it. */
static void make_key(SealingKey *k, const uint8_t key[static SEALING_KEY_SIZE]) {
        static const char context[] = "gantry key id";
        uint8_t hash[crypto_generichash_BYTES];

        memcpy(k->key, key, sizeof(k->key));
        (void) crypto_generichash(hash, sizeof(hash), (const uint8_t *) context, sizeof(context), key,
                                  SEALING_KEY_SIZE);
        memcpy(k->id, hash, sizeof(k->id));
}

int sealing_keys_new(const uint8_t key[static SEALING_KEY_SIZE], const uint8_t *old, SealingKeys **ret) {
        SealingKeys *k;

        if (sodium_init() < 0)
                return -EIO;
        k = calloc(1, sizeof(*k));
        if (!k)
                return -ENOMEM;
        make_key(&k->keys[k->n++], key);
        if (old)
                make_key(&k->keys[k->n++], old);
        *ret = k;
        return 0;
}

SealingKeys *sealing_keys_free(SealingKeys *k) {
        if (k)
                sodium_memzero(k, sizeof(*k));
        free(k);
        return NULL;
}

/* 1: read; 0: there is no such file. */
static int read_key(const char *path, uint8_t ret[static SEALING_KEY_SIZE], Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        r = read_file(path, SEALING_KEY_SIZE, &text, &n, reterr_error);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (n == SEALING_KEY_SIZE)
                memcpy(ret, text, n);
        sodium_memzero(text, n);
        if (n != SEALING_KEY_SIZE)
                return error_set(reterr_error, -EBADMSG, "The sealing key '%s' has not %u bytes", path,
                                 SEALING_KEY_SIZE);
        return 1;
}

int sealing_keys_load(SealingKeys **ret, Error **reterr_error) {
        const char *directory = getenv("CREDENTIALS_DIRECTORY"), *file = getenv("GANTRY_KEY_FILE");
        _cleanup_free_ char *path = NULL, *old_path = NULL;
        uint8_t key[SEALING_KEY_SIZE], old[SEALING_KEY_SIZE];
        int r, has_old;

        path = file ? strdup(file) : directory ? path_join(directory, "gantry.key") : NULL;
        if (!path && (file || directory))
                return -ENOMEM;
        if (path && asprintf(&old_path, "%s.old", path) < 0) {
                old_path = NULL;
                return -ENOMEM;
        }
        r = path ? read_key(path, key, reterr_error) : 0;
        if (r < 0)
                return r;
        if (r == 0)
                return error_set(reterr_error, -ENOKEY,
                                 "There is no sealing key: the credential 'gantry.key' is missing");
        has_old = read_key(old_path, old, reterr_error);
        r = has_old < 0 ? has_old : sealing_keys_new(key, has_old ? old : NULL, ret);
        sodium_memzero(key, sizeof(key));
        sodium_memzero(old, sizeof(old));
        return r;
}

/* The place as bytes that no other place has: each part with its length before it. */
static int write_place(Buffer *b, const SealingPlace *place) {
        const char *parts[] = { place->table, place->row_id, place->owner_id };

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                uint64_t n = strlen(parts[i]);
                uint8_t size[8];
                int r;

                for (size_t j = 0; j < sizeof(size); j++)
                        size[j] = (uint8_t) (n >> (8 * j));
                r = buffer_append(b, size, sizeof(size));
                if (r >= 0)
                        r = buffer_append(b, parts[i], n);
                if (r < 0)
                        return r;
        }
        return 0;
}

int sealing_seal(const SealingKeys *k, const SealingPlace *place, const void *p, size_t n, void **ret,
                 size_t *ret_n) {
        _cleanup_buffer_ Buffer ad = {};
        uint8_t *blob;
        int r;

        if (n > SECRET_SIZE_MAX)
                return -E2BIG;
        r = write_place(&ad, place);
        if (r < 0)
                return r;
        blob = malloc(n + SEALED_OVERHEAD);
        if (!blob)
                return -ENOMEM;
        memcpy(blob, MAGIC, MAGIC_SIZE);
        memcpy(blob + MAGIC_SIZE, k->keys[0].id, KEY_ID_SIZE);
        randombytes_buf(blob + MAGIC_SIZE + KEY_ID_SIZE, NONCE_SIZE);
        /* Magic and key id need no authentication of their own: with other ones it doesn't open. */
        (void) crypto_aead_xchacha20poly1305_ietf_encrypt(blob + HEAD_SIZE, NULL, p, n,
                                                          (uint8_t *) buffer_bytes(&ad), ad.len, NULL,
                                                          blob + MAGIC_SIZE + KEY_ID_SIZE, k->keys[0].key);
        *ret = blob;
        *ret_n = n + SEALED_OVERHEAD;
        return 0;
}

static const SealingKey *find_key(const SealingKeys *k, const uint8_t *id) {
        for (size_t i = 0; i < k->n; i++)
                if (memcmp(k->keys[i].id, id, KEY_ID_SIZE) == 0)
                        return &k->keys[i];
        return NULL;
}

static bool is_sealed(const uint8_t *blob, size_t n) {
        return n >= SEALED_OVERHEAD && n - SEALED_OVERHEAD <= SECRET_SIZE_MAX &&
               memcmp(blob, MAGIC, MAGIC_SIZE) == 0;
}

int sealing_open(const SealingKeys *k, const SealingPlace *place, const void *p, size_t n, char **ret,
                 size_t *ret_n, Error **reterr_error) {
        _cleanup_buffer_ Buffer ad = {};
        const uint8_t *blob = p;
        const SealingKey *key;
        uint8_t *value;
        int r;

        if (!is_sealed(blob, n))
                return error_set(reterr_error, -EBADMSG, "A secret in '%s' is damaged", place->table);
        key = find_key(k, blob + MAGIC_SIZE);
        if (!key)
                return error_set(reterr_error, -ENOKEY,
                                 "A secret in '%s' is sealed under another key than this machine's",
                                 place->table);
        r = write_place(&ad, place);
        if (r < 0)
                return r;
        value = malloc(n - SEALED_OVERHEAD + 1);
        if (!value)
                return -ENOMEM;
        if (crypto_aead_xchacha20poly1305_ietf_decrypt(value, NULL, NULL, blob + HEAD_SIZE, n - HEAD_SIZE,
                                                       (uint8_t *) buffer_bytes(&ad), ad.len,
                                                       blob + MAGIC_SIZE + KEY_ID_SIZE, key->key) < 0) {
                free(value);
                return error_set(reterr_error, -EBADMSG,
                                 "A secret in '%s' is damaged, or not where it belongs", place->table);
        }
        value[n - SEALED_OVERHEAD] = 0;
        *ret = (char *) value;
        if (ret_n)
                *ret_n = n - SEALED_OVERHEAD;
        return 0;
}

bool sealing_is_old(const SealingKeys *k, const void *p, size_t n) {
        const uint8_t *blob = p;

        return is_sealed(blob, n) && memcmp(blob + MAGIC_SIZE, k->keys[0].id, KEY_ID_SIZE) != 0;
}

int sealing_seal_text(const SealingKeys *k, const SealingPlace *place, const char *s, char **ret) {
        _cleanup_free_ void *blob = NULL;
        size_t n, size;
        char *text;
        int r;

        r = sealing_seal(k, place, s, strlen(s), &blob, &n);
        if (r < 0)
                return r;
        size = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
        text = malloc(size);
        if (!text)
                return -ENOMEM;
        *ret = sodium_bin2base64(text, size, blob, n, sodium_base64_VARIANT_ORIGINAL);
        return 0;
}

int sealing_open_text(const SealingKeys *k, const SealingPlace *place, const char *base64, char **ret,
                      Error **reterr_error) {
        size_t length = strlen(base64), n;
        _cleanup_free_ uint8_t *blob = malloc(length + 1);

        if (!blob)
                return -ENOMEM;
        if (sodium_base642bin(blob, length, base64, length, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) <
            0)
                return error_set(reterr_error, -EBADMSG, "A sealed secret is not base64");
        return sealing_open(k, place, blob, n, ret, NULL, reterr_error);
}
