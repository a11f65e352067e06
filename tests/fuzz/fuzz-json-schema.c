/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A schema in the first line, an instance in the rest: judged without harm, and twice the same. */

#include "fuzz/fuzz.h"
#include "protocol/json-schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const char *p = (const char *) data, *newline = size > 0 ? memchr(p, '\n', size) : NULL;
        _cleanup_json_ JsonObject *schema = NULL, *instance = NULL;
        _cleanup_(json_schema_freep) JsonSchema *s = NULL;
        _cleanup_error_ Error *error = NULL;
        JsonSchemaProblem *problems = NULL;
        int r;

        if (!newline || json_parse(p, (size_t) (newline - p), &schema, NULL) < 0 ||
            json_parse(newline + 1, size - (size_t) (newline + 1 - p), &instance, NULL) < 0)
                return 0;
        if (json_schema_compile(schema, &s, &error) < 0) {
                FUZZ_CHECK(error && error->message);
                return 0;
        }
        r = json_schema_validate(s, instance, 8, &problems);
        FUZZ_CHECK(r <= 1);
        if (r == 0)
                FUZZ_CHECK(problems && problems[0].path && problems[0].message);
        json_schema_problems_free(problems);
        FUZZ_CHECK(json_schema_validate(s, instance, 0, NULL) == r);
        return 0;
}
