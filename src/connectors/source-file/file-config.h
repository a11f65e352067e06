/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration of source-file, checked and with its defaults filled in. */

#include "basic/strv.h"
#include "connectors/source-file/csv-reader.h"
#include "connectors/source-file/value-type.h"

typedef enum FileFormat {
        FILE_FORMAT_AUTO,
        FILE_FORMAT_CSV,
        FILE_FORMAT_TSV,
        FILE_FORMAT_JSON,
        FILE_FORMAT_JSONL,
        _FILE_FORMAT_MAX,
        _FILE_FORMAT_INVALID = -EINVAL,
} FileFormat;
FileFormat file_format_from_string(const char *s);

typedef enum FileCompression {
        FILE_COMPRESSION_AUTO,
        FILE_COMPRESSION_NONE,
        FILE_COMPRESSION_GZIP,
        FILE_COMPRESSION_ZSTD,
        _FILE_COMPRESSION_MAX,
        _FILE_COMPRESSION_INVALID = -EINVAL,
} FileCompression;
FileCompression file_compression_from_string(const char *s);

typedef struct FileConfig {
        char **locations; /* paths, globs, URLs, in order */
        FileFormat format;
        FileCompression compression;
        char *encoding; /* "utf-8" or a name that iconv knows */
        CsvDialect dialect;
        bool has_header;
        char **column_names; /* instead of the header's; NULL = none */
        uint64_t skip_rows;
        char **null_values;
        bool has_json_pointer;
        char **json_pointer;
        char *stream_name; /* NULL = made from the first location */
        bool stream_per_file;
        char **typed_columns; /* names … */
        ColumnType *column_types; /* … and types, as many */
        uint64_t infer_rows;  /* 0 = all */
        bool fail_on_bad_rows;
        bool add_file_columns;
        char **http_headers; /* "Name: value" */
        uint64_t size_max;   /* of a file, after decompression; 0 = none */
        unsigned ratio_max;  /* of decompression */
} FileConfig;

int file_config_parse(JsonObject *config, FileConfig **ret, Error **reterr_error);
FileConfig *file_config_free(FileConfig *c);
DEFINE_CLEANUP(FileConfig, file_config_free);
