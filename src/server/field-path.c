/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "server/field-path.h"
#include "server/out.h"

JsonObject *field_path_to_json(FieldPath path) {
        JsonObject *a = json_object_new_array();

        STRV_FOREACH(s, path)
                if (!a || out_append(a, json_object_new_string(*s)) < 0) {
                        json_object_put(a);
                        return NULL;
                }
        return a;
}

JsonObject *field_paths_to_json(FieldPath *paths) {
        JsonObject *a = json_object_new_array();

        for (; a && paths && *paths; paths++)
                if (out_append(a, field_path_to_json(*paths)) < 0) {
                        json_object_put(a);
                        return NULL;
                }
        return a;
}
