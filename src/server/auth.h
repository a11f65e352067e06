/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a caller over HTTP is. */

#include "server/call.h"

/* Airbyte's life of an application's token. */
#define TOKEN_LIFETIME_SEC 900U

/* A token for client id and secret. -EKEYREJECTED, whichever of them is wrong; -EDQUOT (429) where too many
 * were wrong of late, by whomever. What is right is always taken: a secret has 256 bits, which nobody finds by
 * trying, and a lock would be a way to shut out those who have it. */
int auth_issue_token(Call *c, const char *client_id, const char *client_secret, char **ret_token);

/* Sets the call's principal by the request's Authorization header: a bearer token of ours, a session, or
 * Basic with client id and secret. -EKEYREJECTED, -EKEYEXPIRED (both 401). */
int auth_identify(Call *c, const char *authorization);
