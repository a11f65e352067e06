/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <assert.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "unit/db-vfs.h"

#define FILES_MAX 16
#define REGIONS_MAX 16
#define SECTOR 512
#define MIN(a, b) ((a) < (b) ? (a) : (b))

typedef struct Bytes {
        unsigned char *p;
        size_t n;
} Bytes;

/* A change that was not synced yet. A write has data, a truncation has none. */
typedef struct Change {
        size_t offset, n;
        unsigned char *data;
        struct Change *next;
} Change;

typedef struct Disk {
        char name[256];
        bool exists, durable_exists;
        Bytes live, durable, saved;
        bool saved_exists;
        Change *changes, **changes_end;
        void *regions[REGIONS_MAX];
} Disk;

typedef struct Handle {
        sqlite3_file base;
        Disk *disk;
        bool anonymous;
} Handle;

static Disk disks[FILES_MAX];
static sqlite3_vfs *system_vfs;
static VfsFault armed;
static unsigned countdown;
static bool fired, dead;

/* --- bytes --- */

/* Not from malloc(), which a test may let fail. */
static void *allocate(size_t n) {
        void *p;

        if (posix_memalign(&p, sizeof(max_align_t), n ? n : 1) != 0)
                abort();
        return memset(p, 0, n);
}

static void resize(Bytes *b, size_t n) {
        if (n > b->n) {
                unsigned char *p = allocate(n);

                if (b->n > 0)
                        memcpy(p, b->p, b->n);
                free(b->p);
                b->p = p;
        }
        b->n = n;
}

static void copy(Bytes *to, const Bytes *from) {
        free(to->p);
        to->p = allocate(from->n);
        if (from->n > 0)
                memcpy(to->p, from->p, from->n);
        to->n = from->n;
}

static void put(Bytes *b, size_t offset, const void *p, size_t n) {
        if (offset + n > b->n)
                resize(b, offset + n);
        memcpy(b->p + offset, p, n);
}

static void forget_changes(Disk *d) {
        for (Change *c = d->changes, *next; c; c = next) {
                next = c->next;
                free(c->data);
                free(c);
        }
        d->changes = NULL;
        d->changes_end = &d->changes;
}

static void add_change(Disk *d, size_t offset, const void *data, size_t n) {
        Change *c = allocate(sizeof(*c));

        *c = (Change) { .offset = offset, .n = n };
        if (data) {
                c->data = allocate(n);
                memcpy(c->data, data, n);
        }
        if (!d->changes)
                d->changes_end = &d->changes;
        *d->changes_end = c;
        d->changes_end = &c->next;
}

/* --- faults --- */

enum {
        READS = 1,
        CHANGES = 2,
        GROWS = 4
};

/* Whether this call fails. */
static bool fails(int kind) {
        if (dead)
                return true;
        switch (armed) {
        case VFS_IO_ERROR:
        case VFS_IO_ERRORS:
                break;
        case VFS_DISK_FULL:
                if (!(kind & GROWS))
                        return false;
                break;
        case VFS_POWER_CUT:
                if (!(kind & CHANGES))
                        return false;
                break;
        default:
                return false;
        }
        if (countdown > 1) {
                countdown--;
                return false;
        }
        if (countdown == 0)
                return armed == VFS_IO_ERRORS || armed == VFS_DISK_FULL;
        countdown = 0;
        fired = true;
        dead = armed == VFS_POWER_CUT;
        return true;
}

void vfs_arm(VfsFault fault, unsigned n) {
        armed = fault;
        countdown = n;
        fired = false;
}

bool vfs_disarm(void) {
        armed = VFS_NO_FAULT;
        return fired;
}

/* --- methods of a file --- */

static Disk *disk_of(sqlite3_file *f) {
        return ((Handle *) f)->disk;
}

static int vfs_close(sqlite3_file *f) {
        Handle *h = (Handle *) f;

        if (h->anonymous) {
                forget_changes(h->disk);
                free(h->disk->live.p);
                free(h->disk->durable.p);
                *h->disk = (Disk) {};
        }
        return SQLITE_OK;
}

static int vfs_read(sqlite3_file *f, void *p, int n, sqlite3_int64 offset) {
        Disk *d = disk_of(f);
        size_t there;

        if (fails(READS))
                return SQLITE_IOERR_READ;
        there = (size_t) offset < d->live.n ? MIN((size_t) n, d->live.n - (size_t) offset) : 0;
        if (there > 0)
                memcpy(p, d->live.p + offset, there);
        memset((char *) p + there, 0, (size_t) n - there);
        return there < (size_t) n ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int vfs_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset) {
        Disk *d = disk_of(f);
        bool grows = (size_t) offset + (size_t) n > d->live.n, was_dead = dead;

        if (fails(CHANGES | (grows ? GROWS : 0))) {
                /* The write at which the power goes is on its way to the disk as well. */
                if (dead && !was_dead)
                        add_change(d, (size_t) offset, p, (size_t) n);
                return armed == VFS_DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
        }
        put(&d->live, (size_t) offset, p, (size_t) n);
        add_change(d, (size_t) offset, p, (size_t) n);
        return SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *f, sqlite3_int64 size) {
        Disk *d = disk_of(f);

        if (fails(CHANGES))
                return SQLITE_IOERR_TRUNCATE;
        resize(&d->live, (size_t) size);
        add_change(d, (size_t) size, NULL, 0);
        return SQLITE_OK;
}

static int vfs_sync(sqlite3_file *f, int flags) {
        Disk *d = disk_of(f);

        if (fails(CHANGES))
                return SQLITE_IOERR_FSYNC;
        copy(&d->durable, &d->live);
        d->durable_exists = true;
        forget_changes(d);
        return SQLITE_OK;
}

static int vfs_file_size(sqlite3_file *f, sqlite3_int64 *ret) {
        if (fails(READS))
                return SQLITE_IOERR_FSTAT;
        *ret = (sqlite3_int64) disk_of(f)->live.n;
        return SQLITE_OK;
}

static int vfs_lock(sqlite3_file *f, int level) {
        return dead ? SQLITE_IOERR_LOCK : SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *f, int level) {
        return SQLITE_OK;
}

static int vfs_check_lock(sqlite3_file *f, int *ret) {
        *ret = 0;
        return SQLITE_OK;
}

static int vfs_control(sqlite3_file *f, int op, void *arg) {
        return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *f) {
        return SECTOR;
}

/* As SQLite's own VFS says of every disk. */
static int vfs_characteristics(sqlite3_file *f) {
        return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static int vfs_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **ret) {
        Disk *d = disk_of(f);

        assert(region < REGIONS_MAX);
        if (!d->regions[region] && extend) {
                if (fails(CHANGES))
                        return SQLITE_IOERR_SHMMAP;
                d->regions[region] = allocate((size_t) size);
        }
        *ret = d->regions[region];
        return SQLITE_OK;
}

static int vfs_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
        return dead ? SQLITE_IOERR_SHMLOCK : SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *f) {
}

static void forget_regions(Disk *d) {
        for (size_t i = 0; i < REGIONS_MAX; i++) {
                free(d->regions[i]);
                d->regions[i] = NULL;
        }
}

static int vfs_shm_unmap(sqlite3_file *f, int delete) {
        forget_regions(disk_of(f));
        return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = vfs_close,
        .xRead = vfs_read,
        .xWrite = vfs_write,
        .xTruncate = vfs_truncate,
        .xSync = vfs_sync,
        .xFileSize = vfs_file_size,
        .xLock = vfs_lock,
        .xUnlock = vfs_unlock,
        .xCheckReservedLock = vfs_check_lock,
        .xFileControl = vfs_control,
        .xSectorSize = vfs_sector_size,
        .xDeviceCharacteristics = vfs_characteristics,
        .xShmMap = vfs_shm_map,
        .xShmLock = vfs_shm_lock,
        .xShmBarrier = vfs_shm_barrier,
        .xShmUnmap = vfs_shm_unmap,
};

/* --- methods of the disk --- */

static Disk *find(const char *name) {
        for (size_t i = 0; name && i < FILES_MAX; i++)
                if (disks[i].name[0] && strcmp(disks[i].name, name) == 0)
                        return &disks[i];
        return NULL;
}

static Disk *add(const char *name) {
        for (size_t i = 0; i < FILES_MAX; i++)
                if (!disks[i].name[0]) {
                        disks[i] = (Disk) {};
                        strncpy(disks[i].name, name ? name : "(temporary)", sizeof(disks[i].name) - 1);
                        return &disks[i];
                }
        assert(false);
        return NULL;
}

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags) {
        Handle *h = (Handle *) f;
        Disk *d = find(name);

        memset(h, 0, sizeof(*h));
        if ((!d || !d->exists) && !(flags & SQLITE_OPEN_CREATE) && !(flags & SQLITE_OPEN_MAIN_DB))
                return SQLITE_CANTOPEN;
        if (fails(d && d->exists ? READS : CHANGES))
                return SQLITE_IOERR;
        if (!d)
                d = add(name);
        d->exists = true;
        h->base.pMethods = &methods;
        h->disk = d;
        h->anonymous = !name;
        if (ret_flags)
                *ret_flags = flags;
        return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync) {
        Disk *d = find(name);

        if (!d || !d->exists)
                return SQLITE_IOERR_DELETE_NOENT;
        if (fails(CHANGES))
                return SQLITE_IOERR_DELETE;
        d->exists = false;
        resize(&d->live, 0);
        if (sync) {
                d->durable_exists = false;
                forget_changes(d);
        }
        return SQLITE_OK;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret) {
        Disk *d = find(name);

        if (fails(READS))
                return SQLITE_IOERR_ACCESS;
        /* As SQLite's own VFS: an empty file passes for a missing one. */
        *ret = d && d->exists && (flags != SQLITE_ACCESS_EXISTS || d->live.n > 0);
        return SQLITE_OK;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *name, int n, char *ret) {
        sqlite3_snprintf(n, ret, "%s", name);
        return SQLITE_OK;
}

static int vfs_randomness(sqlite3_vfs *vfs, int n, char *ret) {
        return system_vfs->xRandomness(system_vfs, n, ret);
}

static int vfs_sleep(sqlite3_vfs *vfs, int usec) {
        return usec;
}

static int vfs_time(sqlite3_vfs *vfs, double *ret) {
        return system_vfs->xCurrentTime(system_vfs, ret);
}

static int vfs_time64(sqlite3_vfs *vfs, sqlite3_int64 *ret) {
        return system_vfs->xCurrentTimeInt64(system_vfs, ret);
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *ret) {
        return 0;
}

void vfs_register(void) {
        static sqlite3_vfs vfs = {
                .iVersion = 2,
                .szOsFile = sizeof(Handle),
                .mxPathname = 255,
                .zName = "faulty",
                .xOpen = vfs_open,
                .xDelete = vfs_delete,
                .xAccess = vfs_access,
                .xFullPathname = vfs_full_pathname,
                .xRandomness = vfs_randomness,
                .xSleep = vfs_sleep,
                .xCurrentTime = vfs_time,
                .xGetLastError = vfs_last_error,
                .xCurrentTimeInt64 = vfs_time64,
        };

        system_vfs = sqlite3_vfs_find(NULL);
        assert(sqlite3_vfs_register(&vfs, /* makeDflt= */ 1) == SQLITE_OK);
}

/* --- between connections --- */

void vfs_reset(void) {
        for (size_t i = 0; i < FILES_MAX; i++) {
                forget_changes(&disks[i]);
                forget_regions(&disks[i]);
                free(disks[i].live.p);
                free(disks[i].durable.p);
                free(disks[i].saved.p);
                disks[i] = (Disk) {};
        }
        armed = VFS_NO_FAULT;
        dead = fired = false;
}

static void set_content(Disk *d, const Bytes *content, bool exists) {
        copy(&d->live, content);
        copy(&d->durable, content);
        d->exists = d->durable_exists = exists;
        forget_changes(d);
        forget_regions(d);
}

void vfs_save(void) {
        for (size_t i = 0; i < FILES_MAX; i++) {
                Disk *d = &disks[i];

                if (!d->name[0])
                        continue;
                copy(&d->saved, &d->live);
                d->saved_exists = d->exists;
                set_content(d, &d->saved, d->saved_exists);
        }
}

void vfs_restore(void) {
        for (size_t i = 0; i < FILES_MAX; i++)
                if (disks[i].name[0])
                        set_content(&disks[i], &disks[i].saved, disks[i].saved_exists);
        armed = VFS_NO_FAULT;
        dead = fired = false;
}

/* splitmix64 (public domain). */
static uint64_t next_random(uint64_t *state) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        return z ^ z >> 31;
}

static bool chance(VfsFate fate, uint64_t *state) {
        return fate == VFS_KEEP_UNSYNCED || (fate == VFS_MIX_UNSYNCED && next_random(state) % 2 == 0);
}

/* The sectors of one write: each reached the disk, or not, or broke on the way. */
static void settle_write(Bytes *content, const Change *c, VfsFate fate, uint64_t *state) {
        for (size_t at = 0, n; at < c->n; at += n) {
                n = MIN(SECTOR - (c->offset + at) % SECTOR, c->n - at);
                if (chance(fate, state))
                        put(content, c->offset + at, c->data + at, n);
                else if (fate == VFS_MIX_UNSYNCED && next_random(state) % 4 == 0) {
                        unsigned char garbage[SECTOR];

                        for (size_t i = 0; i < n; i++)
                                garbage[i] = (unsigned char) next_random(state);
                        put(content, c->offset + at, garbage, n);
                }
        }
}

static void settle(Disk *d, VfsFate fate, uint64_t *state) {
        Bytes content = {};
        bool exists = d->durable_exists;

        copy(&content, &d->durable);
        for (const Change *c = d->changes; c; c = c->next)
                if (c->data)
                        settle_write(&content, c, fate, state);
                else if (chance(fate, state))
                        resize(&content, c->offset);
        if (exists != d->exists && chance(fate, state))
                exists = d->exists;
        if (!exists)
                resize(&content, 0);
        set_content(d, &content, exists);
        free(content.p);
}

void vfs_power_on(VfsFate fate, uint64_t seed) {
        for (size_t i = 0; i < FILES_MAX; i++)
                if (disks[i].name[0])
                        settle(&disks[i], fate, &seed);
        armed = VFS_NO_FAULT;
        dead = fired = false;
}
