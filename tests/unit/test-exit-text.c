/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>

#include "basic/exit-text.h"
#include "unit/test.h"

TEST_MAIN()

static void check(EnvExit e, const char *expected) {
        _cleanup_free_ char *text = exit_text(&e);

        assert_string_equal(text, expected);
}

TEST(each_end_has_its_words) {
        check((EnvExit) { .code = 3 }, "exited with code 3");
        check((EnvExit) { .code = 137 }, "exited with code 137 (killed, often for its memory)");
        check((EnvExit) { .code = -1, .signal = SIGTERM }, "was ended by signal 15, SIGTERM");
        check((EnvExit) { .code = -1, .signal = 1000 }, "was ended by signal 1000");
}

TEST(want_of_memory_names_its_limit) {
        check((EnvExit) { .code = -1, .signal = SIGKILL, .oom = true, .memory_max = 64 << 20 },
              "was killed: it needed more memory than its limit of 64 MiB");
        check((EnvExit) { .code = -1, .signal = SIGKILL, .oom = true, .memory_max = (64 << 20) + 1 },
              "was killed: it needed more memory than its limit of 65 MiB");
        check((EnvExit) { .code = -1, .signal = SIGKILL, .oom = true },
              "was killed: it needed more memory than this machine had");
        /* A limit that it kept. */
        check((EnvExit) { .code = 1, .memory_max = 64 << 20 }, "exited with code 1");
}
