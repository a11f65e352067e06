/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON and catalogs as tests write them: single quotes stand for double ones. */

#include "protocol/catalog.h"
#include "unit/test.h"

static inline JsonObject *parse(const char *text) {
        _cleanup_free_ char *s = strdup(text);
        JsonObject *o = NULL;

        for (char *p = s; *p; p++)
                if (*p == '\'')
                        *p = '"';
        ASSERT_OK(json_parse(s, strlen(s), &o, NULL));
        return o;
}

static inline Catalog *catalog(const char *text) {
        _cleanup_json_ JsonObject *o = parse(text);
        Catalog *c = NULL;

        ASSERT_OK(catalog_from_json(o, &c, NULL));
        return c;
}
