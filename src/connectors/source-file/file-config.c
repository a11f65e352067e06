/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration, out of JSON that the frame has held against the specification. What the
 * specification cannot say is checked here: two options that exclude each other, a header with a line end
 * in it (which would become a second header), bytes that a dialect cannot use. Each refusal begins with
 * the name of the field. */

#include "basic/string-table.h"
#include "connectors/source-file/file-config.h"
#include "connectors/source-file/json-reader.h"

/* A text compresses to a hundredth at the very best; a bomb to a thousandth. */
#define RATIO_DEFAULT 200

static const char *const file_format_table[_FILE_FORMAT_MAX] = { "auto", "csv", "tsv", "json", "jsonl" };
static const char *const file_compression_table[_FILE_COMPRESSION_MAX] = { "auto", "none", "gzip", "zstd" };

DEFINE_STRING_TABLE_FROM_STRING(file_format, FileFormat)

DEFINE_STRING_TABLE_FROM_STRING(file_compression, FileCompression)

FileConfig *file_config_free(FileConfig *c) {
        if (!c)
                return NULL;
        strv_free(c->locations);
        free(c->encoding);
        strv_free(c->column_names);
        strv_free(c->null_values);
        strv_free(c->json_pointer);
        free(c->stream_name);
        strv_free(c->typed_columns);
        free(c->column_types);
        strv_free(c->http_headers);
        free(c);
        return NULL;
}

static int get_u64(JsonObject *o, const char *key, uint64_t *ret, Error **reterr_error) {
        int64_t value;
        int r;

        r = json_get_i64(o, key, &value, "the configuration", reterr_error);
        if (r <= 0)
                return r;
        if (value < 0)
                return error_set(reterr_error, -EINVAL, "%s: must not be negative", key);
        *ret = (uint64_t) value;
        return 1;
}

/* `path` and `more_paths` are one list from here on; a form sends empty entries, which are left out. */
static int parse_locations(FileConfig *c, JsonObject *o, Error **reterr_error) {
        _cleanup_strv_ char **more = NULL;
        const char *path;
        int r;

        r = json_get_string(o, "path", &path, "the configuration", reterr_error);
        if (r < 0)
                return r;
        if (r == 0 || *path == '\0')
                return error_set(reterr_error, -EINVAL, "path: name the file to read");
        r = strv_extend(&c->locations, path);
        if (r >= 0)
                r = json_get_strv(o, "more_paths", &more, "the configuration", reterr_error);
        if (r < 0)
                return r;
        STRV_FOREACH(item, more)
                if (**item) {
                        r = strv_extend(&c->locations, *item);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* One byte, a name for it, or "auto". */
static int parse_byte(JsonObject *o, const char *key, char *ret, Error **reterr_error) {
        static const struct {
                const char *name;
                char byte;
        } names[] = {
                { "auto", 0 },  { "none", 0 },    { "", 0 },     { "comma", ',' }, { "semicolon", ';' },
                { "tab", '\t' }, { "\\t", '\t' }, { "pipe", '|' }, { "space", ' ' },
        };
        const char *s;
        int r;

        r = json_get_string(o, key, &s, "the configuration", reterr_error);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(s, names[i].name)) {
                        *ret = names[i].byte;
                        return 1;
                }
        if (strlen(s) != 1 || (*s & 0x80) || *s == '\n' || *s == '\r')
                return error_set(reterr_error, -EINVAL, "%s: must be one ASCII character", key);
        *ret = *s;
        return 1;
}

/* A delimiter of 0 is found in the file (infer.c). */
static int parse_dialect(FileConfig *c, JsonObject *o, Error **reterr_error) {
        CsvDialect *d = &c->dialect;
        int r;

        d->quote = '"';
        r = parse_byte(o, "delimiter", &d->delimiter, reterr_error);
        if (r >= 0)
                r = parse_byte(o, "quote", &d->quote, reterr_error);
        if (r >= 0)
                r = parse_byte(o, "escape", &d->escape, reterr_error);
        if (r < 0)
                return r;
        if (d->delimiter && (d->delimiter == d->quote || d->delimiter == d->escape))
                return error_set(reterr_error, -EINVAL, "delimiter: must differ from quote and escape");
        return 0;
}

/* Two lists side by side: `typed_columns` are the names, `column_types` what they are. */
static int parse_column_types(FileConfig *c, JsonObject *o, Error **reterr_error) {
        const char *name, *type;
        JsonObject *list;
        size_t n;
        int r;

        r = json_get_array(o, "column_types", &list, "the configuration", reterr_error);
        if (r <= 0)
                return r;
        n = json_object_array_length(list);
        c->column_types = calloc(n + 1, sizeof(ColumnType));
        if (!c->column_types)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                JsonObject *item = json_object_array_get_idx(list, i);

                if (json_get_string(item, "name", &name, "column_types", NULL) <= 0 ||
                    json_get_string(item, "type", &type, "column_types", NULL) <= 0)
                        return error_set(reterr_error, -EINVAL,
                                         "column_types: entry %zu needs a name and a type", i + 1);
                c->column_types[i] = column_type_from_string(type);
                if (c->column_types[i] < 0)
                        return error_set(reterr_error, -EINVAL, "column_types: '%s' is not a type", type);
                r = strv_extend(&c->typed_columns, name);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_headers(FileConfig *c, JsonObject *o, Error **reterr_error) {
        const char *name, *value;
        JsonObject *list;
        int r;

        r = json_get_array(o, "http_headers", &list, "the configuration", reterr_error);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                JsonObject *item = json_object_array_get_idx(list, i);

                if (json_get_string(item, "name", &name, "http_headers", NULL) <= 0 ||
                    json_get_string(item, "value", &value, "http_headers", NULL) <= 0)
                        return error_set(reterr_error, -EINVAL,
                                         "http_headers: entry %zu needs a name and a value", i + 1);
                if (strpbrk(name, "\r\n:") || strpbrk(value, "\r\n"))
                        return error_set(reterr_error, -EINVAL,
                                         "http_headers: entry %zu holds a line end or a colon in its name",
                                         i + 1);
                r = strv_extendf(&c->http_headers, "%s: %s", name, value);
                if (r < 0)
                        return r;
        }
        return 0;
}

static int parse_words(FileConfig *c, JsonObject *o, Error **reterr_error) {
        const char *s;
        int r;

        r = json_get_string(o, "format", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        c->format = r > 0 ? file_format_from_string(s) : FILE_FORMAT_AUTO;
        if (c->format < 0)
                return error_set(reterr_error, -EINVAL,
                                 "format: '%s' is not one of auto, csv, tsv, json, jsonl", s);
        r = json_get_string(o, "compression", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        c->compression = r > 0 ? file_compression_from_string(s) : FILE_COMPRESSION_AUTO;
        if (c->compression < 0)
                return error_set(reterr_error, -EINVAL,
                                 "compression: '%s' is not one of auto, none, gzip, zstd", s);
        r = json_get_string(o, "bad_rows", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        if (r > 0 && !streq(s, "skip") && !streq(s, "fail"))
                return error_set(reterr_error, -EINVAL, "bad_rows: '%s' is not one of skip, fail", s);
        c->fail_on_bad_rows = r > 0 && streq(s, "fail");
        return 0;
}

static int parse_texts(FileConfig *c, JsonObject *o, Error **reterr_error) {
        const char *s;
        int r;

        r = json_get_string(o, "encoding", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        c->encoding = strdup(r > 0 ? s : "utf-8");
        if (!c->encoding)
                return -ENOMEM;
        r = json_get_string(o, "stream_name", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        if (r > 0 && *s && !(c->stream_name = strdup(s)))
                return -ENOMEM;
        r = json_get_string(o, "json_pointer", &s, "the configuration", reterr_error);
        if (r < 0)
                return r;
        if (r > 0) {
                c->has_json_pointer = true;
                if (json_pointer_parse(s, &c->json_pointer) < 0)
                        return error_set(reterr_error, -EINVAL,
                                         "json_pointer: must be empty or start with '/'");
        }
        r = json_get_strv(o, "column_names", &c->column_names, "the configuration", reterr_error);
        if (r >= 0)
                r = json_get_strv(o, "null_values", &c->null_values, "the configuration", reterr_error);
        return r;
}

/* The defaults of the specification stand here once more, for a configuration that was written by hand. */
static int parse_numbers(FileConfig *c, JsonObject *o, Error **reterr_error) {
        uint64_t ratio = RATIO_DEFAULT;
        int r;

        c->has_header = true;
        c->add_file_columns = true;
        r = json_get_bool(o, "header", &c->has_header, "the configuration", reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "stream_per_file", &c->stream_per_file, "the configuration",
                                  reterr_error);
        if (r >= 0)
                r = json_get_bool(o, "add_file_columns", &c->add_file_columns, "the configuration",
                                  reterr_error);
        if (r >= 0)
                r = get_u64(o, "skip_rows", &c->skip_rows, reterr_error);
        if (r >= 0)
                r = get_u64(o, "infer_rows", &c->infer_rows, reterr_error);
        if (r >= 0)
                r = get_u64(o, "max_file_bytes", &c->size_max, reterr_error);
        if (r >= 0)
                r = get_u64(o, "max_compression_ratio", &ratio, reterr_error);
        c->ratio_max = (unsigned) MIN(ratio, (uint64_t) UINT32_MAX);
        return r;
}

int file_config_parse(JsonObject *config, FileConfig **ret, Error **reterr_error) {
        _cleanup_(file_config_freep) FileConfig *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        r = parse_locations(c, config, reterr_error);
        if (r >= 0)
                r = parse_words(c, config, reterr_error);
        if (r >= 0)
                r = parse_texts(c, config, reterr_error);
        if (r >= 0)
                r = parse_numbers(c, config, reterr_error);
        if (r >= 0)
                r = parse_dialect(c, config, reterr_error);
        if (r >= 0)
                r = parse_column_types(c, config, reterr_error);
        if (r >= 0)
                r = parse_headers(c, config, reterr_error);
        if (r < 0)
                return r;
        if (c->stream_per_file && c->stream_name)
                return error_set(reterr_error, -EINVAL,
                                 "stream_name: cannot be given with stream_per_file, which names streams after files");
        *ret = TAKE_PTR(c);
        return 0;
}
