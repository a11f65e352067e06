/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "connectors/lib/emitter.h"
#include "unit/test.h"

/* An emitter into a pipe, and what came out of it so far. */
typedef struct Fixture {
        int fds[2];
        Emitter *emitter;
        EmitterStream *stream;
        char text[65536];
} Fixture;

static void fixture_init(Fixture *f) {
        ASSERT_OK(pipe2(f->fds, O_CLOEXEC));
        ASSERT_OK(fd_set_nonblock(f->fds[0], true));
        f->emitter = emitter_new(f->fds[1]);
        assert_non_null(f->emitter);
        ASSERT_OK(emitter_stream_new(f->emitter, "a \"b\"", "n", &f->stream));
}

static void fixture_done(Fixture *f) {
        emitter_stream_free(f->stream);
        emitter_free(f->emitter);
        (void) close(f->fds[0]);
        (void) close(f->fds[1]);
}

static const char *taken(Fixture *f) {
        ssize_t k = read(f->fds[0], f->text, sizeof(f->text) - 1);

        f->text[k > 0 ? k : 0] = 0;
        return f->text;
}

static void emit(Fixture *f, const char *data) {
        Buffer *b = emitter_record_begin(f->stream);

        assert_non_null(b);
        ASSERT_OK(buffer_append_string(b, data));
        ASSERT_OK(emitter_record_end(f->stream));
}

TEST(a_record_is_one_line_with_stream_namespace_and_time) {
        Fixture f = {};
        JsonSlice line, value;
        int64_t at;

        fixture_init(&f);
        emit(&f, "{\"x\":1}");
        ASSERT_OK(emitter_flush(f.emitter));
        line = (JsonSlice) { taken(&f), strlen(f.text) };
        assert_int_equal(line.p[line.n - 1], '\n');
        line.n--;
        ASSERT_OK(json_validate(line.p, line.n, NULL));
        assert_int_equal(json_find_member(line, "record", &value), 1);
        line = value;
        assert_int_equal(json_find_member(line, "stream", &value), 1);
        assert_true(json_key_equal(json_string_inner(value), "a \"b\"", 5));
        assert_int_equal(json_find_member(line, "emitted_at", &value), 1);
        ASSERT_OK(json_parse_i64(value, &at));
        assert_true(at > INT64_C(1600000000000));
        fixture_done(&f);
}

TEST(a_cancelled_record_leaves_nothing) {
        Fixture f = {};

        fixture_init(&f);
        assert_non_null(emitter_record_begin(f.stream));
        emitter_record_cancel(f.stream);
        assert_int_equal(emitter_stream_count(f.stream), 0);
        ASSERT_OK(emitter_flush(f.emitter));
        assert_string_equal(taken(&f), "");
        fixture_done(&f);
}

TEST(a_log_during_a_record_follows_it) {
        Fixture f = {};
        Buffer *b;

        fixture_init(&f);
        b = emitter_record_begin(f.stream);
        assert_non_null(b);
        ASSERT_OK(emitter_log(f.emitter, "WARN", "row %d", 3));
        ASSERT_OK(buffer_append_string(b, "{}"));
        ASSERT_OK(emitter_record_end(f.stream));
        ASSERT_OK(emitter_flush(f.emitter));
        assert_ptr_equal(strstr(taken(&f), "{\"type\":\"RECORD\""), f.text);
        assert_non_null(strstr(f.text, "}}\n{\"type\":\"LOG\""));
        fixture_done(&f);
}

TEST(a_state_carries_the_count_since_the_last_one) {
        Fixture f = {};

        fixture_init(&f);
        emit(&f, "{}");
        emit(&f, "{}");
        ASSERT_OK(emitter_stream_state(f.stream, "{\"c\":2}"));
        ASSERT_OK(emitter_stream_state(f.stream, "null"));
        ASSERT_OK(emitter_flush(f.emitter));
        (void) taken(&f);
        assert_non_null(strstr(f.text, "\"stream_state\":{\"c\":2}},\"sourceStats\":{\"recordCount\":2.0}"));
        assert_non_null(strstr(f.text, "\"stream_state\":null},\"sourceStats\":{\"recordCount\":0.0}"));
        fixture_done(&f);
}

TEST(secrets_are_masked_the_longest_first) {
        Fixture f = {};
        _cleanup_free_ char *masked = NULL;
        char **secrets = NULL;

        fixture_init(&f);
        ASSERT_OK(strv_extend(&secrets, "hunter2"));
        ASSERT_OK(strv_extend(&secrets, "hunter2-and-more"));
        ASSERT_OK(strv_extend(&secrets, "abc"));
        emitter_set_secrets(f.emitter, secrets);
        masked = emitter_mask(f.emitter, "x hunter2-and-more y hunter2 abc");
        assert_string_equal(masked, "x ********** y ********** abc");
        ASSERT_OK(emitter_log(f.emitter, "ERROR", "no entry with %s", "hunter2"));
        ASSERT_OK(emitter_flush(f.emitter));
        assert_null(strstr(taken(&f), "hunter2"));
        fixture_done(&f);
}

TEST(a_stop_ends_between_records_and_nothing_is_lost) {
        volatile sig_atomic_t stop = 0;
        Fixture f = {};
        Buffer *b;

        fixture_init(&f);
        emitter_set_stop(f.emitter, &stop);
        emit(&f, "{}");
        stop = 1;
        b = emitter_record_begin(f.stream);
        assert_non_null(b);
        ASSERT_OK(buffer_append_string(b, "{}"));
        ASSERT_ERROR(emitter_record_end(f.stream), ECANCELED);
        (void) taken(&f);
        assert_int_equal(f.text[strlen(f.text) - 1], '\n');
        assert_non_null(strstr(f.text, "\n{\"type\":\"RECORD\""));
        fixture_done(&f);
}

TEST_MAIN()
