/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spec-check SPEC <CONFIGS: our reading of a specification, for tests in other languages. SPEC is a file with a
 * ConnectorSpecification, standard input has one configuration a line. For each it prints one JSON object:
 * {"result": "valid" | "invalid" | "undecided", "message": …, "secrets": [pointers], "strings": [texts to mask]}. Exit 3
 * and a sentence on standard error when the specification itself is not taken. */

#include <stdio.h>

#include "protocol/connector-spec.h"
#include "protocol/json-schema.h"

#define SPEC_MAX (16U * 1024U * 1024U)

static int add_pointer(const char *pointer, JsonObject *value, void *userdata) {
        JsonObject *s = json_object_new_string(pointer);

        return s && json_object_array_add(userdata, s) >= 0 ? 0 : -ENOMEM;
}

static int answer(const ConnectorSpec *spec, JsonObject *config, JsonObject *o) {
        _cleanup_error_ Error *error = NULL;
        _cleanup_strv_ char **strings = NULL;
        JsonObject *secrets = json_object_new_array(), *texts = json_object_new_array();
        int r, checked;

        if (!secrets || !texts || json_add(o, "secrets", secrets) < 0 || json_add(o, "strings", texts) < 0)
                return -ENOMEM;
        checked = connector_spec_check_config(spec, config, &error);
        r = json_add_string(o, "result", checked == 0 ? "valid" : checked == -EINVAL ? "invalid" : "undecided");
        if (r >= 0 && checked < 0)
                r = json_add_string(o, "message", error_message(error, checked));
        if (r >= 0)
                r = connector_spec_foreach_secret(spec, config, add_pointer, secrets);
        if (r >= 0)
                r = connector_spec_secret_strings(spec, config, &strings);
        STRV_FOREACH(s, strings)
                if (r >= 0)
                        r = add_pointer(*s, NULL, texts);
        return r;
}

static int answer_line(const ConnectorSpec *spec, const char *line, size_t n) {
        _cleanup_json_ JsonObject *config = NULL, *o = json_object_new_object();
        _cleanup_buffer_ Buffer b = {};
        int r;

        if (!o)
                return -ENOMEM;
        r = json_parse(line, n, &config, NULL);
        if (r >= 0)
                r = answer(spec, config, o);
        if (r >= 0)
                r = json_append(&b, o);
        if (r >= 0)
                r = puts(buffer_string(&b)) < 0 ? -EIO : 0;
        return r;
}

static int load(const char *path, ConnectorSpec **ret, Error **reterr_error) {
        _cleanup_(json_schema_freep) JsonSchema *schema = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        r = json_parse_file(path, SPEC_MAX, &o, reterr_error);
        if (r >= 0)
                r = connector_spec_from_json(o, ret, reterr_error);
        if (r >= 0)
                r = json_schema_compile((*ret)->connection_specification, &schema, reterr_error);
        return r;
}

int main(int argc, char *argv[]) {
        _cleanup_(connector_spec_freep) ConnectorSpec *spec = NULL;
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *line = NULL;
        size_t allocated = 0;
        ssize_t n;
        int r;

        if (argc != 2) {
                fprintf(stderr, "Usage: spec-check SPEC <CONFIGS\n");
                return 2;
        }
        r = load(argv[1], &spec, &error);
        if (r < 0) {
                fprintf(stderr, "%s\n", error_message(error, r));
                return 3;
        }
        while ((n = getline(&line, &allocated, stdin)) >= 0) {
                r = answer_line(spec, line, (size_t) n);
                if (r < 0) {
                        fprintf(stderr, "%s\n", strerror(-r));
                        return 1;
                }
        }
        return 0;
}
