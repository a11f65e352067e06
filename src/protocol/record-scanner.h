/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The hot path: bytes of a connector's stdout in, lines and their envelopes out, no tree built, nothing copied.
 *
 *   LineReader   splits a byte stream at newlines and remembers how far it has looked, so that a line that arrives in
 *                a thousand pieces is searched once.
 *   Envelope     what the platform must know of one line: its type, for a RECORD the stream and where its data lies.
 *   RecordScanner finds the envelope; lines of a shape that it has seen are recognised by comparing bytes, all others
 *                are walked with basic/json-scan.h. Both ways give the same answer on every input (differential fuzz
 *                target). */

#include "basic/buffer.h"
#include "basic/json-scan.h"

/* Airbyte's platform takes lines up to 20,000,000 characters; ours includes the newline. */
#define PROTOCOL_LINE_MAX (20U * 1024U * 1024U)

typedef struct LineReader {
        Buffer buffer;
        size_t scanned; /* no newline in the first `scanned` bytes of the buffer */
        size_t max;     /* of a line, newline included */
        uint64_t n_lines; /* those that were too long among them */
        bool dropping;    /* the line at the front is too long: its bytes go unseen */
} LineReader;

void line_reader_init(LineReader *r, size_t max);
void line_reader_done(LineReader *r);

/* Where to read() at least `n` bytes to; then line_reader_commit(). NULL when out of memory. */
char *line_reader_reserve(LineReader *r, size_t n);
void line_reader_commit(LineReader *r, size_t n);

/* The next whole line, without its newline (a CR before it is kept); valid until the next reserve.
 * Returns 1, 0 when no whole line is there, -EMSGSIZE when the line is longer than the limit: the bytes
 * of that line are then dropped up to its newline (across calls, in bounded memory), and the following
 * lines are found again. */
int line_reader_next(LineReader *r, JsonSlice *ret_line);

/* At the end of input: 1 and the last line if it had no newline, 0 if there is nothing. */
int line_reader_rest(LineReader *r, JsonSlice *ret_line);

typedef enum MessageType {
        MESSAGE_RECORD,
        MESSAGE_STATE,
        MESSAGE_LOG,
        MESSAGE_TRACE,
        MESSAGE_CONTROL,
        MESSAGE_SPEC,
        MESSAGE_CONNECTION_STATUS,
        MESSAGE_CATALOG,
        MESSAGE_DESTINATION_CATALOG,
        _MESSAGE_TYPE_MAX,
        _MESSAGE_TYPE_INVALID = -EINVAL,
} MessageType;

const char *message_type_to_string(MessageType t);

typedef struct Envelope {
        MessageType type;
        JsonSlice line;
        JsonSlice payload; /* the object below "record", "state", "connectionStatus", … */

        /* RECORD only. Slices of text are still escaped (between their quotes); p is NULL where the
         * member is absent or null. */
        JsonSlice stream;
        JsonSlice namespace;
        JsonSlice data;       /* the object, with its braces */
        JsonSlice emitted_at; /* the number */
        JsonSlice meta;       /* the object */
        unsigned shape;       /* lines of one shape differ in data and emitted_at only; 0 = not recognised */
} Envelope;

/* Envelope.shape is less than this, so that it can index an array. A scanner never uses a number for two
 * forms. */
#define RECORD_SHAPES_MAX 16384U

typedef struct RecordScanner RecordScanner;

RecordScanner *record_scanner_new(void);
RecordScanner *record_scanner_free(RecordScanner *s);
DEFINE_CLEANUP(RecordScanner, record_scanner_free);

/* Finds the envelope of one line. 0; -EBADMSG when the line is not a JSON object as far as looked (data
 * of a RECORD is not validated here, its reader does that); -ENOMSG when it is one without a known "type"
 * and payload: both are lines that the platform logs and drops. A RECORD without stream, data or
 * emitted_at is -EBADMSG. */
int record_scanner_scan(RecordScanner *s, JsonSlice line, Envelope *ret);

/* line_reader_next() and record_scanner_scan() in one call: a line of the form of the one before is found
 * and recognised in one walk. Returns 1 and the envelope; 0, or -EMSGSIZE, as the one; what the other
 * returns below 0, then with ret->line alone. */
int record_scanner_next(RecordScanner *s, LineReader *r, Envelope *ret);

/* Lines that follow each other and have one form. */
typedef struct RecordRun {
        JsonSlice lines; /* all of them, each with its newline */
        uint64_t n, n_data; /* how many; the bytes of their data objects together */
} RecordRun;

/* For whoever passes records on as they are: takes the lines that follow the one that was found last and
 * have its form, at most `max`, without an envelope for each. True where there was any; what ends the run
 * is left for record_scanner_next(). Between the two calls nothing else may be asked of scanner or
 * reader. */
bool record_scanner_run(RecordScanner *s, LineReader *r, uint64_t max, RecordRun *ret);

/* record_scanner_scan() without the fast path, for tests and fuzzing. */
int envelope_parse(JsonSlice line, Envelope *ret);
