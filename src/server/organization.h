/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one organization that there is, which clients of Airbyte's API ask for. Airbyte's own default has
 * this id. */

#define ORGANIZATION_ID "00000000-0000-0000-0000-000000000000"
#define ORGANIZATION_NAME "Default Organization"
