/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Targets of requests: what is decoded is UTF-8 and can't climb out of its segment. */

#include <string.h>

#include "basic/utf8.h"
#include "fuzz/fuzz.h"
#include "http/http-target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_http_target_ HttpTarget t = {}, form = {};
        char *text = malloc(size + 1);

        FUZZ_CHECK(text);
        memcpy(text, data, size);
        text[size] = 0;
        if (http_target_parse(text, &t) >= 0) {
                FUZZ_CHECK(t.n_segments <= HTTP_SEGMENTS_MAX && t.n_parameters <= HTTP_PARAMETERS_MAX);
                for (size_t i = 0; i < t.n_segments; i++) {
                        FUZZ_CHECK(!strchr(t.segments[i], '/') && strcmp(t.segments[i], "..") != 0);
                        FUZZ_CHECK(utf8_is_valid(t.segments[i], strlen(t.segments[i])));
                }
                for (size_t i = 0; i < t.n_parameters; i++)
                        FUZZ_CHECK(http_target_get(&t, t.parameters[i].name));
        } else
                FUZZ_CHECK(t.n_segments == 0 && t.n_parameters == 0);
        (void) http_target_add_query(&form, text, size);
        free(text);
        return 0;
}
