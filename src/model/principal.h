/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who may do what, and how they prove who they are. */

#include "model/model.h"

/* Something that holds an API client id and secret. */
typedef struct Application {
        char *id;
        char *name;
        char *client_id;
        Blob secret_hash;   /* token_hash() of the client secret */
        Blob sealed_secret; /* the secret itself; only of the first application, to be shown */
        usec_t created_at;
} Application;
DECLARE_MODEL(Application, application);

typedef enum PrincipalKind {
        PRINCIPAL_APPLICATION,
        PRINCIPAL_UID,
        _PRINCIPAL_KIND_MAX,
        _PRINCIPAL_KIND_INVALID = -EINVAL,
} PrincipalKind;
DECLARE_NAMES(PrincipalKind, principal_kind);

typedef enum Role {
        ROLE_READER, /* in rising order: each may do what the one before may */
        ROLE_RUNNER,
        ROLE_EDITOR,
        ROLE_ADMIN,
        _ROLE_MAX,
        _ROLE_INVALID = -EINVAL,
} Role;
DECLARE_NAMES(Role, role);

typedef struct Permission {
        char *id;
        PrincipalKind principal_kind;
        char *principal_id; /* application id, or the uid in decimal */
        Role role;
        char *workspace_id; /* NULL = the whole instance */
        usec_t created_at;
} Permission;
DECLARE_MODEL(Permission, permission);

typedef enum SessionKind {
        SESSION_COOKIE,
        SESSION_LINK, /* good for one login */
        _SESSION_KIND_MAX,
        _SESSION_KIND_INVALID = -EINVAL,
} SessionKind;
DECLARE_NAMES(SessionKind, session_kind);

typedef struct Session {
        Blob token_hash;
        SessionKind kind;
        PrincipalKind principal_kind;
        char *principal_id;
        usec_t created_at, expires_at;
} Session;
DECLARE_MODEL(Session, session);

/* A sealed value that a configuration refers to as {"_secret": id}. */
typedef struct Secret {
        char *id;
        char *workspace_id;
        char *owner_id; /* the actor, workspace or definition whose it is */
        Blob sealed;
        usec_t created_at, updated_at;
} Secret;
DECLARE_MODEL(Secret, secret);
