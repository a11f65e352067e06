/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* "None of the forms fits" helps nobody. Airbyte's forms are told apart by a constant ("auth_type":
 * "oauth2.0"), or at least by their type: what the value says decides which form was meant, and that
 * form's problems are told.
 *
 * The choice is made only to explain, never to decide: by then all forms have been tried and did not fit.
 * One form whose constants agree, or the only one that nothing speaks against, is checked once more,
 * aloud. Where the constants fit none, the member that holds them is named with the values that it may
 * have. Only then is the general sentence used.
 *
 * Nested choices would make this exponential (each level walks its forms quietly, then one of them
 * again); the steps are the validator's and run out like all others. */

#include "protocol/json-schema-explain.h"

static const SchemaNode *follow(const SchemaNode *node) {
        while (node->reference)
                node = node->target;
        return node;
}

/* The one value that a property of this form may have; NULL when it may have others. */
static JsonObject *fixed_value(const SchemaNode *property, bool *ret_found) {
        const SchemaKeyword *k;

        property = follow(property);
        *ret_found = false;
        k = schema_node_keyword(property, "const");
        if (k) {
                *ret_found = true;
                return k->value;
        }
        k = schema_node_keyword(property, "enum");
        if (!k || json_object_array_length(k->value) != 1)
                return NULL;
        *ret_found = true;
        return json_object_array_get_idx(k->value, 0);
}

typedef enum Likeness {
        UNLIKE,      /* a constant says otherwise, or the type */
        MAYBE,       /* nothing against it */
        MEANT,       /* a constant agrees */
} Likeness;

static Likeness compare_constants(const SchemaNode *form, JsonObject *instance) {
        const SchemaKeyword *properties = schema_node_keyword(form, "properties");
        Likeness result = MAYBE;
        size_t i = 0;

        if (!properties || !json_object_is_type(instance, json_type_object))
                return MAYBE;
        json_object_object_foreach(properties->value, key, unused) {
                JsonObject *value, *fixed;
                bool found;

                (void) unused;
                fixed = fixed_value(properties->children[i++], &found);
                if (!found || !json_object_object_get_ex(instance, key, &value))
                        continue;
                if (!json_equal(fixed, value))
                        return UNLIKE;
                result = MEANT;
        }
        return result;
}

static Likeness likeness(const SchemaNode *form, JsonObject *instance) {
        unsigned type = schema_instance_type(instance);
        const SchemaKeyword *types;

        form = follow(form);
        if (form->boolean)
                return UNLIKE;
        types = schema_node_keyword(form, "type");
        if (types && !(types->types & type) && !(type == INSTANCE_NUMBER &&
                                                 (types->types & INSTANCE_INTEGER)))
                return UNLIKE;
        return compare_constants(form, instance);
}

/* The constants that the forms have for `key`, where each form has one. */
static int list_constants(const SchemaKeyword *k, const char *key, Buffer *b) {
        int r;

        for (size_t i = 0; i < k->n_children; i++) {
                const SchemaKeyword *properties = schema_node_keyword(follow(k->children[i]), "properties");
                JsonObject *fixed = NULL;
                bool found = false;
                size_t j = 0;

                if (!properties)
                        return 0;
                json_object_object_foreach(properties->value, name, unused) {
                        (void) unused;
                        if (streq(name, key)) {
                                fixed = fixed_value(properties->children[j], &found);
                                break;
                        }
                        j++;
                }
                if (!found)
                        return 0;
                if ((b->len > 0 && (r = buffer_append_string(b, ", ")) < 0) || (r = json_append(b,
                        fixed)) < 0)
                        return r;
        }
        return 1;
}

/* All forms have a constant under one name: that name is the problem. 1 told, 0 there is none. */
static int explain_discriminator(Validation *v, const SchemaKeyword *k, JsonObject *instance) {
        const SchemaKeyword *properties = schema_node_keyword(follow(k->children[0]), "properties");
        int r;

        if (!properties || !json_object_is_type(instance, json_type_object))
                return 0;
        json_object_object_foreach(properties->value, key, unused) {
                _cleanup_buffer_ Buffer b = {}, message = {};
                bool present = json_object_object_get_ex(instance, key, NULL);

                (void) unused;
                r = list_constants(k, key, &b);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (!buffer_string(&b) ||
                    buffer_appendf(&message, "%smust be one of %s", present ? "" : "is missing, ",
                                   buffer_bytes(&b)) < 0 ||
                    !buffer_string(&message))
                        return -ENOMEM;
                r = validation_problem_at(v, key, buffer_bytes(&message));
                return r < 0 ? r : 1;
        }
        return 0;
}

int validation_explain_branches(Validation *v, const SchemaKeyword *k, JsonObject *instance) {
        size_t n_meant = 0, n_maybe = 0;
        const SchemaNode *meant = NULL, *maybe = NULL;
        int r;

        for (size_t i = 0; i < k->n_children; i++) {
                Likeness l = likeness(k->children[i], instance);

                if (l == MEANT) {
                        n_meant++;
                        meant = k->children[i];
                } else if (l == MAYBE) {
                        n_maybe++;
                        maybe = k->children[i];
                }
        }
        if (n_meant == 1 || (n_meant == 0 && n_maybe == 1))
                return validation_check(v, meant ?: maybe, instance);
        if (k->n_children > 0) {
                r = explain_discriminator(v, k, instance);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        return validation_problem(v, "fits none of the %zu allowed forms", k->n_children);
}
