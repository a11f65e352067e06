/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl tag: the words that a workspace has for its connections. Which of them a connection carries is
 * the connection's own (verb-connection.c). Tags are rows and no objects of the bus, like workspaces. */

#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-tag.h"

/* The API wants one; people at a terminal rarely do. */
#define COLOR_DEFAULT "808080"

static int tag_list(Ctl *c, int argc, char **argv) {
        static const CtlColumn columns[] = {
                { "NAME", "name", CTL_TEXT },
                { "COLOR", "color", CTL_TEXT },
                { "ID", "tagId", CTL_TEXT },
        };
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_list(c, &ctl_kind_tag, &rows, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

static int tag_add(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = json_object_new_object();
        _cleanup_free_ char *id = NULL, *workspace_id = NULL;
        _cleanup_error_ Error *error = NULL;
        int r = body ? json_add_string(body, "name", argv[0]) : -ENOMEM;

        if (r >= 0)
                r = json_add_string(body, "color", c->values[CTL_OPTION_COLOR] ?: COLOR_DEFAULT);
        if (r >= 0 && c->given[CTL_OPTION_WORKSPACE]) {
                r = ctl_find(c, &ctl_kind_workspace, c->values[CTL_OPTION_WORKSPACE], &workspace_id, NULL, &error);
                if (r >= 0)
                        r = json_add_string(body, "workspaceId", workspace_id);
        }
        if (r >= 0)
                r = ctl_create(c, &ctl_kind_tag, body, &id, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_created(c, &ctl_kind_tag, argv[0], id);
}

static int tag_remove(Ctl *c, int argc, char **argv) {
        return ctl_remove(c, &ctl_kind_tag, argv[0]);
}

static const CtlVerb verbs[] = {
        { "list", NULL, "list them", 0, 0, CTL_BIT(WORKSPACE), tag_list },
        { "add", "NAME [--color=RRGGBB]", "make one", 1, 1, CTL_BIT(COLOR) | CTL_BIT(WORKSPACE), tag_add },
        { "remove", "NAME", "delete it; connections lose it", 1, 1, CTL_BIT(WORKSPACE), tag_remove },
};
const CtlNoun ctl_noun_tag = { "tag", "words that connections carry, see 'connection tag'", verbs,
                               ELEMENTSOF(verbs) };
