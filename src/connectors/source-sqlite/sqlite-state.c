/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a state holds and how it is read back. A state of another cursor is not an error: the person has
 * changed the cursor, and the stream is read from its start. Hashes are compared for equality with those
 * of an earlier run, so the function is part of the format; changing it would make every sync read once
 * more what it has. */

#include <inttypes.h>

#include "basic/json-write.h"
#include "connectors/source-sqlite/sqlite-state.h"

void sqlite_state_done(SqliteState *s) {
        json_putp(&s->cursor);
        json_putp(&s->resume_after);
        *s = (SqliteState) {};
}

/* Eight bytes at a step: rows are hashed at the speed that they are read with. Not against forgery:
 * whoever writes the database may also change rows below the cursor. */
static uint64_t hash_bytes(const char *p, size_t n) {
        uint64_t h = n * UINT64_C(0x9e3779b97f4a7c15), word;

        for (; n > 0; p += MIN(n, (size_t) 8), n -= MIN(n, (size_t) 8)) {
                word = 0;
                memcpy(&word, p, MIN(n, (size_t) 8));
                h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
                h ^= h >> 32;
        }
        return h;
}

/* A sum: the same rows in any order give the same value. */
void row_group_add(RowGroup *g, const char *p, size_t n) {
        g->rows++;
        g->hash += hash_bytes(p, n);
}

static int parse_group(JsonObject *o, const char *key, RowGroup *ret, Error **reterr_error) {
        JsonObject *group;
        const char *hash;
        int64_t rows;
        char *end;
        int r;

        r = json_get_object(o, key, &group, "the state", reterr_error);
        if (r <= 0)
                return r;
        if (json_get_i64(group, "rows", &rows, key, NULL) <= 0 || rows < 0 ||
            json_get_string(group, "hash", &hash, key, NULL) <= 0)
                return error_set(reterr_error, -EINVAL, "the state's '%s' needs rows and hash", key);
        *ret = (RowGroup) { (uint64_t) rows, strtoull(hash, &end, 16) };
        return *hash && !*end ? 0 : error_set(reterr_error, -EINVAL, "the state's '%s' has no hash", key);
}

/* The cursor of another field is not taken over; the rest of the state then begins anew. */
static int parse_members(JsonObject *o, const char *cursor_field, SqliteState *s, Error **reterr_error) {
        _cleanup_strv_ char **field = NULL;
        JsonObject *resume;
        int r;

        r = json_get_bool(o, "__ab_full_refresh_sync_complete", &s->is_complete, "the state", reterr_error);
        if (r >= 0)
                r = json_get_array(o, "resume_after", &resume, "the state", reterr_error);
        if (r < 0)
                return r;
        if (r > 0)
                s->resume_after = json_object_get(resume);
        r = json_get_strv(o, "cursor_field", &field, "the state", reterr_error);
        if (r < 0)
                return r;
        if (!cursor_field || strv_length(field) != 1 || !streq(field[0], cursor_field) ||
            !json_object_object_get_ex(o, "cursor", NULL))
                return 0;
        s->has_cursor = true;
        s->cursor = json_object_get(json_member(o, "cursor"));
        r = parse_group(o, "at_cursor", &s->at_cursor, reterr_error);
        if (r >= 0)
                r = parse_group(o, "nulls", &s->nulls, reterr_error);
        return r;
}

int sqlite_state_parse(const char *p, size_t n, const char *cursor_field, SqliteState *ret,
                       Error **reterr_error) {
        _cleanup_(sqlite_state_done) SqliteState s = {};
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (p) {
                r = json_parse(p, n, &o, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "the state");
                if (o && !json_object_is_type(o, json_type_object))
                        return error_set(reterr_error, -EINVAL, "the state is not an object");
                r = parse_members(o, cursor_field, &s, reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = s;
        s = (SqliteState) {};
        return 0;
}

static int append_group(Buffer *b, const char *key, const RowGroup *g) {
        int r = json_write_key(b, key);

        return r < 0 ? r : buffer_appendf(b, "{\"rows\":%" PRIu64 ",\"hash\":\"%" PRIx64 "\"}", g->rows,
                                          g->hash);
}

int sqlite_state_append(Buffer *b, const char *cursor_field, const char *cursor_json,
                        const RowGroup *at_cursor,
                        const RowGroup *nulls) {
        int r;

        r = buffer_append_string(b, "{\"cursor_field\":[");
        if (r >= 0)
                r = json_write_cstring(b, cursor_field);
        if (r >= 0)
                r = buffer_append_char(b, ']');
        if (r >= 0)
                r = json_write_member_raw(b, "cursor", cursor_json);
        if (r >= 0)
                r = append_group(b, "at_cursor", at_cursor);
        if (r >= 0 && nulls->rows > 0)
                r = append_group(b, "nulls", nulls);
        return r < 0 ? r : buffer_append_char(b, '}');
}
