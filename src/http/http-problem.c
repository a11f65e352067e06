/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every error that a client sees is one of these, as an RFC 9457 document in Airbyte's form. Handlers
 * return errnos, and the table that turns them into problems is the only one, so an errno means the same
 * for all routes: -EBUSY is worth another try, -EEXIST, -ESRCH and -ESTALE are a conflict with what is
 * stored. What isn't in it is our own fault, 500. */

#include <stdio.h>

#include "http/http-problem.h"

#define TYPE_PREFIX "https://reference.airbyte.com/reference/errors#"

/* Status, type and title as Airbyte's API problem types have them; those without a counterpart there use
 * the reserved word of HTTP. */
static const struct {
        unsigned status;
        const char *type, *title;
} problems[_HTTP_PROBLEM_MAX] = {
        [HTTP_PROBLEM_BAD_REQUEST] = { 400, TYPE_PREFIX "bad-request", "bad-request" },
        [HTTP_PROBLEM_UNAUTHORIZED] = { 401, TYPE_PREFIX "invalid-api-key", "invalid-api-key" },
        [HTTP_PROBLEM_FORBIDDEN] = { 403, TYPE_PREFIX "forbidden", "forbidden" },
        [HTTP_PROBLEM_NOT_FOUND] = { 404, TYPE_PREFIX "resource-not-found", "resource-not-found" },
        [HTTP_PROBLEM_METHOD_NOT_ALLOWED] = { 405, "error:method-not-allowed", "method-not-allowed" },
        [HTTP_PROBLEM_CONFLICT] = { 409, "error:state-conflict", "state-conflict" },
        [HTTP_PROBLEM_TRY_AGAIN_LATER] = { 409, TYPE_PREFIX "try-again-later", "try-again-later" },
        [HTTP_PROBLEM_PRECONDITION_FAILED] = { 412, "error:precondition-failed", "precondition-failed" },
        [HTTP_PROBLEM_TOO_LARGE] = { 413, "error:content-too-large", "content-too-large" },
        [HTTP_PROBLEM_MEDIA_TYPE] = { 415, "error:unsupported-media-type", "unsupported-media-type" },
        [HTTP_PROBLEM_UNPROCESSABLE] = { 422, TYPE_PREFIX "unprocessable-entity", "unprocessable-entity" },
        [HTTP_PROBLEM_TOO_MANY_REQUESTS] = { 429, "error:too-many-requests", "too-many-requests" },
        [HTTP_PROBLEM_HEAD_TOO_LARGE] = { 431, "error:header-fields-too-large", "header-fields-too-large" },
        [HTTP_PROBLEM_UNEXPECTED] = { 500, TYPE_PREFIX "unexpected-problem", "unexpected-problem" },
        [HTTP_PROBLEM_NOT_IMPLEMENTED] = { 501, "error:not-implemented-in-oss", "not-implemented-in-oss" },
        [HTTP_PROBLEM_UNAVAILABLE] = { 503, "error:service-unavailable", "service-unavailable" },
        [HTTP_PROBLEM_INSUFFICIENT_STORAGE] = { 507, "error:insufficient-storage", "insufficient-storage" },
};

unsigned http_problem_status(HttpProblem p) {
        assert(p >= 0 && p < _HTTP_PROBLEM_MAX);
        return problems[p].status;
}

HttpProblem http_problem_from_errno(int r) {
        switch (-r) {
        case EINVAL:
        case EBADMSG:
        case ERANGE:
        case E2BIG:
        case EILSEQ:
        case ELOOP:
                return HTTP_PROBLEM_BAD_REQUEST;
        case EKEYREJECTED:
        case EKEYEXPIRED:
                return HTTP_PROBLEM_UNAUTHORIZED;
        case EACCES:
        case EPERM:
                return HTTP_PROBLEM_FORBIDDEN;
        case ENOENT:
                return HTTP_PROBLEM_NOT_FOUND;
        case EEXIST:
        case ESRCH:
        case ESTALE:
                return HTTP_PROBLEM_CONFLICT;
        case EBUSY:
                return HTTP_PROBLEM_TRY_AGAIN_LATER;
        case EFBIG:
                return HTTP_PROBLEM_TOO_LARGE;
        case EPROTOTYPE:
                return HTTP_PROBLEM_MEDIA_TYPE;
        case EDOM:
                return HTTP_PROBLEM_UNPROCESSABLE;
        case EDQUOT:
                return HTTP_PROBLEM_TOO_MANY_REQUESTS;
        case ENOSYS:
        case EOPNOTSUPP:
                return HTTP_PROBLEM_NOT_IMPLEMENTED;
        case EAGAIN:
        case ETIMEDOUT:
        case ENOTCONN:
                return HTTP_PROBLEM_UNAVAILABLE;
        case ENOSPC:
                return HTTP_PROBLEM_INSUFFICIENT_STORAGE;
        default:
                return HTTP_PROBLEM_UNEXPECTED;
        }
}

JsonObject *http_problem_document(HttpProblem p, const char *type, const char *detail, JsonObject *data) {
        _cleanup_json_ JsonObject *o = json_object_new_object();

        assert(p >= 0 && p < _HTTP_PROBLEM_MAX);
        if (!o || json_add(o, "status", json_object_new_int64(problems[p].status)) < 0 ||
            json_add_string(o, "type", type ?: problems[p].type) < 0 ||
            json_add_string(o, "title", type ? strrchr(type, ':') + 1 : problems[p].title) < 0 ||
            (detail && json_add_string(o, "detail", detail) < 0) ||
            json_add(o, "documentationUrl", NULL) < 0 ||
            json_add(o, "data", data ? json_object_get(data) : json_object_new_object()) < 0)
                return NULL;
        return TAKE_PTR(o);
}
