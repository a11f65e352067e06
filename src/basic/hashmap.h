/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A map from byte strings to pointers that remembers the order of insertion: walking it gives the same
 * order in every run, whatever the hash seed. Keys are copied; values belong to the caller unless a
 * destructor is given. */

#include "basic/macro.h"

typedef struct Hashmap Hashmap;
typedef void (*HashmapFree)(void *value);

/* `free_value` may be NULL. NULL when out of memory. */
Hashmap *hashmap_new(HashmapFree free_value);
Hashmap *hashmap_free(Hashmap *h);
DEFINE_CLEANUP(Hashmap, hashmap_free);
#define _cleanup_hashmap_ _cleanup_(hashmap_freep)

/* -EEXIST when the key is there (nothing changes), -ENOMEM, else 0. */
int hashmap_put(Hashmap *h, const void *key, size_t n_key, void *value);

/* Puts or replaces; the old value goes through the destructor. */
int hashmap_set(Hashmap *h, const void *key, size_t n_key, void *value);

/* The value, or NULL. `h` may be NULL. */
void *hashmap_get(const Hashmap *h, const void *key, size_t n_key);

/* Takes the entry out without calling the destructor; NULL when it isn't there. O(n) in the number of
 * entries. */
void *hashmap_remove(Hashmap *h, const void *key, size_t n_key);
size_t hashmap_size(const Hashmap *h);

/* Walks in order of insertion: start with *i = 0; false at the end. */
bool hashmap_iterate(const Hashmap *h, size_t *i, const void **ret_key, size_t *ret_n_key, void **ret_value);

static inline void *hashmap_get_string(const Hashmap *h, const char *key) {
        return hashmap_get(h, key, strlen(key));
}
static inline int hashmap_put_string(Hashmap *h, const char *key, void *value) {
        return hashmap_put(h, key, strlen(key), value);
}
