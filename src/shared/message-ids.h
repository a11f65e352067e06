/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What journal_message() (shared/journal.h) names its messages by. Each is explained in data/gantry.catalog, and an
 * id never changes its meaning: people wait for them and count them. */

#define MESSAGE_SCHEMA_REFUSED "a698bdf3a02a4bf7bb43fee9e87156e2"
#define MESSAGE_DATABASE_DAMAGED "0a23930eff054fab968792ed4aa6017a"
#define MESSAGE_BACKUP_DONE "5132da40af5f4efebad15fd8aad80622"
#define MESSAGE_BACKUP_FAILED "d53a1241ab8e4fbaaf686ac931e84e34"
#define MESSAGE_JOB_STARTED "89ac0bd17e3f4cfaad89522575c889ba"
#define MESSAGE_JOB_SUCCEEDED "4d0f441a22a84d78abf46a35842da2f7"
#define MESSAGE_JOB_FAILED "d15e225dd9bb4a46be563160b5955cde"
#define MESSAGE_JOB_CANCELLED "c2b3d55e8ef340a5869fb4410928ad95"
#define MESSAGE_ATTEMPT_FAILED "282bf826cdad42ac8c0e2967c5c58d87"
#define MESSAGE_CONNECTOR_OUT_OF_MEMORY "48730abc0a504f2fb3cddf2a8edfaee2"
#define MESSAGE_HOST_NOT_ISOLATED "e6a857c19e014997810ca4e134ec47f7"
#define MESSAGE_SECRETS_UNREADABLE "0984047d7cac41d5b7995b3d6583bf9c"
#define MESSAGE_SECRETS_RESEALED "1447fa3ae76543c3bb22124c722bb728"
