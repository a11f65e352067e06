/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the mappers cost on one core: data objects of ~340 B in memory through a RecordMapper, each list beside a bare
 * copy of the same bytes in the same run. CPU time of this thread, the best of several rounds.
 *
 *   tests/bench/bench-mapper [MEGABYTES [ROUNDS [LIST]]] */

#include <stdio.h>
#include <time.h>

#include "basic/parse-util.h"
#include "worker/mapper.h"

#define DATA                                                                                                          \
        "{\"id\":%u,\"email\":\"person%u@example.org\",\"name\":\"Some One\",\"created_at\":\"2026-01-02T03:04:05Z\","    \
        "\"country\":\"NL\",\"score\":12.5,\"active\":true,\"note\":\"a note of the usual length, with not very much in " \
        "it, but long enough for a line of some three hundred and forty bytes in all, as Airbyte counts\",\"amount\":%u," \
        "\"currency\":\"EUR\",\"address\":{\"city\":\"Utrecht\",\"zip\":\"3511\"},\"tags\":[\"a\",\"b\"]}"
#define HASH "{\"type\":\"hashing\",\"mapperConfiguration\":{\"targetField\":\"email\",\"method\":\"SHA-256\",\"fieldNameSuffix\":\"_hashed\"}}"
#define RENAME "{\"type\":\"field-renaming\",\"mapperConfiguration\":{\"originalFieldName\":\"name\",\"newFieldName\":\"full_name\"}}"
#define FILTER "{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"country\"}}"
#define ROWS "{\"type\":\"row-filtering\",\"mapperConfiguration\":{\"conditions\":{\"type\":\"NOT\",\"conditions\":[{\"type\":\"EQUAL\",\"fieldName\":\"currency\",\"comparisonValue\":\"USD\"}]}}}"
#define ENCRYPT "{\"type\":\"encryption\",\"mapperConfiguration\":{\"algorithm\":\"AES\",\"targetField\":\"email\",\"mode\":\"CBC\",\"padding\":\"PKCS5Padding\",\"key\":\"000102030405060708090a0b0c0d0e0f\"}}"

static char *const selection[] = { (char *) "id", (char *) "email", (char *) "note", (char *) "amount", NULL };

static const struct {
        const char *name, *mappers;
        char *const *selected;
} lists[] = {
        { "walk (filter a field that is not there)", "[" "{\"type\":\"field-filtering\",\"mapperConfiguration\":{\"targetField\":\"none\"}}" "]", NULL },
        { "select 4 of 12", "[]", selection },
        { "rename", "[" RENAME "]", NULL },
        { "filter", "[" FILTER "]", NULL },
        { "rows", "[" ROWS "]", NULL },
        { "hash", "[" HASH "]", NULL },
        { "hash+rename+filter", "[" HASH "," RENAME "," FILTER "]", NULL },
        { "encrypt", "[" ENCRYPT "]", NULL },
};

static double cpu_now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int fake_random(void *p, size_t n, void *userdata) {
        (void) userdata;
        memset(p, 7, n);
        return 0;
}

typedef struct Records {
        Buffer bytes;
        size_t *ends;
        size_t n;
} Records;

static int fill(size_t size, Records *ret) {
        size_t allocated = size / 200 + 1;

        ret->ends = calloc(allocated, sizeof(size_t));
        while (ret->ends && ret->bytes.len < size && ret->n < allocated) {
                unsigned i = (unsigned) ret->n;

                if (buffer_appendf(&ret->bytes, DATA, 1000000 + i, i, i % 977) < 0)
                        return -ENOMEM;
                ret->ends[ret->n++] = ret->bytes.len;
        }
        return ret->ends ? 0 : -ENOMEM;
}

static double copy_all(const Records *r, char *to) {
        double start = cpu_now();
        size_t from = 0;

        for (size_t i = 0; i < r->n; i++) {
                memcpy(to, buffer_bytes(&r->bytes) + from, r->ends[i] - from);
                __asm__ volatile("" ::: "memory");
                from = r->ends[i];
        }
        return cpu_now() - start;
}

static double map_all(const Records *r, RecordMapper *m) {
        double start = cpu_now();
        size_t from = 0;

        for (size_t i = 0; i < r->n; i++) {
                MappedRecord out;

                if (record_mapper_apply(m, (JsonSlice) { buffer_bytes(&r->bytes) + from, r->ends[i] - from }, &out) < 0)
                        abort();
                from = r->ends[i];
        }
        return cpu_now() - start;
}

static int measure(size_t list, const Records *r, unsigned rounds) {
        _cleanup_(record_mapper_freep) RecordMapper *m = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        double best = 1e9, copy = 1e9, mb = (double) r->bytes.len / 1e6;
        char to[1024];
        Mapper **l = NULL;

        if (json_parse(lists[list].mappers, strlen(lists[list].mappers), &o, NULL) < 0 ||
            mappers_from_json(o, &l, NULL) < 0 ||
            record_mapper_new(lists[list].selected, l, fake_random, NULL, &m, NULL) < 0)
                return -EINVAL;
        for (unsigned i = 0; i < rounds; i++) {
                copy = MIN(copy, copy_all(r, to));
                best = MIN(best, map_all(r, m));
        }
        printf("%-40s %6.0f MB/s %5.0f ns/record   copy alone %6.0f MB/s\n", lists[list].name, mb / best,
               best / (double) r->n * 1e9, mb / copy);
        record_mapper_free(m);
        m = NULL;
        mappers_free(l);
        return 0;
}

int main(int argc, char *argv[]) {
        uint64_t megabytes = 16, rounds = 9;
        Records r = {};

        if ((argc > 1 && parse_u64(argv[1], &megabytes) < 0) || (argc > 2 && parse_u64(argv[2], &rounds) < 0)) {
                fprintf(stderr, "Usage: %s [MEGABYTES [ROUNDS [LIST]]]\n", argv[0]);
                return 2;
        }
        if (fill((size_t) megabytes << 20, &r) < 0)
                return 1;
        printf("%zu records of %zu B\n", r.n, r.bytes.len / r.n);
        for (size_t i = 0; i < ELEMENTSOF(lists); i++)
                if ((argc <= 3 || streq(argv[3], lists[i].name)) && measure(i, &r, (unsigned) rounds) < 0) {
                        fprintf(stderr, "bench-mapper: '%s' failed\n", lists[i].name);
                        return 1;
                }
        buffer_done(&r.bytes);
        free(r.ends);
        return 0;
}
