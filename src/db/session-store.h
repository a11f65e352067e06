/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sessions of the web UI and one-time links, by the hash of their token. Written by gantry-server. */

#include "db/db.h"
#include "model/principal.h"

int session_store_insert(Db *db, const Session *s, usec_t now, Error **reterr_error);
/* -ENOENT: unknown or expired. */
int session_store_get(Db *db, const Blob *token_hash, usec_t now, Session **ret, Error **reterr_error);
/* The same, and deletes it: a link is good once, whoever asks at the same moment. */
int session_store_take(Db *db, const Blob *token_hash, usec_t now, Session **ret, Error **reterr_error);
int session_store_extend(Db *db, const Blob *token_hash, usec_t expires_at, Error **reterr_error);
/* A missing one is no error. */
int session_store_delete(Db *db, const Blob *token_hash, Error **reterr_error);
int session_store_delete_of(Db *db, PrincipalKind kind, const char *principal_id, Error **reterr_error);
/* Deletes up to `limit` expired ones; returns how many. */
int session_store_prune(Db *db, usec_t now, size_t limit, Error **reterr_error);
