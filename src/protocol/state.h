/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* STATE messages and the set of states of one connection.
 *
 * A state's bytes are the connector's: they are carried, stored and given back exactly as they came
 * (numbers of any size included); the platform only adds an "id" member and reads the descriptor and the
 * counts. */

#include "protocol/catalog.h"
#include "protocol/record-scanner.h"

typedef enum StateType {
        STATE_LEGACY,
        STATE_STREAM,
        STATE_GLOBAL,
        _STATE_TYPE_MAX,
        _STATE_TYPE_INVALID = -EINVAL,
} StateType;
const char *state_type_to_string(StateType t);

typedef struct StateStats {
        bool present;
        double record_count;
        double rejected_record_count;
} StateStats;

typedef struct StateMessage {
        StateType type;
        char *stream_name, *stream_namespace; /* STREAM only */
        StateStats source_stats, destination_stats;
        bool has_id;
        int64_t id;
        /* the payload (the object below "state") without "id" and "destinationStats"; members byte for byte but for
         * line breaks between their tokens */
        char *json;
        size_t n_json;
} StateMessage;

void state_message_done(StateMessage *m);

/* Reads a STATE payload. Errors say what is wrong: unknown type, STREAM without descriptor, GLOBAL
 * without states. */
int state_message_parse(JsonSlice payload, StateMessage *ret, Error **reterr_error);

/* Appends a STATE line: the payload of `m` with the id and (where present) the destination's counts put
 * in (a negative id: none). Counts are written with a decimal point, as the protocol wants. With `name`
 * given, the descriptor's stream name and namespace are replaced (namespace mapping); NULL keeps them. */
int state_message_write(Buffer *b, const StateMessage *m, int64_t id, const StateStats *destination_stats,
                        const char *name, const char *namespace);

/* The last state of each stream, or the one GLOBAL or LEGACY state, of a connection. */
typedef struct StateSet StateSet;

StateSet *state_set_new(void);
StateSet *state_set_free(StateSet *s);
DEFINE_CLEANUP(StateSet, state_set_free);
#define _cleanup_state_set_ _cleanup_(state_set_freep)

/* Replaces the state of the stream (or the global one). -EINVAL when the kind differs from what is there.
 * The message is copied. */
int state_set_put(StateSet *s, const StateMessage *m, Error **reterr_error);

/* Puts every state of `from` into `s`. A LEGACY state gives way to those of another kind. */
int state_set_merge(StateSet *s, const StateSet *from, Error **reterr_error);

/* Removes a stream's state; with a GLOBAL state, that stream's entry in it. */
int state_set_remove(StateSet *s, const char *namespace, const char *name);
bool state_set_is_empty(const StateSet *s);

/* The state of a stream as JSON text: the value of "stream_state" (of GLOBAL: the stream's entry). NULL
 * when absent. */
const char *state_set_get_stream(const StateSet *s, const char *namespace, const char *name, size_t *ret_n);
/* GLOBAL's "shared_state" or LEGACY's "data"; NULL when absent. */
const char *state_set_get_shared(const StateSet *s, size_t *ret_n);
StateType state_set_type(const StateSet *s); /* _STATE_TYPE_INVALID while empty */

/* The array of AirbyteStateMessage that `read --state` takes; elements may be whole STATE messages, or
 * have the form that Airbyte's UI shows. A single message and a LEGACY blob (an object without a state's
 * "type") are taken too. */
int state_set_parse(const char *p, size_t n, StateSet **ret, Error **reterr_error);
int state_set_append(const StateSet *s, Buffer *b);
/* What `read --state` is given: the array, but of a LEGACY state its data alone, as Airbyte's platform does it
 * and connectors of that age expect it. */
int state_set_append_for_read(const StateSet *s, Buffer *b);
