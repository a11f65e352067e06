/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hides secrets in text that is logged or reported. Each secret is looked for as it is, JSON-escaped,
 * URL-encoded and in base64 (all three alignments, both alphabets), in any letter case; each long line of
 * a secret of several lines is looked for by itself. Secrets below MASKER_SECRET_MIN bytes are not
 * masked: they would hide ordinary words and say by what is missing what they are. */

#include "basic/buffer.h"

#define MASKER_SECRET_MIN 4U
/* A line of a secret of several lines (a private key) counts by itself from this length on. */
#define MASKER_LINE_MIN 8U
#define MASKER_REPLACEMENT "**********"

typedef struct Masker Masker;

Masker *masker_new(void);
Masker *masker_free(Masker *m);
DEFINE_CLEANUP(Masker, masker_free);

int masker_add(Masker *m, const char *secret);
int masker_add_strv(Masker *m, char *const *secrets);

/* Appends the text with what must not be seen replaced. */
int masker_append(const Masker *m, Buffer *b, const char *s, size_t n);

/* The same into a new string, NULL for NULL input or when out of memory. Ends at a NUL in the text. */
char *masker_apply(const Masker *m, const char *s);
