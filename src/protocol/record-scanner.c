/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "protocol/record-scanner.h"

struct RecordScanner {
        unsigned unused;
};

void line_reader_init(LineReader *r, size_t max) {
        assert(max > 0);
        *r = (LineReader) { .max = max };
}

void line_reader_done(LineReader *r) {
        buffer_done(&r->buffer);
}

char *line_reader_reserve(LineReader *r, size_t n) {
        return buffer_reserve(&r->buffer, n);
}

void line_reader_commit(LineReader *r, size_t n) {
        buffer_commit(&r->buffer, n);
}

/* Forgets the first `n` bytes; what was looked at of the rest stays known only for a line that goes on. */
static void consume(LineReader *r, size_t n) {
        buffer_consume(&r->buffer, n);
        r->scanned = 0;
}

/* Drops the rest of a line that was too long. True when its newline has come. */
static bool drop_line(LineReader *r, const char *newline) {
        if (!newline) {
                consume(r, r->buffer.len);
                return false;
        }
        consume(r, (size_t) (newline - buffer_bytes(&r->buffer)) + 1);
        r->dropping = false;
        return true;
}

int line_reader_next(LineReader *r, JsonSlice *ret_line) {
        for (;;) {
                const char *p, *newline;
                size_t n;

                if (r->buffer.len == r->scanned)
                        return 0;
                p = buffer_bytes(&r->buffer);
                newline = memchr(p + r->scanned, '\n', r->buffer.len - r->scanned);
                if (_unlikely_(r->dropping)) {
                        if (!drop_line(r, newline))
                                return 0;
                        continue;
                }
                n = newline ? (size_t) (newline - p) : r->buffer.len;
                if (_unlikely_(n >= r->max)) {
                        r->dropping = true;
                        r->n_lines++;
                        (void) drop_line(r, newline);
                        return -EMSGSIZE;
                }
                if (!newline) {
                        r->scanned = n;
                        return 0;
                }
                *ret_line = (JsonSlice) { p, n };
                consume(r, n + 1);
                r->n_lines++;
                return 1;
        }
}

int line_reader_rest(LineReader *r, JsonSlice *ret_line) {
        size_t n = r->buffer.len;

        if (n == 0 || r->dropping)
                return 0;
        *ret_line = (JsonSlice) { buffer_bytes(&r->buffer), n };
        consume(r, n);
        r->n_lines++;
        return 1;
}

/* Each type's name on the wire and the member that carries its payload. */
static const struct {
        const char *name, *payload;
} message_types[_MESSAGE_TYPE_MAX] = {
        [MESSAGE_RECORD] = { "RECORD", "record" },
        [MESSAGE_STATE] = { "STATE", "state" },
        [MESSAGE_LOG] = { "LOG", "log" },
        [MESSAGE_TRACE] = { "TRACE", "trace" },
        [MESSAGE_CONTROL] = { "CONTROL", "control" },
        [MESSAGE_SPEC] = { "SPEC", "spec" },
        [MESSAGE_CONNECTION_STATUS] = { "CONNECTION_STATUS", "connectionStatus" },
        [MESSAGE_CATALOG] = { "CATALOG", "catalog" },
        [MESSAGE_DESTINATION_CATALOG] = { "DESTINATION_CATALOG", "destination_catalog" },
};

const char *message_type_to_string(MessageType t) {
        return t >= 0 && t < _MESSAGE_TYPE_MAX ? message_types[t].name : NULL;
}

MessageType message_type_from_string(const char *s, size_t n) {
        for (int t = 0; t < _MESSAGE_TYPE_MAX; t++)
                if (strlen(message_types[t].name) == n && memcmp(message_types[t].name, s, n) == 0)
                        return t;
        return _MESSAGE_TYPE_INVALID;
}

static bool key_is(JsonSlice key, const char *name) {
        return json_key_equal(key, name, strlen(name));
}

/* The type that the value of "type" names, its escapes decoded. */
static MessageType type_of_value(JsonSlice value) {
        if (json_slice_type(value) != JSON_STRING)
                return _MESSAGE_TYPE_INVALID;
        for (int t = 0; t < _MESSAGE_TYPE_MAX; t++)
                if (key_is(json_string_inner(value), message_types[t].name))
                        return t;
        return _MESSAGE_TYPE_INVALID;
}

/* The outermost object: which type, and where the payload of each type lies. */
static int walk_envelope(JsonSlice line, MessageType *ret_type, JsonSlice payloads[static _MESSAGE_TYPE_MAX]) {
        const char *p = json_skip_space(line.p, line.p + line.n), *end = line.p + line.n;
        JsonSlice key, value;
        JsonIter it;
        int r;

        r = json_iter_object(&it, (JsonSlice) { p, (size_t) (end - p) });
        if (r < 0)
                return r;
        *ret_type = _MESSAGE_TYPE_INVALID;
        while ((r = json_iter_member(&it, &key, &value)) > 0) {
                if (key_is(key, "type")) {
                        *ret_type = type_of_value(value);
                        continue;
                }
                for (int t = 0; t < _MESSAGE_TYPE_MAX; t++)
                        if (key_is(key, message_types[t].payload))
                                payloads[t] = value;
        }
        if (r < 0)
                return r;
        return json_skip_space(it.p, end) == end ? 0 : -EBADMSG;
}

/* A member that may be absent or null: 0 and the slice, or -EBADMSG where it is of another type. */
static int optional(JsonSlice value, JsonType type, JsonSlice *ret) {
        if (value.n == 0 || json_slice_type(value) == JSON_NULL) {
                *ret = (JsonSlice) {};
                return 0;
        }
        if (json_slice_type(value) != type)
                return -EBADMSG;
        *ret = type == JSON_STRING ? json_string_inner(value) : value;
        return 0;
}

static int required(JsonSlice value, JsonType type, JsonSlice *ret) {
        int r = optional(value, type, ret);

        return r < 0 ? r : ret->p ? 0 : -EBADMSG;
}

static int walk_record(Envelope *e) {
        static const char *const names[] = { "stream", "data", "emitted_at", "namespace", "meta" };
        JsonSlice members[ELEMENTSOF(names)] = {}, key, value;
        JsonIter it;
        int r;

        r = json_iter_object(&it, e->payload);
        if (r < 0)
                return r;
        while ((r = json_iter_member(&it, &key, &value)) > 0)
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        if (key_is(key, names[i])) {
                                members[i] = value;
                                break;
                        }
        if (r < 0)
                return r;
        if (required(members[0], JSON_STRING, &e->stream) < 0 || required(members[1], JSON_OBJECT, &e->data) < 0 ||
            required(members[2], JSON_NUMBER, &e->emitted_at) < 0 ||
            optional(members[3], JSON_STRING, &e->namespace) < 0 || optional(members[4], JSON_OBJECT, &e->meta) < 0)
                return -EBADMSG;
        /* The walkers take any run of bytes for a number; this one is used as such. */
        return json_validate(e->emitted_at.p, e->emitted_at.n, NULL) < 0 ? -EBADMSG : 0;
}

int envelope_parse(JsonSlice line, Envelope *ret) {
        JsonSlice payloads[_MESSAGE_TYPE_MAX] = {};
        Envelope e = { .line = line };
        int r;

        r = walk_envelope(line, &e.type, payloads);
        if (r < 0)
                return r;
        if (e.type < 0 || json_slice_type(payloads[e.type]) != JSON_OBJECT)
                return -ENOMSG;
        e.payload = payloads[e.type];
        if (e.type == MESSAGE_RECORD) {
                r = walk_record(&e);
                if (r < 0)
                        return r;
        }
        *ret = e;
        return 0;
}

RecordScanner *record_scanner_new(void) {
        return calloc(1, sizeof(RecordScanner));
}

RecordScanner *record_scanner_free(RecordScanner *s) {
        free(s);
        return NULL;
}

int record_scanner_scan(RecordScanner *s, JsonSlice line, Envelope *ret) {
        return envelope_parse(line, ret);
}
