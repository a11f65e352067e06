/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd is told (sd_notify(3)), over a socket that is connected while its file can still be seen. */

#include "basic/macro.h"

/* Without a NOTIFY_SOCKET= in the environment nothing is told. */
void worker_notify_open(void);
/* A message that would have to wait is dropped: the next one is newer. */
void worker_notify(const char *format, ...) _printf_(1, 2);
