/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A memfd can be read by whoever has it, at their own pace, and passed on without a copy; the seals make
 * it a value: neither the sender nor anybody else can change it after it was looked at. The reader asks
 * for all of them, and reads by position, for the offset is shared with the sender. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "shared/memfd.h"

/* Nothing of it may change any more, nor may the seals. */
#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

int memfd_new(const char *name, const void *p, size_t n) {
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = write_full(fd, p, n);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int memfd_read(int fd, size_t max, char **ret, size_t *ret_n, Error **reterr_error) {
        int seals = fcntl(fd, F_GET_SEALS);
        _cleanup_free_ char *p = NULL;
        struct stat st;

        if (seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) < 0)
                return error_set(reterr_error, -EINVAL, "The descriptor is not a sealed memfd");
        if ((uint64_t) st.st_size > max)
                return error_set(reterr_error, -EFBIG, "The memfd holds %lld bytes, more than %zu",
                                 (long long) st.st_size, max);
        p = malloc((size_t) st.st_size + 1);
        if (!p)
                return -ENOMEM;
        for (size_t done = 0; done < (size_t) st.st_size;) {
                ssize_t n = pread(fd, p + done, (size_t) st.st_size - done, (off_t) done);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                done += (size_t) n;
        }
        p[st.st_size] = 0;
        *ret_n = (size_t) st.st_size;
        *ret = TAKE_PTR(p);
        return 0;
}
