/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries in an array in the order of their insertion, beside a table of open addressing that holds
 * indexes into it. The table is at most half full, so a probe ends soon; it is rebuilt when it grows.
 * Removing moves the entries behind the removed one and rebuilds the table: linear, and rare here.
 * Walking is by index and needs no state; adding while walking is seen, removing shifts. */

#include "basic/hashmap.h"
#include "basic/keyed-hash.h"

typedef struct Entry {
        char *key;
        size_t n_key;
        uint64_t hash;
        void *value;
} Entry;

struct Hashmap {
        HashmapFree free_value;
        Entry *entries; /* in order of insertion */
        size_t n_entries, n_allocated;
        uint32_t *slots; /* index + 1 into entries, 0 = free */
        size_t n_slots;  /* a power of two */
        HashKey seed;
};

/* Keys come from connectors that we don't trust. */
static uint64_t hash_bytes(const Hashmap *h, const void *key, size_t n) {
        return keyed_hash(&h->seed, key, n);
}

Hashmap *hashmap_new(HashmapFree free_value) {
        Hashmap *h = calloc(1, sizeof(*h));

        if (!h)
                return NULL;
        h->free_value = free_value;
        /* The seed decides the place in the table only, never an order that anyone can see. */
        hash_key_init(&h->seed);
        return h;
}

Hashmap *hashmap_free(Hashmap *h) {
        if (!h)
                return NULL;
        for (size_t i = 0; i < h->n_entries; i++) {
                if (h->free_value && h->entries[i].value)
                        h->free_value(h->entries[i].value);
                free(h->entries[i].key);
        }
        free(h->entries);
        free(h->slots);
        free(h);
        return NULL;
}

static Entry *find(const Hashmap *h, const void *key, size_t n_key, uint64_t hash, size_t *ret_slot) {
        size_t mask = h->n_slots - 1;

        for (size_t i = hash & mask;; i = (i + 1) & mask) {
                Entry *e;

                if (ret_slot)
                        *ret_slot = i;
                if (h->slots[i] == 0)
                        return NULL;
                e = h->entries + h->slots[i] - 1;
                if (e->hash == hash && e->n_key == n_key && memcmp(e->key, key, n_key) == 0)
                        return e;
        }
}

static void rebuild_slots(Hashmap *h) {
        size_t mask = h->n_slots - 1;

        memset(h->slots, 0, h->n_slots * sizeof(*h->slots));
        for (size_t i = 0; i < h->n_entries; i++) {
                size_t s = h->entries[i].hash & mask;

                while (h->slots[s] != 0)
                        s = (s + 1) & mask;
                h->slots[s] = i + 1;
        }
}

static int grow(Hashmap *h) {
        if (h->n_entries == h->n_allocated) {
                size_t n = MAX(h->n_allocated * 2, (size_t) 8);
                /* Slots have 32 bits. */
                Entry *e = n <= UINT32_MAX / 4 ? reallocarray(h->entries, n, sizeof(*e)) : NULL;

                if (!e)
                        return -ENOMEM;
                h->entries = e;
                h->n_allocated = n;
        }
        if (h->n_slots < h->n_allocated * 2) {
                uint32_t *s = reallocarray(h->slots, h->n_allocated * 2, sizeof(*s));

                if (!s)
                        return -ENOMEM;
                h->slots = s;
                h->n_slots = h->n_allocated * 2;
                rebuild_slots(h);
        }
        return 0;
}

int hashmap_put(Hashmap *h, const void *key, size_t n_key, void *value) {
        uint64_t hash = hash_bytes(h, key, n_key);
        size_t slot;
        char *copy;
        int r;

        r = grow(h);
        if (r < 0)
                return r;
        if (find(h, key, n_key, hash, &slot))
                return -EEXIST;
        copy = malloc(n_key + 1);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, key, n_key);
        copy[n_key] = 0;
        h->entries[h->n_entries++] = (Entry) { .key = copy, .n_key = n_key, .hash = hash, .value = value };
        h->slots[slot] = h->n_entries;
        return 0;
}

int hashmap_set(Hashmap *h, const void *key, size_t n_key, void *value) {
        Entry *e = h->n_slots > 0 ? find(h, key, n_key, hash_bytes(h, key, n_key), NULL) : NULL;

        if (!e)
                return hashmap_put(h, key, n_key, value);
        if (h->free_value && e->value && e->value != value)
                h->free_value(e->value);
        e->value = value;
        return 0;
}

void *hashmap_get(const Hashmap *h, const void *key, size_t n_key) {
        Entry *e;

        if (!h || h->n_entries == 0)
                return NULL;
        e = find(h, key, n_key, hash_bytes(h, key, n_key), NULL);
        return e ? e->value : NULL;
}

void *hashmap_remove(Hashmap *h, const void *key, size_t n_key) {
        Entry *e;
        void *value;

        if (!h || h->n_entries == 0)
                return NULL;
        e = find(h, key, n_key, hash_bytes(h, key, n_key), NULL);
        if (!e)
                return NULL;
        value = e->value;
        free(e->key);
        memmove(e, e + 1, (size_t) (h->entries + h->n_entries - (e + 1)) * sizeof(*e));
        h->n_entries--;
        rebuild_slots(h);
        return value;
}

size_t hashmap_size(const Hashmap *h) {
        return h ? h->n_entries : 0;
}

bool hashmap_iterate(const Hashmap *h, size_t *i, const void **ret_key, size_t *ret_n_key,
                     void **ret_value) {
        const Entry *e;

        if (!h || *i >= h->n_entries)
                return false;
        e = h->entries + (*i)++;
        if (ret_key)
                *ret_key = e->key;
        if (ret_n_key)
                *ret_n_key = e->n_key;
        if (ret_value)
                *ret_value = e->value;
        return true;
}
