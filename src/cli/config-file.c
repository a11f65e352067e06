/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/file-util.h"
#include "basic/json-scan.h"
#include "cli/config-file.h"
#include "runtime/yaml-util.h"

int config_file_load(const char *path, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *o = NULL;
        _cleanup_free_ char *text = NULL;
        const char *start;
        size_t n;
        int r;

        r = read_file(path, CONFIG_FILE_MAX, &text, &n, reterr_error);
        if (r < 0)
                return r;
        start = json_skip_space(text, text + n);
        if (*start == '{' || *start == '[') {
                r = json_parse(text, n, &o, reterr_error);
                if (r < 0)
                        return error_prefix(reterr_error, r, "'%s'", path);
        } else {
                r = yaml_to_json(text, n, path, &o, reterr_error);
                if (r < 0)
                        return r;
        }
        if (!json_object_is_type(o, json_type_object) && !json_object_is_type(o, json_type_array))
                return error_set(reterr_error, -EINVAL, "'%s' holds no JSON object", path);
        *ret = TAKE_PTR(o);
        return 0;
}
