/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the suite's daemons talk about, as plain structs, each with a table of its fields. The table is
 * what frees, copies and stores an object: the name of a field is the name of its column
 * (docs/DATABASE.md).
 *
 * Strings are owned by the struct and may be NULL where the field is not set. Times are microseconds
 * since 1970 UTC, 0 = not set. Numbers that may be missing say which value means that. */

#include "basic/error.h"
#include "basic/time-util.h"

typedef enum FieldType {
        FIELD_TEXT,         /* char *, NULL = not set */
        FIELD_I64,          /* int64_t */
        FIELD_I64_OPTIONAL, /* int64_t, 0 = not set */
        FIELD_TIME,         /* usec_t, 0 = not set */
        FIELD_INT,          /* int */
        FIELD_INT_OPTIONAL, /* int, negative = not set */
        FIELD_BOOL,         /* bool */
        FIELD_ENUM,         /* an enum with a table of names */
        FIELD_BLOB,         /* Blob */
        _FIELD_TYPE_MAX,
        _FIELD_TYPE_INVALID = -EINVAL,
} FieldType;

typedef struct Blob {
        void *p;
        size_t n;
} Blob;

typedef struct EnumTable {
        const char *what; /* for messages: "job status" */
        const char *const *names;
        int n;
} EnumTable;

typedef struct Field {
        const char *name;
        FieldType type;
        uint16_t offset;
        const EnumTable *names; /* of FIELD_ENUM */
} Field;

typedef struct Model {
        const char *name; /* for messages: "connection" */
        size_t size;
        const Field *fields;
        size_t n_fields;
} Model;

/* Declares what every model has: foo_free(), foo_copy() (NULL when out of memory), FooArray with
 * foo_array_done(). */
#define DECLARE_MODEL(type_, name_)                                                         \
        typedef struct type_##Array {                                                       \
                type_ **items;                                                              \
                size_t n;                                                                   \
        } type_##Array;                                                                     \
        extern const Model name_##_model;                                                   \
        type_ *name_##_free(type_ *o);                                                      \
        type_ *name_##_copy(const type_ *o);                                                \
        void name_##_array_done(type_##Array *a);                                           \
        DEFINE_CLEANUP(type_, name_##_free)

/* Names of an enum's values: foo_to_string() (NULL for what is none) and foo_from_string() (-EINVAL). */
#define DECLARE_NAMES(type_, name_)                                                         \
        extern const EnumTable name_##_names;                                               \
        const char *name_##_to_string(type_ value);                                         \
        type_ name_##_from_string(const char *s)
const char *enum_to_string(const EnumTable *table, int value);
int enum_from_string(const EnumTable *table, const char *s);

/* Frees the strings and blobs of `o` and `o` itself. Returns NULL. */
void *model_free(const Model *model, void *o);
/* Frees what `o` holds and zeroes it. */
void model_done(const Model *model, void *o);
void *model_copy(const Model *model, const void *o);

/* The field of that name, or NULL. */
const Field *model_field(const Model *model, const char *name);

/* Typed access to a field of an object. */
static inline void *field_of(const Field *f, void *o) {
        return (char *) o + f->offset;
}
static inline const void *field_of_const(const Field *f, const void *o) {
        return (const char *) o + f->offset;
}

/* Appends to the array of any model (FooArray as its two members). Takes `o` over on success only. */
int model_array_append(void ***items, size_t *n, void *o);
