/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much room the disk of a file has, and which disk that is. */

#include "basic/macro.h"

/* Bytes that a process without privileges may still write to the file system that `path` is on. */
int disk_space_free(const char *path, uint64_t *ret);

/* That file system for people: "/dev/sda1 (mounted on /var)", as this process sees it. -ENOENT: it can't be
 * told, as on file systems that span several devices. */
int disk_describe(const char *path, char **ret);
