/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every destination adds to a record: `_airbyte_raw_id`, `_airbyte_extracted_at`, `_airbyte_meta` and
 * `_airbyte_generation_id`. Made for each record, so without printf and with few system calls. */

#include "connectors/lib/destination.h"

#define RAW_ID_LENGTH 36U
#define STAMP_TIME_MAX 40U

#define COLUMN_RAW_ID "_airbyte_raw_id"
#define COLUMN_EXTRACTED_AT "_airbyte_extracted_at"
#define COLUMN_META "_airbyte_meta"
#define COLUMN_GENERATION_ID "_airbyte_generation_id"

typedef struct RecordStamp {
        uint8_t random[4080]; /* drawn in one call, 10 bytes an id */
        size_t random_left;
        int64_t second; /* the one that `time` is of */
        char time[STAMP_TIME_MAX];
        size_t n_time;
} RecordStamp;

/* A new UUID version 7. -EIO … when the kernel gives no randomness. */
int record_stamp_id(RecordStamp *s, char out[static RAW_ID_LENGTH]);

/* "2023-11-14T22:13:20.000Z": sorts by time as text. Valid until the next call. */
JsonSlice record_stamp_time(RecordStamp *s, int64_t ms);

/* Appends `{"sync_id":…,"changes":[…]}`: the source's changes, then ours (`own`: the inside of an array,
 * may be empty). Without a sync id in the catalog the member is left out. */
int record_meta_append(Buffer *b, const ConfiguredStream *stream, JsonSlice source_changes, JsonSlice own);

/* Appends one change that nulled a field because its value is not of the column's type. */
int record_change_append(Buffer *own, const char *field);
