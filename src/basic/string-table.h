/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The names of an enum's values, in a table that the values index. */

#include "basic/macro.h"

/* The name of `value`; NULL outside of the table. */
static inline const char *string_table_name(const char *const *table, size_t n, int value) {
        return value >= 0 && (size_t) value < n ? table[value] : NULL;
}

/* The value that `s` names, or -EINVAL; `s` may be NULL, and so may names that nobody can write. */
static inline int string_table_find(const char *const *table, size_t n, const char *s) {
        for (size_t i = 0; s && i < n; i++)
                if (table[i] && streq(table[i], s))
                        return (int) i;
        return -EINVAL;
}

/* name_to_string() and name_from_string() over `static const char *const name_table[]`. */
#define DEFINE_STRING_TABLE_TO_STRING(name_, type_)                                         \
        const char *name_##_to_string(type_ value) {                                        \
                return string_table_name(name_##_table, ELEMENTSOF(name_##_table), (int) value); \
        }
#define DEFINE_STRING_TABLE_FROM_STRING(name_, type_)                                       \
        type_ name_##_from_string(const char *s) {                                          \
                return (type_) string_table_find(name_##_table, ELEMENTSOF(name_##_table), s); \
        }
#define DEFINE_STRING_TABLE_LOOKUP(name_, type_)                                            \
        DEFINE_STRING_TABLE_TO_STRING(name_, type_)                                         \
        DEFINE_STRING_TABLE_FROM_STRING(name_, type_)
