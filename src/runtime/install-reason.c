/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "runtime/install-reason.h"

#define NO_SPACE "There is no space left to install to"
#define NO_NETWORK "The package index can't be reached"
#define NO_PACKAGE "The package index has no such package"
#define NO_VERSION "The package index has no such version"

/* In the order of what explains most; words as uv 0.13, pip 23 and npm 9 say them. */
static const InstallReason reasons[] = {
        { "No space left on device", -ENOSPC, NO_SPACE },
        { "ENOSPC", -ENOSPC, NO_SPACE },
        { "Disk quota exceeded", -ENOSPC, NO_SPACE },
        { "Failed to establish a new connection", -ENETUNREACH, NO_NETWORK },
        { "Temporary failure in name resolution", -ENETUNREACH, NO_NETWORK },
        { "error sending request", -ENETUNREACH, NO_NETWORK },
        { "dns error", -ENETUNREACH, NO_NETWORK },
        { "client error (Connect)", -ENETUNREACH, NO_NETWORK },
        { "Connection refused", -ENETUNREACH, NO_NETWORK },
        { "Network is unreachable", -ENETUNREACH, NO_NETWORK },
        { "Read timed out", -ENETUNREACH, NO_NETWORK },
        { "ECONNREFUSED", -ENETUNREACH, NO_NETWORK },
        { "ENOTFOUND", -ENETUNREACH, NO_NETWORK },
        { "EAI_AGAIN", -ENETUNREACH, NO_NETWORK },
        { "ETIMEDOUT", -ENETUNREACH, NO_NETWORK },
        { "hash mismatch", -EBADMSG, "A file of the package index is not the one that the index announces" },
        { "DO NOT MATCH THE HASHES", -EBADMSG, "A file of the package index is not the one that the index announces" },
        { "EINTEGRITY", -EBADMSG, "A file of the package index is not the one that the index announces" },
        { "there is no version of", -ENOENT, NO_VERSION },
        { "ETARGET", -ENOENT, NO_VERSION },
        { "was not found in the package registry", -ENOENT, NO_PACKAGE },
        { "E404", -ENOENT, NO_PACKAGE },
        { "(from versions: none)", -ENOENT, NO_PACKAGE },
        { "No matching distribution found", -ENOENT, NO_VERSION },
};

const InstallReason *install_reason_find(const char *output) {
        for (size_t i = 0; i < ELEMENTSOF(reasons); i++)
                if (strcasestr(output, reasons[i].words))
                        return &reasons[i];
        return NULL;
}
