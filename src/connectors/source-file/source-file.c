/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* source-file: the four verbs over the parts of this directory. The list of files is made anew for each
 * verb and is the only thing that they share: a stream is a name in that list. `read` does not infer
 * types again when the catalog has them; the configured schema says what the columns are, so that a file
 * with surprising values changes nothing half way. */

#include "connectors/source-file/file-stream.h"
#include "connectors/source-file/row-reader.h"

extern const char text_source_file_spec[];

/* What the user can mend is said to be so: names, permissions, formats, not a dying disk or network. */
static FailureType failure_of(int r) {
        switch (-r) {
        case EIO:
        case ENOMEM:
        case ECANCELED:
        case EPIPE:
                return FAILURE_SYSTEM_ERROR;
        case EAGAIN:
        case ETIMEDOUT:
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTUNREACH:
        case ESTALE:
                return FAILURE_TRANSIENT_ERROR;
        default:
                return FAILURE_CONFIG_ERROR;
        }
}

/* Puts the failure type that fits the errno onto an error made further down, where nobody knows of types.
 */
static int fail(int r, Error **reterr_error) {
        _cleanup_free_ char *message = NULL;

        if (!reterr_error || !*reterr_error)
                return r;
        message = strdup((*reterr_error)->message);
        return message ? connector_fail(reterr_error, failure_of(r), r, "%s", message) : -ENOMEM;
}

static int open_all(JsonObject *config, FileConfig **ret_config, FileList *ret_files, Error **reterr_error) {
        int r;

        r = file_config_parse(config, ret_config, reterr_error);
        if (r >= 0)
                r = file_list_make(*ret_config, ret_files, reterr_error);
        return fail(r, reterr_error);
}

static int check(JsonObject *o, Emitter *out, Error **reterr_error) {
        _cleanup_(file_config_freep) FileConfig *config = NULL;
        _cleanup_(row_reader_done) RowReader reader = {};
        _cleanup_(file_list_done) FileList files = {};
        int r;

        r = open_all(o, &config, &files, reterr_error);
        if (r < 0)
                return r;
        /* The first row of the first file shows whether format, encoding and permissions are right. */
        r = row_reader_open(config, &files.entries[0], NULL, &reader, reterr_error);
        if (r > 0)
                r = row_reader_next(&reader, reterr_error);
        return r == -EBADMSG ? 0 : fail(r, reterr_error);
}

/* Files have no order among their rows, so the only cursor is the time of the file. */
static int describe_stream(const FileConfig *config, const char *name, const Columns *columns,
                           AirbyteStream *ret) {
        int r;

        *ret = (AirbyteStream) {
                .name = strdup(name),
                .supports_full_refresh = true,
                .supports_incremental = true,
                .source_defined_cursor = true,
                .is_file_based = false, /* that would mean files as files, not their rows */
        };
        if (!ret->name)
                return -ENOMEM;
        r = columns_to_schema(columns, config->add_file_columns, &ret->json_schema);
        if (r >= 0 && config->add_file_columns)
                r = strv_extend(&ret->default_cursor_field, COLUMN_FILE_MODIFIED);
        return r;
}

/* A directory of 10,000 files costs a pass over each: `infer` is left out where names are enough. */
static int make_catalog(const FileConfig *config, const FileList *files, bool infer, Emitter *out,
                        Catalog **ret,
                        Error **reterr_error) {
        _cleanup_catalog_ Catalog *c = calloc(1, sizeof(*c));
        int r = 0;

        if (!c)
                return -ENOMEM;
        c->streams = calloc(files->n_streams, sizeof(AirbyteStream));
        if (!c->streams)
                return -ENOMEM;
        for (size_t i = 0; i < files->n_streams; i++) {
                Columns columns = {};

                if (infer)
                        r = file_stream_infer(config, files, i, out, &columns, reterr_error);
                if (r >= 0)
                        r = describe_stream(config, files->streams[i], &columns,
                                            &c->streams[c->n_streams++]);
                columns_done(&columns);
                if (r < 0)
                        return fail(r, reterr_error);
        }
        *ret = TAKE_PTR(c);
        return 0;
}

static int discover(JsonObject *o, Emitter *out, Catalog **ret, Error **reterr_error) {
        _cleanup_(file_config_freep) FileConfig *config = NULL;
        _cleanup_(file_list_done) FileList files = {};
        int r;

        r = open_all(o, &config, &files, reterr_error);
        return r < 0 ? r : make_catalog(config, &files, /* infer= */ true, out, ret, reterr_error);
}

/* Names and modes alone: reading needs no second pass over all rows. */
static int list_streams(JsonObject *o, Emitter *out, Catalog **ret, Error **reterr_error) {
        _cleanup_(file_config_freep) FileConfig *config = NULL;
        _cleanup_(file_list_done) FileList files = {};
        int r;

        r = open_all(o, &config, &files, reterr_error);
        return r < 0 ? r : make_catalog(config, &files, /* infer= */ false, out, ret, reterr_error);
}

static int read_streams(JsonObject *o, const ConfiguredCatalog *catalog, const StateSet *state, Emitter *out,
                        Error **reterr_error) {
        _cleanup_(file_config_freep) FileConfig *config = NULL;
        _cleanup_(file_list_done) FileList files = {};
        int r;

        r = open_all(o, &config, &files, reterr_error);
        for (size_t i = 0; r >= 0 && i < catalog->n_streams; i++) {
                const ConfiguredStream *c = &catalog->streams[i];
                const char *text;
                size_t n = 0, k = 0;

                while (k < files.n_streams && !streq(files.streams[k], c->stream.name))
                        k++;
                if (k == files.n_streams) /* a file may have gone since the frame looked */
                        return connector_fail(reterr_error, FAILURE_CONFIG_ERROR, -ENOENT,
                                              "There is no stream '%s'",
                                              c->stream.name);
                text = state ? state_set_get_stream(state, c->stream.namespace, c->stream.name, &n) : NULL;
                r = fail(file_stream_read(config, &files, k, c, text, n, out, reterr_error), reterr_error);
        }
        return r;
}

int main(int argc, char *argv[]) {
        static const ConnectorInfo info = {
                .name = "source-file",
                .spec_json = text_source_file_spec,
                .check = check,
                .discover = discover,
                .list_streams = list_streams,
                .read = read_streams,
        };

        return connector_main(&info, argc, argv);
}
