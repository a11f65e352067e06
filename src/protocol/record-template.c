/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One form of a line: the bytes around its two holes, the data and the digits of emitted_at, which come in
 * either order.
 *
 *     {"type":"RECORD","record":{"stream":"users","data":{…},"emitted_at":17…21}}
 *     └───────────────────── head ──────────────────────┘   └── middle ──┘     └┘ tail
 *
 * Whatever else the walker looks at lies in fixed bytes, so its place is known by its distance from the
 * start of its part: no search is left but the one for the end of the data.
 *
 * A match must not read behind the line's end, for the buffer may end there: each step asks first how
 * much is left, and the wide loads stay inside what is compared.
 *
 * The number of digits of the last emitted_at is tried first, with two loads for all of them; other
 * numbers are counted one by one. At most sixteen, without a leading zero: longer ones are the walker's. */

#ifdef __SSE2__
#  include <emmintrin.h>
#endif

#include "basic/json-skip.h"
#include "protocol/record-template.h"

/* Digits that a recognised emitted_at has at most: microseconds have 16. */
#define DIGITS_MAX 16U

/* The three runs of fixed bytes, in their order. */
enum {
        HEAD,
        MIDDLE,
        TAIL,
        _PART_MAX,
};

/* A slice of the envelope that lies in fixed bytes. */
typedef struct Place {
        uint8_t part;
        uint16_t at, n;
        bool present;
} Place;

struct RecordTemplate {
        unsigned shape;
        bool digits_first; /* emitted_at stands before data */
        uint16_t n[_PART_MAX];
        uint8_t n_digits; /* that emitted_at had, a guess for the next; 0 where it had too many */
        uint16_t payload_at, payload_behind; /* from the start of the head; from the end of the line */
        Place stream, namespace, meta;
        char bytes[]; /* head, middle and tail */
};

/* Where the fixed bytes lie in a line. */
typedef struct Parts {
        JsonSlice part[_PART_MAX];
} Parts;

/* Cuts the line of an envelope at its holes. */
static Parts parts_of(const Envelope *e, bool *ret_digits_first) {
        bool digits_first = e->emitted_at.p < e->data.p;
        JsonSlice first = digits_first ? e->emitted_at : e->data, second = digits_first ? e->data : e->emitted_at;
        const char *end = e->line.p + e->line.n;

        *ret_digits_first = digits_first;
        return (Parts) { {
                [HEAD] = { e->line.p, (size_t) (first.p - e->line.p) },
                [MIDDLE] = { first.p + first.n, (size_t) (second.p - first.p) - first.n },
                [TAIL] = { second.p + second.n, (size_t) (end - second.p) - second.n },
        } };
}

static Place place_of(const Parts *parts, JsonSlice s) {
        if (!s.p)
                return (Place) {};
        /* From the last part on: of an empty slice at a border any would do. */
        for (unsigned i = _PART_MAX; i-- > 0;)
                if (s.p >= parts->part[i].p)
                        return (Place) {
                                .part = (uint8_t) i,
                                .at = (uint16_t) (s.p - parts->part[i].p),
                                .n = (uint16_t) s.n,
                                .present = true,
                        };
        assert(false);
        return (Place) {};
}

static JsonSlice slice_at(const Place *place, const char *const start[static _PART_MAX]) {
        return place->present ? (JsonSlice) { start[place->part] + place->at, place->n } : (JsonSlice) {};
}

/* Everything that a match needs beside the bytes themselves is worked out here, once: where each slice of the
 * envelope lies from the start of its part. */
int record_template_new(const Envelope *e, unsigned shape, RecordTemplate **ret) {
        bool digits_first;
        Parts parts = parts_of(e, &digits_first);
        RecordTemplate *t;
        size_t n = 0;
        char *to;

        for (unsigned i = 0; i < _PART_MAX; i++)
                n += parts.part[i].n;
        if (n > RECORD_TEMPLATE_BYTES_MAX)
                return -ENOENT;
        t = malloc(sizeof(*t) + n);
        if (!t)
                return -ENOMEM;
        *t = (RecordTemplate) {
                .shape = shape,
                .digits_first = digits_first,
                .n_digits = e->emitted_at.n <= DIGITS_MAX ? (uint8_t) e->emitted_at.n : 0,
                .payload_at = (uint16_t) (e->payload.p - e->line.p),
                .payload_behind = (uint16_t) (e->line.p + e->line.n - (e->payload.p + e->payload.n)),
                .stream = place_of(&parts, e->stream),
                .namespace = place_of(&parts, e->namespace),
                .meta = place_of(&parts, e->meta),
        };
        to = t->bytes;
        for (unsigned i = 0; i < _PART_MAX; i++) {
                t->n[i] = (uint16_t) parts.part[i].n;
                memcpy(to, parts.part[i].p, parts.part[i].n);
                to += parts.part[i].n;
        }
        *ret = t;
        return 0;
}

RecordTemplate *record_template_free(RecordTemplate *t) {
        free(t);
        return NULL;
}

size_t record_template_bytes(const RecordTemplate *t) {
        return sizeof(*t) + t->n[HEAD] + t->n[MIDDLE] + t->n[TAIL];
}

uint64_t record_template_hash(const Envelope *e) {
        bool digits_first;
        Parts parts = parts_of(e, &digits_first);
        uint64_t h = UINT64_C(0xcbf29ce484222325);

        for (unsigned i = 0; i < _PART_MAX; i++)
                for (size_t k = 0; k <= parts.part[i].n; k++)
                        /* one turn more than there are bytes: the borders count */
                        h = (h ^ (k < parts.part[i].n ? (uint8_t) parts.part[i].p[k] : 0x100)) *
                            UINT64_C(0x100000001b3);
        return h;
}

static inline uint64_t word_at(const char *p) {
        uint64_t w;

        memcpy(&w, p, sizeof(w));
        return w;
}

/* memcmp() == 0 without the call: these runs are short. The last step of each width overlaps the one
 * before. */
static inline bool bytes_equal(const char *a, const char *b, size_t n) {
        size_t i = 0;

        if (n >= sizeof(uint64_t)) {
#ifdef __SSE2__
                for (; n - i >= 16; i += 16) {
                        __m128i x = _mm_loadu_si128((const __m128i *) (a + i));
                        __m128i y = _mm_loadu_si128((const __m128i *) (b + i));

                        if (_mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) != 0xffff)
                                return false;
                }
#endif
                for (; n - i > sizeof(uint64_t); i += sizeof(uint64_t))
                        if (word_at(a + i) != word_at(b + i))
                                return false;
                i = n - sizeof(uint64_t);
                return word_at(a + i) == word_at(b + i);
        }
        for (; n - i >= sizeof(uint16_t); i += sizeof(uint16_t))
                if (memcmp(a + i, b + i, sizeof(uint16_t)) != 0)
                        return false;
        return i == n || a[i] == b[i];
}

/* Whether eight bytes are digits: their upper halves are 3, and still are when 6 is added. */
static inline bool eight_digits(const char *p) {
        const uint64_t upper = UINT64_C(0xf0f0f0f0f0f0f0f0), threes = UINT64_C(0x3030303030303030);
        uint64_t w = word_at(p);

        return (w & upper) == threes && ((w + UINT64_C(0x0606060606060606)) & upper) == threes;
}

/* Length of the whole number at `p`, written as JSON wants it; 0 when there is none or it is too long for
 * here. `expected` is how long it was in the line before. */
static inline size_t count_digits(const char *p, const char *end, size_t expected) {
        size_t n = 0;

        if (p >= end)
                return 0;
        if (*p == '0')
                return 1;
        if (expected >= 8 && expected <= 16 && (size_t) (end - p) > expected && eight_digits(p) &&
            eight_digits(p + expected - 8))
                n = expected;
        while (n <= DIGITS_MAX && p + n < end && p[n] >= '0' && p[n] <= '9')
                n++;
        return n <= DIGITS_MAX ? n : 0;
}

/* The data object at `*p`, as the walk from the record's own bracket would find it: one level is taken.
 * Moves `*p` behind it. */
static inline bool take_data(bool open, const char **p, const char *end, JsonSlice *ret) {
        const char *start = *p, *behind;

        if (start >= end || *start != '{')
                return false;
        behind = open ? json_skip_container_in_line(start, end, JSON_DEPTH_MAX - 1)
                      : json_skip_container(start, end, JSON_DEPTH_MAX - 1);
        if (!behind)
                return false;
        *ret = (JsonSlice) { start, (size_t) (behind - start) };
        *p = behind;
        return true;
}

/* The digits of emitted_at, in the same way. */
static inline bool take_digits(const RecordTemplate *t, const char **p, const char *end, JsonSlice *ret) {
        size_t n = count_digits(*p, end, t->n_digits);

        *ret = (JsonSlice) { *p, n };
        *p += n;
        return n > 0;
}

/* One run of fixed bytes, in the same way. */
static inline bool take_fixed(const char *bytes, size_t n, const char **p, const char *end) {
        if ((size_t) (end - *p) < n || !bytes_equal(*p, bytes, n))
                return false;
        *p += n;
        return true;
}

/* What was found of a line on the way over it. */
typedef struct Match {
        const char *start[_PART_MAX];
        JsonSlice data, digits;
        const char *end;
} Match;

/* `open`: the text goes on behind the line. None of what is compared has a newline in it and the data has
 * none, so the newline that ends the line is the first one. */
static inline __attribute__((always_inline)) bool walk(const RecordTemplate *t, JsonSlice text, bool open,
                                                       Match *m) {
        const char *p = text.p, *end = p + text.n;
        const char *middle = t->bytes + t->n[HEAD], *tail = middle + t->n[MIDDLE];
        bool digits_first = t->digits_first;

        m->start[HEAD] = p;
        if (!take_fixed(t->bytes, t->n[HEAD], &p, end) ||
            !(digits_first ? take_digits(t, &p, end, &m->digits) : take_data(open, &p, end, &m->data)))
                return false;
        m->start[MIDDLE] = p;
        if (!take_fixed(middle, t->n[MIDDLE], &p, end) ||
            !(digits_first ? take_data(open, &p, end, &m->data) : take_digits(t, &p, end, &m->digits)))
                return false;
        m->start[TAIL] = p;
        if (!take_fixed(tail, t->n[TAIL], &p, end) || (open ? p == end || *p != '\n' : p != end))
                return false;
        m->end = p;
        return true;
}

static inline __attribute__((always_inline)) bool match(const RecordTemplate *t, JsonSlice text, bool open,
                                                        Envelope *ret) {
        Match m;
        size_t n;

        if (!walk(t, text, open, &m))
                return false;
        n = (size_t) (m.end - text.p);
        *ret = (Envelope) {
                .type = MESSAGE_RECORD,
                .line = { text.p, n },
                .payload = { text.p + t->payload_at, n - t->payload_at - t->payload_behind },
                .stream = slice_at(&t->stream, m.start),
                .namespace = slice_at(&t->namespace, m.start),
                .meta = slice_at(&t->meta, m.start),
                .data = m.data,
                .emitted_at = m.digits,
                .shape = t->shape,
        };
        return true;
}

bool record_template_match(const RecordTemplate *t, JsonSlice line, Envelope *ret) {
        return match(t, line, /* open= */ false, ret);
}

bool record_template_match_first(const RecordTemplate *t, JsonSlice text, Envelope *ret) {
        return match(t, text, /* open= */ true, ret);
}

/* What is not asked for is not kept: no envelope is made on the way. */
RecordRun record_template_run(const RecordTemplate *t, JsonSlice text, size_t line_max, uint64_t max) {
        RecordRun run = { .lines = { text.p, 0 } };
        Match m = {};

        while (run.n < max && walk(t, text, /* open= */ true, &m) && (size_t) (m.end - text.p) < line_max) {
                text = (JsonSlice) { m.end + 1, text.n - (size_t) (m.end + 1 - text.p) };
                run.n_data += m.data.n;
                run.n++;
        }
        run.lines.n = (size_t) (text.p - run.lines.p);
        return run;
}
