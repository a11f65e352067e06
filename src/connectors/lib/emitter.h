/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A source's standard output: whole lines, written in large pieces, at the latest 100 ms after they were
 * made. */

#include <signal.h>

#include "connectors/lib/connector.h"

Emitter *emitter_new(int fd);
/* Writes what is left. */
Emitter *emitter_free(Emitter *e);
DEFINE_CLEANUP(Emitter, emitter_free);
int emitter_flush(Emitter *e);

/* A stream to emit records of: its prefix `{"type":"RECORD","record":{"stream":…,"namespace":…,"data":`
 * is made once. */
typedef struct EmitterStream EmitterStream;
int emitter_stream_new(Emitter *e, const char *name, const char *namespace, EmitterStream **ret);
EmitterStream *emitter_stream_free(EmitterStream *s);
DEFINE_CLEANUP(EmitterStream, emitter_stream_free);

/* Start a record; append the data object to the buffer that comes back; end it (or take it back). NULL
 * when out of memory. Writing happens in end(); its errors (-EPIPE …) end the connector. */
Buffer *emitter_record_begin(EmitterStream *s);
int emitter_record_end(EmitterStream *s);
void emitter_record_cancel(EmitterStream *s);
uint64_t emitter_stream_count(const EmitterStream *s); /* since the last state */

/* STREAM state with the count of records since the last one as sourceStats.recordCount. `state_json`: the
 * value of stream_state. */
int emitter_stream_state(EmitterStream *s, const char *state_json);
int emitter_stream_status(EmitterStream *s, StreamStatus status);
int emitter_stream_estimate(EmitterStream *s, int64_t rows, int64_t bytes);

int emitter_log(Emitter *e, const char *level, const char *format, ...) _printf_(3, 4);
/* Any other whole line, made by the message_write_* functions. */
Buffer *emitter_buffer(Emitter *e);
int emitter_maybe_flush(Emitter *e);
int64_t emitter_now_ms(Emitter *e); /* wall clock, coarse (some ms), cheap enough for every record */

/* For the frame (connector_main). Strings that must never be written in a LOG or TRACE: takes the strv
 * over; the longest are masked first, those shorter than 4 bytes not at all. */
void emitter_set_secrets(Emitter *e, char **secrets);
/* `text` with the secrets masked; NULL when out of memory. */
char *emitter_mask(const Emitter *e, const char *text);
/* Takes back a record that a failed reader left open. */
void emitter_drop_open_record(Emitter *e);
/* Once *stop is set, the end of a record, a flush or a state fails with -ECANCELED (whole lines written
 * before it). */
void emitter_set_stop(Emitter *e, const volatile sig_atomic_t *stop);
