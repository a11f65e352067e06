/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was read, as a stream's state; file-history.h has its form and the rule of the horizon. Bounding
 * the history costs precision in one direction only: a file that left it, and is not newer than the
 * horizon, counts as read. Whether a remote file is new is for its server to say, by the validators that
 * are kept here.
 *
 * Files are sorted by time and name when the state is written, so that the same files give the same
 * bytes. */

#include "basic/json-write.h"
#include "basic/time-util.h"
#include "connectors/source-file/columns.h"
#include "connectors/source-file/file-history.h"

typedef struct HistoryFile {
        char *url;
        int64_t modified, size;
        char *etag, *last_modified;
} HistoryFile;

static void history_file_free(void *p) {
        HistoryFile *f = p;

        if (!f)
                return;
        free(f->url);
        free(f->etag);
        free(f->last_modified);
        free(f);
}

static void history_file_freep(HistoryFile **f) {
        history_file_free(*f);
}

void file_history_done(FileHistory *h) {
        hashmap_free(h->files);
        *h = (FileHistory) {};
}

/* Days from 1970-01-01 to a date of the Gregorian calendar: years begin in March, so that the leap day is
 * the last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day) {
        int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
        int64_t year_of_era = y - era * 400;
        int64_t day_of_year =
                (153 * (int64_t) (month > 2 ? month - 3 : month + 9) + 2) / 5 + (int64_t) day - 1;

        return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

/* Of digits only, which the caller knows. */
static unsigned digits(const char *p, size_t n) {
        unsigned v = 0;

        for (size_t i = 0; i < n; i++)
                v = v * 10 + (unsigned) (p[i] - '0');
        return v;
}

int parse_rfc3339(const char *s, int64_t *ret) {
        char canonical[VALUE_TEXT_MAX(64)], *end, *p = canonical + 1;
        int64_t seconds, micros = 0;
        bool fits = true, valid = true;

        if (strlen(s) > 64 || text_classify(s, strlen(s)) != KIND_TIMESTAMP_TZ)
                return -EINVAL;
        /* In canonical form every part has its place: "YYYY-MM-DDThh:mm:ss[.f…](Z|±hh:mm)". */
        end = value_write_text(canonical, COLUMN_TIMESTAMP_TZ, s, strlen(s), &fits, &valid) - 1;
        seconds = days_from_date(digits(p, 4), digits(p + 5, 2), digits(p + 8, 2)) * 86400 +
                  (int64_t) digits(p + 11, 2) * 3600 + (int64_t) digits(p + 14, 2) * 60 + digits(p + 17, 2);
        if (p[19] == '.')
                for (int64_t i = 0, scale = 100000; p[20 + i] >= '0' && p[20 + i] <= '9'; i++, scale /= 10)
                        micros += (p[20 + i] - '0') * scale;
        if (end[-1] != 'Z') {
                int64_t offset = (int64_t) digits(end - 5, 2) * 3600 + (int64_t) digits(end - 2, 2) * 60;

                seconds += end[-6] == '-' ? offset : -offset;
        }
        *ret = seconds * 1000000 + micros;
        return 0;
}

static int put_file(FileHistory *h, const char *url, int64_t modified, int64_t size, const char *etag,
                    const char *last_modified) {
        _cleanup_(history_file_freep) HistoryFile *f = calloc(1, sizeof(*f));
        int r;

        if (!f)
                return -ENOMEM;
        *f = (HistoryFile) { .url = strdup(url), .modified = modified, .size = size };
        if (!f->url || (etag && !(f->etag = strdup(etag))) ||
            (last_modified && !(f->last_modified = strdup(last_modified))))
                return -ENOMEM;
        r = hashmap_set(h->files, url, strlen(url), f);
        if (r < 0)
                return r;
        f = NULL;
        return 0;
}

static int parse_history(FileHistory *h, JsonObject *history, Error **reterr_error) {
        int r;

        json_object_object_foreach(history, url, item) {
                const char *etag = NULL, *last_modified = NULL;
                int64_t modified = -1, size = -1;

                if (!json_object_is_type(item, json_type_object))
                        return error_set(reterr_error, -EINVAL,
                                         "the state's history of '%s' is not an object", url);
                r = json_get_i64(item, "modified", &modified, "the state's history", reterr_error);
                if (r >= 0)
                        r = json_get_i64(item, "size", &size, "the state's history", reterr_error);
                if (r >= 0)
                        r = json_get_string(item, "etag", &etag, "the state's history", reterr_error);
                if (r >= 0)
                        r = json_get_string(item, "last_modified", &last_modified, "the state's history",
                                            reterr_error);
                if (r >= 0)
                        r = put_file(h, url, modified, size, etag, last_modified);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Without a history, the time alone says what has been read. */
static int parse_members(FileHistory *h, JsonObject *o, Error **reterr_error) {
        JsonObject *history = NULL;
        const char *cursor = NULL;
        int r;

        r = json_get_string(o, COLUMN_FILE_MODIFIED, &cursor, "the state", reterr_error);
        if (r < 0)
                return r;
        if (r > 0 && parse_rfc3339(cursor, &h->cursor) < 0)
                return error_set(reterr_error, -EINVAL,
                                 "the state's " COLUMN_FILE_MODIFIED " is not a time");
        r = json_get_object(o, "history", &history, "the state", reterr_error);
        if (r < 0)
                return r;
        if (r == 0) {
                h->horizon = h->cursor;
                return 0;
        }
        r = json_get_i64(o, "horizon", &h->horizon, "the state", reterr_error);
        return r < 0 ? r : parse_history(h, history, reterr_error);
}

int file_history_parse(const char *p, size_t n, FileHistory *ret, Error **reterr_error) {
        _cleanup_(file_history_done) FileHistory h = { .horizon = INT64_MIN, .cursor = INT64_MIN };
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        h.files = hashmap_new(history_file_free);
        if (!h.files)
                return -ENOMEM;
        if (p) {
                r = json_parse(p, n, &o, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "the state");
                if (o && !json_object_is_type(o, json_type_object))
                        return error_set(reterr_error, -EINVAL, "the state is not an object");
                r = parse_members(&h, o, reterr_error);
                if (r < 0)
                        return r;
        }
        *ret = h;
        h = (FileHistory) {};
        return 0;
}

bool file_history_has(const FileHistory *h, const FileEntry *entry) {
        const HistoryFile *f = hashmap_get_string(h->files, entry->url);

        if (f)
                return !entry->remote && f->modified == entry->modified && f->size == entry->size;
        return entry->modified >= 0 && entry->modified <= h->horizon;
}

FileValidators file_history_validators(const FileHistory *h, const char *url) {
        const HistoryFile *f = hashmap_get_string(h->files, url);

        return f ? (FileValidators) { f->etag, f->last_modified } : (FileValidators) {};
}

int file_history_put(FileHistory *h, const FileEntry *entry, FileValidators validators) {
        h->cursor = MAX(h->cursor, entry->modified);
        return put_file(h, entry->url, entry->modified, entry->size, validators.etag,
                        validators.last_modified);
}

size_t file_history_size(const FileHistory *h) {
        return hashmap_size(h->files);
}

/* With the name as the last word, so that the same files give the same state. */
static int newest_first(const void *a, const void *b) {
        const HistoryFile *x = *(HistoryFile *const *) a, *y = *(HistoryFile *const *) b;

        if (x->modified != y->modified)
                return x->modified < y->modified ? 1 : -1;
        return strcmp(x->url, y->url);
}

static int append_file(Buffer *b, const HistoryFile *f) {
        int r;

        r = json_write_key(b, f->url);
        if (r >= 0)
                r = buffer_append_char(b, '{');
        if (r >= 0 && f->modified >= 0)
                r = json_write_member_i64(b, "modified", f->modified);
        if (r >= 0 && f->size >= 0)
                r = json_write_member_i64(b, "size", f->size);
        if (r >= 0 && f->etag)
                r = json_write_member_string(b, "etag", f->etag);
        if (r >= 0 && f->last_modified)
                r = json_write_member_string(b, "last_modified", f->last_modified);
        return r < 0 ? r : buffer_append_char(b, '}');
}

int file_history_append(const FileHistory *h, Buffer *b) {
        size_t n = hashmap_size(h->files), k = 0, i = 0, kept = MIN(n, (size_t) HISTORY_MAX);
        _cleanup_free_ HistoryFile **list = reallocarray(NULL, n + 1, sizeof(*list));
        int64_t horizon = h->horizon;
        char cursor[RFC3339_MAX];
        void *value;
        int r;

        if (!list)
                return -ENOMEM;
        while (hashmap_iterate(h->files, &i, NULL, NULL, &value))
                list[k++] = value;
        qsort(list, n, sizeof(*list), newest_first);
        if (kept < n)
                horizon = MAX(horizon, list[kept]->modified);
        r = buffer_append_char(b, '{');
        if (r >= 0 && h->cursor > 0)
                r = json_write_member_string(b, COLUMN_FILE_MODIFIED,
                                             format_rfc3339((usec_t) h->cursor, cursor));
        if (r >= 0)
                r = json_write_key(b, "history");
        if (r >= 0)
                r = buffer_append_char(b, '{');
        for (k = 0; r >= 0 && k < kept; k++)
                r = append_file(b, list[k]);
        if (r >= 0)
                r = buffer_append_char(b, '}');
        if (r >= 0 && horizon != INT64_MIN)
                r = json_write_member_i64(b, "horizon", horizon);
        return r < 0 ? r : buffer_append_char(b, '}');
}
