/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One thing that somebody asks of the server, over HTTP or D-Bus: who asks, what went wrong, and how the
 * answer finds its way when it comes later.
 *
 * A service's function takes the Call first. It returns 0 when it is done; CALL_LATER when the answer will
 * come by call_complete() or the whole call will be run again (call_retry()) once something that was
 * missing is there; or a negative errno, with the sentence in call->error. What each errno means to a
 * client: http_problem_from_errno(). */

#include "server/server.h"
#include "model/principal.h"

#define CALL_LATER 1

typedef struct Call Call;

struct Call {
        unsigned n_ref;
        Server *server;

        PrincipalKind kind;
        char *principal_id;
        int64_t revision;    /* that a D-Bus caller has seen, 0 = any; see edition.h */
        Role instance_role; /* of D-Bus callers, who act on the whole instance; _ROLE_INVALID: look it up */

        Error *error;
        const char *problem_type; /* a more special type of problem than the errno says; static */
        JsonObject *problem_data;

        unsigned n_retries;
        JsonObject *body;    /* what was asked, kept for a retry */
        HttpRequest *request; /* kept while the answer is to come */
        sd_bus_message *message;
        /* Runs the handler anew; answers. Set by whoever made the call. */
        void (*retry)(Call *c);
        void (*complete)(Call *c, int r, JsonObject *result);
        /* Changes what call_complete() was given, error or result, into the answer; NULL: it is the
         * answer. */
        int (*then)(Call *c, int r, JsonObject *result, JsonObject **ret);
        const void *handler; /* of retry and complete */
        void *data;          /* of a function that answers later; freed with the call */
        void (*data_free)(void *data);
};

Call *call_new(Server *s);
Call *call_ref(Call *c);
Call *call_unref(Call *c);
DEFINE_CLEANUP(Call, call_unref);

/* Sets error and type; returns `r`. */
int call_fail(Call *c, int r, const char *problem_type, const char *format, ...) _printf_(4, 5);
/* A list of what is wrong with which field, for 422: {"errors": [{"field", "message"}]}. */
int call_add_field_error(Call *c, const char *field, const char *message);

/* "Answered later": from here on the daemon is busy, until complete or retry. */
int call_later(Call *c);
/* `result` is borrowed. */
void call_complete(Call *c, int r, JsonObject *result);
void call_retry(Call *c);

/* Has the caller at least this role on the workspace (NULL: on the instance)? -ENOENT where it may not
 * even know that the workspace exists, -EACCES where it may look but not do this. */
int call_require(Call *c, const char *workspace_id, Role role);
/* The same for an object of the workspace, a `what`: what exists elsewhere is refused in the words of what
 * exists nowhere ("There is no such `what`"), so that nobody learns from the difference (T42). */
int call_require_object(Call *c, const char *workspace_id, Role role, const char *what);
/* What a list may show: the workspaces asked for, each of which the caller must be able to read, or all
 * that it can; `*ret` NULL: no limit; `*ret_none`: none at all. */
int call_visible_workspaces(Call *c, char *const *wanted, char ***ret, bool *ret_none);
