/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The form of a RECORD line: all its bytes but two holes, the data and the digits of emitted_at. A line
 * that has the same bytes around a whole object and a whole number is the same message with other data,
 * so its envelope is known without walking it. Why that is so is argued in docs/PROTOCOL.md, "The fast
 * path". */

#include "protocol/record-scanner.h"

/* Longer forms are not worth their memory: such lines are walked. */
#define RECORD_TEMPLATE_BYTES_MAX 4096U

typedef struct RecordTemplate RecordTemplate;

/* The form of the line that `e` was parsed from. 0 and the template; -ENOENT when the line has no form
 * that could be recognised; -ENOMEM. */
int record_template_new(const Envelope *e, unsigned shape, RecordTemplate **ret);
RecordTemplate *record_template_free(RecordTemplate *t);
DEFINE_CLEANUP(RecordTemplate, record_template_free);

/* True, and the envelope that envelope_parse() would find, when `line` has this form. */
bool record_template_match(const RecordTemplate *t, JsonSlice line, Envelope *ret);

/* The same where `text` goes on behind its first newline: of the line up to there. */
bool record_template_match_first(const RecordTemplate *t, JsonSlice text, Envelope *ret);

/* The lines at the start of `text` that have this form and whose newline is there: at most `max`, none of
 * `line_max` bytes or more. */
RecordRun record_template_run(const RecordTemplate *t, JsonSlice text, size_t line_max, uint64_t max);

/* How many bytes the template holds. */
size_t record_template_bytes(const RecordTemplate *t);

/* A number that is equal for lines of equal form, for finding the template of a line that was walked
 * before. */
uint64_t record_template_hash(const Envelope *e);
