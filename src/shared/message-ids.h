/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What journal_message() (shared/journal.h) names its messages by. Each is explained in data/gantry.catalog, and an
 * id never changes its meaning: people wait for them and count them. */

#define MESSAGE_SCHEMA_REFUSED "a698bdf3a02a4bf7bb43fee9e87156e2"
#define MESSAGE_DATABASE_DAMAGED "0a23930eff054fab968792ed4aa6017a"
#define MESSAGE_BACKUP_DONE "5132da40af5f4efebad15fd8aad80622"
#define MESSAGE_BACKUP_FAILED "d53a1241ab8e4fbaaf686ac931e84e34"
