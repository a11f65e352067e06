/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "shared/exit-codes.h"

int exit_code_from_errno(int r) {
        switch (-r) {
        case ENOENT:
                return EXIT_NOT_FOUND;
        case EACCES:
        case EPERM:
                return EXIT_DENIED;
        case EBUSY:
        case EAGAIN:
                return EXIT_TRY_AGAIN;
        case EINVAL:
        case EBADMSG:
                return EXIT_CONFIGURATION;
        case ECANCELED:
                return EXIT_CANCELLED;
        default:
                return EXIT_FAILED;
        }
}
