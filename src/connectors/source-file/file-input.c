/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes of one file as UTF-8, wherever it lies and however it is packed: a chain of readers, each of
 * which pulls from the one below it.
 *
 *   encoding <- decompressor <- [decompressor of the transfer] <- file or HTTP
 *
 * A file named .gz that a server also sends with Content-Encoding: gzip is packed twice, and unpacked
 * twice. The position that counts for progress is the one at the bottom, since only its length is known
 * beforehand. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/fd-util.h"
#include "connectors/source-file/decompress.h"
#include "connectors/source-file/encoding.h"
#include "connectors/source-file/file-input.h"
#include "fetch/fetch.h"

struct FileInput {
        char *url;
        int fd;
        FetchStream *fetch;
        uint64_t position;
        Decompressor *transfer; /* Content-Encoding; NULL = none */
        Decompressor *decompressor;
        Encoding *encoding;
};

FileInput *file_input_free(FileInput *i) {
        if (!i)
                return NULL;
        encoding_free(i->encoding);
        decompressor_free(i->decompressor);
        decompressor_free(i->transfer);
        fetch_free(i->fetch);
        safe_close(i->fd);
        free(i->url);
        free(i);
        return NULL;
}

/* The bottom of the chain. */
static ssize_t read_raw(void *userdata, void *p, size_t n, Error **reterr_error) {
        FileInput *i = userdata;
        ssize_t got;

        if (i->fetch)
                got = fetch_read(i->fetch, p, n, reterr_error);
        else {
                do
                        got = read(i->fd, p, n);
                while (got < 0 && errno == EINTR);
                if (got < 0)
                        return error_set_errno(reterr_error, -errno, "reading fails");
        }
        if (got > 0)
                i->position += (uint64_t) got;
        return got;
}

/* The file that was listed may be another one by now: what counts is what is open. */
static int open_local(FileInput *i, FileEntry *entry, Error **reterr_error) {
        struct stat st;

        /* O_NONBLOCK: a FIFO that took the file's place must not hang us before it is refused. */
        i->fd = open(entry->url, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (i->fd < 0)
                return error_set_errno(reterr_error, -errno, "The file '%s' cannot be read", entry->url);
        if (fstat(i->fd, &st) < 0)
                return error_set_errno(reterr_error, -errno, "The file '%s' cannot be read", entry->url);
        if (!S_ISREG(st.st_mode))
                return error_set(reterr_error, -EINVAL, "'%s' is not a regular file", entry->url);
        (void) posix_fadvise(i->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        entry->modified = (int64_t) st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
        entry->size = st.st_size;
        return 1;
}

static int add_transfer_coding(const FileConfig *config, FileInput *i, Error **reterr_error) {
        const char *coding = fetch_response(i->fetch)->content_encoding;

        if (!coding || strcasecmp(coding, "identity") == 0)
                return 0;
        if (strcasecmp(coding, "gzip") != 0 && strcasecmp(coding, "x-gzip") != 0)
                return error_set(reterr_error, -EOPNOTSUPP,
                                 "'%s' comes with the content encoding '%s', which is not known here",
                                 i->url, coding);
        return decompressor_new(FILE_COMPRESSION_GZIP, read_raw, i, config, &i->transfer);
}

/* 0 when the server says that nothing has changed since `unless`; 1 with a stream to read. */
static int open_remote(const FileConfig *config, FileInput *i, FileEntry *entry,
                       const FileValidators *unless,
                       Error **reterr_error) {
        FetchOptions options = { .headers = config->http_headers, .size_max = config->size_max };
        const FetchResponse *response;
        int r;

        if (unless) {
                options.if_none_match = unless->etag;
                options.if_modified_since = unless->etag ? NULL : unless->last_modified;
        }
        r = fetch_open(entry->location, &options, &i->fetch, reterr_error);
        if (r < 0)
                return r;
        response = fetch_response(i->fetch);
        if (response->modified >= 0)
                entry->modified = response->modified * 1000000;
        entry->size = response->size;
        if (response->status == 304)
                return 0;
        r = add_transfer_coding(config, i, reterr_error);
        return r < 0 ? r : 1;
}

int file_input_open(const FileConfig *config, FileEntry *entry, const FileValidators *unless,
                    FileInput **ret,
                    Error **reterr_error) {
        _cleanup_(file_input_freep) FileInput *i = calloc(1, sizeof(*i));
        int r;

        *ret = NULL;
        if (!i)
                return -ENOMEM;
        i->fd = -EBADF;
        i->url = strdup(entry->url);
        if (!i->url)
                return -ENOMEM;
        if (entry->remote)
                r = open_remote(config, i, entry, unless, reterr_error);
        else
                r = open_local(i, entry, reterr_error);
        if (r <= 0)
                return r;
        r = decompressor_new(config->compression, i->transfer ? decompressor_read : read_raw,
                             i->transfer ? (void *) i->transfer : i, config, &i->decompressor);
        if (r >= 0)
                r = encoding_new(config->encoding, decompressor_read, i->decompressor, &i->encoding,
                                 reterr_error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(i);
        return 1;
}

ssize_t file_input_read(void *userdata, void *p, size_t n, Error **reterr_error) {
        FileInput *i = userdata;
        ssize_t got = encoding_read(i->encoding, p, n, reterr_error);

        if (got >= 0)
                return got;
        (void) error_prefix(reterr_error, (int) got, "'%s'", i->url);
        /* -EBADMSG means one malformed row to those who read rows; this is the end of the file. */
        return got == -EBADMSG ? -EIO : got;
}

uint64_t file_input_position(const FileInput *i) {
        return i->position;
}

uint64_t file_input_replaced(const FileInput *i) {
        return encoding_replaced(i->encoding);
}

FileValidators file_input_validators(const FileInput *i) {
        const FetchResponse *response = i->fetch ? fetch_response(i->fetch) : NULL;

        return response ? (FileValidators) { response->etag, response->last_modified } : (FileValidators) {};
}
