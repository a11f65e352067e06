/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a sync remembers between its runs, in $XDG_STATE_HOME/gantry/syncs/NAME/:
 *
 *   lock        held while a run lasts: two runs of one name at once are refused
 *   state.json  the states that the destination has made durable (or the file given with --state)
 *   sync.json   {"source": REF, "destination": REF, "generations": […], "source_key": "…", "run_key": "…",
 *               "catalog": {…}}
 *
 * Every file is replaced atomically and synced before the call returns. */

#include "basic/env.h"
#include "protocol/state.h"
#include "worker/sync-generation.h"

typedef struct SyncStore {
        Env *env;
        char *directory, *state_path;
        int lock_fd, state_lock_fd;
        bool keep_state;
        bool state_moved; /* the run before kept its states elsewhere, or not at all */
        StateSet *state; /* what is stored, kept current by sync_store_put_states() */
        GenerationSet *generations;
        Catalog *catalog;    /* of the last discover; NULL = none */
        uint64_t source_key; /* configuration that the catalog belongs to */
        uint64_t destination_key; /* identity of the destination that the states speak of; 0 = unknown */
        uint64_t run_key;    /* both configurations of the last successful run; 0 = it wasn't */
        char *source, *destination;
} SyncStore;

/* Opens and locks. -EBUSY when another run holds the name, -EBADMSG for a broken file (named), -EEXIST
 * when the name belongs to another pair of connectors. `state_path` NULL: the store's own. */
int sync_store_open(Env *env, const char *name, const char *source, const char *destination,
                    const char *state_path,
                    bool keep_state, SyncStore **ret, Error **reterr_error);
SyncStore *sync_store_free(SyncStore *s);
DEFINE_CLEANUP(SyncStore, sync_store_free);

/* Takes the changed states in and stores the whole durably. */
int sync_store_put_states(SyncStore *s, const StateSet *changed, Error **reterr_error);
/* Stores the states as they are in `s->state` (after streams were dropped from it). */
int sync_store_write_state(SyncStore *s, Error **reterr_error);
/* Stores sync.json. */
int sync_store_save(SyncStore *s, Error **reterr_error);

/* A name for a sync that was given none: readable, and different for different pairs and configurations. */
int sync_store_default_name(const char *source, const char *destination, uint64_t key, char **ret);
