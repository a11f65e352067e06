/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A source that costs next to nothing: RECORD lines of ~340 B, made once and written in blocks of about 350 KB, a STATE
 * behind each block. Only the ids in a block are changed between writes.
 *
 *   bench-generate RECORDS [STREAMS]                    writes them
 *   bench-generate spec | check | discover | read …     the same as an Airbyte source; configuration:
 *                                                       {"records": 1000000, "streams": 1} */

#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

#include "basic/parse-util.h"
#include "protocol/message.h"

#define BLOCK_RECORDS 1024U
#define FIRST_ID 1000000000U /* ten digits, so that a block's ids can be counted up in place */

#define RECORD_HEAD "{\"type\":\"RECORD\",\"record\":{\"stream\":\"%s\",\"data\":{\"id\":"
#define RECORD_TAIL                                                                                                  \
        ",\"email\":\"person%u@example.org\",\"name\":\"Some One\",\"created_at\":\"2026-01-02T03:04:05Z\","              \
        "\"country\":\"NL\",\"score\":12.5,\"active\":true,\"note\":\"a note of the usual length, without much in it, but long enough for 340 bytes\"," \
        "\"amount\":%u,\"currency\":\"EUR\"},\"emitted_at\":1767323045%03u}}\n"
#define SCHEMA                                                                                                        \
        "{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"integer\"},\"email\":{\"type\":\"string\"},\"name\":"     \
        "{\"type\":\"string\"},\"created_at\":{\"type\":\"string\",\"format\":\"date-time\"},\"country\":{\"type\":"      \
        "\"string\"},\"score\":{\"type\":\"number\"},\"active\":{\"type\":\"boolean\"},\"note\":{\"type\":\"string\"},"   \
        "\"amount\":{\"type\":\"integer\"},\"currency\":{\"type\":\"string\"}}}"

typedef struct Block {
        Buffer bytes;
        size_t id_at[BLOCK_RECORDS];
        size_t end_at[BLOCK_RECORDS];
} Block;

static void put_id(char *to, uint64_t id) {
        for (int i = 9; i >= 0; i--, id /= 10)
                to[i] = (char) ('0' + id % 10);
}

static int block_init(Block *b, const char *stream, uint64_t records) {
        buffer_reset(&b->bytes);
        for (unsigned i = 0; i < BLOCK_RECORDS && i < records; i++) {
                int r = buffer_appendf(&b->bytes, RECORD_HEAD, stream);

                b->id_at[i] = b->bytes.len;
                if (r >= 0)
                        r = buffer_append_string(&b->bytes, "1000000000");
                if (r >= 0)
                        r = buffer_appendf(&b->bytes, RECORD_TAIL, i, i * 7 % 977, i % 1000);
                if (r < 0)
                        return r;
                b->end_at[i] = b->bytes.len;
        }
        return 0;
}

static int write_all(const char *p, size_t n) {
        while (n > 0) {
                ssize_t k = write(STDOUT_FILENO, p, n);

                if (k < 0)
                        return -errno;
                p += k;
                n -= (size_t) k;
        }
        return 0;
}

static int write_stream(Block *b, Buffer *state, const char *stream, uint64_t records) {
        uint64_t done = 0;
        int r;

        r = block_init(b, stream, records);
        buffer_reset(state);
        if (r >= 0)
                r = message_write_stream_status(state, 1767323045000, stream, NULL, STREAM_STATUS_STARTED);
        while (r >= 0 && done < records) {
                size_t n = MIN((uint64_t) BLOCK_RECORDS, records - done);

                for (size_t i = 0; i < n; i++)
                        put_id(buffer_bytes(&b->bytes) + b->id_at[i], FIRST_ID + done + i);
                if (state->len > 0)
                        r = write_all(buffer_bytes(state), state->len);
                if (r >= 0)
                        r = write_all(buffer_bytes(&b->bytes), b->end_at[n - 1]);
                done += n;
                buffer_reset(state);
                if (r >= 0)
                        r = buffer_appendf(state,
                                           "{\"type\":\"STATE\",\"state\":{\"type\":\"STREAM\",\"stream\":{"
                                           "\"stream_descriptor\":{\"name\":\"%s\"},\"stream_state\":{\"id\":%llu}},"
                                           "\"sourceStats\":{\"recordCount\":%zu.0}}}\n",
                                           stream, (unsigned long long) (FIRST_ID + done), n);
        }
        if (r >= 0)
                r = message_write_stream_status(state, 1767323045000, stream, NULL, STREAM_STATUS_COMPLETE);
        return r < 0 ? r : write_all(buffer_bytes(state), state->len);
}

static int generate(uint64_t records, uint64_t streams) {
        _cleanup_buffer_ Buffer state = {};
        Block *b = calloc(1, sizeof(Block));
        int r = b ? 0 : -ENOMEM;

        for (uint64_t i = 0; r >= 0 && i < streams; i++) {
                char name[32];

                (void) snprintf(name, sizeof(name), "s%llu", (unsigned long long) i);
                r = write_stream(b, &state, name, records / streams);
        }
        if (b)
                buffer_done(&b->bytes);
        free(b);
        return r;
}

static int discover(uint64_t streams) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = buffer_append_string(&b, "{\"type\":\"CATALOG\",\"catalog\":{\"streams\":[");
        for (uint64_t i = 0; r >= 0 && i < streams; i++)
                r = buffer_appendf(&b,
                                   "%s{\"name\":\"s%llu\",\"json_schema\":" SCHEMA ",\"supported_sync_modes\":"
                                   "[\"full_refresh\",\"incremental\"],\"source_defined_cursor\":true,"
                                   "\"default_cursor_field\":[\"id\"],\"source_defined_primary_key\":[[\"id\"]]}",
                                   i > 0 ? "," : "", (unsigned long long) i);
        if (r >= 0)
                r = buffer_append_string(&b, "]}}\n");
        return r < 0 ? r : write_all(buffer_bytes(&b), b.len);
}

static int read_config(int argc, char *argv[], uint64_t *ret_records, uint64_t *ret_streams) {
        _cleanup_json_ JsonObject *config = NULL;
        int64_t records = 1000, streams = 1;
        const char *path = NULL;
        int r;

        for (int i = 2; i + 1 < argc; i++)
                if (streq(argv[i], "--config"))
                        path = argv[i + 1];
        if (!path)
                return -EINVAL;
        r = json_parse_file(path, 1 << 20, &config, NULL);
        if (r >= 0)
                r = json_get_i64(config, "records", &records, "Configuration", NULL);
        if (r >= 0)
                r = json_get_i64(config, "streams", &streams, "Configuration", NULL);
        if (r < 0 || records < 0 || streams < 1)
                return -EINVAL;
        *ret_records = (uint64_t) records;
        *ret_streams = (uint64_t) streams;
        return 0;
}

static int run_verb(int argc, char *argv[]) {
        static const char spec[] = "{\"type\":\"SPEC\",\"spec\":{\"connectionSpecification\":{\"type\":\"object\","
                                   "\"properties\":{\"records\":{\"type\":\"integer\"},\"streams\":{\"type\":"
                                   "\"integer\"}}},\"supportsIncremental\":true}}\n";
        static const char ok[] = "{\"type\":\"CONNECTION_STATUS\",\"connectionStatus\":{\"status\":\"SUCCEEDED\"}}\n";
        uint64_t records, streams;
        int r;

        if (streq(argv[1], "spec"))
                return write_all(spec, sizeof(spec) - 1);
        r = read_config(argc, argv, &records, &streams);
        if (r < 0)
                return r;
        if (streq(argv[1], "check"))
                return write_all(ok, sizeof(ok) - 1);
        return streq(argv[1], "discover") ? discover(streams) : generate(records, streams);
}

int main(int argc, char *argv[]) {
        uint64_t records, streams = 1;
        int r;

        if (argc < 2) {
                fprintf(stderr, "Usage: %s RECORDS [STREAMS]\n", argv[0]);
                return 2;
        }
        if (argv[1][0] < '0' || argv[1][0] > '9')
                r = run_verb(argc, argv);
        else if (parse_u64(argv[1], &records) < 0 || (argc > 2 && parse_u64(argv[2], &streams) < 0) || streams == 0)
                r = -EINVAL;
        else
                r = generate(records, streams);
        if (r < 0)
                fprintf(stderr, "bench-generate: %s\n", strerror(-r));
        return r < 0;
}
