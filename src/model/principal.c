/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "model/principal.h"
#include "model/model-table.h"

DEFINE_NAMES(PrincipalKind, principal_kind, "principal kind", _PRINCIPAL_KIND_MAX,
        [PRINCIPAL_APPLICATION] = "application",
        [PRINCIPAL_UID] = "uid");

DEFINE_NAMES(Role, role, "role", _ROLE_MAX,
        [ROLE_READER] = "reader",
        [ROLE_RUNNER] = "runner",
        [ROLE_EDITOR] = "editor",
        [ROLE_ADMIN] = "admin");

DEFINE_NAMES(SessionKind, session_kind, "session kind", _SESSION_KIND_MAX,
        [SESSION_COOKIE] = "cookie",
        [SESSION_LINK] = "link");

DEFINE_MODEL(Application, application,
        FIELD_TEXT_OF(Application, id),
        FIELD_TEXT_OF(Application, name),
        FIELD_TEXT_OF(Application, client_id),
        FIELD_BLOB_OF(Application, secret_hash),
        FIELD_BLOB_OF(Application, sealed_secret),
        FIELD_TIME_OF(Application, created_at));

DEFINE_MODEL(Permission, permission,
        FIELD_TEXT_OF(Permission, id),
        FIELD_NAMED(Permission, principal_kind, principal_kind_names),
        FIELD_TEXT_OF(Permission, principal_id),
        FIELD_NAMED(Permission, role, role_names),
        FIELD_TEXT_OF(Permission, workspace_id),
        FIELD_TIME_OF(Permission, created_at));

DEFINE_MODEL(Session, session,
        FIELD_BLOB_OF(Session, token_hash),
        FIELD_NAMED(Session, kind, session_kind_names),
        FIELD_NAMED(Session, principal_kind, principal_kind_names),
        FIELD_TEXT_OF(Session, principal_id),
        FIELD_TIME_OF(Session, created_at),
        FIELD_TIME_OF(Session, expires_at));

DEFINE_MODEL(Secret, secret,
        FIELD_TEXT_OF(Secret, id),
        FIELD_TEXT_OF(Secret, workspace_id),
        FIELD_TEXT_OF(Secret, owner_id),
        FIELD_BLOB_OF(Secret, sealed),
        FIELD_TIME_OF(Secret, created_at),
        FIELD_TIME_OF(Secret, updated_at));
