/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What gantryctl prints: tables, single objects, JSON. Text that comes from outside (names, logs, errors) is shown
 * without anything that could steer a terminal, also into a pipe and in JSON (threat T31). */

#include "ctl/ctl.h"

typedef enum CtlFormat {
        CTL_TEXT,
        CTL_NUMBER,
        CTL_TIME,      /* µs since 1970, or as the API writes it: "2026-11-23 06:26:53 CET" in local time */
        CTL_BYTES,
        CTL_SPAN,      /* µs */
        CTL_DURATION,  /* "PT1M5S": "1m 5s" */
        CTL_LIST,      /* of strings, or of paths: "id, user.name" */
        CTL_PATH,      /* the names of a field's path: "user.name" */
        CTL_FAILURE,   /* what a job or attempt says of its failure: the first one's origin and sentence */
        _CTL_FORMAT_MAX,
} CtlFormat;

typedef struct CtlColumn {
        const char *title; /* "RECORDS" */
        const char *key;   /* of the row; "a.b" goes down */
        CtlFormat format;
} CtlColumn;

/* Prints an array of objects as a table with a legend, or as JSON. Returns an exit code. */
int ctl_print_rows(const Ctl *c, JsonObject *rows, const CtlColumn *columns, size_t n_columns);
/* The same for a part of an object that is shown, behind a blank line and without a sum; nothing where
 * there are no rows, and as JSON, where the object has it. */
int ctl_print_part(const Ctl *c, JsonObject *rows, const CtlColumn *columns, size_t n_columns);
/* One object, a field a line; fields without a value are left out. */
int ctl_print_object(const Ctl *c, JsonObject *o, const CtlColumn *fields, size_t n_fields);
/* Any value as JSON: pretty unless --json=short, and where people look at it without --json. */
int ctl_print_json(const Ctl *c, JsonObject *o);
/* A JSON text on a line, as it is but for what would steer a terminal. */
int ctl_print_json_text(const char *text);

/* Appends a value the way a cell shows it. */
int ctl_format_cell(Buffer *b, JsonObject *row, const CtlColumn *column);
/* A string on one line, made safe. */
int ctl_append_safe(Buffer *b, const char *s);
/* How many columns of a terminal a text takes. */
size_t ctl_text_width(const char *s, size_t n);

/* Where long output goes: through a pager when standard output is a terminal and nobody said --no-pager. Ends with
 * ctl_pager_close(), which waits for it. */
void ctl_pager_open(const Ctl *c);
void ctl_pager_close(void);
