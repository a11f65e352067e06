/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <unistd.h>

#include "connectors/lib/generation-place.h"
#include "connectors/lib/record-stamp.h"
#include "connectors/lib/stream-columns.h"
#include "connectors/lib/stream-lock.h"
#include "connectors/lib/target-file.h"
#include "connectors/lib/target-name.h"
#include "connectors/lib/target-journal.h"
#include "connectors/lib/temporal.h"
#include "unit/test.h"

static JsonSlice slice(const char *s) {
        return (JsonSlice) { s, strlen(s) };
}

/* --- columns --------------------------------------------------------------------------------------------------- */

static ColumnKind kind_of(const char *schema, bool *ret_nullable) {
        _cleanup_json_ JsonObject *o = NULL;
        bool nullable;
        ColumnKind k;

        ASSERT_OK(json_parse(schema, strlen(schema), &o, NULL));
        k = column_kind_of_schema(o, &nullable);
        if (ret_nullable)
                *ret_nullable = nullable;
        return k;
}

TEST(schemas_say_the_kind_of_a_column) {
        static const struct {
                const char *schema;
                ColumnKind kind;
                bool nullable;
        } table[] = {
                { "{\"type\":\"string\"}", COLUMN_STRING, false },
                { "{\"type\":[\"null\",\"integer\"]}", COLUMN_INTEGER, true },
                { "{\"type\":[\"integer\",\"number\"]}", COLUMN_NUMBER, false },
                { "{\"type\":\"number\",\"airbyte_type\":\"integer\"}", COLUMN_INTEGER, false },
                { "{\"type\":\"string\",\"airbyte_type\":\"big_integer\"}", COLUMN_INTEGER, false },
                { "{\"type\":\"string\",\"format\":\"date\"}", COLUMN_DATE, false },
                { "{\"type\":\"string\",\"format\":\"date-time\"}", COLUMN_TIMESTAMP, false },
                { "{\"type\":\"string\",\"format\":\"time\"}", COLUMN_TIME, false },
                { "{\"type\":\"string\",\"airbyte_type\":\"timestamp_without_timezone\"}", COLUMN_TIMESTAMP, false },
                { "{\"type\":[\"string\",\"integer\",\"null\"]}", COLUMN_SCALAR, true },
                { "{\"type\":[\"string\",\"object\"]}", COLUMN_JSON, false },
                { "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\"}]}", COLUMN_JSON, false },
                { "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"null\"}]}", COLUMN_STRING, true },
                { "{\"$ref\":\"WellKnownTypes.json#/definitions/Integer\"}", COLUMN_INTEGER, true },
                { "{}", COLUMN_JSON, true },
                { "{\"type\":\"null\"}", COLUMN_JSON, true },
                { "{\"type\":\"strange\"}", COLUMN_JSON, true },
                { "{\"type\":\"array\"}", COLUMN_ARRAY, false },
                { "{\"type\":\"object\"}", COLUMN_OBJECT, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                bool nullable;

                assert_int_equal(kind_of(table[i].schema, &nullable), table[i].kind);
                assert_int_equal(nullable, table[i].nullable);
        }
}

static void columns_of(const char *schema, StreamColumns *ret) {
        _cleanup_json_ JsonObject *o = NULL;
        AirbyteStream s = { .name = (char *) "s" };

        ASSERT_OK(json_parse(schema, strlen(schema), &o, NULL));
        s.json_schema = o;
        ASSERT_OK(stream_columns_init(ret, &s, NULL));
}

TEST(columns_are_found_in_any_order_and_with_escapes) {
        StreamColumns c;

        columns_of("{\"properties\":{\"a\":{},\"b\":{},\"c\\\\d\":{},\"e\":{}}}", &c);
        for (int round = 0; round < 2; round++) {
                stream_columns_rewind(&c);
                assert_int_equal(stream_columns_find(&c, slice("a")), 0);
                assert_int_equal(stream_columns_find(&c, slice("b")), 1);
                assert_int_equal(stream_columns_find(&c, slice("c\\\\d")), 2);
                assert_int_equal(stream_columns_find(&c, slice("e")), 3);
        }
        assert_int_equal(stream_columns_find(&c, slice("b")), 1);
        assert_int_equal(stream_columns_find(&c, slice("\\u0061")), 0);
        /* The bytes of the key are those of the field, but they spell another. */
        assert_int_equal(stream_columns_find(&c, slice("c\\d")), -EBADMSG);
        assert_int_equal(stream_columns_find(&c, slice("zz")), -ENOENT);
        assert_int_equal(c.n_undeclared, 1);
        stream_columns_done(&c);
}

TEST(a_schema_without_properties_keeps_the_whole_record_unless_it_is_closed) {
        StreamColumns c;

        columns_of("{\"type\":\"object\"}", &c);
        assert_true(c.whole);
        assert_string_equal(c.items[0].field, COLUMN_WHOLE);
        stream_columns_done(&c);
        columns_of("{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}", &c);
        assert_false(c.whole);
        assert_int_equal(c.n, 0);
        stream_columns_done(&c);
}

/* --- stamps ---------------------------------------------------------------------------------------------------- */

TEST(times_are_text_that_sorts) {
        RecordStamp s = {};
        JsonSlice t = record_stamp_time(&s, INT64_C(1700000000123));

        assert_memory_equal(t.p, "2023-11-14T22:13:20.123Z", t.n);
        t = record_stamp_time(&s, INT64_C(1700000000007));
        assert_memory_equal(t.p, "2023-11-14T22:13:20.007Z", t.n);
        t = record_stamp_time(&s, -1);
        assert_memory_equal(t.p, "1969-12-31T23:59:59.999Z", t.n);
}

TEST(changes_of_the_source_and_ours_are_joined) {
        ConfiguredStream stream = { .has_generation = true, .sync_id = 9 };
        _cleanup_buffer_ Buffer b = {}, own = {};

        ASSERT_OK(record_change_append(&own, "f"));
        ASSERT_OK(record_meta_append(&b, &stream, slice("[ {\"x\":1} ]"), (JsonSlice) { buffer_bytes(&own), own.len }));
        assert_string_equal(buffer_string(&b), "{\"sync_id\":9,\"changes\":[{\"x\":1} ,{\"field\":\"f\",\"change\":"
                            "\"NULLED\",\"reason\":\"DESTINATION_TYPECAST_ERROR\"}]}");
        buffer_reset(&b);
        stream.has_generation = false;
        ASSERT_OK(record_meta_append(&b, &stream, slice("[ ]"), (JsonSlice) {}));
        assert_string_equal(buffer_string(&b), "{\"changes\":[]}");
}

/* --- generations ----------------------------------------------------------------------------------------------- */

static int place(DestinationSyncMode mode, int64_t generation, int64_t minimum, const GenerationHistory *h) {
        ConfiguredStream c = { .stream = { .name = (char *) "s" }, .destination_sync_mode = mode,
                               .has_generation = generation >= 0, .generation_id = generation,
                               .minimum_generation_id = minimum };

        return generation_place(&c, h, NULL);
}

TEST(generations_say_where_records_go) {
        const GenerationHistory none = {}, old = { .has_final = true },
                                same = { .has_final = true, .final_has_generation = true, .final_generation_id = 5 },
                                begun = { .has_final = true, .has_new = true, .new_has_generation = true,
                                          .new_generation_id = 5 },
                                nameless = { .has_new = true };
        const DestinationSyncMode append = DESTINATION_SYNC_MODE_APPEND, overwrite = DESTINATION_SYNC_MODE_OVERWRITE;

        assert_int_equal(place(append, -1, 0, &none), PLACE_FINAL);
        assert_int_equal(place(overwrite, -1, 0, &nameless), PLACE_NEW);
        assert_int_equal(place(overwrite, 0, 0, &old), PLACE_NEW);
        assert_int_equal(place(append, 5, 0, &begun), PLACE_FINAL);
        assert_int_equal(place(append, 5, 5, &old), PLACE_NEW);
        assert_int_equal(place(append, 5, 5, &begun), PLACE_NEW_RESUME);
        assert_int_equal(place(append, 6, 6, &begun), PLACE_NEW);
        assert_int_equal(place(append, 5, 5, &same), PLACE_FINAL);
        assert_int_equal(place(append, 5, 5, &nameless), PLACE_NEW);
        assert_int_equal(place(append, 5, 3, &old), -EOPNOTSUPP);
}

/* --- files ----------------------------------------------------------------------------------------------------- */

TEST(names_become_one_harmless_component) {
        static const char *const table[][2] = {
                { "users", "users" },   { "public.users", "public.users" }, { "../x", "%2E.%2Fx" },
                { "a/../b", "a%2F..%2Fb" }, { "-rf", "%2Drf" },             { "a-b", "a-b" },
                { "%2e", "%252e" },     { "", "%" },                        { "a b", "a%20b" },
                { ".gantry", "%2Egantry" }, { "\xc3\xa9", "%C3%A9" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_buffer_ Buffer b = {};

                ASSERT_OK(target_encode_name(table[i][0], true, &b));
                assert_string_equal(buffer_string(&b), table[i][1]);
        }
}

TEST(long_names_are_cut_and_stay_different) {
        _cleanup_buffer_ Buffer a = {}, b = {};
        char name[301];

        memset(name, 'x', sizeof(name) - 1);
        name[300] = 0;
        ASSERT_OK(target_encode_name(name, true, &a));
        name[299] = 'y';
        ASSERT_OK(target_encode_name(name, true, &b));
        assert_true(a.len < 115 && b.len < 115);
        assert_string_not_equal(buffer_string(&a), buffer_string(&b));
}

static int temporary_file(void) {
        char path[] = "/tmp/gantry-test-XXXXXX";
        int fd = mkstemp(path);

        ASSERT_OK(fd);
        ASSERT_OK(unlink(path));
        return fd;
}

TEST(a_journal_reads_back_its_newest_whole_slot) {
        TargetJournal j = { .length = 10, .new_length = 20, .clean = true,
                            .history = { .has_new = true, .new_has_generation = true, .new_generation_id = -3 } },
                      back;
        int fd = temporary_file();

        assert_int_equal(target_journal_read(fd, &back), 0);
        ASSERT_OK(target_journal_write(fd, &j, true));
        j.length = 11;
        ASSERT_OK(target_journal_write(fd, &j, true));
        assert_int_equal(target_journal_read(fd, &back), 1);
        assert_int_equal(back.length, 11);
        assert_int_equal(back.history.new_generation_id, -3);
        assert_true(back.clean && back.history.has_new && !back.history.has_final);
        /* Sequence 2 lies in the first slot: tear it. */
        assert_int_equal(pwrite(fd, "gantry1 9", 9, 0), 9);
        assert_int_equal(target_journal_read(fd, &back), 1);
        assert_int_equal(back.length, 10);
        ASSERT_OK(ftruncate(fd, 30));
        assert_int_equal(target_journal_read(fd, &back), 0);
        (void) close(fd);
}

TEST(a_stream_has_one_lock_whoever_opens_the_file) {
        char path[] = "/tmp/gantry-test-XXXXXX";
        int a = mkstemp(path), b = open(path, O_RDWR | O_CLOEXEC);

        ASSERT_OK(a);
        ASSERT_OK(b);
        ASSERT_OK(stream_lock_take(a, "n", "s"));
        ASSERT_ERROR(stream_lock_take(b, "n", "s"), EAGAIN);
        ASSERT_OK(stream_lock_take(b, NULL, "s"));
        ASSERT_OK(stream_lock_take(b, "ns", ""));
        (void) close(a);
        ASSERT_OK(stream_lock_take(b, "n", "s"));
        (void) close(b);
        (void) unlink(path);
}

TEST(times_of_all_shapes_are_known) {
        assert_true(temporal_is_timestamp("2024-01-01T00:00:00Z", 20));
        assert_true(temporal_is_timestamp("2024-01-01 00:00:00 BC", 22));
        assert_true(temporal_is_timestamp("2024-01-01T00:00:00 +01:00", 26));
        assert_false(temporal_is_timestamp("2024-01-01T", 11));
        assert_false(temporal_is_timestamp("2024-01-01T00:00:00Zx", 21));
        assert_false(temporal_is_date("2024-1-01", 9));
        assert_false(temporal_is_time("12:60", 5));
        assert_true(temporal_is_time("12:59:59,5-0330", 15));
}

TEST_MAIN()
