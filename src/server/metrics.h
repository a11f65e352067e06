/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Figures in Prometheus' text format, read from the database when they are asked for. */

#include "basic/buffer.h"
#include "server/server.h"

int metrics_write(Server *s, Buffer *b);
