/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From what the source offers and what the person asked for to what both sides are told. Nothing here
 * touches a process, or a file but one that --mapper names: the same options and catalog give the same
 * plan, which is what --dry-run prints.
 *
 * What was asked for must exist. A --stream that matches nothing is an error, because a sync that
 * silently moves less than was wanted looks like one that worked.
 *
 * A plan has two catalogs of the same streams in the same order: what the source is told, and what the
 * destination is told after mappers, selection, prefix and namespace. Making it has two steps, since
 * generations are assigned in between: sync_plan_new() chooses streams and modes, sync_plan_map() derives
 * the second catalog from the first with the generations in it. */

#include <fnmatch.h>
#include <stdio.h>

#include "basic/json-write.h"
#include "basic/log.h"
#include "basic/suggest.h"
#include "basic/utf8.h"
#include "cli/mapper-option.h"
#include "cli/sync-plan.h"
#include "cli/sync-report.h"

SyncPlan *sync_plan_free(SyncPlan *p) {
        size_t n;

        if (!p)
                return NULL;
        n = p->source ? p->source->n_streams : 0;
        for (size_t i = 0; i < n; i++) {
                if (p->selected_fields)
                        strv_free(p->selected_fields[i]);
                if (p->mappers)
                        mappers_free(p->mappers[i]);
                if (p->reasons)
                        free(p->reasons[i]);
        }
        free(p->selected_fields);
        free(p->mappers);
        free(p->reasons);
        free(p->streams);
        configured_catalog_free(p->destination);
        configured_catalog_free(p->source);
        free(p);
        return NULL;
}

/* A stream is meant by its name, by "namespace.name", or by a shell pattern over either. */
static bool stream_matches(const AirbyteStream *s, const char *pattern) {
        _cleanup_free_ char *full = NULL;

        if (streq(s->name, pattern) || fnmatch(pattern, s->name, 0) == 0)
                return true;
        if (!s->namespace || asprintf(&full, "%s.%s", s->namespace, s->name) < 0)
                return false;
        return streq(full, pattern) || fnmatch(pattern, full, 0) == 0;
}

/* With the name that is nearest to it. */
static int unknown_stream(const Catalog *c, const char *option, const char *name, Error **reterr_error) {
        _cleanup_strv_ char **names = NULL;
        const char *near;

        for (size_t i = 0; i < c->n_streams; i++)
                if (strv_extend(&names, c->streams[i].name) < 0)
                        return -ENOMEM;
        near = suggest_nearest(name, names);
        if (near)
                return error_set(reterr_error, -EINVAL,
                                 "%s: the source has no stream '%s', did you mean '%s'?", option,
                                 name, near);
        return error_set(reterr_error, -EINVAL, "%s: the source has no stream '%s'", option, name);
}

/* Each pattern must match something. */
static int check_patterns(const Catalog *c, const char *option, char *const *patterns,
                          Error **reterr_error) {
        STRV_FOREACH(p, patterns) {
                bool found = false;

                for (size_t i = 0; i < c->n_streams && !found; i++)
                        found = stream_matches(c->streams + i, *p);
                if (!found)
                        return unknown_stream(c, option, *p, reterr_error);
        }
        return 0;
}

/* What is excluded is out whatever else names it. */
static bool is_wanted(const AirbyteStream *s, const SyncOptions *o) {
        STRV_FOREACH(p, o->excludes)
                if (stream_matches(s, *p))
                        return false;
        STRV_FOREACH(p, o->streams)
                if (stream_matches(s, *p))
                        return true;
        return !o->streams;
}

/* The person's cursor and key as paths of this stream's schema. */
static int make_wish(const AirbyteStream *s, const SyncOptions *o, SyncModeWish *ret, Error **reterr_error) {
        int r;

        *ret = (SyncModeWish) { .mode = _PUBLIC_SYNC_MODE_INVALID };
        if (o->mode) {
                ret->mode = public_sync_mode_from_string(o->mode);
                if (ret->mode < 0)
                        return error_set(reterr_error, -EINVAL,
                                         "--mode '%s' is none of full_refresh_overwrite, full_refresh_append, "
                                         "incremental_append, incremental_deduped_history",
                                         o->mode);
        }
        if (o->cursor) {
                r = stream_field_path(s, o->cursor, &ret->cursor_field, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "--cursor");
        }
        if (o->primary_key) {
                size_t n = strv_length(o->primary_key);

                ret->primary_key = calloc(n + 1, sizeof(FieldPath));
                if (!ret->primary_key)
                        return -ENOMEM;
                for (size_t i = 0; i < n; i++) {
                        r = stream_field_path(s, o->primary_key[i], ret->primary_key + i, reterr_error);
                        if (r < 0)
                                return error_prefix(reterr_error, r, "--primary-key");
                }
        }
        return 0;
}

static void wish_done(SyncModeWish *w) {
        strv_free(w->cursor_field);
        field_paths_free(w->primary_key);
}

/* The reason for each choice is kept for the person to read. */
static int add_stream(SyncPlan *p, const AirbyteStream *s, const SyncOptions *o,
                      const ConnectorSpec *destination,
                      Error **reterr_error) {
        _cleanup_(wish_done) SyncModeWish wish = {};
        size_t i = p->source->n_streams;
        int r;

        r = make_wish(s, o, &wish, reterr_error);
        if (r >= 0)
                r = sync_modes_choose(s, destination, &wish, p->source->streams + i, p->reasons + i,
                                      reterr_error);
        if (r >= 0)
                p->source->n_streams++;
        return r;
}

/* Splits "STREAM:REST" for the options that are given per stream; the index of the stream or an error. */
static int find_option_stream(const SyncPlan *p, const char *option, const char *value,
                              const char **ret_rest,
                              Error **reterr_error) {
        const char *best = NULL;
        int found = -1;

        /* A stream's name may hold colons: the longest name that fits is meant. */
        for (size_t i = 0; i < p->source->n_streams; i++) {
                const char *name = p->source->streams[i].stream.name;
                size_t n = strlen(name);

                if (strncmp(value, name, n) == 0 && value[n] == ':' && (!best || value + n + 1 > best)) {
                        best = value + n + 1;
                        found = (int) i;
                }
        }
        if (found < 0)
                return error_set(reterr_error, -EINVAL,
                                 "%s '%s': it begins with none of the sync's streams and a ':'",
                                 option, value);
        *ret_rest = best;
        return found;
}

/* Said twice for a stream, the last one counts. */
static int apply_selects(SyncPlan *p, const SyncOptions *o, Error **reterr_error) {
        STRV_FOREACH(s, o->selects) {
                const char *rest;
                int i = find_option_stream(p, "--select", *s, &rest, reterr_error);

                if (i < 0)
                        return i;
                strv_free(p->selected_fields[i]);
                p->selected_fields[i] = strv_split(rest, ",");
                if (!p->selected_fields[i])
                        return -ENOMEM;
        }
        return 0;
}

/* Said twice for a stream, the mappers follow one another. */
static int apply_mappers(SyncPlan *p, const SyncOptions *o, Error **reterr_error) {
        STRV_FOREACH(s, o->mappers) {
                const char *rest;
                int i = find_option_stream(p, "--mapper", *s, &rest, reterr_error), r;

                if (i < 0)
                        return i;
                r = mapper_option_parse(rest, p->mappers + i, reterr_error);
                /* Without its members: one of them may be a key. */
                if (r < 0)
                        return error_prefix(reterr_error, r, "--mapper '%.*s'",
                                            (int) ((size_t) (rest - *s) + strcspn(rest, ":{[")), *s);
        }
        return 0;
}

int sync_plan_new(const SyncOptions *o, const Catalog *catalog, const ConnectorSpec *destination,
                  SyncPlan **ret,
                  Error **reterr_error) {
        _cleanup_(sync_plan_freep) SyncPlan *p = calloc(1, sizeof(*p));
        size_t n = catalog->n_streams;
        int r;

        if (!p)
                return -ENOMEM;
        p->source = calloc(1, sizeof(*p->source));
        if (!p->source)
                return -ENOMEM;
        p->source->streams = calloc(n + 1, sizeof(*p->source->streams));
        p->selected_fields = calloc(n + 1, sizeof(*p->selected_fields));
        p->mappers = calloc(n + 1, sizeof(*p->mappers));
        p->reasons = calloc(n + 1, sizeof(*p->reasons));
        if (!p->source->streams || !p->selected_fields || !p->mappers || !p->reasons)
                return -ENOMEM;

        r = check_patterns(catalog, "--stream", o->streams, reterr_error);
        if (r >= 0)
                r = check_patterns(catalog, "--exclude", o->excludes, reterr_error);
        for (size_t i = 0; r >= 0 && i < n; i++)
                if (is_wanted(catalog->streams + i, o))
                        r = add_stream(p, catalog->streams + i, o, destination, reterr_error);
        if (r >= 0 && p->source->n_streams == 0)
                r = error_set(reterr_error, -EINVAL,
                              n > 0 ? "No stream is left to sync" : "The source has no streams");
        if (r >= 0)
                r = apply_selects(p, o, reterr_error);
        if (r >= 0)
                r = apply_mappers(p, o, reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

int sync_plan_map(SyncPlan *p, const SyncOptions *o, Error **reterr_error) {
        return sync_catalog_map(p->source, o->namespace_definition, o->namespace_format, o->prefix,
                                p->selected_fields,
                                p->mappers, &p->destination, &p->streams, reterr_error);
}

static int print_json(const SyncPlan *p) {
        _cleanup_json_ JsonObject *source = NULL, *destination = NULL;
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = configured_catalog_to_json(p->source, &source);
        if (r >= 0)
                r = configured_catalog_to_json(p->destination, &destination);
        if (r >= 0)
                r = buffer_append_string(&b, "{\"source_catalog\":");
        if (r >= 0)
                r = json_append(&b, source);
        if (r >= 0)
                r = buffer_append_string(&b, ",\"destination_catalog\":");
        if (r >= 0)
                r = json_append(&b, destination);
        if (r >= 0)
                r = buffer_append_string(&b, "}");
        if (r >= 0)
                puts(strempty(buffer_string(&b)));
        return r;
}

/* One line a stream: what was chosen and why, and where it goes if not under its own name. */
static void print_stream(const SyncPlan *p, size_t i) {
        const ConfiguredStream *s = p->source->streams + i;
        const StreamOptions *to = p->streams + i;
        bool renamed = !streq(s->stream.name, to->destination_name) ||
                !streq(strempty(s->stream.namespace), strempty(to->destination_namespace));
        _cleanup_free_ char *target = NULL;

        if (renamed && asprintf(&target, " → %s%s%s", strempty(to->destination_namespace),
                                to->destination_namespace ? "." : "", to->destination_name) < 0)
                target = NULL;
        if (p->reasons[i])
                log_info("  %s%s", p->reasons[i], strempty(target));
        else
                log_info("  Stream '%s': %s%s", s->stream.name, sync_report_mode(s), strempty(target));
}

int sync_plan_print(const SyncPlan *p, bool json) {
        if (json)
                return print_json(p);
        for (size_t i = 0; i < p->source->n_streams; i++)
                print_stream(p, i);
        return 0;
}
