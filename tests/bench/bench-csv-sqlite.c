/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The floor for csv → sqlite: one loop that reads a CSV, makes typed values of its cells and inserts rows of the form that
 * destination-sqlite writes of what source-file reads (four _airbyte_ columns, the file's own, two that name the file),
 * 100,000 rows a transaction, with the same settings of the database. No protocol, no type inference, no checks, no second
 * process.
 *
 *   bench-csv-sqlite FILE.csv OUT.db TYPES     a letter a column: i integer, r real, b boolean, t text */

#include <fcntl.h>
#include <stdio.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "basic/buffer.h"

#define ROWS_PER_TRANSACTION 100000U
/* destination-sqlite's settings of a new file. */
#define SETTINGS "PRAGMA page_size=16384; PRAGMA synchronous=EXTRA; PRAGMA cache_size=-12288"

#define META "{\"sync_id\":1795416167260,\"changes\":[]}"

typedef struct Cell {
        const char *p;
        size_t n;
} Cell;

/* Cells without line breaks in them, quotes around them at most. */
static const char *read_cell(const char *p, const char *end, Cell *ret) {
        const char *start = p;

        if (p < end && *p == '"') {
                p = memchr(p + 1, '"', (size_t) (end - p - 1)) ?: end;
                *ret = (Cell) { start + 1, (size_t) (p - start - 1) };
                return p + 1;
        }
        while (p < end && *p != ',' && *p != '\n')
                p++;
        *ret = (Cell) { start, (size_t) (p - start) };
        return p;
}

static void bind_cell(sqlite3_stmt *s, int at, char type, Cell c) {
        char text[64];

        if (c.n == 0) {
                sqlite3_bind_null(s, at);
                return;
        }
        if (type == 't' || c.n >= sizeof(text)) {
                sqlite3_bind_text(s, at, c.p, (int) c.n, SQLITE_STATIC);
                return;
        }
        memcpy(text, c.p, c.n);
        text[c.n] = 0;
        if (type == 'r')
                sqlite3_bind_double(s, at, strtod(text, NULL));
        else
                sqlite3_bind_int64(s, at, type == 'b' ? *text == 't' : strtoll(text, NULL, 10));
}

/* A random id in the form of a UUID, as each row gets one. */
static void make_id(uint64_t state[2], char out[static 37]) {
        for (int i = 0; i < 2; i++) {
                state[i] ^= state[i] << 13;
                state[i] ^= state[i] >> 7;
                state[i] ^= state[i] << 17;
        }
        (void) snprintf(out, 37, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned) (state[0] >> 32),
                        (unsigned) (state[0] >> 16) & 0xffff, (unsigned) state[0] & 0xfff,
                        (unsigned) (state[1] >> 48) & 0xfff, (unsigned long long) state[1] & 0xffffffffffffULL);
}

static int create(sqlite3 *db, const char **p, const char *end, const char *types, sqlite3_stmt **ret) {
        _cleanup_buffer_ Buffer table = {}, insert = {};
        int r;

        r = buffer_append_string(&table, "CREATE TABLE t (_airbyte_raw_id TEXT, _airbyte_extracted_at TEXT, "
                                         "_airbyte_meta TEXT, _airbyte_generation_id INTEGER");
        if (r >= 0)
                r = buffer_append_string(&insert, "INSERT INTO t VALUES (?, ?, ?, ?");
        for (size_t i = 0; r >= 0 && types[i]; i++) {
                Cell name;

                *p = read_cell(*p, end, &name) + 1;
                r = buffer_appendf(&table, ", \"%.*s\" %s", (int) name.n, name.p,
                                   types[i] == 't' ? "TEXT" : types[i] == 'b' ? "BOOLEAN" : "");
                if (r >= 0)
                        r = buffer_append_string(&insert, ", ?");
        }
        if (r < 0 ||
            buffer_append_string(&table, ", _ab_source_file_last_modified TEXT, _ab_source_file_url TEXT)") < 0 ||
            buffer_append_string(&insert, ", ?, ?)") < 0)
                return -ENOMEM;
        if (sqlite3_exec(db, buffer_string(&table), NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_prepare_v2(db, buffer_string(&insert), -1, ret, NULL) != SQLITE_OK)
                return -EIO;
        return 0;
}

static int load(sqlite3 *db, const char *path, const char *p, const char *end, const char *types) {
        uint64_t state[2] = { 88172645463325252ULL, 362436069ULL };
        sqlite3_stmt *insert = NULL;
        int n = (int) strlen(types);
        unsigned rows = 0;
        int r = create(db, &p, end, types, &insert);

        sqlite3_exec(db, "BEGIN", NULL, NULL, NULL);
        while (r >= 0 && p < end) {
                char id[37];

                make_id(state, id);
                sqlite3_bind_text(insert, 1, id, 36, SQLITE_STATIC);
                sqlite3_bind_text(insert, 2, "2026-01-02T03:04:05.000Z", 24, SQLITE_STATIC);
                sqlite3_bind_text(insert, 3, META, sizeof(META) - 1, SQLITE_STATIC);
                sqlite3_bind_int64(insert, 4, 1);
                for (size_t i = 0; types[i]; i++) {
                        Cell c;

                        p = read_cell(p, end, &c) + 1;
                        bind_cell(insert, (int) i + 5, types[i], c);
                }
                sqlite3_bind_text(insert, n + 5, "2026-01-02T03:04:05.123456Z", 27, SQLITE_STATIC);
                sqlite3_bind_text(insert, n + 6, path, -1, SQLITE_STATIC);
                if (sqlite3_step(insert) != SQLITE_DONE || sqlite3_reset(insert) != SQLITE_OK)
                        r = -EIO;
                if (++rows % ROWS_PER_TRANSACTION == 0)
                        sqlite3_exec(db, "COMMIT; BEGIN", NULL, NULL, NULL);
        }
        sqlite3_finalize(insert);
        if (r >= 0 && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
                r = -EIO;
        return r;
}

int main(int argc, char *argv[]) {
        sqlite3 *db = NULL;
        struct stat st;
        const char *text;
        int fd, r;

        if (argc != 4) {
                fprintf(stderr, "Usage: %s FILE.csv OUT.db TYPES\n", argv[0]);
                return 2;
        }
        fd = open(argv[1], O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return 1;
        text = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (text == MAP_FAILED || sqlite3_open(argv[2], &db) != SQLITE_OK)
                return 1;
        sqlite3_exec(db, SETTINGS, NULL, NULL, NULL);
        r = load(db, argv[1], text, text + st.st_size, argv[3]);
        if (r < 0)
                fprintf(stderr, "bench-csv-sqlite: %s\n", sqlite3_errmsg(db));
        sqlite3_close(db);
        return r < 0;
}
