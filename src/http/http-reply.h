/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Streams, as the server itself ends them. */

#include "http/http-internal.h"

/* The client has gone; nothing more is said. */
void http_stream_gone(HttpStream *s);
void http_stream_end(HttpStream *s);
