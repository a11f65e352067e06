/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* UTF-8: validation and making text that strangers wrote safe to show on a terminal. */

#include "basic/buffer.h"

/* Length of the valid sequence at `p` (1–4), or 0 for an invalid, overlong, surrogate or truncated one. */
size_t utf8_sequence(const char *p, const char *end);

/* Encodes a code point, returns its length (1–4). Surrogates and values over 0x10FFFF become U+FFFD. */
size_t utf8_encode(uint32_t c, char out[static 4]);

bool utf8_is_valid(const char *p, size_t n);

/* Whether a text has C0 control characters or DEL: newlines and tabs, too. */
bool utf8_has_controls(const char *text);

/* Appends `p` with control bytes (C0, DEL, C1), invalid bytes and bidirectional overrides written as \xNN
 * or \uNNNN, so that no text from a connector can move the cursor, change the title or fill the clipboard
 * (threat T31). Newlines and tabs are kept when `keep_newlines`. */
int utf8_append_printable(Buffer *b, const char *p, size_t n, bool keep_newlines);
