/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* gantryctl workspace. Workspaces are rows and no objects of the bus, so that show is answered from the
 * list and remove is a method of the manager. */

#include "ctl/ctl-objects.h"
#include "ctl/ctl-output.h"
#include "ctl/verb-workspace.h"

static const CtlColumn columns[] = {
        { "NAME", "name", CTL_TEXT },
        { "ID", "workspaceId", CTL_TEXT },
};

static int workspace_list(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *rows = NULL;
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_list(c, &ctl_kind_workspace, &rows, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_rows(c, rows, columns, ELEMENTSOF(columns));
}

static int workspace_show(Ctl *c, int argc, char **argv) {
        _cleanup_free_ char *id = NULL, *name = NULL;
        _cleanup_json_ JsonObject *o = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        int r;

        r = ctl_find(c, &ctl_kind_workspace, argv[0], &id, &name, &error);
        if (r >= 0)
                r = o && json_add_string(o, "name", name) >= 0 ? json_add_string(o, "workspaceId", id) : -ENOMEM;
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_object(c, o, columns, ELEMENTSOF(columns));
}

static int workspace_add(Ctl *c, int argc, char **argv) {
        _cleanup_json_ JsonObject *body = json_object_new_object();
        _cleanup_error_ Error *error = NULL;
        _cleanup_free_ char *id = NULL;
        int r;

        r = body ? json_add_string(body, "name", argv[0]) : -ENOMEM;
        if (r >= 0)
                r = ctl_create(c, &ctl_kind_workspace, body, &id, &error);
        return r < 0 ? ctl_fail(c, error, r) : ctl_print_created(c, &ctl_kind_workspace, argv[0], id);
}

static int workspace_remove(Ctl *c, int argc, char **argv) {
        return ctl_remove(c, &ctl_kind_workspace, argv[0]);
}

static const CtlVerb verbs[] = {
        { "list", NULL, "list them", 0, 0, 0, workspace_list },
        { "show", "NAME", "show one", 1, 1, 0, workspace_show },
        { "add", "NAME", "make one", 1, 1, 0, workspace_add },
        { "remove", "NAME", "delete an empty one", 1, 1, 0, workspace_remove },
};
const CtlNoun ctl_noun_workspace = { "workspace", "what keeps sources and destinations apart", verbs,
                                     ELEMENTSOF(verbs) };
