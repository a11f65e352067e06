/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Background validation of records against their stream's schema: samples, looked at when nothing else is
 * to do. It tells of drift between what a source declares and what it sends; it never fails or slows a
 * sync.
 *
 * The worker calls record_validator_offer() for each record as the source sent it, and
 * record_validator_work() only when a read came back empty (nothing waits at either end) and once more,
 * with a larger budget, at the end. */

#include "basic/json-scan.h"
#include "protocol/catalog.h"

/* Airbyte's worker stops looking at a stream after ten erroring records. */
#define VALIDATOR_INVALID_RECORDS_MAX 10U
#define VALIDATOR_UNEXPECTED_FIELDS_MAX 100U

typedef struct RecordValidator RecordValidator;

typedef struct RecordValidatorResult {
        uint64_t n_checked;
        uint64_t n_invalid;
        char *const *problems;          /* "/path: sentence" of the first ones, no values; NULL = none */
        char *const *unexpected_fields; /* top-level fields that the schema does not name; NULL = none */
        bool unusable_schema;           /* could not be compiled, or a check could not be decided: not looked at */
} RecordValidatorResult;

/* `selected_fields`: one strv per stream of the catalog (NULL entries and NULL: all fields); others are
 * not judged. The catalog must outlive the validator. */
int record_validator_new(const ConfiguredCatalog *catalog, char *const *const *selected_fields,
                         RecordValidator **ret);
RecordValidator *record_validator_free(RecordValidator *v);
DEFINE_CLEANUP(RecordValidator, record_validator_free);

/* The record that `n_before` of its stream came before: copied into the queue if it is to be sampled, there
 * is room and the stream is still looked at. Returns how many have come before the next one that is worth
 * offering, so that most records cost the caller a comparison. */
uint64_t record_validator_offer(RecordValidator *v, size_t stream, uint64_t n_before, JsonSlice data);

/* Checks queued records until `max_bytes` of them are done; at least one. 1 when some are left, 0 when
 * the queue is empty. */
int record_validator_work(RecordValidator *v, size_t max_bytes);

/* What was found of a stream so far; borrowed until the next call of work(). */
RecordValidatorResult record_validator_result(const RecordValidator *v, size_t stream);
