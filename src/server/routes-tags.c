/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /tags of the public API. */

#include "server/api.h"
#include "server/routes-tags.h"
#include "server/tag-service.h"

static int view(Call *c, int r, Tag *t, JsonObject **ret) {
        if (r >= 0)
                r = tag_show_edition(c, t);
        if (r >= 0)
                r = tag_view(t, ret);
        tag_free(t);
        return r;
}

static int list(Call *c, HttpRequest *q, JsonObject **ret) {
        _cleanup_listing_ Listing l = {};
        JsonObject *data = json_object_new_array();
        TagArray found = {};
        int r = api_listing(c, q, &l);

        if (r >= 0)
                r = tag_service_list(c, &l, &found);
        for (size_t i = 0; r >= 0 && i < found.n; i++) {
                JsonObject *o = NULL;

                r = tag_view(found.items[i], &o);
                if (r >= 0)
                        r = out_append(data, o);
        }
        tag_array_done(&found);
        if (r >= 0)
                return api_data(data, ret);
        json_object_put(data);
        return r;
}

static int create(Call *c, HttpRequest *q, JsonObject **ret) {
        Tag *t = NULL;
        int r = tag_service_create(c, c->body, &t);

        return view(c, r, t, ret);
}

static int get(Call *c, HttpRequest *q, JsonObject **ret) {
        Tag *t = NULL;
        int r = tag_service_get(c, http_request_path_value(q, "tagId"), ROLE_READER, &t);

        return view(c, r, t, ret);
}

static int update(Call *c, HttpRequest *q, JsonObject **ret) {
        Tag *t = NULL;
        int r = tag_service_update(c, http_request_path_value(q, "tagId"), c->body, &t);

        return view(c, r, t, ret);
}

static int delete(Call *c, HttpRequest *q, JsonObject **ret) {
        return tag_service_delete(c, http_request_path_value(q, "tagId"));
}

#define TAGS "/api/public/v1/tags"
#define TAG TAGS "/{tagId}"

static const ApiRoute routes_tags_rows[] = {
        { "GET", TAGS, list, .id = "listTags", .tag = "Tags", .response = "TagsResponse",
          .query = "workspaceIds[]" },
        { "POST", TAGS, create, .id = "createTag", .tag = "Tags", .request = "TagCreateRequest",
          .response = "TagResponse" },
        { "GET", TAG, get, .id = "getTag", .tag = "Tags", .response = "TagResponse" },
        { "PATCH", TAG, update, .id = "updateTag", .tag = "Tags", .request = "TagPatchRequest",
          .response = "TagResponse" },
        { "DELETE", TAG, delete, .status = 204, .id = "deleteTag", .tag = "Tags" },
};
API_TABLE(routes_tags);
