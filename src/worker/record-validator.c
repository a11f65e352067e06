/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A queue of copies between the hot path and idle time. Offering costs a copy and answers from which
 * record on it is worth offering again, so that mostly it isn't even called: early records are all taken,
 * later ones ever more rarely, and none of a stream that has shown enough. Samples are checked in order,
 * a budget of bytes at a time.
 *
 * Nothing here is a reason to fail: a schema that doesn't compile, or a check that can't be decided, ends
 * the watching of that stream. Problems are sentences without values. Fields that the selection leaves
 * out aren't judged. */

#include "protocol/json-schema.h"
#include "worker/record-validator.h"

/* The queue holds what a few milliseconds of idling can check; a record that is larger than all of it is
 * not sampled. */
#define QUEUE_BYTES_MAX (256U * 1024U)
#define QUEUE_RECORDS_MAX 256U
/* Idle time is not free where processes share a core: of the first records each is sampled, then ever
 * fewer, so that a stream of a million has some 2,400 looked at and one of a billion 4,200. */
#define SAMPLES_BEFORE_THINNING 256U
/* While the queue is full, one record in so many is offered. */
#define OFFER_AGAIN 16U
/* Of one record; the first sentences tell enough. */
#define PROBLEMS_PER_RECORD_MAX 4U

typedef struct ValidatedStream {
        const AirbyteStream *stream;
        char *const *selected; /* NULL = all */
        JsonSchema *schema;    /* compiled when the first sample comes */
        uint64_t n_checked, n_invalid;
        char **problems;
        char **unexpected;
        bool tried, unusable;
} ValidatedStream;

typedef struct Sample {
        size_t stream;
        size_t n;
} Sample;

struct RecordValidator {
        ValidatedStream *streams;
        size_t n_streams;
        Sample samples[QUEUE_RECORDS_MAX]; /* a ring; their bytes stand one behind the other in `bytes` */
        size_t first, n_samples;
        Buffer bytes;
};

int record_validator_new(const ConfiguredCatalog *catalog, char *const *const *selected_fields,
                         RecordValidator **ret) {
        RecordValidator *v = calloc(1, sizeof(RecordValidator));

        if (!v)
                return -ENOMEM;
        v->streams = calloc(catalog->n_streams + 1, sizeof(ValidatedStream));
        if (!v->streams) {
                free(v);
                return -ENOMEM;
        }
        v->n_streams = catalog->n_streams;
        for (size_t i = 0; i < v->n_streams; i++)
                v->streams[i] = (ValidatedStream) {
                        .stream = &catalog->streams[i].stream,
                        .selected = selected_fields ? selected_fields[i] : NULL,
                };
        *ret = v;
        return 0;
}

RecordValidator *record_validator_free(RecordValidator *v) {
        if (!v)
                return NULL;
        for (size_t i = 0; i < v->n_streams; i++) {
                json_schema_free(v->streams[i].schema);
                strv_free(v->streams[i].problems);
                strv_free(v->streams[i].unexpected);
        }
        free(v->streams);
        buffer_done(&v->bytes);
        free(v);
        return NULL;
}

uint64_t record_validator_offer(RecordValidator *v, size_t stream, uint64_t n_before, JsonSlice data) {
        ValidatedStream *s = &v->streams[stream];
        uint64_t n = n_before + 1;

        if (s->unusable || s->n_invalid >= VALIDATOR_INVALID_RECORDS_MAX)
                return UINT64_MAX;
        if (v->n_samples == QUEUE_RECORDS_MAX || data.n > QUEUE_BYTES_MAX - v->bytes.len)
                return n_before + OFFER_AGAIN;
        /* Out of memory: a sample less. */
        if (buffer_append(&v->bytes, data.p, data.n) < 0)
                return n_before + OFFER_AGAIN;
        v->samples[(v->first + v->n_samples++) % QUEUE_RECORDS_MAX] = (Sample) { stream, data.n };
        return n + n / SAMPLES_BEFORE_THINNING;
}

static void compile(ValidatedStream *s) {
        if (s->tried)
                return;
        s->tried = true;
        s->unusable = !s->stream->json_schema || json_schema_compile(s->stream->json_schema, &s->schema,
                                                                     NULL) < 0;
}

/* Where the selection leaves a field out, whether it is valid does not matter: the destination never sees
 * it. */
static bool is_judged(const ValidatedStream *s, const char *field, size_t n) {
        if (!s->selected)
                return true;
        STRV_FOREACH(f, s->selected)
                if (strlen(*f) == n && memcmp(*f, field, n) == 0)
                        return true;
        return false;
}

static int note_unexpected(ValidatedStream *s, JsonObject *record) {
        JsonObject *properties = json_member(s->stream->json_schema, "properties");
        size_t n = strv_length(s->unexpected);

        if (!json_object_is_type(properties, json_type_object) || !json_object_is_type(record,
                json_type_object))
                return 0;
        json_object_object_foreach(record, key, value) {
                int r;

                (void) value;
                if (n >= VALIDATOR_UNEXPECTED_FIELDS_MAX)
                        return 0;
                if (json_object_object_get_ex(properties, key, NULL) || !is_judged(s, key, strlen(key)) ||
                    strv_contains(s->unexpected, key))
                        continue;
                r = strv_extend(&s->unexpected, key);
                if (r < 0)
                        return r;
                n++;
        }
        return 0;
}

/* The top-level field of a JSON pointer is judged like the field itself; "" is the record as a whole. */
static bool problem_is_judged(const ValidatedStream *s, const char *pointer) {
        const char *field = pointer + (*pointer == '/');

        return !*pointer || is_judged(s, field, strcspn(field, "/"));
}

static int note_problems(ValidatedStream *s, const JsonSchemaProblem *problems) {
        bool invalid = false;

        for (const JsonSchemaProblem *p = problems; p && p->path; p++) {
                int r;

                if (!problem_is_judged(s, p->path))
                        continue;
                invalid = true;
                if (strv_length(s->problems) >= VALIDATOR_INVALID_RECORDS_MAX * PROBLEMS_PER_RECORD_MAX)
                        continue;
                r = strv_extendf(&s->problems, "%s: %s", p->path, p->message);
                if (r < 0)
                        return r;
        }
        s->n_invalid += invalid;
        return 0;
}

static int check(ValidatedStream *s, JsonSlice data) {
        _cleanup_json_ JsonObject *record = NULL;
        JsonSchemaProblem *problems = NULL;
        int r;

        compile(s);
        if (s->unusable || s->n_invalid >= VALIDATOR_INVALID_RECORDS_MAX)
                return 0;
        s->n_checked++;
        r = json_parse(data.p, data.n, &record, NULL);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                s->n_invalid++;
                return strv_extend(&s->problems, ": not valid JSON");
        }
        r = json_schema_validate(s->schema, record, PROBLEMS_PER_RECORD_MAX, &problems);
        if (r < 0) {
                /* A regular expression at its limit, for one: the next record would fare the same. */
                s->unusable = true;
                return r == -ENOMEM ? r : 0;
        }
        r = r == 0 ? note_problems(s, problems) : 0;
        json_schema_problems_free(problems);
        return r < 0 ? r : note_unexpected(s, record);
}

int record_validator_work(RecordValidator *v, size_t max_bytes) {
        size_t done = 0;

        while (v->n_samples > 0) {
                Sample sample = v->samples[v->first];
                int r;

                if (done > 0 && done + sample.n > max_bytes)
                        return 1;
                r = check(&v->streams[sample.stream], (JsonSlice) { buffer_bytes(&v->bytes), sample.n });
                buffer_consume(&v->bytes, sample.n);
                v->first = (v->first + 1) % QUEUE_RECORDS_MAX;
                v->n_samples--;
                done += sample.n;
                if (r < 0)
                        return r;
        }
        return 0;
}

RecordValidatorResult record_validator_result(const RecordValidator *v, size_t stream) {
        const ValidatedStream *s = &v->streams[stream];

        return (RecordValidatorResult) {
                .n_checked = s->n_checked,
                .n_invalid = s->n_invalid,
                .problems = s->problems,
                .unexpected_fields = s->unexpected,
                .unusable_schema = s->unusable,
        };
}
