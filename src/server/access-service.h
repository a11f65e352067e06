/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Applications (API clients) and permissions: who may do what. All for admins of the instance, but that a
 * principal may look at itself. */

#include "db/application-store.h"
#include "db/permission-store.h"
#include "server/list-service.h"

int application_service_list(Call *c, ApplicationArray *ret);
int application_service_get(Call *c, const char *id, Application **ret);
/* `*ret_secret` is shown this once: only its hash is stored. The new application may do what its maker
 * may: admin of the instance. */
int application_service_create(Call *c, JsonObject *body, Application **ret, char **ret_secret);
int application_service_delete(Call *c, const char *id);
/* Client id and secret of the application that the bootloader made, the only one whose secret is kept
 * (sealed). -ENOENT: it was deleted. Who may ask is for the caller to judge. */
int application_service_credentials(Call *c, char **ret_client_id, char **ret_secret);
/* The ETag of an answer that shows it. */
int application_show_edition(Call *c, const Application *a);
/* `secret` NULL: a mask. */
int application_view(const Application *a, const char *secret, JsonObject **ret);

int permission_service_list(Call *c, PermissionArray *ret);
int permission_service_get(Call *c, const char *id, Permission **ret);
/* {permissionType, userId, workspaceId | organizationId}. */
int permission_service_create(Call *c, JsonObject *body, Permission **ret);
int permission_service_update(Call *c, const char *id, JsonObject *body, Permission **ret);
int permission_service_delete(Call *c, const char *id);
/* As of applications. */
int permission_show_edition(Call *c, const Permission *p);
int permission_view(const Permission *p, JsonObject **ret);
