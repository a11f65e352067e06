/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A tree that somebody else has made becomes root's: every directory and file its owner's alone to change,
 * and everybody's to read. Nothing of it is believed: no link is followed, nothing but directories, files
 * and links is taken, and opening never waits (T05). Whoever made it must be gone. */

#include "basic/buffer.h"
#include "basic/error.h"

/* More than any connector has; less than what fills a disk with nothing. */
#define TREE_ENTRIES_MAX 500000U

/* Gives all below the directory to `uid` and `gid`, with modes 0755, and 0644 for files that nobody could
 * execute, and appends "HASH  PATH" for each file (sha256sum's form; paths relative to the directory, in
 * their order). -EINVAL with a sentence for what has no place in a connector. */
int tree_take_over(int dirfd, unsigned uid, unsigned gid, Buffer *hashes, Error **reterr_error);
