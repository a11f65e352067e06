/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Generations number the times a stream was begun from nothing. A destination that gets rows of
 * generation 7 with minimum 7 removes those of 6 and before, but only when the sync has completed: a
 * refresh that breaks off must not leave an empty table. That promise spans syncs, so `refreshing` is
 * kept with the number: it is set when older rows are to go and cleared by generation_set_complete()
 * alone.
 *
 *   id n --full refresh, refresh, clear--> id n+1 --older rows are to go--> refreshing --completed--> done
 *                                                                           |   ^
 *                   attempt failed: goes on under the same id, or, where    +---+
 *                   the source cannot resume, under a new one
 *
 * A number is never given twice, even when lists disagree, and starting over drops the stream's state
 * with it: a state of older rows beside a new generation would skip what the table no longer has. */

#include "basic/hashmap.h"
#include "worker/sync-generation.h"

typedef struct Generation {
        char *name, *namespace; /* namespace may be NULL */
        int64_t id;
        bool refreshing; /* older rows were to go, and the sync that was to replace them has not completed */
} Generation;

struct GenerationSet {
        Hashmap *generations;
};

static void generation_free(void *p) {
        Generation *g = p;

        free(g->name);
        free(g->namespace);
        free(g);
}

GenerationSet *generation_set_new(void) {
        GenerationSet *g = malloc(sizeof(GenerationSet));

        if (!g)
                return NULL;
        g->generations = hashmap_new(generation_free);
        return g->generations ? g : generation_set_free(g);
}

GenerationSet *generation_set_free(GenerationSet *g) {
        if (!g)
                return NULL;
        hashmap_free(g->generations);
        free(g);
        return NULL;
}

/* NULL and "" are the same namespace. */
/* The name of a stream as one key: the namespace with its NUL, then the name, so that ("a", "bc") and
 * ("ab", "c") differ. */
static int make_key(const char *namespace, const char *name, Buffer *ret) {
        int r = buffer_append(ret, strempty(namespace), strlen(strempty(namespace)) + 1);

        return r < 0 ? r : buffer_append_string(ret, name);
}

static Generation *find(const GenerationSet *g, const char *namespace, const char *name) {
        _cleanup_buffer_ Buffer key = {};

        if (make_key(namespace, name, &key) < 0)
                return NULL;
        return hashmap_get(g->generations, buffer_bytes(&key), key.len);
}

static int find_or_add(GenerationSet *g, const char *namespace, const char *name, Generation **ret) {
        _cleanup_buffer_ Buffer key = {};
        Generation *new;
        int r;

        r = make_key(namespace, name, &key);
        if (r < 0)
                return r;
        *ret = hashmap_get(g->generations, buffer_bytes(&key), key.len);
        if (*ret)
                return 0;
        new = calloc(1, sizeof(Generation));
        if (!new)
                return -ENOMEM;
        new->name = strdup(name);
        new->namespace = namespace && *namespace ? strdup(namespace) : NULL;
        r = !new->name || (namespace && *namespace && !new->namespace)
                ? -ENOMEM
                : hashmap_put(g->generations, buffer_bytes(&key), key.len, new);
        if (r < 0) {
                generation_free(new);
                return r;
        }
        *ret = new;
        return 0;
}

static int read_entry(GenerationSet *g, JsonObject *o, Error **reterr_error) {
        const char *name = NULL, *namespace = NULL;
        Generation *generation;
        int64_t id = 0;
        bool refreshing = false;
        int r;

        if (!json_object_is_type(o, json_type_object))
                return error_set(reterr_error, -EINVAL, "Generation: not an object");
        if ((r = json_get_string(o, "name", &name, "Generation", reterr_error)) < 0 ||
            (r = json_get_string(o, "namespace", &namespace, "Generation", reterr_error)) < 0 ||
            (r = json_get_i64(o, "generation_id", &id, "Generation", reterr_error)) < 0 ||
            (r = json_get_bool(o, "refreshing", &refreshing, "Generation", reterr_error)) < 0)
                return r;
        if (!name || id < 0)
                return error_set(reterr_error, -EINVAL,
                                 "Generation of stream '%s': 'name' is missing or the id negative",
                                 strempty(name));
        r = find_or_add(g, namespace, name, &generation);
        if (r < 0)
                return r;
        /* A number must never be given twice, so of two entries the higher one counts. */
        generation->id = MAX(generation->id, id);
        generation->refreshing |= refreshing;
        return 0;
}

int generation_set_from_json(JsonObject *array, GenerationSet **ret, Error **reterr_error) {
        _cleanup_(generation_set_freep) GenerationSet *g = generation_set_new();
        int r;

        if (!g)
                return -ENOMEM;
        if (array && !json_object_is_type(array, json_type_array))
                return error_set(reterr_error, -EINVAL, "Generations: not a list");
        for (size_t i = 0; array && i < json_object_array_length(array); i++) {
                r = read_entry(g, json_object_array_get_idx(array, i), reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(g);
        return 0;
}

static int write_entry(const Generation *generation, JsonObject *array) {
        _cleanup_json_ JsonObject *o = json_object_new_object();
        int r;

        if (!o)
                return -ENOMEM;
        r = json_add_string(o, "name", generation->name);
        if (r >= 0 && generation->namespace)
                r = json_add_string(o, "namespace", generation->namespace);
        if (r >= 0)
                r = json_add(o, "generation_id", json_object_new_int64(generation->id));
        if (r >= 0 && generation->refreshing)
                r = json_add(o, "refreshing", json_object_new_boolean(true));
        if (r < 0)
                return r;
        if (json_object_array_add(array, o) < 0)
                return -ENOMEM;
        o = NULL;
        return 0;
}

int generation_set_to_json(const GenerationSet *g, JsonObject **ret) {
        _cleanup_json_ JsonObject *array = json_object_new_array();
        void *value;
        size_t i = 0;

        if (!array)
                return -ENOMEM;
        while (hashmap_iterate(g->generations, &i, NULL, NULL, &value)) {
                int r = write_entry(value, array);

                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(array);
        return 0;
}

int64_t generation_set_get(const GenerationSet *g, const char *namespace, const char *name) {
        const Generation *generation = find(g, namespace, name);

        return generation ? generation->id : 0;
}

bool generation_set_is_refreshing(const GenerationSet *g, const char *namespace, const char *name) {
        const Generation *generation = find(g, namespace, name);

        return generation && generation->refreshing;
}

void generation_set_complete(GenerationSet *g, const char *namespace, const char *name) {
        Generation *generation = find(g, namespace, name);

        if (generation)
                generation->refreshing = false;
}

static int advance(Generation *generation, Error **reterr_error) {
        if (generation->id == INT64_MAX)
                return error_set(reterr_error, -ERANGE, "Stream '%s': its generation number has run out",
                                 generation->name);
        generation->id++;
        return 0;
}

int generation_set_advance(GenerationSet *g, const char *namespace, const char *name, Error **reterr_error) {
        Generation *generation;
        int r = find_or_add(g, namespace, name, &generation);

        return r < 0 ? r : advance(generation, reterr_error);
}

static StreamRefresh refresh_of(const GenerationRequest *request, size_t i) {
        return request->refresh ? request->refresh[i] : STREAM_REFRESH_NONE;
}

static bool is_clear(const GenerationRequest *request, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (refresh_of(request, i) == STREAM_REFRESH_CLEAR)
                        return true;
        return false;
}

/* Whether the stream starts a new generation, from nothing. A later attempt goes on where the one before
 * stopped, but a full refresh that cannot resume starts over. */
static bool starts_over(const ConfiguredStream *s, const GenerationRequest *request, StreamRefresh refresh,
                        bool clear) {
        bool full = s->sync_mode == SYNC_MODE_FULL_REFRESH && !clear;

        if (request->first_attempt)
                return full || refresh != STREAM_REFRESH_NONE;
        return full && !(s->stream.is_resumable && request->destination_supports_refreshes);
}

/* Whether rows of older generations go once this sync has completed. */
static bool replaces_older(const ConfiguredStream *s, const Generation *generation, StreamRefresh refresh,
                           bool clear) {
        if (refresh == STREAM_REFRESH_TRUNCATE || refresh == STREAM_REFRESH_CLEAR)
                return true;
        if (clear)
                return false;
        if (s->sync_mode == SYNC_MODE_FULL_REFRESH)
                return s->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE ||
                        s->destination_sync_mode == DESTINATION_SYNC_MODE_OVERWRITE_DEDUP;
        return generation->refreshing;
}

int generations_assign(GenerationSet *g, ConfiguredCatalog *catalog, const GenerationRequest *request,
                       StateSet *state,
                       bool *ret_dropped, Error **reterr_error) {
        bool clear = is_clear(request, catalog->n_streams);
        int r;

        for (size_t i = 0; i < catalog->n_streams; i++) {
                ConfiguredStream *s = &catalog->streams[i];
                StreamRefresh refresh = refresh_of(request, i);
                bool over = starts_over(s, request, refresh, clear), replaces;
                Generation *generation;

                r = find_or_add(g, s->stream.namespace, s->stream.name, &generation);
                if (r < 0)
                        return r;
                r = over ? advance(generation, reterr_error) : 0;
                if (r < 0)
                        return r;
                replaces = replaces_older(s, generation, refresh, clear);
                /* A clear does not touch the other streams, so what they had not finished stays
                 * unfinished. */
                if (!clear || refresh == STREAM_REFRESH_CLEAR)
                        generation->refreshing = replaces;
                s->has_generation = true;
                s->generation_id = generation->id;
                s->minimum_generation_id = replaces ? generation->id : 0;
                s->sync_id = request->sync_id;
                if (over && state) {
                        r = state_set_remove(state, s->stream.namespace, s->stream.name);
                        if (r < 0 && r != -ENOENT)
                                return r;
                }
                if (ret_dropped)
                        ret_dropped[i] = over;
        }
        return 0;
}
