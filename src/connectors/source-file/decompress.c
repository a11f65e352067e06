/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gzip and zstd, member by member, with limits. A file is refused when it grows beyond what the person
 * allowed, or expands by a ratio that no data has (threat T35); a small file may expand freely, since one
 * row repeated a million times is no attack. The end of the input inside a member is an error: a download
 * that broke off must not pass for a shorter file. */

#include <zlib.h>
#include <zstd.h>

#include "connectors/source-file/decompress.h"

#define INPUT_BYTES (64U * 1024U)
/* A file may expand by any ratio up to here: small files of one repeated row are no bombs. */
#define RATIO_FREE_BYTES (64U * 1024U * 1024U)

struct Decompressor {
        FileCompression kind;
        ByteReader reader;
        void *userdata;
        uint64_t size_max, in_total, out_total;
        unsigned ratio_max;
        bool in_end;   /* the reader has no more */
        bool in_frame; /* inside a gzip member or zstd frame: the input may not end here */
        bool started;
        z_stream z;
        bool z_ready;
        ZSTD_DStream *zstd;
        size_t n_in, at_in;
        uint8_t in[INPUT_BYTES];
};

int decompressor_new(FileCompression kind, ByteReader reader, void *userdata, const FileConfig *limits,
                     Decompressor **ret) {
        Decompressor *d = calloc(1, sizeof(*d));

        if (!d)
                return -ENOMEM;
        d->kind = kind;
        d->reader = reader;
        d->userdata = userdata;
        d->size_max = limits->size_max;
        d->ratio_max = limits->ratio_max;
        *ret = d;
        return 0;
}

Decompressor *decompressor_free(Decompressor *d) {
        if (!d)
                return NULL;
        if (d->z_ready)
                inflateEnd(&d->z);
        ZSTD_freeDStream(d->zstd);
        free(d);
        return NULL;
}

/* Makes at least `want` bytes of input available where the reader has them. */
static int fill_input(Decompressor *d, size_t want, Error **reterr_error) {
        if (d->n_in - d->at_in >= want || d->in_end)
                return 0;
        memmove(d->in, d->in + d->at_in, d->n_in - d->at_in);
        d->n_in -= d->at_in;
        d->at_in = 0;
        while (d->n_in < want && !d->in_end) {
                ssize_t n = d->reader(d->userdata, d->in + d->n_in, sizeof(d->in) - d->n_in, reterr_error);

                if (n < 0)
                        return (int) n;
                d->in_end = n == 0;
                d->n_in += (size_t) n;
        }
        return 0;
}

/* By the first bytes; names lie. */
static FileCompression detect(const uint8_t *p, size_t n) {
        if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
                return FILE_COMPRESSION_GZIP;
        if (n >= 4 && memcmp(p, "\x28\xb5\x2f\xfd", 4) == 0)
                return FILE_COMPRESSION_ZSTD;
        return FILE_COMPRESSION_NONE;
}

/* Only now, because `auto` needs the first bytes. */
static int start(Decompressor *d, Error **reterr_error) {
        int r;

        r = fill_input(d, 4, reterr_error);
        if (r < 0)
                return r;
        d->started = true;
        if (d->kind == FILE_COMPRESSION_AUTO)
                d->kind = detect(d->in, d->n_in);
        if (d->kind == FILE_COMPRESSION_GZIP) {
                if (inflateInit2(&d->z, 15 + 16) != Z_OK)
                        return -ENOMEM;
                d->z_ready = true;
        }
        if (d->kind == FILE_COMPRESSION_ZSTD) {
                d->zstd = ZSTD_createDStream();
                if (!d->zstd)
                        return -ENOMEM;
        }
        return 0;
}

/* One step of zlib: bytes made, or negative errno. */
static ssize_t inflate_some(Decompressor *d, void *p, size_t n, Error **reterr_error) {
        int q;

        d->z.next_in = d->in + d->at_in;
        d->z.avail_in = (uInt) (d->n_in - d->at_in);
        d->z.next_out = p;
        d->z.avail_out = (uInt) MIN(n, (size_t) UINT32_MAX / 2);
        n = d->z.avail_out;
        d->in_frame = true;
        q = inflate(&d->z, Z_NO_FLUSH);
        d->in_total += d->n_in - d->at_in - d->z.avail_in;
        d->at_in = d->n_in - d->z.avail_in;
        if (q == Z_STREAM_END) {
                d->in_frame = false;
                (void) inflateReset(&d->z); /* another member may follow */
        } else if (q == Z_MEM_ERROR)
                return -ENOMEM;
        else if (q != Z_OK && q != Z_BUF_ERROR)
                return error_set(reterr_error, -EBADMSG, "the gzip data is damaged: %s",
                                 d->z.msg ?: "unknown reason");
        return (ssize_t) (n - d->z.avail_out);
}

/* The same for zstd. */
static ssize_t unzstd_some(Decompressor *d, void *p, size_t n, Error **reterr_error) {
        ZSTD_inBuffer in = { d->in, d->n_in, d->at_in };
        ZSTD_outBuffer out = { p, n, 0 };
        size_t q;

        q = ZSTD_decompressStream(d->zstd, &out, &in);
        d->in_total += in.pos - d->at_in;
        d->at_in = in.pos;
        if (ZSTD_isError(q))
                return error_set(reterr_error, -EBADMSG, "the zstd data is damaged: %s",
                                 ZSTD_getErrorName(q));
        d->in_frame = q != 0;
        return (ssize_t) out.pos;
}

/* After each piece, so that a bomb is noticed while it is small. */
static int check_limits(Decompressor *d, Error **reterr_error) {
        if (d->size_max > 0 && d->out_total > d->size_max)
                return error_set(reterr_error, -EFBIG, "it is larger than max_file_bytes allows (%llu)",
                                 (unsigned long long) d->size_max);
        if (d->kind != FILE_COMPRESSION_NONE && d->ratio_max > 0 && d->out_total > RATIO_FREE_BYTES &&
            d->out_total / d->ratio_max > d->in_total)
                return error_set(reterr_error, -EFBIG,
                                 "it expands to more than %u times its size; is it a decompression bomb? "
                                 "max_compression_ratio allows more", d->ratio_max);
        return 0;
}

/* What was read to detect the kind comes first. */
static ssize_t pass_through(Decompressor *d, void *p, size_t n, Error **reterr_error) {
        if (d->at_in < d->n_in) {
                n = MIN(n, d->n_in - d->at_in);
                memcpy(p, d->in + d->at_in, n);
                d->at_in += n;
                return (ssize_t) n;
        }
        return d->in_end ? 0 : d->reader(d->userdata, p, n, reterr_error);
}

/* What is behind the last member: nothing, another one, or the zeros that tapes and block devices add. */
static int next_frame(Decompressor *d, Error **reterr_error) {
        for (;;) {
                int r = fill_input(d, 4, reterr_error);

                if (r < 0)
                        return r;
                if (d->at_in == d->n_in)
                        return 0;
                if (d->out_total == 0 || detect(d->in + d->at_in, d->n_in - d->at_in) == d->kind)
                        return 1;
                if (d->in[d->at_in] != 0)
                        return error_set(reterr_error, -EBADMSG,
                                         "there is something else behind the compressed data");
                d->at_in++;
        }
}

/* 0 only at the end of the last member: a step of a library that makes nothing is not the end. */
static ssize_t decompress(Decompressor *d, void *p, size_t n, Error **reterr_error) {
        for (;;) {
                ssize_t made;
                int r;

                if (!d->in_frame) {
                        r = next_frame(d, reterr_error);
                        if (r <= 0)
                                return r;
                } else {
                        r = fill_input(d, 1, reterr_error);
                        if (r < 0)
                                return r;
                }
                made = d->kind == FILE_COMPRESSION_GZIP ? inflate_some(d, p, n, reterr_error) :
                                                          unzstd_some(d, p, n, reterr_error);
                if (made != 0)
                        return made;
                if (d->in_frame && d->in_end && d->at_in == d->n_in)
                        return error_set(reterr_error, -EBADMSG, "the compressed data ends too early");
        }
}

ssize_t decompressor_read(void *userdata, void *p, size_t n, Error **reterr_error) {
        Decompressor *d = userdata;
        ssize_t made;
        int r;

        if (!d->started) {
                r = start(d, reterr_error);
                if (r < 0)
                        return r;
        }
        if (n == 0)
                return 0;
        made = d->kind == FILE_COMPRESSION_NONE ? pass_through(d, p, n, reterr_error) :
                                                  decompress(d, p, n, reterr_error);
        if (made < 0)
                return made;
        d->out_total += (uint64_t) made;
        r = check_limits(d, reterr_error);
        return r < 0 ? r : made;
}
