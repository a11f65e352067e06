/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Listening sockets, and connections whose head isn't whole. */

#include "http/http-internal.h"

int http_accept_new(HttpServer *s, HttpAccept **ret);
HttpAccept *http_accept_free(HttpAccept *a);
int http_accept_add_socket(HttpAccept *a, int listen_fd);
unsigned http_accept_n_pending(const HttpAccept *a);
