/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names are unique within a workspace by an index, and only there: the database says -EEXIST, nobody
 * looks before. */

#include "basic/uuid.h"
#include "server/body.h"
#include "server/edition.h"
#include "server/out.h"
#include "server/tag-service.h"
#include "server/workspace-service.h"

int tag_service_list(Call *c, const Listing *l, TagArray *ret) {
        return l->none ? 0 : tag_store_list(c->server->db, l->workspace_ids, ret, &c->error);
}

int tag_service_get(Call *c, const char *id, Role need, Tag **ret) {
        _cleanup_(tag_freep) Tag *t = NULL;
        int r = tag_store_get(c->server->db, id, &t, &c->error);

        if (r == -ENOENT)
                return call_fail(c, r, NULL, "There is no such tag");
        if (r >= 0)
                r = call_require_object(c, t->workspace_id, need, "tag");
        if (r >= 0)
                *ret = TAKE_PTR(t);
        return r;
}

static void edition_of(const Tag *o, char ret[static EDITION_MAX]) {
        const char *texts[] = { o->name, o->color };

        edition_of_texts(texts, ELEMENTSOF(texts), ret);
}

static int check_edition(Call *c, const Tag *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_check(c, edition, "tag");
}

int tag_show_edition(Call *c, const Tag *o) {
        char edition[EDITION_MAX];

        edition_of(o, edition);
        return edition_show(c, edition);
}

static bool is_color(const char *s) {
        return strlen(s) == 6 && strspn(s, "0123456789abcdefABCDEF") == 6;
}

static int apply(Call *c, JsonObject *body, Tag *t) {
        int r = body_name(c, body, &t->name);

        if (r >= 0)
                r = body_replace_string(c, body, "color", &t->color);
        if (r > 0 && *t->color == '#')
                memmove(t->color, t->color + 1, strlen(t->color));
        if (r > 0 && !is_color(t->color))
                return call_fail(c, -EINVAL, NULL, "'color' must be six hexadecimal digits");
        return r < 0 ? r : 0;
}

static int finish(Call *c, int r) {
        if (r == -EEXIST)
                return call_fail(c, r, NULL, "The workspace has a tag of this name");
        if (r >= 0)
                server_announce(c->server);
        return r;
}

int tag_service_create(Call *c, JsonObject *body, Tag **ret) {
        _cleanup_(workspace_freep) Workspace *w = NULL;
        _cleanup_(tag_freep) Tag *t = calloc(1, sizeof(*t));
        const char *workspace_id = NULL;
        int r;

        if (!t)
                return -ENOMEM;
        r = body_need_string(c, body, "workspaceId", &workspace_id);
        if (r >= 0)
                r = workspace_service_get(c, workspace_id, ROLE_EDITOR, &w);
        if (r >= 0)
                r = apply(c, body, t);
        if (r < 0)
                return r;
        if (!t->name || !t->color)
                return call_fail(c, -EINVAL, NULL, "The body must have 'name' and 'color'");
        t->id = uuid7_new_string(c->server->env);
        t->workspace_id = strdup(workspace_id);
        if (!t->id || !t->workspace_id)
                return -ENOMEM;
        r = finish(c, tag_store_insert(c->server->db, t, server_now(c->server), &c->error));
        if (r >= 0)
                *ret = TAKE_PTR(t);
        return r;
}

int tag_service_update(Call *c, const char *id, JsonObject *body, Tag **ret) {
        _cleanup_(tag_freep) Tag *t = NULL;
        int r = tag_service_get(c, id, ROLE_EDITOR, &t);

        if (r >= 0)
                r = check_edition(c, t);
        if (r >= 0)
                r = apply(c, body, t);
        if (r >= 0)
                r = finish(c, tag_store_update(c->server->db, t, server_now(c->server), &c->error));
        if (r >= 0)
                *ret = TAKE_PTR(t);
        return r;
}

int tag_service_delete(Call *c, const char *id) {
        _cleanup_(tag_freep) Tag *t = NULL;
        int r = tag_service_get(c, id, ROLE_EDITOR, &t);

        if (r >= 0)
                r = check_edition(c, t);
        return r < 0 ? r : finish(c, tag_store_delete(c->server->db, id, server_now(c->server), &c->error));
}

int tag_view(const Tag *t, JsonObject **ret) {
        _cleanup_out_ Out out = out_object();

        out_string(&out, "tagId", t->id);
        out_string(&out, "name", t->name);
        out_string(&out, "color", t->color);
        out_string(&out, "workspaceId", t->workspace_id);
        return out_take(&out, ret);
}
