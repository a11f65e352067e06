/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text becomes a JSON string and text again; an escaped string means one text, however it is read. */

#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "basic/utf8.h"
#include "fuzz/fuzz.h"

static JsonSlice inner_of(const Buffer *b) {
        return json_string_inner((JsonSlice) { buffer_bytes(b), b->len });
}

static bool holds(const Buffer *b, const char *p, size_t n) {
        return b->len == n && (n == 0 || memcmp(buffer_bytes(b), p, n) == 0);
}

/* The bytes as text to write. */
static void write_and_read(const char *p, size_t n) {
        _cleanup_buffer_ Buffer quoted = {}, back = {};

        FUZZ_CHECK(json_write_string(&quoted, p, n) == 0);
        FUZZ_CHECK(json_validate(buffer_bytes(&quoted), quoted.len, NULL) == 0);
        FUZZ_CHECK(json_string_decode(inner_of(&quoted), &back) == 0);
        FUZZ_CHECK(back.len == 0 || utf8_is_valid(buffer_bytes(&back), back.len));
        if (utf8_is_valid(p, n))
                FUZZ_CHECK(holds(&back, p, n));
}

/* The bytes as what stands between the quotes. */
static void read_and_write(const char *p, size_t n) {
        _cleanup_buffer_ Buffer quoted = {}, text = {}, again = {}, back = {};
        JsonSlice escaped = { p, n };
        int decoded;

        FUZZ_CHECK(buffer_append_char(&quoted, '"') == 0 && buffer_append(&quoted, p, n) == 0 &&
                   buffer_append_char(&quoted, '"') == 0);
        decoded = json_string_decode(escaped, &text);
        if (json_validate(buffer_bytes(&quoted), quoted.len, NULL) < 0)
                return;
        FUZZ_CHECK(decoded == 0);
        FUZZ_CHECK(json_skip_string(buffer_bytes(&quoted), buffer_bytes(&quoted) + quoted.len) ==
                   buffer_bytes(&quoted) + quoted.len);
        FUZZ_CHECK(text.len == 0 || utf8_is_valid(buffer_bytes(&text), text.len));
        FUZZ_CHECK(json_key_equal(escaped, text.len ? buffer_bytes(&text) : "", text.len));
        FUZZ_CHECK(text.len == 0 || !json_key_equal(escaped, buffer_bytes(&text), text.len - 1));
        FUZZ_CHECK(json_write_string(&again, text.len ? buffer_bytes(&text) : "", text.len) == 0);
        FUZZ_CHECK(json_string_decode(inner_of(&again), &back) == 0);
        FUZZ_CHECK(holds(&back, text.len ? buffer_bytes(&text) : "", text.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = size > 0 ? (const char *) data : "";

        write_and_read(p, size);
        read_and_write(p, size);
        return 0;
}
