/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "sandbox/container-runtime.h"
#include "unit/test.h"

TEST_MAIN()

TEST(a_runtime_that_is_old_or_says_nothing_is_refused) {
        static const struct {
                const char *said, *version, *words;
        } cases[] = {
                { "crun version 1.8.1\ncommit: f8a0\n+SYSTEMD +SELINUX", "1.8.1", NULL },
                { "crun version 1.8.2", "1.8.2", NULL },
                { "crun version 1.14.4-dirty", "1.14.4", NULL },
                { "crun version 2.0", "2.0.0", NULL },
                { "crun version 1.8", "1.8.0", "too old" },
                { "crun version 1.8.0", "1.8.0", "too old" },
                { "crun version 0.17", "0.17.0", "too old" },
                { "crun version 1", "", "does not say" },
                { "runc version 1.1.5", "", "does not say" },
                { "crun version x.y.z", "", "does not say" },
                { "", "", "does not say" },
                { NULL, "", "does not say" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char version[CONTAINER_VERSION_MAX] = "?";
                _cleanup_error_ Error *error = NULL;
                int r = container_runtime_check(cases[i].said, version, &error);

                assert_int_equal(r, cases[i].words ? -EKEYREJECTED : 0);
                assert_string_equal(version, cases[i].version);
                if (cases[i].words)
                        assert_non_null(strstr(error->message, cases[i].words));
        }
}
