/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli/config-file.h"
#include "cli/mapper-option.h"
#include "runtime/connector-config.h"

/* "hashing:targetField=email,…" as Airbyte's JSON. */
static int parse_short(const char *text, JsonObject **ret, Error **reterr_error) {
        _cleanup_json_ JsonObject *mapper = json_object_new_object();
        _cleanup_strv_ char **pairs = NULL;
        const char *colon = strchr(text, ':');
        _cleanup_free_ char *type = colon ? strndup(text, (size_t) (colon - text)) : strdup(text);
        JsonObject *configuration;
        int r;

        if (!mapper || !type)
                return -ENOMEM;
        configuration = json_object_new_object();
        r = json_add(mapper, "mapperConfiguration", configuration);
        if (r >= 0)
                r = json_add_string(mapper, "type", type);
        pairs = colon ? strv_split(colon + 1, ",") : NULL;
        STRV_FOREACH(p, pairs) {
                char *equal = strchr(*p, '=');

                if (!equal)
                        return error_set(reterr_error, -EINVAL, "'%s' is not KEY=VALUE", *p);
                *equal = 0;
                if (r >= 0)
                        r = json_add_string(configuration, *p, equal + 1);
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(mapper);
        return 0;
}

/* Moves the mappers of `more` behind those of `*mappers`. */
static int append_mappers(Mapper ***mappers, Mapper ***more) {
        size_t n = 0, k = 0;
        Mapper **l;

        while (*mappers && (*mappers)[n])
                n++;
        while (*more && (*more)[k])
                k++;
        l = reallocarray(*mappers, n + k + 1, sizeof(*l));
        if (!l)
                return -ENOMEM;
        for (size_t i = 0; i < k; i++)
                l[n + i] = (*more)[i];
        l[n + k] = NULL;
        *mappers = l;
        free(TAKE_PTR(*more));
        return 0;
}

/* One mapper as the list that it would be in a connection. */
static int list_of(JsonObject **o) {
        _cleanup_json_ JsonObject *list = json_object_new_array();

        if (!list || json_object_array_add(list, *o) < 0)
                return -ENOMEM;
        *o = TAKE_PTR(list);
        return 0;
}

int mapper_option_parse(const char *text, Mapper ***mappers, Error **reterr_error) {
        _cleanup_(mappers_freep) Mapper **more = NULL;
        _cleanup_json_ JsonObject *o = NULL;
        int r;

        if (text[0] == '@')
                r = config_file_load(text + 1, &o, reterr_error);
        else if (text[0] == '{' || text[0] == '[')
                r = json_parse(text, strlen(text), &o, reterr_error);
        else
                r = parse_short(text, &o, reterr_error);
        if (r >= 0)
                r = connector_config_resolve(o, reterr_error);
        if (r >= 0 && !json_object_is_type(o, json_type_array))
                r = list_of(&o);
        if (r >= 0)
                r = mappers_from_json(o, &more, reterr_error);
        return r < 0 ? r : append_mappers(mappers, &more);
}
