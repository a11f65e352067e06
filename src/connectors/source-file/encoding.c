/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any encoding as UTF-8. UTF-8 itself is passed through without looking: bytes that are not of it are
 * found where values are written, with their line. A byte order mark is believed before the
 * configuration, because it was put there by whoever wrote the file. */

#include <iconv.h>

#include "connectors/source-file/encoding.h"

#define INPUT_BYTES (64U * 1024U)
/* The longest text that one unit of input becomes; reads ask for more than that. */
#define OUTPUT_MINIMUM 16U

struct Encoding {
        ByteReader reader;
        void *userdata;
        iconv_t converter; /* (iconv_t) -1 = none needed */
        bool started, in_end, mark_passed;
        uint64_t replaced;
        size_t n_in, at_in;
        char in[INPUT_BYTES];
};

/* Names that people and other tools use for the same. */
static const char *canonical_name(const char *name) {
        static const char *const table[][2] = {
                { "utf-8", "UTF-8" },          { "utf8", "UTF-8" },         { "utf-8-bom", "UTF-8" },
                { "utf-8-sig", "UTF-8" },      { "ascii", "UTF-8" },        { "us-ascii", "UTF-8" },
                { "latin-1", "ISO-8859-1" },   { "latin1", "ISO-8859-1" },  { "cp1252", "WINDOWS-1252" },
                { "utf-16le", "UTF-16LE" },    { "utf-16be", "UTF-16BE" },  { "utf-16", "UTF-16" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (strcasecmp(name, table[i][0]) == 0)
                        return table[i][1];
        return name;
}

static int open_converter(Encoding *e, const char *name) {
        /* iconv takes options behind a slash; a name has none. */
        if (strspn(name,
                   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") != strlen(name))
                return -EINVAL;
        e->converter = iconv_open("UTF-8", name);
        return e->converter == (iconv_t) -1 ? -errno : 0;
}

int encoding_new(const char *name, ByteReader reader, void *userdata, Encoding **ret, Error **reterr_error) {
        _cleanup_(encoding_freep) Encoding *e = calloc(1, sizeof(*e));
        const char *canonical = canonical_name(name);

        if (!e)
                return -ENOMEM;
        e->converter = (iconv_t) -1;
        e->reader = reader;
        e->userdata = userdata;
        if (!streq(canonical, "UTF-8") && open_converter(e, canonical) < 0)
                return error_set(reterr_error, -EINVAL, "encoding: '%s' is not known here", name);
        *ret = TAKE_PTR(e);
        return 0;
}

Encoding *encoding_free(Encoding *e) {
        if (!e)
                return NULL;
        if (e->converter != (iconv_t) -1)
                iconv_close(e->converter);
        free(e);
        return NULL;
}

uint64_t encoding_replaced(const Encoding *e) {
        return e->replaced;
}

static int fill_input(Encoding *e, size_t want, Error **reterr_error) {
        memmove(e->in, e->in + e->at_in, e->n_in - e->at_in);
        e->n_in -= e->at_in;
        e->at_in = 0;
        while (e->n_in < want && !e->in_end) {
                ssize_t n = e->reader(e->userdata, e->in + e->n_in, sizeof(e->in) - e->n_in, reterr_error);

                if (n < 0)
                        return (int) n;
                e->in_end = n == 0;
                e->n_in += (size_t) n;
        }
        return 0;
}

/* The byte order mark tells more than the configuration. */
static int start(Encoding *e, Error **reterr_error) {
        static const char *const marks[] = { "\xff\xfe", "\xfe\xff" }, *const names[] =
                { "UTF-16LE", "UTF-16BE" };
        int r;

        r = fill_input(e, 3, reterr_error);
        if (r < 0)
                return r;
        e->started = true;
        if (e->n_in >= 3 && memcmp(e->in, "\xef\xbb\xbf", 3) == 0 && e->converter == (iconv_t) -1)
                e->at_in = 3;
        for (size_t i = 0; i < ELEMENTSOF(marks); i++)
                if (e->converter == (iconv_t) -1 && e->n_in >= 2 && memcmp(e->in, marks[i], 2) == 0) {
                        r = open_converter(e, names[i]);
                        if (r < 0)
                                return r;
                }
        return 0;
}

/* U+FFFD for one byte that begins no character; reading goes on with the next. Counted, and told at the
 * end of the file. */
static int replace(Encoding *e, char **to, size_t *left) {
        if (*left < 3)
                return -E2BIG;
        memcpy(*to, "\xef\xbf\xbd", 3);
        *to += 3;
        *left -= 3;
        e->at_in++;
        e->replaced++;
        return 0;
}

/* Converts until there is something to give. A character may be cut by the end of what has been read:
 * then more is read, unless that was all. */
static ssize_t convert(Encoding *e, char *p, size_t n, Error **reterr_error) {
        char *to = p;
        size_t left = n;

        while (to == p) {
                char *from = e->in + e->at_in;
                size_t n_from = e->n_in - e->at_in;
                int r;

                if (n_from == 0 && e->in_end)
                        return 0;
                if (n_from > 0 && iconv(e->converter, &from, &n_from, &to, &left) != (size_t) -1)
                        errno = 0;
                else if (n_from == 0)
                        errno = EINVAL;
                e->at_in = e->n_in - n_from;
                if (errno == EILSEQ || (errno == EINVAL && n_from > 0 && e->in_end)) {
                        r = replace(e, &to, &left);
                        if (r < 0 && to == p)
                                return r;
                } else if (to == p && !e->in_end) {
                        r = fill_input(e, n_from + 1, reterr_error);
                        if (r < 0)
                                return r;
                }
        }
        /* The mark of UTF-16LE and -BE comes through as a character. */
        if (!e->mark_passed && to - p >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0) {
                e->mark_passed = true;
                memmove(p, p + 3, (size_t) (to - p) - 3);
                to -= 3;
                if (to == p)
                        return convert(e, p, n, reterr_error);
        }
        e->mark_passed = true;
        return to - p;
}

ssize_t encoding_read(void *userdata, void *p, size_t n, Error **reterr_error) {
        Encoding *e = userdata;
        int r;

        if (!e->started) {
                r = start(e, reterr_error);
                if (r < 0)
                        return r;
        }
        if (n < OUTPUT_MINIMUM)
                return n == 0 ? 0 : -EINVAL;
        if (e->converter != (iconv_t) -1)
                return convert(e, p, n, reterr_error);
        if (e->at_in < e->n_in) {
                n = MIN(n, e->n_in - e->at_in);
                memcpy(p, e->in + e->at_in, n);
                e->at_in += n;
                return (ssize_t) n;
        }
        return e->in_end ? 0 : e->reader(e->userdata, p, n, reterr_error);
}
