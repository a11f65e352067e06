/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What each record is given: an id, the time, the metadata column. The id is a UUIDv7, because its order
 * is that of arrival, which keeps an index on it small. Random bytes are drawn in bulk and the text of a
 * second is kept, since both are wanted for every record. */

#include <stdio.h>
#include <sys/random.h>
#include <time.h>

#include "basic/json-write.h"
#include "connectors/lib/record-stamp.h"

#define ID_RANDOM 10U

/* The pool is used from its end downwards. */
static int draw(RecordStamp *s) {
        size_t done = 0;

        while (done < sizeof(s->random)) {
                ssize_t k = getrandom(s->random + done, sizeof(s->random) - done, 0);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                done += k;
        }
        s->random_left = sizeof(s->random);
        return 0;
}

int record_stamp_id(RecordStamp *s, char out[static RAW_ID_LENGTH]) {
        static const char hex[] = "0123456789abcdef";
        struct timespec ts;
        const uint8_t *random;
        uint8_t id[16];
        uint64_t ms;

        if (s->random_left < ID_RANDOM) {
                int r = draw(s);

                if (r < 0)
                        return r;
        }
        s->random_left -= ID_RANDOM;
        random = s->random + s->random_left;
        (void) clock_gettime(CLOCK_REALTIME_COARSE, &ts);
        ms = (uint64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;

        /* RFC 9562: 48 bits of time, version 7, variant 10, the rest random. */
        for (int i = 0; i < 6; i++)
                id[i] = (uint8_t) (ms >> (40 - 8 * i));
        memcpy(id + 6, random, ID_RANDOM);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        for (int i = 0; i < 16; i++) {
                if (i == 4 || i == 6 || i == 8 || i == 10)
                        *out++ = '-';
                *out++ = hex[id[i] >> 4];
                *out++ = hex[id[i] & 15];
        }
        return 0;
}

JsonSlice record_stamp_time(RecordStamp *s, int64_t ms) {
        int64_t second = ms / 1000, part = ms % 1000;
        char *fraction;

        if (part < 0) {
                part += 1000;
                second--;
        }
        if (s->n_time == 0 || second != s->second) {
                time_t t = second;
                struct tm tm = {};

                (void) gmtime_r(&t, &tm);
                s->n_time = (size_t) snprintf(s->time, sizeof(s->time), "%04d-%02d-%02dT%02d:%02d:%02d.000Z",
                                              tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                                              tm.tm_sec);
                s->second = second;
        }
        fraction = s->time + s->n_time - 4;
        fraction[0] = (char) ('0' + part / 100);
        fraction[1] = (char) ('0' + part / 10 % 10);
        fraction[2] = (char) ('0' + part % 10);
        return (JsonSlice) { s->time, s->n_time };
}

/* The elements of an array, without its brackets and the space inside them. */
static JsonSlice array_inner(JsonSlice array) {
        const char *p, *end;

        if (!array.p || array.n < 2)
                return (JsonSlice) {};
        end = array.p + array.n - 1;
        p = json_skip_space(array.p + 1, end);
        return (JsonSlice) { p, (size_t) (end - p) };
}

int record_meta_append(Buffer *b, const ConfiguredStream *stream, JsonSlice source_changes, JsonSlice own) {
        JsonSlice theirs = array_inner(source_changes);
        int r;

        r = buffer_append_char(b, '{');
        if (r >= 0 && stream->has_generation)
                r = json_write_member_i64(b, "sync_id", stream->sync_id);
        if (r >= 0)
                r = json_write_member_raw(b, "changes", "[");
        if (r >= 0 && theirs.n > 0)
                r = buffer_append(b, theirs.p, theirs.n);
        if (r >= 0 && theirs.n > 0 && own.n > 0)
                r = buffer_append_char(b, ',');
        if (r >= 0 && own.n > 0)
                r = buffer_append(b, own.p, own.n);
        return r < 0 ? r : buffer_append(b, "]}", 2);
}

int record_change_append(Buffer *own, const char *field) {
        int r = 0;

        if (own->len > 0)
                r = buffer_append_char(own, ',');
        if (r >= 0)
                r = buffer_append_char(own, '{');
        if (r >= 0)
                r = json_write_member_string(own, "field", field);
        if (r >= 0)
                r = json_write_member_string(own, "change", "NULLED");
        if (r >= 0)
                r = json_write_member_string(own, "reason", "DESTINATION_TYPECAST_ERROR");
        return r < 0 ? r : buffer_append_char(own, '}');
}
