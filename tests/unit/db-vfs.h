/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk for SQLite that fails on purpose. It is kept in memory, knows which writes were synced, and can
 *
 * - fail the n-th call, once or from then on, with an I/O error or a full disk;
 * - lose its power at the n-th call that changes something: everything after that fails. When the power
 *   is back, what was synced is there; of each sector that was written and not synced since, the old
 *   bytes, the new bytes or garbage, whatever the order of the writes was. A file that was made and never
 *   synced, and a deletion that wasn't, may or may not be there.
 *
 * One connection at a time may have a file open: locks always succeed. */

#include <stdbool.h>
#include <stdint.h>

typedef enum VfsFault {
        VFS_NO_FAULT,
        VFS_IO_ERROR,       /* the n-th call */
        VFS_IO_ERRORS,      /* the n-th call and all behind it */
        VFS_DISK_FULL,      /* the n-th call that would make a file grow, and all such behind it */
        VFS_POWER_CUT,
        _VFS_FAULT_MAX,
} VfsFault;

typedef enum VfsFate {
        VFS_DROP_UNSYNCED,
        VFS_KEEP_UNSYNCED,
        VFS_MIX_UNSYNCED, /* each sector has its own fate, from the seed */
        _VFS_FATE_MAX,
} VfsFate;

/* Becomes SQLite's default VFS. */
void vfs_register(void);
/* Forgets all files. */
void vfs_reset(void);

/* Keeps the files as they are now, all of it synced, and goes back to that. No file may be open. */
void vfs_save(void);
void vfs_restore(void);

/* The fault happens at the n-th call from now on, counted from 1. */
void vfs_arm(VfsFault fault, unsigned n);
/* Whether it has happened. From now on nothing fails. */
bool vfs_disarm(void);

/* After a power cut, with no file open any more. */
void vfs_power_on(VfsFate fate, uint64_t seed);
