/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/random.h>

#include "basic/keyed-hash.h"

/* Early in a machine's life there may be no randomness yet; nobody waits for it here, and the place in
 * memory is the next best thing. */
void hash_key_init(HashKey *ret) {
        *ret = (HashKey) {};
        if (getrandom(ret, sizeof(*ret), GRND_NONBLOCK) != (ssize_t) sizeof(*ret))
                ret->k[0] = (uint64_t) (uintptr_t) ret;
}
