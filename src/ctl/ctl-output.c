/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One description of columns serves tables, single objects and their order; JSON is printed as the daemon
 * gave it. A table is laid out when all of its cells are known, by the width of characters on a terminal
 * and not by their bytes. Nothing of it depends on the terminal's width: what is piped looks as what is
 * seen.
 *
 * Whatever comes from outside passes ctl_append_safe() or append_json_safe(): a connector's message must
 * not move the cursor, change the title or turn text around.
 *
 * The pager is a child that reads what we print; standard output is put back before we wait for it. less
 * runs in its secure mode, without shell, editor or log file, since administrators read other people's
 * text with it. */

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "basic/log.h"
#include "basic/strv.h"
#include "basic/time-util.h"
#include "basic/utf8.h"
#include "ctl/ctl-output.h"

#define COLUMNS_MAX 16U
/* A cell that is longer is cut in tables, never in JSON. */
#define CELL_WIDTH_MAX 60U

int ctl_append_safe(Buffer *b, const char *s) {
        return utf8_append_printable(b, s, strlen(s), /* keep_newlines= */ false);
}

size_t ctl_text_width(const char *s, size_t n) {
        size_t width = 0;
        mbstate_t state = {};

        while (n > 0) {
                wchar_t c;
                size_t k = mbrtowc(&c, s, n, &state);
                int w;

                if (k == 0 || k > n) {
                        k = 1;
                        state = (mbstate_t) {};
                        w = 1;
                } else
                        w = wcwidth(c);
                width += (size_t) MAX(w, 0);
                s += k;
                n -= k;
        }
        return width;
}

/* "a.b" of a row; NULL when it isn't there. */
static JsonObject *find_value(JsonObject *row, const char *key) {
        _cleanup_strv_ char **path = strv_split(key, ".");

        STRV_FOREACH(s, path)
                row = json_member(row, *s);
        return path ? row : NULL;
}

static int append_time(Buffer *b, int64_t t) {
        time_t seconds = (time_t) (t / (int64_t) USEC_PER_SEC);
        char text[64];
        struct tm tm;

        if (t <= 0 || !localtime_r(&seconds, &tm) ||
            strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm) == 0)
                return buffer_append_char(b, '-');
        return ctl_append_safe(b, text); /* $TZ may name a zone as it likes */
}

/* "2026-11-23T05:26:53Z", which is what the API gives; anything else is shown as it is. */
static int append_api_time(Buffer *b, const char *s) {
        struct tm tm = {};
        const char *end = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

        if (!end || !streq(end, "Z"))
                return ctl_append_safe(b, s);
        return append_time(b, (int64_t) timegm(&tm) * (int64_t) USEC_PER_SEC);
}

static int append_number(Buffer *b, int64_t n, CtlFormat format) {
        char text[MAX(FORMAT_BYTES_MAX, FORMAT_SPAN_MAX)];

        switch (format) {
        case CTL_TIME:
                return append_time(b, n);
        case CTL_BYTES:
                return buffer_append_string(b, format_bytes((uint64_t) MAX(n, 0), text));
        case CTL_SPAN:
                return buffer_append_string(b, format_span((uint64_t) MAX(n, 0), text));
        default:
                return buffer_appendf(b, "%" PRIi64, n);
        }
}

/* {"failures":[{"failureOrigin":"source","externalMessage":"…"},…]}, as an object or as its text: the first is the
 * cause, the others its company. */
static int append_failure(Buffer *b, JsonObject *value) {
        _cleanup_json_ JsonObject *parsed = NULL;
        const char *origin = NULL, *message = NULL, *text = json_object_get_string(value);
        JsonObject *first;
        int r;

        if (json_object_is_type(value, json_type_string) && json_parse(text, strlen(text), &parsed, NULL) >= 0)
                value = parsed;
        first = json_member(value, "failures");
        first = json_object_is_type(first, json_type_array) ? json_object_array_get_idx(first, 0) : value;
        if (json_get_string(first, "externalMessage", &message, "failure", NULL) <= 0)
                return ctl_append_safe(b, text);
        (void) json_get_string(first, "failureOrigin", &origin, "failure", NULL);
        r = origin ? ctl_append_safe(b, origin) : 0;
        if (r >= 0 && origin)
                r = buffer_append_string(b, ": ");
        return r >= 0 ? ctl_append_safe(b, message) : r;
}

/* "PT1H2M3S", which is what the API gives. */
static int append_duration(Buffer *b, const char *s) {
        char text[FORMAT_SPAN_MAX];
        unsigned hours = 0, minutes = 0, seconds = 0;
        const char *p = s + STRLEN("PT");

        if (strncmp(s, "PT", STRLEN("PT")) != 0)
                return ctl_append_safe(b, s);
        while (*p) {
                char *end;
                unsigned long n = strtoul(p, &end, 10);
                unsigned *unit = *end == 'H' ? &hours : *end == 'M' ? &minutes : *end == 'S' ? &seconds : NULL;

                if (end == p || !unit)
                        return ctl_append_safe(b, s);
                *unit = (unsigned) n;
                p = end + 1;
        }
        if (hours == 0 && minutes == 0 && seconds == 0)
                return buffer_append_string(b, "<1s");
        return buffer_append_string(b, format_span((hours * UINT64_C(3600) + minutes * UINT64_C(60) + seconds) *
                                                   USEC_PER_SEC, text));
}

/* Between the elements of a list, and between the names of a field's path. */
static int append_list(Buffer *b, JsonObject *list, const char *between, const char *between_inner) {
        int r = json_object_array_length(list) == 0 ? buffer_append_char(b, '-') : 0;

        for (size_t i = 0; r >= 0 && i < json_object_array_length(list); i++) {
                JsonObject *item = json_object_array_get_idx(list, i);

                if (i > 0)
                        r = buffer_append_string(b, between);
                if (r >= 0 && json_object_is_type(item, json_type_array))
                        r = append_list(b, item, between_inner, between_inner);
                else if (r >= 0)
                        r = ctl_append_safe(b, strempty(json_object_get_string(item)));
        }
        return r;
}

int ctl_format_cell(Buffer *b, JsonObject *row, const CtlColumn *column) {
        JsonObject *value = find_value(row, column->key);
        _cleanup_free_ char *text = NULL;

        if (value && column->format == CTL_FAILURE)
                return append_failure(b, value);
        if (column->format == CTL_LIST && json_object_is_type(value, json_type_array))
                return append_list(b, value, ", ", ".");
        if (column->format == CTL_PATH && json_object_is_type(value, json_type_array))
                return append_list(b, value, ".", ".");
        if (column->format == CTL_TIME && json_object_is_type(value, json_type_string))
                return append_api_time(b, json_object_get_string(value));
        if (column->format == CTL_DURATION && json_object_is_type(value, json_type_string))
                return append_duration(b, json_object_get_string(value));
        switch (json_object_get_type(value)) {
        case json_type_null:
                return buffer_append_char(b, '-');
        case json_type_int:
                return append_number(b, json_object_get_int64(value), column->format);
        case json_type_boolean:
                return buffer_append_string(b, json_object_get_boolean(value) ? "yes" : "no");
        case json_type_string:
                return ctl_append_safe(b, json_object_get_string(value));
        default:
                text = json_to_string(value);
                return text ? ctl_append_safe(b, text) : -ENOMEM;
        }
}

/* -- Tables -- */

typedef struct Cell {
        char *text;
        size_t width;
} Cell;

typedef struct Table {
        Cell *cells;
        size_t n_columns, n_rows;
        size_t widths[COLUMNS_MAX];
} Table;

static void table_done(Table *t) {
        for (size_t i = 0; t->cells && i < t->n_rows * t->n_columns; i++)
                free(t->cells[i].text);
        free(t->cells);
}

/* Cuts a cell at CELL_WIDTH_MAX columns. The text is printable UTF-8. Between two characters: half of one
 * would be no UTF-8. */
static int cut_cell(Buffer *b) {
        const char *p = buffer_bytes(b), *end = p + b->len;
        size_t width = 0;

        if (ctl_text_width(p, b->len) <= CELL_WIDTH_MAX)
                return 0;
        while (p < end) {
                size_t n = MAX(utf8_sequence(p, end), 1U), w = ctl_text_width(p, n);

                if (width + w > CELL_WIDTH_MAX - 1)
                        break;
                width += w;
                p += n;
        }
        b->len = (size_t) (p - buffer_bytes(b));
        return buffer_append_string(b, "…");
}

static int fill_cell(Cell *cell, JsonObject *row, const CtlColumn *column) {
        _cleanup_buffer_ Buffer b = {};
        int r;

        r = ctl_format_cell(&b, row, column);
        if (r >= 0)
                r = cut_cell(&b);
        if (r < 0)
                return r;
        cell->width = ctl_text_width(buffer_bytes(&b), b.len);
        cell->text = buffer_steal_string(&b);
        return cell->text ? 0 : -ENOMEM;
}

static int fill_table(Table *t, JsonObject *rows, const CtlColumn *columns) {
        t->cells = calloc(MAX(t->n_rows * t->n_columns, 1U), sizeof(Cell));
        if (!t->cells)
                return -ENOMEM;
        for (size_t i = 0; i < t->n_rows; i++)
                for (size_t k = 0; k < t->n_columns; k++) {
                        Cell *cell = &t->cells[i * t->n_columns + k];
                        int r;

                        r = fill_cell(cell, json_object_array_get_idx(rows, i), &columns[k]);
                        if (r < 0)
                                return r;
                        t->widths[k] = MAX(t->widths[k], cell->width);
                }
        return 0;
}

/* Numbers to the right; nothing is padded behind the last column. */
static void print_cell(const Table *t, size_t column, const char *text, size_t width, bool right) {
        size_t pad = t->widths[column] > width ? t->widths[column] - width : 0;
        bool last = column + 1 == t->n_columns;

        if (right)
                printf("%*s", (int) pad, "");
        fputs(text, stdout);
        if (!right && !last)
                printf("%*s", (int) pad, "");
        fputs(last ? "\n" : "  ", stdout);
}

static void print_table(const Ctl *c, const Table *t, const CtlColumn *columns) {
        for (size_t k = 0; c->legend && k < t->n_columns; k++)
                print_cell(t, k, columns[k].title, strlen(columns[k].title),
                           columns[k].format == CTL_NUMBER || columns[k].format == CTL_BYTES);
        for (size_t i = 0; i < t->n_rows * t->n_columns; i++) {
                const CtlColumn *column = &columns[i % t->n_columns];

                print_cell(t, i % t->n_columns, t->cells[i].text, t->cells[i].width,
                           column->format == CTL_NUMBER || column->format == CTL_BYTES);
        }
}

static int print_rows(const Ctl *c, JsonObject *rows, const CtlColumn *columns, size_t n_columns, bool sum) {
        _cleanup_(table_done) Table t = { .n_columns = n_columns };
        int r;

        assert(n_columns <= COLUMNS_MAX);
        if (c->json)
                return ctl_print_json(c, rows);
        if (!json_object_is_type(rows, json_type_array))
                return ctl_fail(c, NULL, -EBADMSG);
        t.n_rows = json_object_array_length(rows);
        for (size_t k = 0; k < n_columns; k++)
                t.widths[k] = c->legend ? strlen(columns[k].title) : 0;
        r = fill_table(&t, rows, columns);
        if (r < 0)
                return ctl_fail(c, NULL, r);
        ctl_pager_open(c);
        print_table(c, &t, columns);
        if (sum && c->legend)
                printf("\n%zu listed.\n", t.n_rows);
        ctl_pager_close();
        return EXIT_OK;
}

int ctl_print_rows(const Ctl *c, JsonObject *rows, const CtlColumn *columns, size_t n_columns) {
        return print_rows(c, rows, columns, n_columns, /* sum= */ true);
}

int ctl_print_part(const Ctl *c, JsonObject *rows, const CtlColumn *columns, size_t n_columns) {
        if (c->json || !json_object_is_type(rows, json_type_array) || json_object_array_length(rows) == 0)
                return EXIT_OK;
        puts("");
        return print_rows(c, rows, columns, n_columns, /* sum= */ false);
}

int ctl_print_object(const Ctl *c, JsonObject *o, const CtlColumn *fields, size_t n_fields) {
        size_t width = 0;

        if (c->json)
                return ctl_print_json(c, o);
        for (size_t i = 0; i < n_fields; i++)
                width = MAX(width, strlen(fields[i].title));
        for (size_t i = 0; i < n_fields; i++) {
                _cleanup_buffer_ Buffer b = {};

                if (!find_value(o, fields[i].key))
                        continue;
                if (ctl_format_cell(&b, o, &fields[i]) < 0 || !buffer_string(&b))
                        return ctl_fail(c, NULL, -ENOMEM);
                printf("%*s: %s\n", (int) width, fields[i].title, buffer_string(&b));
        }
        return EXIT_OK;
}

/* Characters that steer a terminal or turn text around, as JSON escapes. They stand in strings only, for nothing
 * else in JSON goes beyond ASCII. */
static int append_json_safe(Buffer *b, const char *p) {
        const char *end = p + strlen(p);

        while (p < end) {
                size_t n = MAX(utf8_sequence(p, end), 1U);
                mbstate_t state = {};
                wchar_t c = 0;
                int r;

                (void) mbrtowc(&c, p, n, &state);
                if (c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
                    (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
                        r = buffer_appendf(b, "\\u%04x", (unsigned) c);
                else
                        r = buffer_append(b, p, n);
                if (r < 0)
                        return r;
                p += n;
        }
        return 0;
}

int ctl_print_json_text(const char *text) {
        _cleanup_buffer_ Buffer b = {};

        if (append_json_safe(&b, text) < 0 || !buffer_string(&b))
                return EXIT_FAILED;
        puts(buffer_string(&b));
        return EXIT_OK;
}

int ctl_print_json(const Ctl *c, JsonObject *o) {
        int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

        if (c->json_pretty || (!c->json && isatty(STDOUT_FILENO)))
                flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        return ctl_print_json_text(o ? json_object_to_json_string_ext(o, flags) : "null");
}

/* -- The pager -- */

static struct {
        pid_t pid;
        int stdout_fd; /* the real one */
} pager = { .stdout_fd = -EBADF };

/* $GANTRY_PAGER, $PAGER or less, split at spaces: no shell reads it. */
static char **pager_command(void) {
        const char *s = getenv("GANTRY_PAGER") ?: getenv("PAGER") ?: "less";

        return *s && !streq(s, "cat") ? strv_split(s, " ") : NULL;
}

_noreturn_ static void run_pager(char **command, int fds[2]) {
        (void) signal(SIGPIPE, SIG_DFL);
        (void) dup2(fds[0], STDIN_FILENO);
        (void) close(fds[0]);
        (void) close(fds[1]);
        (void) setenv("LESS", "FRSXMK", /* overwrite= */ 0);
        (void) setenv("LESSSECURE", "1", /* overwrite= */ 1);
        (void) execvp(command[0], command);
        /* Without a pager the text goes out as it is. */
        (void) execlp("cat", "cat", NULL);
        _exit(EXIT_FAILED);
}

/* One that can't move its cursor can't page. */
static bool terminal_is_dumb(void) {
        const char *term = getenv("TERM");

        return !term || !*term || streq(term, "dumb");
}

void ctl_pager_open(const Ctl *c) {
        bool wanted = c->pager && isatty(STDOUT_FILENO) && !terminal_is_dumb();
        _cleanup_strv_ char **command = wanted ? pager_command() : NULL;
        int fds[2];

        (void) fflush(stdout);
        if (!command || !command[0] || pipe(fds) < 0)
                return;
        pager.pid = fork();
        if (pager.pid == 0)
                run_pager(command, fds);
        (void) close(fds[0]);
        if (pager.pid > 0) {
                /* Who leaves it early is waited for all the same: it has the terminal until then. */
                (void) signal(SIGPIPE, SIG_IGN);
                pager.stdout_fd = dup(STDOUT_FILENO);
                (void) dup2(fds[1], STDOUT_FILENO);
        }
        (void) close(fds[1]);
}

void ctl_pager_close(void) {
        if (pager.pid <= 0)
                return;
        (void) fflush(stdout);
        (void) dup2(pager.stdout_fd, STDOUT_FILENO);
        (void) close(pager.stdout_fd);
        (void) waitpid(pager.pid, NULL, 0);
        pager.pid = 0;
        /* Who closed the pager has seen enough. */
        clearerr(stdout);
}
