/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which edition of an object somebody has seen. HTTP shows it as ETag, and a change that names another one
 * by If-Match is refused; the bus has the Revision property and the argument of the same name. So nobody
 * undoes what they haven't seen. Without If-Match a change is made of what is stored now. */

#include "server/call.h"

/* 16 hexadecimal digits, or a number and 10 of them, and the NUL. */
#define EDITION_MAX 32U

/* Of objects that count their changes. */
void edition_of_revision(int64_t revision, char ret[static EDITION_MAX]);
/* And of those that also show what isn't counted: `hash` (10 characters count) is that content's. */
void edition_add_content(const char *hash, char edition[static EDITION_MAX]);
/* Of the others: all that can be changed of them, NULL for what isn't there. */
void edition_of_texts(const char *const *texts, size_t n, char ret[static EDITION_MAX]);

/* -ESTALE, with a sentence about the `what`, when the caller has named editions and this is none of them;
 * -EINVAL for an If-Match that is none. */
int edition_check(Call *c, const char *edition, const char *what);
/* The same of an object that has two, one of all that the other has and more: either will do. */
int edition_check_either(Call *c, const char *edition, const char *other, const char *what);
/* Goes with the answer: the ETag. */
int edition_show(Call *c, const char *edition);
