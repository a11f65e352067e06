/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way of an activity to gantry-workload and back. */

#include "workflow/workflow-manager-internal.h"

/* A workload that a workflow waits for. */
typedef struct Dispatch {
        char *id;
        char *name;          /* the activity's */
        JsonObject *request;
        bool exists;         /* gantry-workload has it */
        bool in_flight;      /* a create or get is on its way */
        bool ended;          /* it is said to have ended: get it */
        char *shares;        /* what it asks for, where others may ask the same; NULL: its own affair */
        bool impatient;      /* waits for no other's answer */
        JsonObject *told;    /* its answer, which another's workload has brought (or none) */
        char *cancel;        /* reason; NULL: not asked for */
        bool cancel_sent;    /* and on its way or done */
        usec_t retry_at;     /* boot-time clock; 0: nothing to retry */
        unsigned n_retries;
} Dispatch;

void dispatch_free(void *p);
void dispatch_start(const char *name, const char *id, JsonObject *request, void *userdata);
void dispatch_cancel(const char *id, const char *reason, void *userdata);
/* Whether another activity, which has to end anyway, asks for the same: this one has nothing to do until
 * then. */
bool dispatch_waits(WorkflowManager *m, const Dispatch *d);
/* Sends what there is to send; returns when to look again (boot-time clock). */
usec_t dispatch_process(WorkflowManager *m);

