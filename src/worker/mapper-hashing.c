/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Digests by OpenSSL's names. A digest that this OpenSSL lacks (MD2, mostly) is refused by name, and not
 * taken for an unknown one. As in mapper-encryption.c, looking up and allocating happens once for each
 * stream. */

#include <sys/types.h>

#include <openssl/evp.h>

#include "basic/hex.h"
#include "worker/mapper-hashing.h"

struct Hashing {
        EVP_MD *md;
};

struct Hasher {
        const EVP_MD *md;
        EVP_MD_CTX *context;
};

static const struct {
        const char *method, *openssl;
} methods[] = {
        { "MD2", "MD2" },         { "MD5", "MD5" },         { "SHA-1", "SHA1" },      { "SHA-224", "SHA2-224" },
        { "SHA-256", "SHA2-256" }, { "SHA-384", "SHA2-384" }, { "SHA-512", "SHA2-512" },
};

int hashing_new(const char *method, Hashing **ret, Error **reterr_error) {
        const char *name = NULL;
        Hashing *h;

        for (size_t i = 0; i < ELEMENTSOF(methods); i++)
                if (streq(method, methods[i].method))
                        name = methods[i].openssl;
        if (!name)
                return error_set(reterr_error, -EINVAL,
                                 "'method' is '%s', must be MD2, MD5, SHA-1, SHA-224, SHA-256, SHA-384 or SHA-512",
                                 method);
        h = malloc(sizeof(Hashing));
        if (!h)
                return -ENOMEM;
        h->md = EVP_MD_fetch(NULL, name, NULL);
        if (!h->md) {
                free(h);
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "method %s is not offered by the OpenSSL of this system; take SHA-256", method);
        }
        *ret = h;
        return 0;
}

Hashing *hashing_free(Hashing *h) {
        if (!h)
                return NULL;
        EVP_MD_free(h->md);
        free(h);
        return NULL;
}

Hasher *hasher_new(const Hashing *h) {
        Hasher *hasher = malloc(sizeof(Hasher));

        if (!hasher)
                return NULL;
        *hasher = (Hasher) { .md = h->md, .context = EVP_MD_CTX_new() };
        if (hasher->context && EVP_DigestInit_ex2(hasher->context, h->md, NULL) == 1)
                return hasher;
        return hasher_free(hasher);
}

Hasher *hasher_free(Hasher *h) {
        if (!h)
                return NULL;
        EVP_MD_CTX_free(h->context);
        free(h);
        return NULL;
}

ssize_t hasher_hex(Hasher *h, const void *p, size_t n, char out[static HASHING_HEX_MAX]) {
        uint8_t digest[EVP_MAX_MD_SIZE];
        unsigned size = 0;

        /* A NULL digest starts over with the one that the context has: no lookup, no allocation. */
        if (EVP_DigestInit_ex2(h->context, NULL, NULL) != 1 || EVP_DigestUpdate(h->context, p, n) != 1 ||
            EVP_DigestFinal_ex(h->context, digest, &size) != 1)
                return -EIO;
        hex_encode(digest, size, out);
        return (ssize_t) size * 2;
}
