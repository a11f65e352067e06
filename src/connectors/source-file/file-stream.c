/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading one stream: its files in order, each to its end, a state when one has been read whole. There is
 * none inside a file: its place would have to survive that the file is replaced or compressed anew. */

#include <stdio.h>

#include "connectors/source-file/file-history.h"
#include "connectors/source-file/file-stream.h"
#include "connectors/source-file/infer.h"
#include "connectors/source-file/record-writer.h"

/* Malformed rows of one file that are reported one by one; the others are counted. */
#define BAD_ROWS_LOGGED 20U
/* After so many rows of the first file there is an estimate. */
#define ESTIMATE_ROWS 2000U
/* A state holds the whole history: with many files it is emitted once for each 1/64 of them. */
#define STATE_SHARE 64U

typedef struct StreamReader {
        const FileConfig *config;
        const FileList *files;
        size_t stream;
        Emitter *out;
        EmitterStream *emitter;
        Columns columns;
        FileHistory history;
        bool incremental, estimated;
        size_t n_since_state, n_states;
        uint64_t n_rows, n_bad, n_unchanged;
        int64_t total_size; /* of all files to read; -1 = not known */
} StreamReader;

static void stream_reader_done(StreamReader *s) {
        emitter_stream_free(s->emitter);
        columns_done(&s->columns);
        file_history_done(&s->history);
}

/* Looking at all rows may take minutes, in which what was said must go out and a stop be noticed. */
static int tick(void *userdata) {
        return emitter_maybe_flush(userdata);
}

int file_stream_infer(const FileConfig *config, const FileList *files, size_t stream, Emitter *out,
                      Columns *ret,
                      Error **reterr_error) {
        int q;

        for (size_t i = 0; i < files->n; i++) {
                _cleanup_(row_reader_done) RowReader reader = {};
                FileEntry entry = files->entries[i];

                if (entry.stream != stream)
                        continue;
                q = row_reader_open(config, &entry, NULL, &reader, reterr_error);
                if (q > 0)
                        q = infer_rows(&reader, ret, tick, out, reterr_error);
                if (q < 0)
                        return q;
        }
        q = columns_apply_config(ret, config);
        columns_resolve(ret);
        return q;
}

/* ---- reports ---- */

/* By file and line, so that a person can look. */
static int report_bad_row(StreamReader *s, const RowReader *r, uint64_t n_bad, Error **reterr_error) {
        if (s->config->fail_on_bad_rows)
                return error_set(reterr_error, -EINVAL, "'%s', line %llu: %s", r->url,
                                 (unsigned long long) r->line,
                                 r->problem);
        if (n_bad <= BAD_ROWS_LOGGED)
                return emitter_log(s->out, "WARN", "Malformed row left out: '%s', line %llu: %s", r->url,
                                   (unsigned long long) r->line, r->problem);
        return 0;
}

/* At its end, in sums: what was wrong with this file. */
static int report_file(StreamReader *s, const RowReader *r, const RecordWriter *w, uint64_t n_bad,
                       uint64_t n_good) {
        uint64_t replaced = file_input_replaced(r->input);
        int q = 0;

        if (n_bad > 0)
                q = emitter_log(s->out, "WARN", "'%s': %llu malformed rows left out of %llu", r->url,
                                (unsigned long long) n_bad, (unsigned long long) (n_bad + n_good));
        if (q >= 0 && r->n_short > 0)
                q = emitter_log(s->out, "WARN",
                                "'%s': %llu rows have fewer cells than there are columns; the missing ones "
                                "are null (the first in line %llu)", r->url, (unsigned long long) r->n_short,
                                (unsigned long long) r->first_short);
        if (q >= 0 && w->n_misfits > 0)
                q = emitter_log(s->out, "WARN",
                                "'%s': %llu values are not of their column's type and were emitted as "
                                "text; the first is in "
                                "line %llu, column '%s'. Has the file changed since discover?", r->url,
                                (unsigned long long) w->n_misfits, (unsigned long long) w->first_misfit,
                                s->columns.items[w->misfit_column].name);
        if (q >= 0 && w->n_replaced > 0)
                q = emitter_log(s->out, "WARN",
                                "'%s': %llu rows hold bytes that are not UTF-8, which became U+FFFD; the first is line "
                                "%llu. Set 'encoding' to what the file is in, for example windows-1252",
                                        r->url,
                                (unsigned long long) w->n_replaced, (unsigned long long) w->first_replaced);
        if (q >= 0 && replaced > 0)
                q = emitter_log(s->out, "WARN",
                                "'%s': %llu bytes mean nothing in the encoding '%s' and became U+FFFD",
                                r->url, (unsigned long long) replaced, s->config->encoding);
        return q;
}

/* Once, in the first file: what is read so far, scaled to the size of all files. */
static int estimate(StreamReader *s, const RowReader *r, const RecordWriter *w) {
        uint64_t position = file_input_position(r->input);
        double share;

        s->estimated = true;
        position -= MIN(position, (uint64_t) r->window.buffer.len);
        if (s->total_size <= 0 || position == 0)
                return 0;
        share = (double) s->total_size / (double) position;
        return emitter_stream_estimate(s->emitter, (int64_t) ((double) s->n_rows * share),
                                       (int64_t) ((double) w->n_bytes * share));
}

/* ---- files ---- */

/* The whole history each time; a state has no memory of the one before it. */
static int emit_state(StreamReader *s) {
        _cleanup_buffer_ Buffer b = {};
        const char *text;
        int r;

        r = file_history_append(&s->history, &b);
        if (r < 0)
                return r;
        text = buffer_string(&b);
        if (!text)
                return -ENOMEM;
        s->n_since_state = 0;
        s->n_states++;
        return emitter_stream_state(s->emitter, text);
}

static int read_rows(StreamReader *s, RowReader *r, RecordWriter *w, Error **reterr_error) {
        uint64_t n_bad = 0, n_before = s->n_rows;
        int q;

        for (;;) {
                q = row_reader_next(r, reterr_error);
                if (q == 0)
                        break;
                if (q > 0)
                        q = record_writer_write(w, r);
                if (q == -EMSGSIZE) {
                        (void) snprintf(r->problem, sizeof(r->problem), "as JSON it is larger than 20 MB");
                        q = -EBADMSG;
                }
                if (q == -EBADMSG) {
                        q = report_bad_row(s, r, ++n_bad, reterr_error);
                        if (q < 0)
                                return q;
                        continue;
                }
                if (q < 0)
                        return q;
                if (++s->n_rows == ESTIMATE_ROWS && !s->estimated) {
                        q = estimate(s, r, w);
                        if (q < 0)
                                return q;
                }
        }
        s->n_bad += n_bad;
        /* Nothing but malformed rows: it is not what it was taken for, and "0 records" would hide that. */
        if (n_bad > 0 && s->n_rows == n_before)
                return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -EBADMSG,
                                      "'%s': all of its %llu rows are malformed; is the format right?", r->url,
                                      (unsigned long long) n_bad);
        return report_file(s, r, w, n_bad, s->n_rows - n_before);
}

/* A local file is compared before it is opened. A remote one may turn out unchanged only by its answer. */
static int read_file_entry(StreamReader *s, const FileEntry *listed, Error **reterr_error) {
        _cleanup_(record_writer_done) RecordWriter writer = {};
        _cleanup_(row_reader_done) RowReader reader = {};
        FileValidators validators = {};
        FileEntry entry = *listed;
        int q;

        if (s->incremental && !entry.remote && file_history_has(&s->history, &entry)) {
                s->n_unchanged++;
                return 0;
        }
        if (s->incremental && entry.remote)
                validators = file_history_validators(&s->history, entry.url);
        q = row_reader_open(s->config, &entry, &validators, &reader, reterr_error);
        if (q < 0)
                return q;
        if (q == 0 || (s->incremental && entry.remote && file_history_has(&s->history, &entry))) {
                s->n_unchanged++;
                return 0;
        }
        if (entry.modified < 0) /* a server that doesn't say when */
                entry.modified = emitter_now_ms(s->out) * 1000;
        q = record_writer_init(&writer, s->config, s->emitter, &s->columns, &entry);
        if (q >= 0)
                q = read_rows(s, &reader, &writer, reterr_error);
        if (q >= 0)
                q = file_history_put(&s->history, &entry, file_input_validators(reader.input));
        if (q < 0)
                return q;
        s->n_since_state++;
        if (s->n_since_state * STATE_SHARE < file_history_size(&s->history))
                return 0;
        return emit_state(s);
}

/* Which types values are written as: those of the configured catalog, which is what the destination has
 * been told. A catalog that says nothing of columns (somebody wrote it by hand) makes us look for
 * ourselves. */
static int choose_columns(StreamReader *s, const ConfiguredStream *configured, Error **reterr_error) {
        int r;

        r = columns_from_schema(configured->stream.json_schema, &s->columns);
        if (r < 0 || s->columns.n > 0)
                return r;
        return file_stream_infer(s->config, s->files, s->stream, s->out, &s->columns, reterr_error);
}

/* -1 when one of the files has no known size: then there is no estimate. */
static int64_t size_to_read(const StreamReader *s) {
        int64_t total = 0;

        for (size_t i = 0; i < s->files->n; i++) {
                const FileEntry *e = &s->files->entries[i];

                if (e->stream != s->stream || (s->incremental && file_history_has(&s->history, e)))
                        continue;
                if (e->size < 0)
                        return -1;
                total += e->size;
        }
        return total;
}

static int read_files(StreamReader *s, Error **reterr_error) {
        int r;

        for (size_t i = 0; i < s->files->n; i++) {
                if (s->files->entries[i].stream != s->stream)
                        continue;
                r = read_file_entry(s, &s->files->entries[i], reterr_error);
                if (r < 0)
                        return r;
        }
        /* The last state says all; a stream without anything new has one too. */
        if (s->n_since_state > 0 || s->n_states == 0) {
                r = emit_state(s);
                if (r < 0)
                        return r;
        }
        if (s->n_unchanged > 0)
                return emitter_log(s->out, "INFO",
                                   "%llu files are unchanged since the last sync and were not read",
                                   (unsigned long long) s->n_unchanged);
        return 0;
}

int file_stream_read(const FileConfig *config, const FileList *files, size_t stream,
                     const ConfiguredStream *configured, const char *state, size_t n_state, Emitter *out,
                     Error **reterr_error) {
        _cleanup_(stream_reader_done) StreamReader s = {
                .config = config, .files = files, .stream = stream, .out = out,
                .incremental = configured->sync_mode == SYNC_MODE_INCREMENTAL,
        };
        int r;

        r = emitter_stream_new(out, configured->stream.name, configured->stream.namespace, &s.emitter);
        if (r >= 0)
                r = file_history_parse(s.incremental ? state : NULL, n_state, &s.history, reterr_error);
        if (r < 0)
                return r;
        r = emitter_stream_status(s.emitter, STREAM_STATUS_STARTED);
        if (r >= 0)
                r = choose_columns(&s, configured, reterr_error);
        s.total_size = size_to_read(&s);
        if (r >= 0)
                r = emitter_stream_status(s.emitter, STREAM_STATUS_RUNNING);
        if (r >= 0)
                r = read_files(&s, reterr_error);
        if (r >= 0)
                return emitter_stream_status(s.emitter, STREAM_STATUS_COMPLETE);
        (void) emitter_stream_status(s.emitter, STREAM_STATUS_INCOMPLETE);
        return r;
}
