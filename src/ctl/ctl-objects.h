/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sources, destinations, connections, workspaces and jobs, as org.gantry.Server1(5) has them: lists, finding one by
 * its name, and calls of its object. */

#include "ctl/ctl-bus.h"

typedef struct CtlKind {
        const char *name;      /* "source": of the object's path, and for messages */
        const char *list, *create, *interface;
        const char *id_key;    /* in its JSON */
} CtlKind;
extern const CtlKind ctl_kind_connection, ctl_kind_destination, ctl_kind_job, ctl_kind_source, ctl_kind_tag,
        ctl_kind_workspace;

/* All of a kind (of --workspace, where that is given), as an array of objects. */
int ctl_list(Ctl *c, const CtlKind *kind, JsonObject **ret, Error **reterr_error);
/* Those of a workspace; "": of all. */
int ctl_list_in(Ctl *c, const CtlKind *kind, const char *workspace_id, JsonObject **ret, Error **reterr_error);
/* The rows of another list: `m` has everything but the offset and the limit, which are appended. 0 = all. */
typedef int (*CtlListCall)(Ctl *c, void *userdata, sd_bus_message **ret, Error **reterr_error);
int ctl_list_pages(Ctl *c, CtlListCall call, void *userdata, size_t limit, JsonObject **ret, Error **reterr_error);

/* The id of the one with this id or name. -ENOENT with a hint; -EEXIST: several have this name. `ret_name` may be
 * NULL. */
int ctl_find(Ctl *c, const CtlKind *kind, const char *name, char **ret_id, char **ret_name, Error **reterr_error);

/* The same among rows that were listed before. */
int ctl_find_row(const CtlKind *kind, JsonObject *rows, const char *name, char **ret_id, char **ret_name,
                 Error **reterr_error);

/* A new call to an object, to be filled and given to ctl_send(). */
int ctl_new_object_call(Ctl *c, const CtlKind *kind, const char *id, const char *member, sd_bus_message **ret,
                        Error **reterr_error);
/* A call without arguments whose answer is JSON; `ret` NULL: without an answer. */
int ctl_object_call(Ctl *c, const CtlKind *kind, const char *id, const char *member, JsonObject **ret,
                    Error **reterr_error);
/* Adds `name_key` to each row (or to one object) that names an object of `kind` by its id, for tables: with --json
 * nothing is added. */
int ctl_add_names(Ctl *c, JsonObject *rows, const CtlKind *kind, const char *name_key);
/* Creates one out of its JSON; the new id. -EEXIST: there is one of this name. */
int ctl_create(Ctl *c, const CtlKind *kind, JsonObject *body, char **ret_id, Error **reterr_error);

/* Appends JSON as a memfd; NULL: an empty one. */
int ctl_append_memfd(sd_bus_message *m, JsonObject *o);
/* --config: the object that the file holds. -EINVAL when it is none; 0 and NULL when it wasn't given. */
int ctl_read_config(const Ctl *c, JsonObject **ret, Error **reterr_error);
/* The same of another type. */
int ctl_read_config_of(const Ctl *c, enum json_type type, JsonObject **ret, Error **reterr_error);

/* The connector definition with this id, name, type or reference; `role` is "source", "destination" or "" (both). Of
 * several, the only one that is the workspace's own, as the server does; else -EEXIST with their ids. */
int ctl_find_definition(Ctl *c, const char *role, const char *name, JsonObject **ret, Error **reterr_error);
/* All definitions; `role` "": of both. */
int ctl_list_definitions(Ctl *c, const char *role, JsonObject **ret, Error **reterr_error);

/* A member that is a string; "" where it is none. */
const char *ctl_text(JsonObject *o, const char *key);

/* Get(): what it is, and which revision of it that is. */
int ctl_get(Ctl *c, const CtlKind *kind, const char *id, JsonObject **ret, int64_t *ret_revision, Error **reterr_error);
/* Update(), which is refused where another revision is stored. */
int ctl_put(Ctl *c, const CtlKind *kind, const char *id, JsonObject *body, int64_t revision, Error **reterr_error);
/* Changes one as the HTTP API's PATCH does, unless it is changed by somebody else since it was looked at. */
int ctl_update(Ctl *c, const CtlKind *kind, const char *name, JsonObject *body);
/* The ends of "add" and "remove" verbs; exit codes. */
int ctl_print_created(Ctl *c, const CtlKind *kind, const char *name, const char *id);
int ctl_remove(Ctl *c, const CtlKind *kind, const char *name);
