/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A tree of conditions kept as its postfix form. Reading it uses a stack of open operators, deciding a
 * stack of results that lives in the array of results itself: an operator's operands are read before its
 * place is written. So a record costs one comparison for each EQUAL, made while its members are walked,
 * and one pass over the list.
 *
 * Values are compared as text: a string by its content, everything else by its JSON token. 1.0 is not 1. */

#include "worker/mapper-row-filtering.h"

/* JSON text is not nested deeper than this, so the stack of open operators is bounded. */
#define OPEN_MAX JSON_DEPTH_MAX

static const char *const operators[_ROW_OPERATOR_MAX] = {
        [ROW_EQUAL] = "EQUAL",
        [ROW_NOT] = "NOT",
        [ROW_AND] = "AND",
        [ROW_OR] = "OR",
};

RowFilter *row_filter_free(RowFilter *f) {
        if (!f)
                return NULL;
        for (size_t i = 0; i < f->n_conditions; i++) {
                free(f->conditions[i].field);
                free(f->conditions[i].value);
        }
        free(f->conditions);
        free(f);
        return NULL;
}
DEFINE_CLEANUP(RowFilter, row_filter_free);

static int row_filter_add(RowFilter *f, RowOperator operator, size_t n_operands, RowCondition **ret,
                          Error **reterr_error) {
        RowCondition *l;

        if (f->n_conditions >= ROW_FILTER_CONDITIONS_MAX)
                return error_set(reterr_error, -E2BIG, "more than %u conditions", ROW_FILTER_CONDITIONS_MAX);
        l = reallocarray(f->conditions, f->n_conditions + 1, sizeof(RowCondition));
        if (!l)
                return -ENOMEM;
        f->conditions = l;
        l[f->n_conditions] = (RowCondition) { .operator = operator, .n_operands = n_operands };
        *ret = &l[f->n_conditions++];
        return 0;
}

static JsonObject *member_of_two(JsonObject *o, const char *camel, const char *snake) {
        return json_member(o, camel) ?: json_member(o, snake);
}

static int add_equal(RowFilter *f, JsonObject *o, Error **reterr_error) {
        JsonObject *field = member_of_two(o, "fieldName", "field_name"),
                   *value = member_of_two(o, "comparisonValue", "comparison_value");
        RowCondition *c = NULL;
        int r;

        if (!json_object_is_type(field, json_type_string))
                return error_set(reterr_error, -EINVAL, "an EQUAL condition has no 'fieldName'");
        if (!value || json_object_is_type(value, json_type_object) || json_object_is_type(value,
                json_type_array))
                return error_set(reterr_error, -EINVAL, "an EQUAL condition has no 'comparisonValue'");
        r = row_filter_add(f, ROW_EQUAL, 0, &c, reterr_error);
        if (r < 0)
                return r;
        c->field = strdup(json_object_get_string(field));
        c->value = strdup(json_object_get_string(value));
        if (!c->field || !c->value)
                return -ENOMEM;
        c->n_value = strlen(c->value);
        return 0;
}

static RowOperator operator_of(JsonObject *o) {
        const char *type = json_object_is_type(json_member(o, "type"), json_type_string)
                ? json_object_get_string(json_member(o, "type"))
                : "";

        for (RowOperator i = 0; i < _ROW_OPERATOR_MAX; i++)
                if (streq(type, operators[i]))
                        return i;
        return _ROW_OPERATOR_INVALID;
}

typedef struct OpenOperator {
        RowOperator operator;
        JsonObject *operands; /* an array */
        size_t next;
} OpenOperator;

static int open_operator(JsonObject *o, RowOperator operator, OpenOperator *ret, Error **reterr_error) {
        JsonObject *operands = json_member(o, "conditions");

        if (!json_object_is_type(operands, json_type_array) || json_object_array_length(operands) == 0)
                return error_set(reterr_error, -EINVAL, "a %s condition has no list 'conditions'",
                                 operators[operator]);
        *ret = (OpenOperator) { .operator = operator, .operands = operands };
        return 0;
}

/* Takes one condition: EQUAL goes into the list, an operator on the stack until its operands are there. */
static int take_condition(RowFilter *f, JsonObject *o, OpenOperator *stack, size_t *depth,
                          Error **reterr_error) {
        RowOperator operator = operator_of(o);
        int r;

        if (operator < 0)
                return error_set(reterr_error, -EINVAL, "a condition's 'type' is not EQUAL, NOT, AND or OR");
        if (operator == ROW_EQUAL)
                return add_equal(f, o, reterr_error);
        if (*depth >= OPEN_MAX)
                return error_set(reterr_error, -ELOOP, "conditions are nested too deeply");
        r = open_operator(o, operator, &stack[*depth], reterr_error);
        if (r < 0)
                return r;
        (*depth)++;
        return 0;
}

int row_filter_from_json(JsonObject *conditions, RowFilter **ret, Error **reterr_error) {
        _cleanup_(row_filter_freep) RowFilter *f = calloc(1, sizeof(RowFilter));
        _cleanup_free_ OpenOperator *stack = calloc(OPEN_MAX, sizeof(OpenOperator));
        size_t depth = 0;
        int r = 0;

        if (!f || !stack)
                return -ENOMEM;
        if (json_object_is_type(conditions, json_type_array)) {
                if (json_object_array_length(conditions) == 0)
                        return error_set(reterr_error, -EINVAL, "'conditions' is empty");
                stack[depth++] = (OpenOperator) { .operator = ROW_AND, .operands = conditions };
        } else if (json_object_is_type(conditions, json_type_object))
                r = take_condition(f, conditions, stack, &depth, reterr_error);
        else
                return error_set(reterr_error, -EINVAL, "'conditions' is missing");
        while (r >= 0 && depth > 0) {
                OpenOperator *top = &stack[depth - 1];
                size_t n = json_object_array_length(top->operands);
                RowCondition *c;

                if (top->next < n)
                        r = take_condition(f, json_object_array_get_idx(top->operands, top->next++), stack, &depth,
                                           reterr_error);
                else {
                        r = row_filter_add(f, top->operator, n, &c, reterr_error);
                        depth--;
                }
        }
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

bool row_condition_matches(const RowCondition *c, JsonSlice value) {
        if (json_slice_type(value) == JSON_STRING)
                return json_key_equal(json_string_inner(value), c->value, c->n_value);
        return value.n == c->n_value && memcmp(value.p, c->value, value.n) == 0;
}

bool row_filter_decide(const RowFilter *f, bool *held) {
        size_t n = 0; /* results on the stack; never more than conditions read, so it can live in `held` itself */

        for (size_t i = 0; i < f->n_conditions; i++) {
                const RowCondition *c = &f->conditions[i];
                size_t n_true = 0;
                bool result;

                if (c->operator == ROW_EQUAL)
                        result = held[i];
                else {
                        for (size_t k = 0; k < c->n_operands; k++)
                                n_true += held[n - 1 - k];
                        n -= c->n_operands;
                        result = c->operator == ROW_AND ? n_true == c->n_operands
                                : c->operator == ROW_OR ? n_true > 0
                                                        : n_true == 0;
                }
                held[n++] = result;
        }
        return held[0];
}
