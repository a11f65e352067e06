/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A call that must wait takes one of two ways back. With call_complete() the answer has come. With
 * call_retry() something that was missing (a specification, a catalog) has been stored meanwhile, and the
 * handler runs again from its top; it then finds the thing and goes further. So a handler must not have
 * changed anything before it returns CALL_LATER, and it needs no state of its own across the wait.
 * RETRIES_MAX ends what would go round for ever.
 *
 * call_later() takes a reference of the call, one of the HTTP request, and counts the call as work of the
 * daemon; exactly one of call_complete() and call_retry() gives them back. Where a retry waits again,
 * call_later() has been called again, too.
 *
 * What exists and may not be seen is -ENOENT, what may be seen and not be done -EACCES: no answer tells
 * of a workspace that the caller has no role on. */

#include <stdio.h>

#include "db/permission-store.h"
#include "server/call.h"

/* A handler that finds something missing again and again is wrong. */
#define RETRIES_MAX 4U

Call *call_new(Server *s) {
        Call *c = calloc(1, sizeof(*c));

        if (!c)
                return NULL;
        c->n_ref = 1;
        c->server = s;
        c->instance_role = _ROLE_INVALID;
        return c;
}

Call *call_ref(Call *c) {
        c->n_ref++;
        return c;
}

Call *call_unref(Call *c) {
        if (!c || --c->n_ref > 0)
                return NULL;
        if (c->data_free)
                c->data_free(c->data);
        json_object_put(c->body);
        json_object_put(c->problem_data);
        error_free(c->error);
        sd_bus_message_unref(c->message);
        free(c->principal_id);
        free(c);
        return NULL;
}

int call_fail(Call *c, int r, const char *problem_type, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        c->problem_type = problem_type;
        return error_set(&c->error, r, "%s", n < 0 ? "Out of memory" : text);
}

int call_add_field_error(Call *c, const char *field, const char *message) {
        JsonObject *list, *o;

        if (!c->problem_data)
                c->problem_data = json_object_new_object();
        list = json_member(c->problem_data, "errors");
        if (!list) {
                list = json_object_new_array();
                if (json_add(c->problem_data, "errors", list) < 0)
                        return -ENOMEM;
        }
        o = json_object_new_object();
        if (!o || json_add_string(o, "field", field) < 0 || json_add_string(o, "message", message) < 0 ||
            json_object_array_add(list, o) < 0) {
                json_object_put(o);
                return -ENOMEM;
        }
        return 0;
}

int call_later(Call *c) {
        c->server->n_calls++;
        call_ref(c);
        if (c->request)
                http_request_ref(c->request);
        return CALL_LATER;
}

/* The reverse of call_later(), after the answer. */
static void finish(Call *c) {
        HttpRequest *q = c->request;

        daemon_touch(c->server->daemon);
        c->server->n_calls--;
        call_unref(c);
        if (q)
                http_request_unref(q);
}

/* `then` belongs to the form of the API that asked: the services answer in the public API's. */
void call_complete(Call *c, int r, JsonObject *result) {
        _cleanup_json_ JsonObject *changed = NULL;

        if (c->then) {
                r = c->then(c, r, result, &changed);
                result = changed;
        }
        c->complete(c, r, result);
        finish(c);
}

void call_retry(Call *c) {
        if (c->n_retries++ < RETRIES_MAX)
                c->retry(c);
        else
                c->complete(c, -EIO, NULL);
        finish(c);
}

static int role_on(Call *c, const char *workspace_id, Role *ret) {
        int r;

        if (c->instance_role != _ROLE_INVALID) {
                *ret = c->instance_role;
                return 0;
        }
        *ret = _ROLE_INVALID;
        r = permission_store_role(c->server->db, c->kind, c->principal_id, workspace_id, ret, &c->error);
        return r == -ENOENT ? 0 : r;
}

int call_require_object(Call *c, const char *workspace_id, Role role, const char *what) {
        Role has;
        int r = role_on(c, workspace_id, &has);

        if (r < 0)
                return r;
        if (has >= role)
                return 0;
        if (has < 0 && workspace_id)
                return call_fail(c, -ENOENT, NULL, "There is no such %s", what);
        return call_fail(c, -EACCES, NULL, "This needs the role '%s'", role_to_string(role));
}

int call_require(Call *c, const char *workspace_id, Role role) {
        return call_require_object(c, workspace_id, role, "workspace");
}

int call_visible_workspaces(Call *c, char *const *wanted, char ***ret, bool *ret_none) {
        _cleanup_strv_ char **l = NULL;
        PermissionArray permissions = {};
        Role role;
        int r;

        *ret_none = false;
        STRV_FOREACH(w, wanted) {
                r = call_require(c, *w, ROLE_READER);
                if (r < 0)
                        return r;
        }
        r = role_on(c, NULL, &role);
        if (r < 0)
                return r;
        if (wanted && *wanted)
                l = strv_copy(wanted);
        if (!l && role < ROLE_READER) {
                r = permission_store_list_of(c->server->db, c->kind, c->principal_id, &permissions,
                                             &c->error);
                for (size_t i = 0; r >= 0 && i < permissions.n; i++)
                        if (permissions.items[i]->workspace_id)
                                r = strv_extend(&l, permissions.items[i]->workspace_id);
                permission_array_done(&permissions);
                if (r < 0)
                        return r;
                *ret_none = !l;
        }
        *ret = TAKE_PTR(l);
        return 0;
}
