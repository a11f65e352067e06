/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this directory know of the keys. */

#include "secrets/sealing.h"

#define KEY_ID_SIZE 4U

typedef struct SealingKey {
        uint8_t key[SEALING_KEY_SIZE], id[KEY_ID_SIZE];
} SealingKey;

struct SealingKeys {
        SealingKey keys[2]; /* the first one seals */
        size_t n;
};
