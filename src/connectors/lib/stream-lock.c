/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <unistd.h>

#include "basic/hash.h"
#include "connectors/lib/stream-lock.h"

/* Beyond any byte that SQLite locks (around 2^30) or a file can have. */
#define LOCK_BASE (INT64_C(1) << 61)
#define LOCK_QUEUE (LOCK_BASE - 2)
#define LOCK_TURN (LOCK_BASE - 1)
#define LOCK_FILE (LOCK_BASE - 3)

/* 60 bits: two streams that meet are refused together, which is safe. */
static int64_t stream_offset(const char *namespace, const char *name) {
        uint64_t h = hash64(HASH64_START, strempty(namespace), strlen(strempty(namespace)));

        h = hash64(h, "\xff", 1);
        h = hash64(h, name, strlen(name));
        return LOCK_BASE + (int64_t) (h >> 4);
}

/* Locks of the open file description: a second descriptor of the same process counts as another. */
static int set_lock(int fd, int command, short type, int64_t offset) {
        struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = offset, .l_len = 1 };

        while (fcntl(fd, command, &lock) < 0)
                if (errno != EINTR)
                        return -errno;
        return 0;
}

int stream_lock_take(int fd, const char *namespace, const char *name) {
        int r = set_lock(fd, F_OFD_SETLK, F_WRLCK, stream_offset(namespace, name));

        return r == -EACCES ? -EAGAIN : r;
}

int file_lock_take(int fd) {
        int r = set_lock(fd, F_OFD_SETLK, F_WRLCK, LOCK_FILE);

        return r == -EACCES ? -EAGAIN : r;
}

/* Who waits for the turn holds the queue, so that the one whose turn ended cannot take it again before. */
int stream_lock_turn_begin(int fd) {
        int r, q;

        r = set_lock(fd, F_OFD_SETLKW, F_WRLCK, LOCK_QUEUE);
        if (r < 0)
                return r;
        r = set_lock(fd, F_OFD_SETLKW, F_WRLCK, LOCK_TURN);
        q = set_lock(fd, F_OFD_SETLK, F_UNLCK, LOCK_QUEUE);
        return r < 0 ? r : q;
}

int stream_lock_turn_end(int fd) {
        return set_lock(fd, F_OFD_SETLK, F_UNLCK, LOCK_TURN);
}
