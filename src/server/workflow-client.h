/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to org.gantry.Workflow1 (docs/INTERFACES.md), none of which blocks. Each hands the Call over to
 * `done`, which answers it (call_complete) or runs it anew (call_retry); `r` is negative with call->error
 * when the daemon refused or isn't there. They return CALL_LATER, or a negative errno when nothing was
 * sent. */

#include "server/call.h"

/* `reply` is NULL when r is negative. */
typedef void (*WorkflowDone)(Call *c, int r, sd_bus_message *reply);

int workflow_start_job(Call *c, const char *connection_id, const char *job_type, const char *options,
                       WorkflowDone done);
int workflow_cancel_job(Call *c, int64_t job_id, WorkflowDone done);
/* `config` NULL: the stored configuration. */
int workflow_run_check(Call *c, const char *actor_id, const char *config, WorkflowDone done);
int workflow_run_discover(Call *c, const char *source_id, bool ignore_cache, WorkflowDone done);
int workflow_run_spec(Call *c, const char *definition_id, WorkflowDone done);
/* Installs a package; the reply is a memfd with {"reference","version","spec",…}. */
int workflow_run_install(Call *c, const char *reference, WorkflowDone done);
/* Tells it; nobody waits. A workflow that isn't there hears of it when it reads the table at its start. */
void workflow_connection_changed(Server *s, const char *connection_id);

/* org.gantry.Workload1's StateSet. */
int workload_state_set(Call *c, const char *connection_id, const char *states, WorkflowDone done);

/* org.gantry.Workload1's ReadLogs. */
int workload_read_logs(Call *c, int64_t job_id, uint32_t attempt, uint64_t cursor, uint32_t max, WorkflowDone done);

/* org.gantry.Launcher1's RemoveConnector. */
int launcher_remove_connector(Call *c, const char *reference, WorkflowDone done);

/* org.gantry.Launcher1's DescribeHost; the reply is JSON. */
int launcher_describe_host(Call *c, WorkflowDone done);

/* The content of a memfd in a reply. */
int workflow_read_memfd(sd_bus_message *reply, char **ret, size_t *ret_n);
