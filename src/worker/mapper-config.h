/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a mapper is once its configuration has been read; for the files of the mappers only. */

#include "worker/mapper-encryption.h"
#include "worker/mapper-hashing.h"
#include "worker/mapper-row-filtering.h"
#include "worker/mapper.h"

typedef enum MapperType {
        MAPPER_HASHING,
        MAPPER_ENCRYPTION,
        MAPPER_FIELD_RENAMING,
        MAPPER_FIELD_FILTERING,
        MAPPER_ROW_FILTERING,
        _MAPPER_TYPE_MAX,
        _MAPPER_TYPE_INVALID = -EINVAL,
} MapperType;

const char *mapper_type_to_string(MapperType t);
MapperType mapper_type_from_string(const char *s);

struct Mapper {
        MapperType type;
        char *id;        /* as configured; may be NULL */
        char *field;     /* the field that is read; NULL for row-filtering */
        char *new_field; /* the field that is written: NULL for the filters, else may equal `field` */
        Hashing *hashing;
        Encryption *encryption;
        RowFilter *row_filter;
};
