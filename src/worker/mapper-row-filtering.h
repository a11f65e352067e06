/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The conditions of the row-filtering mapper. A tree of EQUAL, NOT, AND and OR is kept as a list in which
 * operands stand before their operator, so that neither reading nor deciding recurses. */

#include "basic/json-scan.h"
#include "shared/json-util.h"

#define ROW_FILTER_CONDITIONS_MAX 1000U

typedef enum RowOperator {
        ROW_EQUAL, /* a field's text is the value; a missing field equals nothing */
        ROW_NOT,   /* none of the operands holds */
        ROW_AND,   /* all hold */
        ROW_OR,    /* one holds */
        _ROW_OPERATOR_MAX,
        _ROW_OPERATOR_INVALID = -EINVAL,
} RowOperator;

typedef struct RowCondition {
        RowOperator operator;
        size_t n_operands; /* the results before this one in the list */
        char *field, *value;
        size_t n_value;
} RowCondition;

typedef struct RowFilter {
        RowCondition *conditions;
        size_t n_conditions;
} RowFilter;

/* From the configuration's `conditions`: one condition, or an array that means AND. Errors name what is
 * wrong. */
int row_filter_from_json(JsonObject *conditions, RowFilter **ret, Error **reterr_error);
RowFilter *row_filter_free(RowFilter *f);

/* Whether a value's text (a string's content, else its JSON) is the condition's value. */
bool row_condition_matches(const RowCondition *c, JsonSlice value);

/* Decides: `held[i]` says for each EQUAL condition whether it matched and is overwritten with the
 * results. */
bool row_filter_decide(const RowFilter *f, bool *held);
