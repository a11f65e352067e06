/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Problem documents (RFC 9457), with the types and titles of Airbyte's public API. */

#include "basic/error.h"
#include "shared/json-util.h"

typedef enum HttpProblem {
        HTTP_PROBLEM_BAD_REQUEST,
        HTTP_PROBLEM_UNAUTHORIZED,
        HTTP_PROBLEM_FORBIDDEN,
        HTTP_PROBLEM_NOT_FOUND,
        HTTP_PROBLEM_METHOD_NOT_ALLOWED,
        HTTP_PROBLEM_CONFLICT,
        HTTP_PROBLEM_TRY_AGAIN_LATER,
        HTTP_PROBLEM_PRECONDITION_FAILED,
        HTTP_PROBLEM_TOO_LARGE,
        HTTP_PROBLEM_MEDIA_TYPE,
        HTTP_PROBLEM_UNPROCESSABLE,
        HTTP_PROBLEM_TOO_MANY_REQUESTS,
        HTTP_PROBLEM_HEAD_TOO_LARGE,
        HTTP_PROBLEM_UNEXPECTED,
        HTTP_PROBLEM_NOT_IMPLEMENTED,
        HTTP_PROBLEM_UNAVAILABLE,
        HTTP_PROBLEM_INSUFFICIENT_STORAGE,
        _HTTP_PROBLEM_MAX,
        _HTTP_PROBLEM_INVALID = -EINVAL,
} HttpProblem;

unsigned http_problem_status(HttpProblem p);

/* What a negative errno of ours means to a client. */
HttpProblem http_problem_from_errno(int r);

/* The document. `type` (NULL: the problem's own) names a more special kind,
 * "error:connection-validation/…"; `detail` NULL: none; `data` (borrowed) NULL: an empty object. NULL when
 * out of memory. */
JsonObject *http_problem_document(HttpProblem p, const char *type, const char *detail, JsonObject *data);
