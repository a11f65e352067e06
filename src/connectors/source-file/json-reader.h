/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON files as rows, never held whole: JSON lines; an array of objects; objects one after the other; an
 * array that lies inside an object, found by a JSON pointer. Only one element at a time is in memory. */

#include "basic/json-scan.h"
#include "basic/strv.h"
#include "connectors/source-file/window.h"

typedef struct JsonReader {
        Window *window;
        bool by_line;
        char **pointer; /* the keys to descend by first; borrowed */
        bool started, in_array, first_element, at_end;
        uint64_t line;      /* where the current row starts */
        size_t row_bytes;   /* of the current row, to be dropped with the next call */
        uint64_t row_lines;
        const char *problem; /* why the row is malformed, static text */
} JsonReader;

/* `window` and `pointer` stay the caller's. */
void json_reader_init(JsonReader *r, Window *window, bool by_line, char **pointer);

/* The next row: 1 and a valid JSON object (line ends inside it are only space); 0 at the end; -EBADMSG
 * for a malformed row (r->problem and r->line tell; the next call goes on behind it). A file that is
 * broken between rows or ends too early is -EINVAL, which is final. */
int json_reader_next(JsonReader *r, JsonSlice *ret, Error **reterr_error);

/* Looks at the whole of a JSON file: where the text is one object of which exactly one member is an array
 * of objects, the key of that member, decoded; else NULL. */
int json_find_array(Window *window, char **ret_key, Error **reterr_error);

/* "/a/b~1c" → { "a", "b/c" }. -EINVAL when it doesn't start with a slash; "" gives NULL. */
int json_pointer_parse(const char *s, char ***ret);
