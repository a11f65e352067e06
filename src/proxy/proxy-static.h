/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files of the web UI: read-only, below one directory, found by names that hold nothing but themselves. */

#include "basic/buffer.h"

#define PROXY_STATIC_MAX (16U * 1024U * 1024U)

/* Appends the whole answer to a GET or HEAD of `target` (its query is ignored): the file, index.html for "/"
 * and for every path that names no file (the UI's own routes), the placeholder where the UI isn't
 * installed. */
int proxy_static_answer(int root_fd, const char *target, size_t n_target, bool head_only, Buffer *b);

/* Appends an answer with a problem document. `status` is one that HTTP knows. */
int proxy_answer_problem(unsigned status, const char *title, const char *detail, Buffer *b);
