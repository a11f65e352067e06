/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* destination-jsonl: a line a record: the members of its data as they came, then the four `_airbyte_`
 * ones. They come last, so that a record which brings members of these names doesn't hide ours: of
 * duplicates the last counts.
 *
 * A record is not taken apart: its data goes to the file as bytes, since the frame has validated it
 * already and a line needs no order of members. lib/target-set.c keeps the files; here is only what a
 * line looks like. Two files of this form are joined by copying, which is why merging is a loop of reads. */

#include <inttypes.h>
#include <unistd.h>

#include "connectors/lib/emitter.h"
#include "connectors/lib/record-stamp.h"
#include "connectors/lib/target-set.h"

extern const char text_destination_jsonl_spec[];

#define EXTENSION ".jsonl"
#define COPY_CHUNK (256U * 1024U)

typedef struct JsonlDestination {
        TargetSet targets;
        RecordStamp stamp;
} JsonlDestination;

/* Lines need no heading. */
static int jsonl_start(TargetFile *f, void *userdata, Error **reterr_error) {
        return 0;
}

/* The lines of an interrupted refresh are complete as they are. */
static int jsonl_merge(TargetFile *f, int fd, uint64_t length, void *userdata, Error **reterr_error) {
        while (length > 0) {
                size_t want = (size_t) MIN(length, (uint64_t) COPY_CHUNK);
                char *to = buffer_reserve(&f->buffer, want);
                ssize_t k;
                int r;

                if (!to)
                        return -ENOMEM;
                k = read(fd, to, want);
                if (k <= 0)
                        return error_set_errno(reterr_error, k < 0 ? -errno : -EIO,
                                               "Failed to read the unfinished file of '%s'", f->display);
                buffer_commit(&f->buffer, (size_t) k);
                length -= (uint64_t) k;
                r = target_file_wrote(f, reterr_error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static const TargetFormat jsonl_format = { .extension = EXTENSION, .start = jsonl_start, .merge = jsonl_merge };

static int jsonl_open(JsonObject *config, const ConfiguredCatalog *catalog, Emitter *out,
                      void **ret_destination,
                      Error **reterr_error) {
        JsonlDestination *j = calloc(1, sizeof(*j));
        const char *path = NULL;
        int r;

        if (!j)
                return -ENOMEM;
        r = json_get_string(config, "path", &path, "configuration", reterr_error);
        if (r >= 0)
                r = target_set_open(&j->targets, path, catalog, &jsonl_format, NULL, out, reterr_error);
        if (r < 0) {
                (void) target_set_close(&j->targets, /* clean= */ false, NULL);
                free(j);
                return r;
        }
        *ret_destination = j;
        return 0;
}

/* The data without its closing brace, and a comma where a member stands before ours. */
static int append_data(Buffer *b, JsonSlice data) {
        const char *inner = json_skip_space(data.p + 1, data.p + data.n);
        int r;

        if (*inner == '}')
                return buffer_append_char(b, '{');
        r = buffer_append(b, data.p, data.n - 1);
        return r < 0 ? r : buffer_append_char(b, ',');
}

static int append_line(JsonlDestination *j, Buffer *b, const ConfiguredStream *stream,
                       const DestinationRecord *record) {
        JsonSlice time = record_stamp_time(&j->stamp, record->emitted_at);
        char id[RAW_ID_LENGTH];
        int r;

        r = record_stamp_id(&j->stamp, id);
        if (r >= 0)
                r = append_data(b, record->data);
        if (r >= 0)
                r = buffer_append_string(b, "\"" COLUMN_RAW_ID "\":\"");
        if (r >= 0)
                r = buffer_append(b, id, sizeof(id));
        if (r >= 0)
                r = buffer_append_string(b, "\",\"" COLUMN_EXTRACTED_AT "\":\"");
        if (r >= 0)
                r = buffer_append(b, time.p, time.n);
        if (r >= 0)
                r = buffer_append_string(b, "\",\"" COLUMN_META "\":");
        if (r >= 0)
                r = record_meta_append(b, stream, record->meta_changes, (JsonSlice) {});
        if (r >= 0 && stream->has_generation)
                r = buffer_appendf(b, ",\"" COLUMN_GENERATION_ID "\":%" PRIi64, stream->generation_id);
        else if (r >= 0)
                r = buffer_append_string(b, ",\"" COLUMN_GENERATION_ID "\":null");
        return r < 0 ? r : buffer_append(b, "}\n", 2);
}

static int jsonl_write(void *destination, size_t stream, const DestinationRecord *record,
                       Error **reterr_error) {
        JsonlDestination *j = destination;
        TargetFile *f = j->targets.files + stream;
        int r;

        r = append_line(j, &f->buffer, f->configured, record);
        if (r >= 0)
                r = target_file_wrote(f, reterr_error);
        return r < 0 ? r : 1;
}

static int jsonl_commit(void *destination, Error **reterr_error) {
        JsonlDestination *j = destination;

        return target_set_commit(&j->targets, reterr_error);
}

static int jsonl_finish_stream(void *destination, size_t stream, Error **reterr_error) {
        JsonlDestination *j = destination;

        return target_file_finish(j->targets.files + stream, reterr_error);
}

static int jsonl_close(void *destination, bool clean, Error **reterr_error) {
        _cleanup_free_ JsonlDestination *j = destination;

        return target_set_close(&j->targets, clean, reterr_error);
}

static int jsonl_check(JsonObject *config, Emitter *out, Error **reterr_error) {
        const char *path = NULL;
        int r;

        r = json_get_string(config, "path", &path, "configuration", reterr_error);
        return r < 0 ? r : target_directory_check(path, EXTENSION, reterr_error);
}

static const DestinationOps jsonl_ops = {
        .open = jsonl_open,
        .write = jsonl_write,
        .commit = jsonl_commit,
        .finish_stream = jsonl_finish_stream,
        .close = jsonl_close,
};

int main(int argc, char *argv[]) {
        const ConnectorInfo info = {
                .name = "destination-jsonl",
                .spec_json = text_destination_jsonl_spec,
                .check = jsonl_check,
                .destination = &jsonl_ops,
        };

        return connector_main(&info, argc, argv);
}
