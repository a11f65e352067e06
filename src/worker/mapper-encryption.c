/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What it writes must be what Java's Cipher writes with the same settings, as data that Airbyte has
 * encrypted is read by the same keys: the IV in front, PKCS5 padding in modes where OpenSSL knows none, a
 * 16-byte IV for GCM too.
 *
 * The configuration (Encryption) is shared and only read; what changes with each record is in an
 * Encryptor, whose key schedule is made once. The IV comes from the caller's source of randomness, so
 * that a simulated run is the same each time; RSA's padding comes from OpenSSL's own. What was stored
 * without its key can be planned with, but nothing can be encrypted by it. The key is wiped where it was
 * ours. */

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "basic/hex.h"
#include "worker/mapper-encryption.h"

#define AES_BLOCK 16U
/* Lengths go to OpenSSL as int; records are shorter anyway. */
#define PLAIN_MAX (64U * 1024U * 1024U)

typedef enum AesMode {
        AES_CBC,
        AES_CFB,
        AES_OFB,
        AES_CTR,
        AES_GCM,
        AES_ECB,
        _AES_MODE_MAX,
} AesMode;

static const struct {
        const char *name;
        bool whole_blocks; /* without padding, input must be a multiple of the block */
        bool paddable;     /* Java refuses PKCS5Padding for the others */
} modes[_AES_MODE_MAX] = {
        [AES_CBC] = { "CBC", true, true },  [AES_CFB] = { "CFB", false, true },  [AES_OFB] = { "OFB", false, true },
        [AES_CTR] = { "CTR", false, false }, [AES_GCM] = { "GCM", false, false }, [AES_ECB] = { "ECB", true, true },
};

struct Encryption {
        char *secret;
        EVP_CIPHER *cipher; /* AES */
        uint8_t *key;
        size_t n_key;
        AesMode mode;
        bool padding;
        EVP_PKEY *public_key; /* RSA */
};

struct Encryptor {
        const Encryption *encryption;
        MapperRandom fill_random;
        void *userdata;
        EVP_CIPHER_CTX *cipher;
        EVP_PKEY_CTX *public_key;
        Buffer plain, sealed;
};

Encryption *encryption_free(Encryption *e) {
        if (!e)
                return NULL;
        if (e->secret)
                explicit_bzero(e->secret, strlen(e->secret));
        if (e->key)
                explicit_bzero(e->key, e->n_key);
        free(e->secret);
        free(e->key);
        EVP_CIPHER_free(e->cipher);
        EVP_PKEY_free(e->public_key);
        free(e);
        return NULL;
}
DEFINE_CLEANUP(Encryption, encryption_free);

static int get_text(JsonObject *o, const char *camel, const char *snake, const char **ret,
                    Error **reterr_error) {
        JsonObject *v = json_member(o, camel) ?: json_member(o, snake);

        if (!json_object_is_type(v, json_type_string))
                return error_set(reterr_error, -EINVAL, "'%s' is missing", camel);
        *ret = json_object_get_string(v);
        return 0;
}

static int read_mode(Encryption *e, JsonObject *config, Error **reterr_error) {
        const char *mode, *padding;
        int r;

        r = get_text(config, "mode", "mode", &mode, reterr_error);
        if (r >= 0)
                r = get_text(config, "padding", "padding", &padding, reterr_error);
        if (r < 0)
                return r;
        for (e->mode = 0; e->mode < _AES_MODE_MAX; e->mode++)
                if (streq(mode, modes[e->mode].name))
                        break;
        if (e->mode == _AES_MODE_MAX)
                return error_set(reterr_error, -EINVAL,
                                 "'mode' is '%s', must be CBC, CFB, OFB, CTR, GCM or ECB", mode);
        if (!streq(padding, "NoPadding") && !streq(padding, "PKCS5Padding"))
                return error_set(reterr_error, -EINVAL,
                                 "'padding' is '%s', must be NoPadding or PKCS5Padding",
                                 padding);
        e->padding = streq(padding, "PKCS5Padding");
        if (e->padding && !modes[e->mode].paddable)
                return error_set(reterr_error, -EINVAL, "mode %s goes with NoPadding only", mode);
        return 0;
}

static int read_aes(Encryption *e, JsonObject *config, Error **reterr_error) {
        const char *key;
        char name[sizeof("AES-256-CFB")];
        int r;

        r = read_mode(e, config, reterr_error);
        /* A stored mapper names its key, which the runner alone gets: enough for whoever plans. */
        if (r >= 0 && json_object_is_type(json_member(json_member(config, "key"), "_secret"), json_type_string))
                return 0;
        if (r >= 0)
                r = get_text(config, "key", "key", &key, reterr_error);
        if (r < 0)
                return r;
        r = hex_decode(key, &e->key, &e->n_key);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || (e->n_key != 16 && e->n_key != 24 && e->n_key != 32))
                return error_set(reterr_error, -EINVAL, "'key' is not 32, 48 or 64 hexadecimal digits");
        e->secret = strdup(key);
        if (!e->secret)
                return -ENOMEM;
        (void) snprintf(name, sizeof(name), "AES-%u-%s", (unsigned) e->n_key * 8, modes[e->mode].name);
        e->cipher = EVP_CIPHER_fetch(NULL, name, NULL);
        if (!e->cipher)
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "%s is not offered by the OpenSSL of this system", name);
        return 0;
}

static int read_rsa(Encryption *e, JsonObject *config, Error **reterr_error) {
        _cleanup_free_ uint8_t *der = NULL;
        const unsigned char *p;
        const char *text;
        size_t n = 0;
        int r;

        r = get_text(config, "publicKey", "public_key", &text, reterr_error);
        if (r < 0)
                return r;
        r = hex_decode(text, &der, &n);
        if (r == -ENOMEM)
                return r;
        p = der;
        if (r >= 0)
                e->public_key = d2i_PUBKEY(NULL, &p, (long) n);
        if (!e->public_key || EVP_PKEY_get_base_id(e->public_key) != EVP_PKEY_RSA)
                return error_set(reterr_error, -EINVAL,
                                 "'publicKey' is not an RSA public key (X.509 DER in hex)");
        return 0;
}

int encryption_from_json(JsonObject *config, Encryption **ret, Error **reterr_error) {
        _cleanup_(encryption_freep) Encryption *e = calloc(1, sizeof(Encryption));
        const char *algorithm;
        int r;

        if (!e)
                return -ENOMEM;
        r = get_text(config, "algorithm", "algorithm", &algorithm, reterr_error);
        if (r < 0)
                return r;
        if (streq(algorithm, "AES"))
                r = read_aes(e, config, reterr_error);
        else if (streq(algorithm, "RSA"))
                r = read_rsa(e, config, reterr_error);
        else
                r = error_set(reterr_error, -EINVAL, "'algorithm' is '%s', must be AES or RSA", algorithm);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(e);
        return 0;
}

const char *encryption_secret(const Encryption *e) {
        return e->secret;
}

/* PKCS #1 v1.5, what Java's Cipher "RSA" means. Its padding is random from OpenSSL's own source. */
static EVP_PKEY_CTX *public_key_context(EVP_PKEY *key) {
        EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(key, NULL);

        if (c && EVP_PKEY_encrypt_init(c) == 1 && EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PADDING) == 1)
                return c;
        EVP_PKEY_CTX_free(c);
        return NULL;
}

Encryptor *encryptor_new(const Encryption *e, MapperRandom fill_random, void *userdata) {
        Encryptor *x = calloc(1, sizeof(Encryptor));

        if (!x)
                return NULL;
        *x = (Encryptor) { .encryption = e, .fill_random = fill_random, .userdata = userdata };
        if (e->public_key)
                x->public_key = public_key_context(e->public_key);
        else if (e->cipher) {
                x->cipher = EVP_CIPHER_CTX_new();
                /* The key schedule is made here once; a record sets a new IV only. */
                if (x->cipher && EVP_EncryptInit_ex2(x->cipher, e->cipher, e->key, NULL, NULL) != 1)
                        return encryptor_free(x);
        }
        return x->public_key || x->cipher ? x : encryptor_free(x);
}

Encryptor *encryptor_free(Encryptor *e) {
        if (!e)
                return NULL;
        EVP_CIPHER_CTX_free(e->cipher);
        EVP_PKEY_CTX_free(e->public_key);
        buffer_done(&e->plain);
        buffer_done(&e->sealed);
        free(e);
        return NULL;
}

/* Encrypts into `sealed`. OpenSSL pads only its block modes, Java CFB and OFB too: so the padding is put
 * on here. */
static int seal_aes(Encryptor *x, const void *p, size_t n) {
        const Encryption *e = x->encryption;
        size_t n_iv = e->mode == AES_ECB ? 0 : AES_BLOCK, n_pad = e->padding ? AES_BLOCK - n % AES_BLOCK : 0;
        uint8_t *to;
        char *pad;
        int r, n_body = 0, n_rest = 0;

        if (!e->padding && modes[e->mode].whole_blocks && n % AES_BLOCK != 0)
                return -EMSGSIZE;
        buffer_reset(&x->plain);
        if (buffer_append(&x->plain, p, n) < 0)
                return -ENOMEM;
        pad = buffer_reserve(&x->plain, AES_BLOCK);
        to = (uint8_t *) buffer_reserve(&x->sealed, n_iv + n + 3 * AES_BLOCK);
        if (!pad || !to)
                return -ENOMEM;
        memset(pad, (int) n_pad, n_pad);
        buffer_commit(&x->plain, n_pad);
        if (n_iv > 0) {
                r = x->fill_random(to, n_iv, x->userdata);
                if (r < 0)
                        return r;
        }
        if (e->mode == AES_GCM && EVP_CIPHER_CTX_ctrl(x->cipher, EVP_CTRL_AEAD_SET_IVLEN, AES_BLOCK,
                                                      NULL) != 1)
                return -EIO;
        if (EVP_EncryptInit_ex2(x->cipher, NULL, NULL, n_iv > 0 ? to : NULL, NULL) != 1 ||
            EVP_CIPHER_CTX_set_padding(x->cipher, 0) != 1 ||
            EVP_EncryptUpdate(x->cipher, to + n_iv, &n_body, (uint8_t *) buffer_bytes(&x->plain),
                              (int) x->plain.len) != 1 ||
            EVP_EncryptFinal_ex(x->cipher, to + n_iv + n_body, &n_rest) != 1)
                return -EIO;
        buffer_commit(&x->sealed, n_iv + (size_t) n_body + (size_t) n_rest);
        if (e->mode == AES_GCM) {
                to = (uint8_t *) buffer_bytes(&x->sealed) + x->sealed.len;
                if (EVP_CIPHER_CTX_ctrl(x->cipher, EVP_CTRL_AEAD_GET_TAG, AES_BLOCK, to) != 1)
                        return -EIO;
                buffer_commit(&x->sealed, AES_BLOCK);
        }
        return 0;
}

static int seal_rsa(Encryptor *x, const void *p, size_t n) {
        size_t size = (size_t) EVP_PKEY_get_size(x->encryption->public_key);
        uint8_t *to = (uint8_t *) buffer_reserve(&x->sealed, size);

        if (!to)
                return -ENOMEM;
        /* PKCS #1 v1.5 takes eleven bytes of the modulus. */
        if (n + 11 > size)
                return -EMSGSIZE;
        if (EVP_PKEY_encrypt(x->public_key, to, &size, p, n) != 1)
                return -EIO;
        buffer_commit(&x->sealed, size);
        return 0;
}

int encryptor_append_hex(Encryptor *e, const void *p, size_t n, Buffer *out) {
        char *to;
        int r;

        if (n > PLAIN_MAX)
                return -EMSGSIZE;
        buffer_reset(&e->sealed);
        r = e->public_key ? seal_rsa(e, p, n) : seal_aes(e, p, n);
        if (r < 0)
                return r;
        to = buffer_reserve(out, e->sealed.len * 2);
        if (!to)
                return -ENOMEM;
        hex_encode(buffer_bytes(&e->sealed), e->sealed.len, to);
        buffer_commit(out, e->sealed.len * 2);
        return 0;
}
