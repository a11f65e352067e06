/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fuzz target is one file, fuzz-NAME.c, with LLVMFuzzerTestOneInput(). It is built twice: with replay.c, which runs
 * the small inputs below corpus/NAME/ in `make check`, and with --enable-fuzzers against libFuzzer. A target must not
 * depend on anything but its input, and states what must hold with FUZZ_CHECK(). */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(expr)                                                                     \
        do {                                                                                 \
                if (!(expr)) {                                                               \
                        fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #expr); \
                        abort();                                                             \
                }                                                                            \
        } while (0)
