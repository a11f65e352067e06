/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <unistd.h>

#include "shared/bus-sender.h"

int bus_sender_check(sd_bus_message *m, Error **reterr_error) {
        sd_bus_creds *creds = NULL;
        uid_t uid = (uid_t) -1;
        int r;

        r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
        if (r >= 0)
                r = sd_bus_creds_get_euid(creds, &uid);
        sd_bus_creds_unref(creds);
        if (r < 0)
                return r;
        if (uid != 0 && uid != geteuid())
                return error_set(reterr_error, -EACCES, "Only root and the suite's own daemons may call this");
        return 0;
}
