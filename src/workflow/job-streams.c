/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "basic/suggest.h"
#include "worker/stream-selection.h"
#include "workflow/job-streams.h"

static int refuse(const Connection *c, JsonObject *selected, const char *name, Error **reterr_error) {
        size_t n = json_object_array_length(selected);
        _cleanup_free_ const char **names = calloc(n + 1, sizeof(*names));
        const char *hint;

        if (!names)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const char *namespace = NULL;

                names[i] = "";
                (void) stream_selection_name(json_object_array_get_idx(selected, i), &namespace, &names[i],
                                             NULL);
        }
        hint = suggest_nearest(name, (char *const *) names);
        return error_set(reterr_error, -EINVAL, "The connection '%s' has no stream '%s'%s%s%s", c->name,
                         name, hint ? ", did you mean '" : "", strempty(hint), hint ? "'?" : "");
}

static bool is_selected(JsonObject *selected, const char *namespace, const char *name) {
        for (size_t i = 0; i < json_object_array_length(selected); i++) {
                JsonObject *entry = json_object_array_get_idx(selected, i);
                const char *its_namespace = NULL, *its_name = NULL;

                if (stream_selection_name(entry, &its_namespace, &its_name, NULL) >= 0 &&
                    streq(its_name, name) && streq(strempty(its_namespace), strempty(namespace)))
                        return true;
        }
        return false;
}

int job_streams_check(const Connection *c, JsonObject *streams, Error **reterr_error) {
        _cleanup_json_ JsonObject *configurations = NULL;
        size_t n = streams ? json_object_array_length(streams) : 0;
        JsonObject *selected;
        int r;

        if (n == 0 || !c->catalog)
                return 0;
        r = json_parse(c->catalog, strlen(c->catalog), &configurations, reterr_error);
        if (r < 0)
                return error_prefix(reterr_error, r, "The connection's streams");
        selected = json_member(configurations, "streams");
        if (stream_selection_is_everything(configurations) ||
            !json_object_is_type(selected, json_type_array))
                return 0;
        for (size_t i = 0; i < n; i++) {
                const char *namespace = NULL, *name = NULL;

                r = stream_selection_name(json_object_array_get_idx(streams, i), &namespace, &name,
                                          reterr_error);
                if (r < 0)
                        return r;
                if (!is_selected(selected, namespace, name))
                        return refuse(c, selected, name, reterr_error);
        }
        return 0;
}
