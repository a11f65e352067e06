/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "sandbox/container-runtime.h"

int container_runtime_check(const char *said, char ret_version[static CONTAINER_VERSION_MAX],
                            Error **reterr_error) {
        unsigned have[3] = {}, oldest[3] = {};

        ret_version[0] = 0;
        (void) sscanf(CONTAINER_RUNTIME_OLDEST, "%u.%u.%u", &oldest[0], &oldest[1], &oldest[2]);
        if (!said || sscanf(said, "crun version %9u.%9u.%9u", &have[0], &have[1], &have[2]) < 2)
                return error_set(reterr_error, -EKEYREJECTED,
                                 "'" CONTAINER_RUNTIME "', which runs containers here, does not say its version:"
                                 " 'apt install crun' brings one that does");
        (void) snprintf(ret_version, CONTAINER_VERSION_MAX, "%u.%u.%u", have[0], have[1], have[2]);
        for (size_t i = 0; i < ELEMENTSOF(oldest); i++)
                if (have[i] > oldest[i])
                        return 0;
                else if (have[i] < oldest[i])
                        return error_set(reterr_error, -EKEYREJECTED,
                                         "crun %s is too old to hold hostile images: "
                                         CONTAINER_RUNTIME_OLDEST " or later is needed", ret_version);
        return 0;
}
