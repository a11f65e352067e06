/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Appending is made safe by the format. A frame is whole or is no frame: ZSTD_findFrameCompressedSize()
 * fails on one that was cut off, and the size of its content stands in its head. So nothing is repaired
 * at a start and no index is kept; whoever appends walks the last file from frame to frame (at most 3
 * MiB, and only heads of blocks are read), cuts off what a crash left behind the last whole one, and
 * writes there. Damage within a frame is found by its checksum when it is read.
 *
 * An upload is a frame of its own, which makes a repetition recognisable: a runner whose answer was lost
 * sends the same bytes once more, and these are compared with the last frame. Only the last, because a
 * runner sends its next upload after it has been told of the one before.
 *
 * A place has one writer, gantry-workload, which has one thread; there are no locks. Readers need none:
 * what they see beyond the last whole frame doesn't exist for them. A file is synced for each upload, its
 * directories only when it is new: a file whose name was lost would take lines along that had been
 * acknowledged. LOG_CHUNKS_MAX bounds what an attempt can fill, some 64 MiB. */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/json-scan.h"
#include "basic/json-write.h"
#include "basic/path-util.h"
#include "workload/log-store.h"

#define COMPRESSION_LEVEL 3
/* A file is left when it has passed LOG_CHUNK_SIZE, so that one frame may stand beyond. */
#define CHUNK_READ_MAX (LOG_CHUNK_SIZE + 2 * LOG_UPLOAD_MAX)
/* A cursor: the file's number above, the offset in its plain text below. */
#define CURSOR_SHIFT 40
#define CURSOR_OFFSET_MASK ((UINT64_C(1) << CURSOR_SHIFT) - 1)

char *log_place_of_attempt(int64_t job_id, uint32_t attempt) {
        char *s = NULL;

        return asprintf(&s, "%" PRIi64 "/%" PRIu32, job_id, attempt) < 0 ? NULL : s;
}

char *log_place_of_workload(const char *auto_id) {
        return path_join("other", auto_id);
}

static bool has_type(JsonSlice object, const char *key, JsonType type) {
        JsonSlice value;

        return json_find_member(object, key, &value) > 0 && json_slice_type(value) == type;
}

static int check_line(const char *p, size_t n, unsigned number, Error **reterr_error) {
        JsonSlice line = { p, n };

        if (n > LOG_LINE_MAX)
                return error_set(reterr_error, -EINVAL, "Log line %u has %zu bytes, more than %u", number, n,
                                 LOG_LINE_MAX);
        if (*p != '{' || json_validate(p, n, NULL) < 0)
                return error_set(reterr_error, -EINVAL, "Log line %u is not a JSON object", number);
        if (!has_type(line, "t", JSON_NUMBER) || !has_type(line, "level", JSON_STRING) ||
            !has_type(line, "message", JSON_STRING))
                return error_set(reterr_error, -EINVAL, "Log line %u lacks 't', 'level' or 'message'", number);
        return 0;
}

int log_lines_check(const char *p, size_t n, Error **reterr_error) {
        unsigned number = 0;

        if (n > LOG_UPLOAD_MAX)
                return error_set(reterr_error, -EINVAL, "An upload of %zu bytes is more than %u", n, LOG_UPLOAD_MAX);
        for (const char *end = p + n; p < end;) {
                const char *newline = memchr(p, '\n', (size_t) (end - p));
                int r;

                number++;
                if (!newline)
                        return error_set(reterr_error, -EINVAL, "Log line %u has no newline at its end", number);
                if (newline == p)
                        return error_set(reterr_error, -EINVAL, "Log line %u is empty", number);
                r = check_line(p, (size_t) (newline - p), number, reterr_error);
                if (r < 0)
                        return r;
                p = newline + 1;
        }
        return (int) number;
}

/* The whole frames of a file: how far they reach in it and how much text they hold. */
typedef struct Extent {
        size_t size, plain;
        size_t last; /* where the last frame begins */
} Extent;

/* The frame at `p`: 1 and its sizes, 0 when no whole frame of ours begins there. */
static int frame_at(const char *p, size_t n, size_t *ret_size, size_t *ret_plain) {
        unsigned long long plain;
        size_t size;

        size = ZSTD_findFrameCompressedSize(p, n);
        if (ZSTD_isError(size))
                return 0;
        plain = ZSTD_getFrameContentSize(p, n);
        /* The line that says that the logs are full may come on top of an upload, never more. */
        if (plain > LOG_UPLOAD_MAX)
                return 0;
        *ret_size = size;
        *ret_plain = (size_t) plain;
        return 1;
}

static Extent find_extent(const char *p, size_t n) {
        Extent e = {};
        size_t size, plain;

        while (e.size < n && frame_at(p + e.size, n - e.size, &size, &plain) > 0) {
                e.last = e.size;
                e.size += size;
                e.plain += plain;
        }
        return e;
}

/* Appends the text of one frame. -EBADMSG when it is damaged. */
static int frame_decompress(const char *p, size_t size, size_t plain, Buffer *b) {
        char *to = buffer_reserve(b, plain);
        size_t n;

        if (!to)
                return -ENOMEM;
        n = ZSTD_decompress(to, plain, p, size);
        if (ZSTD_isError(n) || n != plain)
                return -EBADMSG;
        buffer_commit(b, plain);
        return 0;
}

static int frame_compress(const char *lines, size_t n, Buffer *b) {
        size_t bound = ZSTD_compressBound(n), size;
        char *to = buffer_reserve(b, bound);
        ZSTD_CCtx *context = ZSTD_createCCtx();

        if (!to || !context) {
                (void) ZSTD_freeCCtx(context);
                return -ENOMEM;
        }
        /* Both parameters exist in every zstd that has ZSTD_compress2(). */
        (void) ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
        (void) ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
        size = ZSTD_compress2(context, to, bound, lines, n);
        (void) ZSTD_freeCCtx(context);
        if (ZSTD_isError(size))
                return -EIO;
        buffer_commit(b, size);
        return 0;
}

static char *chunk_path(const char *root, const char *place, unsigned number) {
        char *s = NULL;

        return asprintf(&s, "%s/%s/%08u.jsonl.zst", root, place, number) < 0 ? NULL : s;
}

/* Opens a file and reads it; -ENOENT when there is none. */
static int chunk_open(const char *path, int flags, int *ret_fd, char **ret, size_t *ret_n,
                      Error **reterr_error) {
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
        int r;

        if (fd < 0)
                return errno == ENOENT ? -ENOENT :
                       error_set_errno(reterr_error, -errno, "Failed to open the log file '%s'", path);
        r = read_file_fd(fd, path, CHUNK_READ_MAX, ret, ret_n, reterr_error);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* The number of the last file; 1 where there is none. Files are made one after the other and gantry-cron
 * removes a place as a whole, so that the first gap is the end. */
static int last_chunk(const char *root, const char *place, unsigned *ret) {
        unsigned number = 1;

        for (; number <= LOG_CHUNKS_MAX; number++) {
                _cleanup_free_ char *path = chunk_path(root, place, number + 1);

                if (!path)
                        return -ENOMEM;
                if (!path_exists(path))
                        break;
        }
        *ret = number;
        return 0;
}

/* Equal sizes first: decompressing is the exception. */
static bool is_last_upload(const char *p, Extent e, const char *lines, size_t n) {
        _cleanup_buffer_ Buffer last = {};
        size_t size, plain;

        return e.size > 0 && frame_at(p + e.last, e.size - e.last, &size, &plain) > 0 && plain == n &&
               frame_decompress(p + e.last, size, plain, &last) >= 0 &&
               memcmp(buffer_bytes(&last), lines, n) == 0;
}

/* Writes a frame behind the whole ones. What a failure leaves is what a crash leaves. */
static int write_frame(int fd, size_t at, const Buffer *frame) {
        int r;

        r = RET_NERRNO(ftruncate(fd, (off_t) at));
        if (r >= 0 && lseek(fd, (off_t) at, SEEK_SET) < 0)
                r = -errno;
        if (r >= 0)
                r = write_full(fd, buffer_bytes(frame), frame->len);
        if (r >= 0)
                r = RET_NERRNO(fdatasync(fd));
        return r;
}

/* Makes the names of a new file and of its directories durable. */
static int sync_directories(const char *path, const char *root) {
        _cleanup_free_ char *directory = path_dirname(path);

        while (directory && path_is_under(directory, root)) {
                _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                char *parent;

                if (fd < 0 || fsync(fd) < 0)
                        return -errno;
                parent = path_dirname(directory);
                free(directory);
                directory = parent;
        }
        return directory ? 0 : -ENOMEM;
}

static int full_line(uint64_t now, Buffer *b) {
        return buffer_appendf(b, "{\"t\":%" PRIu64 ",\"level\":\"WARN\",\"origin\":\"platform\",\"message\":"
                              "\"The logs of this attempt are full: further lines are dropped\"}\n", now);
}

static int append_to(const char *root, const char *place, unsigned number, const char *lines, size_t n,
                     uint64_t now, Error **reterr_error) {
        _cleanup_buffer_ Buffer frame = {}, full = {};
        _cleanup_free_ char *path = chunk_path(root, place, number), *content = NULL;
        _cleanup_close_ int fd = -EBADF;
        size_t n_content;
        Extent extent;
        int r;

        if (!path)
                return -ENOMEM;
        r = chunk_open(path, O_RDWR | O_CREAT, &fd, &content, &n_content, reterr_error);
        if (r < 0)
                return r;
        extent = find_extent(content, n_content);
        if (is_last_upload(content, extent, lines, n))
                return 0;
        if (extent.size >= LOG_CHUNK_SIZE || extent.plain >= LOG_CHUNK_PLAIN_SIZE)
                return append_to(root, place, number + 1, lines, n, now, reterr_error);
        if (number > LOG_CHUNKS_MAX) {
                /* This last file holds one line only. */
                if (extent.size > 0)
                        return 0;
                r = full_line(now, &full);
                if (r < 0)
                        return r;
                lines = buffer_bytes(&full);
                n = full.len;
        }
        r = frame_compress(lines, n, &frame);
        if (r >= 0)
                r = write_frame(fd, extent.size, &frame);
        if (r >= 0 && n_content == 0)
                r = sync_directories(path, root);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to write the log file '%s'", path);
        return number <= LOG_CHUNKS_MAX;
}

int log_store_append(const char *root, const char *place, const char *lines, size_t n, uint64_t now,
                     Error **reterr_error) {
        _cleanup_free_ char *directory = path_join(root, place);
        unsigned number;
        int r;

        if (n == 0)
                return 0;
        assert(n <= LOG_UPLOAD_MAX);
        if (!directory)
                return -ENOMEM;
        r = mkdir_parents(directory, 0750);
        if (r < 0)
                return error_set_errno(reterr_error, r, "Failed to create the log directory '%s'", directory);
        r = last_chunk(root, place, &number);
        if (r < 0)
                return r;
        return append_to(root, place, number, lines, n, now, reterr_error);
}

void log_read_done(LogRead *l) {
        buffer_done(&l->lines);
        *l = (LogRead) {};
}

/* One read on its way. */
typedef struct Reader {
        LogRead *to;
        uint32_t left;   /* lines that still fit */
        uint64_t offset; /* in the plain text of the file */
} Reader;

/* Takes lines out of one frame's text, which stands at `at` in its file. */
static int take_lines(Reader *r, const char *p, size_t n, uint64_t at) {
        const char *end = p + n, *start = p;

        if (r->offset > at)
                p += r->offset - at;
        /* Into the middle of a line no reader of ours was sent. */
        if (p > start && p[-1] != '\n') {
                const char *newline = memchr(p, '\n', (size_t) (end - p));

                p = newline ? newline + 1 : end;
        }
        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t) (end - p));
                size_t length = (size_t) ((newline ? newline + 1 : end) - p);

                if (r->left == 0 || r->to->lines.len + length > LOG_READ_BYTES_MAX) {
                        r->to->more = true;
                        break;
                }
                if (buffer_append(&r->to->lines, p, length) < 0)
                        return -ENOMEM;
                r->left--;
                p += length;
        }
        r->offset = at + (uint64_t) (p - start);
        return 0;
}

static int read_frames(Reader *reader, const char *p, size_t n, const char *path, Error **reterr_error) {
        size_t at = 0, size, plain;
        uint64_t offset = 0;

        while (at < n && !reader->to->more && frame_at(p + at, n - at, &size, &plain) > 0) {
                if (reader->offset < offset + plain) {
                        _cleanup_buffer_ Buffer text = {};
                        int r;

                        r = frame_decompress(p + at, size, plain, &text);
                        if (r >= 0)
                                r = take_lines(reader, buffer_bytes(&text), plain, offset);
                        if (r < 0)
                                return error_set_errno(reterr_error, r, "Failed to read the log file '%s'", path);
                }
                at += size;
                offset += plain;
        }
        return 0;
}

/* The cursor that a read returns points behind its last line, or at the end of the last file: there the
 * next upload will be found, in this file or in the one that follows it. */
int log_store_read(const char *root, const char *place, uint64_t cursor, uint32_t max, LogRead *ret,
                   Error **reterr_error) {
        _cleanup_(log_read_done) LogRead result = { .cursor = cursor };
        unsigned number = MAX((unsigned) MIN(cursor >> CURSOR_SHIFT, LOG_CHUNKS_MAX + 2), 1U);
        Reader reader = { &result, MIN(max, LOG_READ_LINES_MAX), cursor & CURSOR_OFFSET_MASK };
        int r;

        for (;; number++, reader.offset = 0) {
                _cleanup_free_ char *path = chunk_path(root, place, number), *content = NULL;
                _cleanup_close_ int fd = -EBADF;
                size_t n;

                if (!path)
                        return -ENOMEM;
                r = chunk_open(path, O_RDONLY, &fd, &content, &n, reterr_error);
                if (r == -ENOENT)
                        break;
                if (r >= 0)
                        r = read_frames(&reader, content, n, path, reterr_error);
                if (r < 0)
                        return r;
                result.cursor = ((uint64_t) number << CURSOR_SHIFT) | reader.offset;
                if (result.more)
                        break;
        }
        *ret = result;
        result = (LogRead) {};
        return 0;
}
