/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "shared/memfd.h"
#include "unit/test.h"

TEST_MAIN()

TEST(a_text_comes_back_whatever_the_offset) {
        _cleanup_close_ int fd = memfd_new("test", "hello", 5);
        _cleanup_free_ char *text = NULL;
        size_t n = 0;

        ASSERT_OK(fd);
        ASSERT_OK((int) lseek(fd, 3, SEEK_SET));
        ASSERT_OK(memfd_read(fd, 5, &text, &n, NULL));
        assert_int_equal(n, 5);
        assert_string_equal(text, "hello");
}

TEST(an_empty_text_is_one_too) {
        _cleanup_close_ int fd = memfd_new("test", NULL, 0);
        _cleanup_free_ char *text = NULL;
        size_t n = 1;

        ASSERT_OK(memfd_read(fd, 0, &text, &n, NULL));
        assert_int_equal(n, 0);
        assert_string_equal(text, "");
}

TEST(what_is_sealed_stays_as_it_is) {
        _cleanup_close_ int fd = memfd_new("test", "hello", 5);

        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
}

TEST(what_could_change_or_is_too_large_is_refused) {
        _cleanup_close_ int open_one = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING), large =
                memfd_new("test", "hello", 5), file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        _cleanup_error_ Error *error = NULL;
        char *text = NULL;
        size_t n = 0;

        assert_int_equal(pwrite(open_one, "x", 1, 0), 1);
        ASSERT_ERROR(memfd_read(open_one, 100, &text, &n, &error), EINVAL);
        ASSERT_ERROR(memfd_read(file, 100, &text, &n, &error), EINVAL);
        ASSERT_ERROR(memfd_read(large, 4, &text, &n, &error), EFBIG);
        assert_null(text);
}
