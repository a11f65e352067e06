/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the tables of fields are written: for the files of this directory only. */

#include "model/model.h"

/* For the tables of fields: the type of the member is checked against the kind of the field. */
#define FIELD_OF(type_, member_, kind_, c_type_)                                            \
        { .name = #member_, .type = kind_, .offset = offsetof(type_, member_) +             \
          0 * sizeof(char[__builtin_types_compatible_p(typeof(((type_ *) 0)->member_), c_type_) ? 1 : -1]) }
#define FIELD_TEXT_OF(t, m) FIELD_OF(t, m, FIELD_TEXT, char *)
#define FIELD_I64_OF(t, m) FIELD_OF(t, m, FIELD_I64, int64_t)
#define FIELD_I64_OPTIONAL_OF(t, m) FIELD_OF(t, m, FIELD_I64_OPTIONAL, int64_t)
#define FIELD_TIME_OF(t, m) FIELD_OF(t, m, FIELD_TIME, usec_t)
#define FIELD_INT_OF(t, m) FIELD_OF(t, m, FIELD_INT, int)
#define FIELD_INT_OPTIONAL_OF(t, m) FIELD_OF(t, m, FIELD_INT_OPTIONAL, int)
#define FIELD_BOOL_OF(t, m) FIELD_OF(t, m, FIELD_BOOL, bool)
#define FIELD_BLOB_OF(t, m) FIELD_OF(t, m, FIELD_BLOB, Blob)
#define FIELD_NAMED(t, m, table_)                                                                  \
        { .name = #m, .type = FIELD_ENUM, .offset = offsetof(t, m) +                        \
          0 * sizeof(char[sizeof(((t *) 0)->m) == sizeof(int) ? 1 : -1]), .names = &(table_) }

#define DEFINE_MODEL(type_, name_, ...)                                                     \
        static const Field name_##_fields[] = { __VA_ARGS__ };                              \
        const Model name_##_model = { #name_, sizeof(type_), name_##_fields, ELEMENTSOF(name_##_fields) }; \
        type_ *name_##_free(type_ *o) {                                                     \
                return model_free(&name_##_model, o);                                       \
        }                                                                                   \
        type_ *name_##_copy(const type_ *o) {                                               \
                return model_copy(&name_##_model, o);                                       \
        }                                                                                   \
        void name_##_array_done(type_##Array *a) {                                          \
                for (size_t i = 0; i < a->n; i++)                                           \
                        name_##_free(a->items[i]);                                          \
                free(a->items);                                                             \
                *a = (type_##Array) {};                                                     \
        }

#define DEFINE_NAMES(type_, name_, what_, n_, ...)                                          \
        static const char *const name_##_name_table[n_] = { __VA_ARGS__ };                  \
        const EnumTable name_##_names = { what_, name_##_name_table, n_ };                  \
        const char *name_##_to_string(type_ value) {                                        \
                return enum_to_string(&name_##_names, value);                               \
        }                                                                                   \
        type_ name_##_from_string(const char *s) {                                          \
                return enum_from_string(&name_##_names, s);                                 \
        }
