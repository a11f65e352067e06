/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Says what Gantry's two readers of JSON make of the bytes on stdin: the validator of the record path and the tree
 * builder of everything else. First line: "accept" or "reject", "disagree" where they differ. After "accept", the text
 * that the tree is written as. */

#include <stdio.h>

#include "basic/json-scan.h"
#include "shared/json-util.h"

#define CHUNK 65536U

int main(void) {
        _cleanup_buffer_ Buffer in = {}, out = {};
        _cleanup_json_ JsonObject *o = NULL;
        int validated, parsed;
        size_t n;

        do {
                char *to = buffer_reserve(&in, CHUNK);

                if (!to)
                        return 1;
                n = fread(to, 1, CHUNK, stdin);
                buffer_commit(&in, n);
        } while (n > 0);

        validated = json_validate(buffer_bytes(&in), in.len, NULL);
        parsed = json_parse(buffer_bytes(&in), in.len, &o, NULL);
        if ((validated < 0) != (parsed < 0)) {
                printf("disagree\n");
                return 1;
        }
        if (parsed < 0) {
                printf("reject\n");
                return 0;
        }
        if (json_append(&out, o) < 0)
                return 1;
        printf("accept\n");
        return fwrite(buffer_bytes(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0 ? 0 : 1;
}
