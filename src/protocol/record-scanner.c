/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The scanner is a cache over envelope_parse(), which alone says what a line means. It never answers
 * otherwise than that would: docs/PROTOCOL.md, "The fast path", has the proof, and a fuzz target compares
 * the two.
 *
 *     line ──> template of the line before ──> templates of its stream ──> walk ──> learn
 *              (no search of the newline       (hash of the bytes up to
 *               once two in a row fit)          the end of the name)
 *
 * Which template to try is asked without knowing where in the line the stream's name is: connectors write
 * the members in an order of their own, but each connector always in the same. So the places where names
 * have been seen to begin are kept, at most eight, and the bytes from the start of the line to the quote
 * behind the name are the key. The table answers 64 bits of hash; whether the line really has the form is
 * always compared.
 *
 * All bounds are on memory and probes, and none on correctness: when a bound is met the line is walked. A
 * form must be met twice before it gets a template, else a connector whose every line is new would fill
 * the table with forms that never return. Templates live as long as the scanner, for their number
 * (Envelope.shape) is a promise to those behind: the same number, the same bytes around the holes.
 *
 * `steady` is a guess about what comes, of two lines in a row. It makes the scanner compare before it
 * knows where the line ends; a wrong guess costs the comparison once and is then taken back. */

#include "protocol/record-scanner.h"
#include "protocol/record-template.h"

/* Templates are kept for the life of the scanner, so that a shape always means the same form: limits, not
 * eviction, bound the memory that a connector with ever new forms can take. What comes later is walked. */
#define TEMPLATES_BYTES_MAX (4U * 1024U * 1024U)
/* Lines of one stream may come in a few forms (with and without meta, say). */
#define TEMPLATES_PER_KEY_MAX 4U
#define PROBES_MAX 16U
/* At how many places of a line a stream name has been seen to begin. */
#define STREAM_PLACES_MAX 8U
#define STREAM_NAME_MAX 256U
#define CANDIDATES 256U

typedef struct Slot {
        uint64_t key; /* hash of the bytes up to the end of the stream's name */
        RecordTemplate *template;
} Slot;

struct RecordScanner {
        RecordTemplate *last; /* the one that recognised the line before */
        bool steady;          /* and the one before that */
        Slot *slots;          /* open addressing, a power of 2 */
        size_t n_slots, n_templates, n_bytes;
        uint16_t stream_places[STREAM_PLACES_MAX];
        unsigned n_stream_places;
        /* A form earns a template when it is met for the second time: hashes of those met once. */
        uint64_t candidates[CANDIDATES];
};

void line_reader_init(LineReader *r, size_t max) {
        assert(max > 0);
        *r = (LineReader) { .max = max };
}

void line_reader_done(LineReader *r) {
        buffer_done(&r->buffer);
}

char *line_reader_reserve(LineReader *r, size_t n) {
        return buffer_reserve_read(&r->buffer, n);
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

/* `scanned` is what makes a line in a thousand pieces cost one search. A line that is too long is noticed as soon as
 * that much of it is there, not at its end: its bytes are let go of while it still comes. */
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
static int walk_envelope(JsonSlice line, MessageType *ret_type,
                         JsonSlice payloads[static _MESSAGE_TYPE_MAX]) {
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
        if (required(members[0], JSON_STRING, &e->stream) < 0 || required(members[1], JSON_OBJECT,
                &e->data) < 0 ||
            required(members[2], JSON_NUMBER, &e->emitted_at) < 0 ||
            optional(members[3], JSON_STRING, &e->namespace) < 0 || optional(members[4], JSON_OBJECT,
                    &e->meta) < 0)
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
        if (!s)
                return NULL;
        for (size_t i = 0; i < s->n_slots; i++)
                record_template_free(s->slots[i].template);
        free(s->slots);
        free(s);
        return NULL;
}

/* Every bit of the input reaches every bit of the output: both halves of the long product count. */
static inline uint64_t mix(uint64_t h, uint64_t word) {
        unsigned __int128 product = (unsigned __int128) (h ^ word) * UINT64_C(0xff51afd7ed558ccd);

        return (uint64_t) product ^ (uint64_t) (product >> 64);
}

/* Hash of the bytes from the start of a line to the quote behind the stream name that begins at `place`;
 * 0 for none. */
static uint64_t key_of(JsonSlice line, size_t place) {
        const char *p = line.p, *quote;
        uint64_t h = UINT64_C(0x9e3779b97f4a7c15), word;
        size_t n;

        if (place >= line.n)
                return 0;
        quote = memchr(p + place, '"', MIN(line.n - place, STREAM_NAME_MAX));
        if (!quote)
                return 0;
        for (n = (size_t) (quote - p); n >= sizeof(word); n -= sizeof(word), p += sizeof(word)) {
                memcpy(&word, p, sizeof(word));
                h = mix(h, word);
        }
        word = (uint64_t) n << 56; /* fewer than 8 bytes are left: the top one is free */
        memcpy(&word, p, n);
        h = mix(h, word);
        return h ?: 1;
}

static bool scan_templates(RecordScanner *s, JsonSlice line, Envelope *ret) {
        for (unsigned i = 0; i < s->n_stream_places; i++) {
                uint64_t key = key_of(line, s->stream_places[i]);
                size_t at = (size_t) key;

                for (unsigned k = 0; key != 0 && k < PROBES_MAX; k++, at++) {
                        const Slot *slot = s->slots + (at & (s->n_slots - 1));

                        if (!slot->template)
                                break;
                        if (slot->key == key && record_template_match(slot->template, line, ret)) {
                                s->last = slot->template;
                                return true;
                        }
                }
        }
        return false;
}

/* The free slot for a new template, NULL where there are enough of its kind or the neighbourhood is full. */
static Slot *find_free(Slot *slots, size_t n_slots, uint64_t key) {
        unsigned same = 0;

        for (size_t k = 0; k < PROBES_MAX; k++) {
                Slot *slot = slots + ((key + k) & (n_slots - 1));

                if (!slot->template)
                        return slot;
                if (slot->key == key && ++same >= TEMPLATES_PER_KEY_MAX)
                        return NULL;
        }
        return NULL;
}

/* Keeps the table at most half full. Templates that find no place in the larger table are dropped: their
 * lines are walked from then on. */
static int grow(RecordScanner *s) {
        size_t n = s->n_slots > 0 ? s->n_slots * 2 : 16;
        Slot *slots;

        if (s->n_slots > s->n_templates * 2)
                return 0;
        slots = calloc(n, sizeof(Slot));
        if (!slots)
                return -ENOMEM;
        for (size_t i = 0; i < s->n_slots; i++) {
                Slot *old = s->slots + i, *to;

                if (!old->template)
                        continue;
                to = find_free(slots, n, old->key);
                if (to)
                        *to = *old;
                else {
                        if (s->last == old->template)
                                s->last = NULL; /* and steady is false: another form was met */
                        record_template_free(old->template);
                }
        }
        free(s->slots);
        s->slots = slots;
        s->n_slots = n;
        return 0;
}

/* Remembers where a stream name begins; false when there are too many such places already. */
static bool know_place(RecordScanner *s, size_t place) {
        for (unsigned i = 0; i < s->n_stream_places; i++)
                if (s->stream_places[i] == place)
                        return true;
        if (s->n_stream_places == STREAM_PLACES_MAX)
                return false;
        s->stream_places[s->n_stream_places++] = (uint16_t) place;
        return true;
}

/* Whether a form was met before; remembers it otherwise. */
static bool met_before(RecordScanner *s, uint64_t hash) {
        uint64_t *place = s->candidates + hash % CANDIDATES;

        if (*place == hash)
                return true;
        *place = hash;
        return false;
}

/* A line was walked: makes its form a template. Running out of memory or room only leaves the scanner
 * slower. */
static void learn(RecordScanner *s, Envelope *e) {
        size_t place = (size_t) (e->stream.p - e->line.p);
        RecordTemplate *t;
        uint64_t key;
        Slot *slot;

        if (s->n_templates + 1 >= RECORD_SHAPES_MAX || s->n_bytes >= TEMPLATES_BYTES_MAX ||
            place > RECORD_TEMPLATE_BYTES_MAX || e->stream.p > e->data.p || e->stream.p > e->emitted_at.p)
                return;
        key = key_of(e->line, place);
        if (key == 0 || !met_before(s, record_template_hash(e)) || grow(s) < 0 || !know_place(s, place))
                return;
        slot = find_free(s->slots, s->n_slots, key);
        if (!slot || record_template_new(e, (unsigned) s->n_templates + 1, &t) < 0)
                return;
        *slot = (Slot) { key, t };
        s->n_templates++;
        s->n_bytes += record_template_bytes(t);
        s->last = t;
        e->shape = (unsigned) s->n_templates;
}

/* Behind the template of the line before, which was tried or is not there. */
static int scan_others(RecordScanner *s, JsonSlice line, Envelope *ret) {
        int r;

        s->steady = false;
        if (scan_templates(s, line, ret))
                return 0;
        r = envelope_parse(line, ret);
        if (r >= 0 && ret->type == MESSAGE_RECORD)
                learn(s, ret);
        return r;
}

int record_scanner_scan(RecordScanner *s, JsonSlice line, Envelope *ret) {
        if (_likely_(s->last && record_template_match(s->last, line, ret))) {
                s->steady = true;
                return 0;
        }
        return scan_others(s, line, ret);
}

int record_scanner_next(RecordScanner *s, LineReader *r, Envelope *ret) {
        JsonSlice line = { buffer_bytes(&r->buffer), r->buffer.len };
        /* `scanned`: the start of this line was seen to have no newline; it is not walked each time that
         * more of it comes. */
        bool try = s->steady && line.n > 0 && r->scanned == 0 && !r->dropping;
        int k;

        if (_likely_(try && record_template_match_first(s->last, line, ret) && ret->line.n < r->max)) {
                consume(r, ret->line.n + 1);
                r->n_lines++;
                return 1;
        }
        k = line_reader_next(r, &line);
        if (k <= 0)
                return k;
        k = try ? scan_others(s, line, ret) : record_scanner_scan(s, line, ret);
        if (k >= 0)
                return 1;
        ret->line = line;
        return k;
}

bool record_scanner_run(RecordScanner *s, LineReader *r, uint64_t max, RecordRun *ret) {
        JsonSlice text = { buffer_bytes(&r->buffer), r->buffer.len };

        if (!s->steady || r->scanned > 0 || r->dropping || text.n == 0)
                return false;
        *ret = record_template_run(s->last, text, r->max, max);
        consume(r, ret->lines.n);
        r->n_lines += ret->n;
        return ret->n > 0;
}
