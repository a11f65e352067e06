/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* YAML that people write by hand, as JSON: one document, the JSON-like part of YAML 1.2's core schema.
 * Tags are refused, keys are strings and unique, depth and size are limited with aliases counted as often
 * as they are used. */

#include "shared/json-util.h"

/* `what` names the text in messages, which give line and column. The result may be NULL with return 0:
 * null. */
int yaml_to_json(const char *text, size_t n, const char *what, JsonObject **ret, Error **reterr_error);
