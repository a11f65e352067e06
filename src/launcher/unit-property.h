/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A property of a transient unit as plain data: what a plan holds, what is printed, and what goes onto
 * the bus are the same thing. A set is a JSON object: {"MemoryMax": ["t", 268435456], "Type": ["s",
 * "exec"], …}, signature and value; values follow the signature, with arrays for both D-Bus arrays and
 * structs. */

#include <systemd/sd-bus.h>

#include "shared/json-util.h"

/* Adds one, replacing what has that name. `value` is taken over, even on failure. */
int unit_property_add(JsonObject *set, const char *name, const char *signature, JsonObject *value);
int unit_property_add_string(JsonObject *set, const char *name, const char *value);
int unit_property_add_bool(JsonObject *set, const char *name, bool value);
int unit_property_add_u64(JsonObject *set, const char *name, uint64_t value);

/* A table of fixed ones, each with the reason why it is there. `value` is JSON. */
typedef struct UnitProperty {
        const char *name, *signature, *value;
        const char *why;
} UnitProperty;
int unit_property_add_table(JsonObject *set, const UnitProperty table[], size_t n);

/* Appends the set's members, each as a struct (sv), into the open array of `m`. */
int unit_properties_append(sd_bus_message *m, JsonObject *set);
