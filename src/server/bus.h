/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The D-Bus face: org.gantry.Server1 (man/org.gantry.Server1.5). A method is a row of a table that says
 * which polkit action and role it takes, how its arguments become a call of a service, and how the answer
 * is written. */

#include "model/job.h"
#include "server/list-service.h"

#define SERVER_PATH "/org/gantry/Server1"
#define SERVER_INTERFACE "org.gantry.Server1"
#define MANAGER_INTERFACE SERVER_INTERFACE ".Manager"

typedef struct BusMethod {
        const char *interface, *member;
        const char *action; /* of polkit, behind "org.gantry."; NULL: only root and our own user, without polkit */
        Role role;          /* that goes with it, on the whole instance */
        /* Reads the arguments (anew at each run) and calls a service; as an ApiHandler. */
        int (*run)(Call *c, sd_bus_message *m, JsonObject **ret);
        /* Writes the answer; NULL: it is empty. */
        int (*write)(Call *c, JsonObject *result, sd_bus_message *reply);
} BusMethod;

/* The handler of all vtables' methods; `userdata` is the Server. */
int bus_method_handler(sd_bus_message *m, void *userdata, sd_bus_error *reterr);

/* Writers: one JSON text; an array's elements as texts; {"jobId"} as x; {"path","id"} as os; a JSON text
 * in a memfd. */
int bus_write_json(Call *c, JsonObject *result, sd_bus_message *reply);
int bus_write_list(Call *c, JsonObject *result, sd_bus_message *reply);
int bus_write_job(Call *c, JsonObject *result, sd_bus_message *reply);
int bus_write_object(Call *c, JsonObject *result, sd_bus_message *reply);
int bus_write_memfd(Call *c, JsonObject *result, sd_bus_message *reply);

/* Reads a memfd argument as one JSON object; an empty one gives NULL. */
int bus_read_memfd(Call *c, sd_bus_message *m, JsonObject **ret);
/* A page out of "t offset, u limit"; the database counts in int64. A limit of 0 is the largest. */
#define BUS_LIST_MAX 1000U
int bus_set_page(Call *c, uint64_t offset, uint32_t limit, Listing *l);
/* "s workspace, t offset, u limit": an empty workspace is all. */
int bus_read_listing(Call *c, sd_bus_message *m, Listing *l);
/* Reads the options, a JSON text or "", and starts a job of the connection. */
int bus_start_job(Call *c, sd_bus_message *m, const char *connection_id, JobType type);
/* "source", id → /org/gantry/Server1/source/ID, encoded. */
int bus_object_path(const char *kind, const char *id, char **ret);
/* {"path", "id"} for bus_write_object(). */
int bus_object_result(const char *kind, const char *id, JsonObject **ret);
