/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/hashmap.h"
#include "basic/json-write.h"
#include "worker/mapper-config.h"

/* One pass over the members of a data object, then a list of steps over those few that somebody named,
 * then copying in runs as long as possible.
 *
 * Names that the selection or a mapper uses are "pins". A record's key is matched to its pin by comparing
 * it with the key at the same place of the record before, because sources write fields in one order; only
 * where that differs is it looked up. Keys that nobody named need no identity: they pass as they are (or,
 * under a selection, not at all). */

/* Members whose place is remembered; what stands behind them in a record is looked up each time. */
#define PREDICTED_MAX 4096U
/* Of named members and runs between them. No catalog names so many fields: it is one key repeated, to use
 * memory up. */
#define MEMBERS_MAX 65536U

typedef struct Pin {
        char *name;
        Buffer key; /* of a name that a mapper gives: as JSON, with its colon */
        bool selected;
        uint64_t seen; /* the number of the last record that has the field */
        size_t member; /* then: where */
} Pin;

/* A member that has a pin, or a run of neighbours without one. */
typedef struct Member {
        const char *start; /* the quote of its first key */
        const char *end;   /* behind its last value */
        JsonSlice value;   /* as it came; p == NULL for a run */
        Pin *renamed;      /* its new name; NULL = as it came */
        size_t at, n;      /* computed: the value in `values` */
        bool computed, dropped;
} Member;

typedef struct Prediction {
        Buffer key; /* escaped, as in the record */
        Pin *pin;
} Prediction;

typedef struct Step {
        const Mapper *mapper;
        Pin *from, *to;
        Hasher *hasher;
        Encryptor *encryptor;
        Pin **condition_fields; /* as long as the filter's list; NULL for operators */
        bool *held;
} Step;

struct RecordMapper {
        bool select; /* only pins that are selected pass */
        Hashmap *pins;
        Step *steps;
        size_t n_steps;
        uint64_t n_records;
        Member *members;
        size_t n_members, n_members_allocated;
        bool gap;     /* a member was left out behind the last one */
        bool touched; /* the output differs from the input */
        Prediction *predictions;
        size_t n_predictions;
        Buffer values, text, output, changes;
};

static void pin_free(void *p) {
        Pin *pin = p;

        free(pin->name);
        buffer_done(&pin->key);
        free(pin);
}

RecordMapper *record_mapper_free(RecordMapper *m) {
        if (!m)
                return NULL;
        for (size_t i = 0; i < m->n_steps; i++) {
                hasher_free(m->steps[i].hasher);
                encryptor_free(m->steps[i].encryptor);
                free(m->steps[i].condition_fields);
                free(m->steps[i].held);
        }
        for (size_t i = 0; i < m->n_predictions; i++)
                buffer_done(&m->predictions[i].key);
        hashmap_free(m->pins);
        free(m->steps);
        free(m->members);
        free(m->predictions);
        buffer_done(&m->values);
        buffer_done(&m->text);
        buffer_done(&m->output);
        buffer_done(&m->changes);
        free(m);
        return NULL;
}

static int add_pin(RecordMapper *m, const char *name, Pin **ret) {
        Pin *pin = hashmap_get_string(m->pins, name);
        int r;

        if (!pin) {
                pin = calloc(1, sizeof(Pin));
                if (!pin)
                        return -ENOMEM;
                pin->name = strdup(name);
                r = pin->name ? hashmap_put_string(m->pins, name, pin) : -ENOMEM;
                if (r < 0) {
                        pin_free(pin);
                        return r;
                }
        }
        *ret = pin;
        return 0;
}

/* JSON Schema gives `$id`, `$comment` and `$schema` a meaning, so Airbyte's catalogs call such fields
 * `_$id` and so on, while records carry the plain name. */
static const char *unescape_field(const char *name) {
        static const char *const keywords[] = { "_$id", "_$comment", "_$schema" };

        for (size_t i = 0; i < ELEMENTSOF(keywords); i++)
                if (streq(name, keywords[i]))
                        return name + 1;
        return NULL;
}

static int add_selection(RecordMapper *m, char *const *fields) {
        m->select = true;
        STRV_FOREACH(f, fields) {
                const char *plain = unescape_field(*f);
                Pin *pin;
                int r = add_pin(m, *f, &pin);

                if (r < 0)
                        return r;
                pin->selected = true;
                if (!plain)
                        continue;
                r = add_pin(m, plain, &pin);
                if (r < 0)
                        return r;
                pin->selected = true;
        }
        return 0;
}

static int prepare_row_filter(RecordMapper *m, Step *step) {
        const RowFilter *f = step->mapper->row_filter;

        step->condition_fields = calloc(f->n_conditions, sizeof(Pin *));
        step->held = calloc(f->n_conditions, sizeof(bool));
        if (!step->condition_fields || !step->held)
                return -ENOMEM;
        for (size_t i = 0; i < f->n_conditions; i++) {
                int r = f->conditions[i].field ? add_pin(m, f->conditions[i].field,
                                                         &step->condition_fields[i]) : 0;

                if (r < 0)
                        return r;
        }
        return 0;
}

static int prepare_key(Pin *pin) {
        int r;

        buffer_reset(&pin->key);
        r = json_write_cstring(&pin->key, pin->name);
        return r < 0 ? r : buffer_append_char(&pin->key, ':');
}

static int prepare_step(RecordMapper *m, const Mapper *mapper, MapperRandom fill_random, void *userdata) {
        Step *step = &m->steps[m->n_steps++];
        int r;

        *step = (Step) { .mapper = mapper };
        if (mapper->row_filter)
                return prepare_row_filter(m, step);
        r = add_pin(m, mapper->field, &step->from);
        if (r >= 0 && mapper->new_field)
                r = add_pin(m, mapper->new_field, &step->to);
        if (r >= 0 && step->to)
                r = prepare_key(step->to);
        if (r < 0)
                return r;
        if (mapper->hashing && !(step->hasher = hasher_new(mapper->hashing)))
                return -ENOMEM;
        if (mapper->encryption && !(step->encryptor = encryptor_new(mapper->encryption, fill_random,
                                                                    userdata)))
                return -ENOMEM;
        return 0;
}

int record_mapper_new(char *const *selected_fields, Mapper *const *mappers, MapperRandom random_bytes,
                      void *userdata,
                      RecordMapper **ret, Error **reterr_error) {
        _cleanup_(record_mapper_freep) RecordMapper *m = calloc(1, sizeof(RecordMapper));
        size_t n = 0;
        int r;

        while (mappers && mappers[n]) {
                if (mappers[n]->encryption && !random_bytes)
                        return error_set(reterr_error, -EINVAL, "Encryption needs a source of random bytes");
                n++;
        }
        if (!m)
                return -ENOMEM;
        m->pins = hashmap_new(pin_free);
        m->steps = calloc(n + 1, sizeof(Step));
        if (!m->pins || !m->steps)
                return -ENOMEM;
        r = selected_fields ? add_selection(m, selected_fields) : 0;
        for (size_t i = 0; r >= 0 && i < n; i++)
                r = prepare_step(m, mappers[i], random_bytes, userdata);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(m);
        return 0;
}

/* The pin of a key that was not where it was expected. */
static int find_pin(RecordMapper *m, JsonSlice key, Pin **ret) {
        if (!memchr(key.p, '\\', key.n)) {
                *ret = hashmap_get(m->pins, key.p, key.n);
                return 0;
        }
        buffer_reset(&m->text);
        if (json_string_decode(key, &m->text) < 0)
                return -EBADMSG;
        *ret = hashmap_get(m->pins, buffer_bytes(&m->text), m->text.len);
        return 0;
}

static int grow_predictions(RecordMapper *m) {
        size_t n = MIN(MAX(m->n_predictions * 2, (size_t) 16), (size_t) PREDICTED_MAX);
        Prediction *l = reallocarray(m->predictions, n, sizeof(Prediction));

        if (!l)
                return -ENOMEM;
        memset(l + m->n_predictions, 0, (n - m->n_predictions) * sizeof(Prediction));
        m->predictions = l;
        m->n_predictions = n;
        return 0;
}

static int match_pin(RecordMapper *m, size_t place, JsonSlice key, Pin **ret) {
        Prediction *p;
        int r;

        if (_likely_(place < m->n_predictions)) {
                p = &m->predictions[place];
                if (_likely_(p->key.data && p->key.len == key.n && memcmp(buffer_bytes(&p->key), key.p,
                        key.n) == 0)) {
                        *ret = p->pin;
                        return 0;
                }
        }
        r = find_pin(m, key, ret);
        if (r < 0 || place >= PREDICTED_MAX)
                return r;
        if (place >= m->n_predictions) {
                r = grow_predictions(m);
                if (r < 0)
                        return r;
        }
        p = &m->predictions[place];
        buffer_reset(&p->key);
        p->pin = *ret;
        /* An empty key leaves `data` NULL and is looked up each time. */
        return buffer_append(&p->key, key.p, key.n);
}

static int add_member(RecordMapper *m, const Member *member) {
        if (m->n_members >= MEMBERS_MAX)
                return -EBADMSG;
        if (m->n_members >= m->n_members_allocated) {
                size_t n = MAX(m->n_members_allocated * 2, (size_t) 32);
                Member *l = reallocarray(m->members, n, sizeof(Member));

                if (!l)
                        return -ENOMEM;
                m->members = l;
                m->n_members_allocated = n;
        }
        m->members[m->n_members++] = *member;
        return 0;
}

static Member *pin_member(RecordMapper *m, const Pin *pin) {
        return pin->seen == m->n_records ? &m->members[pin->member] : NULL;
}

/* Gives a field's name to a member; who had it is dropped. */
static void pin_take(RecordMapper *m, Pin *pin, size_t member) {
        Member *other = pin_member(m, pin);

        if (other)
                other->dropped = m->touched = true;
        pin->seen = m->n_records;
        pin->member = member;
}

static int take_member(RecordMapper *m, const Pin *pin, JsonSlice key, JsonSlice value) {
        Member *last = m->n_members > 0 ? &m->members[m->n_members - 1] : NULL;
        Member member = { .start = key.p - 1, .end = value.p + value.n };

        if (m->select && !(pin && pin->selected)) {
                m->touched = true;
                m->gap = true;
                return 0;
        }
        if (pin)
                member.value = value;
        else if (last && !last->value.p && !m->gap) {
                last->end = member.end;
                return 0;
        }
        m->gap = false;
        return add_member(m, &member);
}

static int read_members(RecordMapper *m, JsonSlice data) {
        JsonSlice key, value;
        JsonIter it;
        int r;

        m->n_members = 0;
        m->n_records++;
        m->touched = m->gap = false;
        r = json_iter_object(&it, data);
        if (r < 0)
                return r;
        for (size_t place = 0; (r = json_iter_member(&it, &key, &value)) > 0; place++) {
                size_t n = m->n_members;
                Pin *pin = NULL;

                r = match_pin(m, place, key, &pin);
                if (r >= 0)
                        r = take_member(m, pin, key, value);
                if (r < 0)
                        return r;
                /* Of duplicate keys the last one counts. */
                if (pin && m->n_members > n)
                        pin_take(m, pin, n);
        }
        return r;
}

static JsonSlice member_value(const RecordMapper *m, const Member *member) {
        return member->computed ? (JsonSlice) { buffer_bytes(&m->values) + member->at, member->n } : member->value;
}

/* What is hashed or encrypted: a string's content, of all else its JSON. Valid until the next call. */
static int member_text(RecordMapper *m, const Member *member, JsonSlice *ret) {
        JsonSlice value = member_value(m, member);
        int r;

        if (json_slice_type(value) != JSON_STRING) {
                *ret = value;
                return 0;
        }
        *ret = json_string_inner(value);
        if (!memchr(ret->p, '\\', ret->n) && !member->computed)
                return 0;
        buffer_reset(&m->text);
        r = json_string_decode(*ret, &m->text);
        if (r < 0)
                return r;
        *ret = (JsonSlice) { buffer_bytes(&m->text), m->text.len };
        return 0;
}

static int note_nulled(RecordMapper *m, const char *field) {
        int r = 0;

        if (m->changes.len > 0)
                r = buffer_append_char(&m->changes, ',');
        if (r >= 0)
                r = buffer_append_string(&m->changes, "{\"field\":");
        if (r >= 0)
                r = json_write_cstring(&m->changes, field);
        if (r >= 0)
                r = buffer_append_string(&m->changes,
                                         ",\"change\":\"NULLED\",\"reason\":\"PLATFORM_SERIALIZATION_ERROR\"}");
        return r;
}

static int append_secret_text(RecordMapper *m, Step *step, JsonSlice text) {
        char hex[HASHING_HEX_MAX];
        ssize_t n;
        int r;

        r = buffer_append_char(&m->values, '"');
        if (r < 0)
                return r;
        if (step->hasher) {
                n = hasher_hex(step->hasher, text.p, text.n, hex);
                r = n < 0 ? (int) n : buffer_append(&m->values, hex, (size_t) n);
        } else
                r = encryptor_append_hex(step->encryptor, text.p, text.n, &m->values);
        return r < 0 ? r : buffer_append_char(&m->values, '"');
}

/* Replaces the value by its digest or ciphertext. One that cannot be made is null and told of in the
 * record's meta, and the record goes on: a single value must not stop a sync, and must not leave in plain
 * text either. */
static int compute_value(RecordMapper *m, Step *step, Member *member) {
        size_t at = m->values.len;
        JsonSlice text;
        int r;

        if (json_slice_type(member_value(m, member)) == JSON_NULL)
                return 0;
        r = member_text(m, member, &text);
        if (r >= 0)
                r = append_secret_text(m, step, text);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                m->values.len = at;
                r = buffer_append_string(&m->values, "null");
                if (r >= 0)
                        r = note_nulled(m, step->mapper->new_field);
                if (r < 0)
                        return r;
        }
        member->computed = m->touched = true;
        member->at = at;
        member->n = m->values.len - at;
        return 0;
}

static bool row_passes(RecordMapper *m, Step *step) {
        const RowFilter *f = step->mapper->row_filter;

        for (size_t i = 0; i < f->n_conditions; i++) {
                const Pin *pin = step->condition_fields[i];
                const Member *member = pin ? pin_member(m, pin) : NULL;

                step->held[i] = member && row_condition_matches(&f->conditions[i], member_value(m, member));
        }
        return row_filter_decide(f, step->held);
}

/* 1 the row goes on, 0 it is filtered out. */
static int run_step(RecordMapper *m, Step *step) {
        Member *member;
        int r;

        if (step->condition_fields)
                return row_passes(m, step);
        member = pin_member(m, step->from);
        if (!member)
                return 1;
        if (!step->to) {
                member->dropped = m->touched = true;
                step->from->seen = 0;
                return 1;
        }
        if (step->hasher || step->encryptor) {
                r = compute_value(m, step, member);
                if (r < 0)
                        return r;
        }
        if (step->to != step->from) {
                step->from->seen = 0;
                pin_take(m, step->to, (size_t) (member - m->members));
                member->renamed = step->to;
                m->touched = true;
        }
        return 1;
}

static int append_changed(RecordMapper *m, const Member *member) {
        JsonSlice value = member_value(m, member);
        const char *key_end;
        int r;

        if (member->renamed)
                r = buffer_append(&m->output, buffer_bytes(&member->renamed->key), member->renamed->key.len);
        else {
                key_end = json_skip_string(member->start, member->value.p);
                r = buffer_append(&m->output, member->start, (size_t) (key_end - member->start));
                if (r >= 0)
                        r = buffer_append_char(&m->output, ':');
        }
        return r < 0 ? r : buffer_append(&m->output, value.p, value.n);
}

/* Writes the object. What came through untouched is copied with its key. */
static int write_output(RecordMapper *m, JsonSlice data) {
        int r;

        buffer_reset(&m->output);
        /* Most records get shorter or a little longer: one reservation instead of many. */
        if (!buffer_reserve(&m->output, data.n + m->values.len + 64))
                return -ENOMEM;
        r = buffer_append_char(&m->output, '{');
        for (size_t i = 0; r >= 0 && i < m->n_members; i++) {
                const Member *member = &m->members[i];

                if (member->dropped)
                        continue;
                if (m->output.len > 1)
                        r = buffer_append_char(&m->output, ',');
                if (r < 0)
                        return r;
                if (member->computed || member->renamed)
                        r = append_changed(m, member);
                else
                        r = buffer_append(&m->output, member->start, (size_t) (member->end - member->start));
        }
        return r < 0 ? r : buffer_append_char(&m->output, '}');
}

/* The members are found once, whatever the number of mappers, and each step changes only what is noted of them;
 * bytes are written once, at the end, and not at all where no step has touched the record. */
int record_mapper_apply(RecordMapper *m, JsonSlice data, MappedRecord *ret) {
        int r;

        *ret = (MappedRecord) { .data = data };
        buffer_reset(&m->values);
        buffer_reset(&m->changes);
        r = read_members(m, data);
        if (r < 0)
                return r;
        for (size_t i = 0; i < m->n_steps; i++) {
                r = run_step(m, &m->steps[i]);
                if (r < 0)
                        return r;
                if (r == 0) {
                        ret->filtered = true;
                        return 0;
                }
        }
        if (m->touched) {
                r = write_output(m, data);
                if (r < 0)
                        return r;
                ret->data = (JsonSlice) { buffer_bytes(&m->output), m->output.len };
        }
        if (m->changes.len > 0)
                ret->changes = (JsonSlice) { buffer_bytes(&m->changes), m->changes.len };
        return 0;
}
