/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sync remembers between its runs, in a directory named after it:
 *
 * lock held while a run lasts state.json the state, written whole and atomically at each flush; --state
 * puts it elsewhere sync.json source and destination, generations, the catalog, and what the last good
 * run was known by
 *
 * The state is a file of its own because it is the one thing that people copy, edit and give to `read
 * --state`. It must never speak for records that are not there; so when both files change, it is written
 * first (see remember() in sync-prepare.c).
 *
 * Locks come before anything is read, and are two where the state file is somebody's own: two names that
 * share one file would each overwrite what the other has stored. Keys are 64-bit hashes that are only
 * compared; 0 is unknown and equal to nothing. A file that exists and can't be read ends the run, for a
 * sync without its memory would bring everything twice. */

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "basic/file-util.h"
#include "basic/parse-util.h"
#include "basic/path-util.h"
#include "cli/sync-store.h"
#include "runtime/runtime-paths.h"

/* States are at most 20 MB each; this bounds what a broken disk can make us read. */
#define STATE_FILE_MAX (1024U * 1024U * 1024U)
#define SYNC_FILE_MAX (256U * 1024U * 1024U)

/* Held by the open descriptor: it goes with the process, however that ends. */
static int take_lock(Env *env, const char *path, const char *what, int *ret_fd, Error **reterr_error) {
        int r = env->ops->file_lock(env, path, ret_fd);

        if (r == -EBUSY)
                return error_set(reterr_error, r, "%s is in use by another sync that runs now", what);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to lock '%s'", path);
        return 0;
}

/* A state that cannot be read is an error and never an empty one: that would read everything again, or
 * duplicate it. */
static int load_state(SyncStore *s, Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        int r;

        s->state = state_set_new();
        if (!s->state)
                return -ENOMEM;
        if (!s->keep_state || !path_exists(s->state_path))
                return 0;
        r = s->env->ops->file_read(s->env, s->state_path, STATE_FILE_MAX, &text, &n, reterr_error);
        if (r < 0)
                return r;
        s->state = state_set_free(s->state);
        r = state_set_parse(text, n, &s->state, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, -EBADMSG, "State file '%s' can't be used", s->state_path);
        return 0;
}

/* 0 is unknown, which is never equal to a key. */
static uint64_t get_key(JsonObject *o, const char *name) {
        const char *text;
        uint64_t v;

        if (json_get_string(o, name, &text, "", NULL) <= 0 || parse_u64(text, &v) < 0)
                return 0;
        return v;
}

/* A name that is used for two pairs would mix their states. */
static int check_owner(JsonObject *o, const char *name, const char *key, const char *expected,
                       Error **reterr_error) {
        const char *stored;

        if (json_get_string(o, key, &stored, "sync.json", NULL) <= 0 || streq(stored, expected))
                return 0;
        return error_set(reterr_error, -EEXIST,
                         "The sync '%s' belongs to the %s '%s', not '%s'; choose another --name", name, key, stored,
                         expected);
}

/* A first run has no such file, which is the same as one without members. */
static int load_sync(SyncStore *s, const char *name, Error **reterr_error) {
        _cleanup_free_ char *path = path_join(s->directory, "sync.json");
        _cleanup_json_ JsonObject *o = NULL;
        const char *state_file;
        JsonObject *catalog = NULL;
        int r;

        if (!path)
                return -ENOMEM;
        if (path_exists(path)) {
                r = json_parse_file(path, SYNC_FILE_MAX, &o, reterr_error);
                if (r < 0)
                        return r;
        }
        r = check_owner(o, name, "source", s->source, reterr_error);
        if (r >= 0)
                r = check_owner(o, name, "destination", s->destination, reterr_error);
        if (r >= 0)
                r = generation_set_from_json(json_member(o, "generations"), &s->generations, reterr_error);
        if (r < 0)
                return r;
        s->source_key = get_key(o, "source_key");
        s->run_key = get_key(o, "run_key");
        s->destination_key = get_key(o, "destination_key");
        s->state_moved = json_get_string(o, "state_file", &state_file, "sync.json", NULL) > 0 &&
                !streq(state_file, s->keep_state ? s->state_path : "");
        r = json_get_object(o, "catalog", &catalog, "sync.json", reterr_error);
        if (r > 0)
                r = catalog_from_json(catalog, &s->catalog, reterr_error);
        return r < 0 ? error_prefix(reterr_error, r, "'%s'", path) : 0;
}

static int prepare_paths(SyncStore *s, const char *name, const char *state_path, Error **reterr_error) {
        _cleanup_free_ char *base = NULL;
        int r;

        r = runtime_state_dir(&base);
        if (r < 0)
                return error_set(reterr_error, r, "No directory for states: set XDG_STATE_HOME or HOME");
        if (asprintf(&s->directory, "%s/syncs/%s", base, name) < 0)
                return -ENOMEM;
        r = mkdir_parents(s->directory, 0700);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to make '%s'", s->directory);
        /* A link stays one, and two names of one file are one file. */
        s->state_path = state_path ? realpath(state_path, NULL) ?: path_absolute(state_path)
                                   : path_join(s->directory, "state.json");
        return s->state_path ? 0 : -ENOMEM;
}

/* A state file of the person's own may be shared by two names, so it has a lock of its own. */
static int take_locks(SyncStore *s, const char *name, bool own_state_file, Error **reterr_error) {
        _cleanup_free_ char *lock = path_join(s->directory, "lock"), *what = NULL, *state_lock = NULL;
        int r;

        if (!lock || asprintf(&what, "The sync '%s'", name) < 0)
                return -ENOMEM;
        r = take_lock(s->env, lock, what, &s->lock_fd, reterr_error);
        if (r < 0 || own_state_file || !s->keep_state)
                return r;
        free(TAKE_PTR(what));
        if (asprintf(&state_lock, "%s.lock", s->state_path) < 0 || asprintf(&what, "State file '%s'",
                s->state_path) < 0)
                return -ENOMEM;
        return take_lock(s->env, state_lock, what, &s->state_lock_fd, reterr_error);
}

int sync_store_open(Env *env, const char *name, const char *source, const char *destination,
                    const char *state_path,
                    bool keep_state, SyncStore **ret, Error **reterr_error) {
        _cleanup_(sync_store_freep) SyncStore *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        *s = (SyncStore) { .env = env, .lock_fd = -EBADF, .state_lock_fd = -EBADF, .keep_state = keep_state,
                           .source = strdup(source), .destination = strdup(destination) };
        if (!s->source || !s->destination)
                return -ENOMEM;
        r = prepare_paths(s, name, state_path, reterr_error);
        if (r >= 0)
                r = take_locks(s, name, !state_path, reterr_error);
        if (r >= 0)
                r = load_state(s, reterr_error);
        if (r >= 0)
                r = load_sync(s, name, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(s);
        return 0;
}

SyncStore *sync_store_free(SyncStore *s) {
        if (!s)
                return NULL;
        env_close(s->env, s->lock_fd);
        env_close(s->env, s->state_lock_fd);
        state_set_free(s->state);
        generation_set_free(s->generations);
        catalog_free(s->catalog);
        free(s->directory);
        free(s->state_path);
        free(s->source);
        free(s->destination);
        free(s);
        return NULL;
}

int sync_store_write_state(SyncStore *s, Error **reterr_error) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (!s->keep_state)
                return 0;
        r = state_set_append(s->state, &b);
        if (r < 0)
                return r;
        return s->env->ops->file_replace(s->env, s->state_path, buffer_bytes(&b), b.len, 0600, reterr_error);
}

int sync_store_put_states(SyncStore *s, const StateSet *changed, Error **reterr_error) {
        int r = state_set_merge(s->state, changed, reterr_error);

        return r < 0 ? r : sync_store_write_state(s, reterr_error);
}

static int add_key(JsonObject *o, const char *name, uint64_t key) {
        char text[24];

        /* As a string: JSON readers lose integers beyond 2^53. */
        (void) snprintf(text, sizeof(text), "%" PRIu64, key);
        return json_add_string(o, name, text);
}

static int sync_to_json(const SyncStore *s, JsonObject **ret) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        JsonObject *generations = NULL, *catalog = NULL;
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "state_file", s->keep_state ? s->state_path : "");
        if (r >= 0)
                r = json_add_string(o, "source", s->source);
        if (r >= 0)
                r = json_add_string(o, "destination", s->destination);
        if (r >= 0)
                r = generation_set_to_json(s->generations, &generations);
        if (r >= 0)
                r = json_add(o, "generations", generations);
        if (r >= 0)
                r = add_key(o, "source_key", s->source_key);
        if (r >= 0)
                r = add_key(o, "run_key", s->run_key);
        if (r >= 0)
                r = add_key(o, "destination_key", s->destination_key);
        if (r >= 0 && s->catalog) {
                r = catalog_to_json(s->catalog, &catalog);
                if (r >= 0)
                        r = json_add(o, "catalog", catalog);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

int sync_store_save(SyncStore *s, Error **reterr_error) {
        _cleanup_free_ char *path = path_join(s->directory, "sync.json"), *text = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = sync_to_json(s, &o);
        if (r < 0)
                return r;
        text = json_to_string(o);
        if (!path || !text)
                return -ENOMEM;
        return s->env->ops->file_replace(s->env, path, text, strlen(text), 0600, reterr_error);
}

/* The last word of a reference, letters and digits only. */
static int append_short(Buffer *b, const char *reference) {
        const char *start = path_basename(reference), *colon = strrchr(start, ':');
        int r = 0;

        if (colon)
                start = colon + 1;
        for (size_t n = 0; r >= 0 && start[n] && n < 40 && start[n] != '=' && start[n] != '?'; n++)
                r = buffer_append_char(b, isalnum((unsigned char) start[n]) ? start[n] : '-');
        return r;
}

/* Readable for people, and different for different configurations by its key. */
int sync_store_default_name(const char *source, const char *destination, uint64_t key, char **ret) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = append_short(&b, source);
        if (r >= 0)
                r = buffer_append_char(&b, '_');
        if (r >= 0)
                r = append_short(&b, destination);
        if (r >= 0)
                r = buffer_appendf(&b, "_%016" PRIx64, key);
        if (r < 0)
                return r;
        *ret = buffer_steal_string(&b);
        return *ret ? 0 : -ENOMEM;
}
