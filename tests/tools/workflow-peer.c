/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other end of gantry-server's bus calls, for tests without systemd, where nothing could run a
 * connector: keeps the contract of docs/INTERFACES.md in the simplest way, over the real database.
 *
 *   workflow-peer DATABASE CATALOG
 *
 * Discovers bring the AirbyteCatalog of the file CATALOG (a failure when there is none), checks succeed
 * unless a configuration with "fail" in it is tried, jobs are stored and stay pending until they are
 * cancelled. */

#include <stdio.h>

#include "basic/fd-util.h"
#include "basic/file-util.h"
#include "basic/log.h"
#include "basic/uuid.h"
#include "db/catalog-store.h"
#include "db/connection-store.h"
#include "db/job-store.h"
#include "db/state-store.h"
#include "shared/bus-error.h"
#include "shared/daemon.h"
#include "shared/memfd.h"

typedef struct Peer {
        Daemon *daemon;
        Db *db;
        const char *catalog;
} Peer;

static usec_t now(Peer *p) {
        return env_now(daemon_env(p->daemon), ENV_CLOCK_REALTIME);
}

static int start_job(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Peer *p = userdata;
        _cleanup_error_ Error *e = NULL;
        _cleanup_(connection_freep) Connection *connection = NULL;
        Job job = {};
        const char *id, *type, *options;
        int r = sd_bus_message_read(m, "sss", &id, &type, &options);

        if (r >= 0)
                r = connection_store_get(p->db, id, &connection, &e);
        if (r >= 0) {
                job = (Job) { .connection_id = connection->id, .workspace_id = connection->workspace_id,
                              .type = job_type_from_string(type), .config = (char *) options };
                r = job_store_create(p->db, &job, now(p), &e);
        }
        return r < 0 ? bus_error_from(reterr, r, e) : sd_bus_reply_method_return(m, "x", job.id);
}

static int cancel_job(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Peer *p = userdata;
        _cleanup_error_ Error *e = NULL;
        int64_t id;
        int r = sd_bus_message_read(m, "x", &id);

        if (r >= 0)
                r = job_store_set_status(p->db, id, JOB_CANCELLED, NULL, now(p), &e);
        return r < 0 ? bus_error_from(reterr, r, e) : sd_bus_reply_method_return(m, "");
}

static int run_check(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        _cleanup_free_ char *text = NULL;
        const char *id;
        size_t n = 0;
        int fd, r = sd_bus_message_read(m, "sh", &id, &fd);

        if (r >= 0)
                r = memfd_read(fd, 1024 * 1024, &text, &n, NULL);
        if (r < 0)
                return r;
        return sd_bus_reply_method_return(m, "s", strstr(text, "fail") ?
                                          "{\"status\":\"failed\",\"message\":\"It was to fail\"}" :
                                          "{\"status\":\"succeeded\"}");
}

static int store_catalog(Peer *p, const char *source_id, char ret_id[static UUID_STRING_MAX], Error **reterr_error) {
        _cleanup_free_ char *text = NULL;
        char hash[CATALOG_HASH_MAX];
        size_t n;
        int r = read_file(p->catalog, CATALOG_SIZE_MAX, &text, &n, reterr_error);

        if (r >= 0)
                r = uuid7_new(daemon_env(p->daemon), ret_id);
        if (r < 0)
                return r;
        return catalog_fetch_store_insert(p->db, &(CatalogFetch) {
                .id = ret_id, .actor_id = (char *) source_id, .created_at = now(p) },
                text, n, now(p), hash, reterr_error);
}

static int run_discover(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Peer *p = userdata;
        _cleanup_error_ Error *e = NULL;
        char id[UUID_STRING_MAX], reply[128];
        const char *source_id;
        int ignore_cache, r = sd_bus_message_read(m, "sb", &source_id, &ignore_cache);

        if (r >= 0)
                r = store_catalog(p, source_id, id, &e);
        if (r == -ENOENT)
                return sd_bus_reply_method_return(m, "s", "{\"failure\":{\"externalMessage\":\"There is no catalog\"}}");
        if (r < 0)
                return bus_error_from(reterr, r, e);
        (void) snprintf(reply, sizeof(reply), "{\"catalogId\":\"%s\"}", id);
        return sd_bus_reply_method_return(m, "s", reply);
}

static int run_spec(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        static const char spec[] = "{\"connectionSpecification\":{\"type\":\"object\",\"properties\":"
                                   "{\"password\":{\"type\":\"string\",\"airbyte_secret\":true}}}}";
        _cleanup_close_ int fd = memfd_new("spec", spec, sizeof(spec) - 1);

        return fd < 0 ? fd : sd_bus_reply_method_return(m, "h", fd);
}

static int connection_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        return sd_bus_reply_method_return(m, "");
}

static int state_set(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Peer *p = userdata;
        _cleanup_free_ char *text = NULL;
        _cleanup_error_ Error *e = NULL;
        const char *id;
        size_t n;
        int fd, r = sd_bus_message_read(m, "sh", &id, &fd);

        if (r >= 0)
                r = memfd_read(fd, 32 * 1024 * 1024, &text, &n, &e);
        if (r >= 0)
                r = state_store_set(p->db, id, text, n, now(p), &e);
        return r < 0 ? bus_error_from(reterr, r, e) : sd_bus_reply_method_return(m, "");
}

static int read_logs(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        static const char lines[] = "{\"t\":1,\"level\":\"INFO\",\"origin\":\"source\",\"message\":\"one\"}\n";
        _cleanup_close_ int fd = memfd_new("logs", lines, sizeof(lines) - 1);

        return fd < 0 ? fd : sd_bus_reply_method_return(m, "htb", fd, UINT64_C(1), 0);
}

static const sd_bus_vtable workflow_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StartJob", "sss", "x", start_job, 0),
        SD_BUS_METHOD("CancelJob", "x", "", cancel_job, 0),
        SD_BUS_METHOD("RunCheck", "sh", "s", run_check, 0),
        SD_BUS_METHOD("RunDiscover", "sb", "s", run_discover, 0),
        SD_BUS_METHOD("RunSpec", "s", "h", run_spec, 0),
        SD_BUS_METHOD("ConnectionChanged", "s", "", connection_changed, 0),
        SD_BUS_VTABLE_END,
};

static const sd_bus_vtable workload_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("StateSet", "sh", "", state_set, 0),
        SD_BUS_METHOD("ReadLogs", "xutu", "htb", read_logs, 0),
        SD_BUS_VTABLE_END,
};

static int serve(Peer *p, const char *database) {
        sd_bus *bus = daemon_bus(p->daemon);
        int r = db_open(database, DB_READ_WRITE, &p->db, NULL);

        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/gantry/Workflow1", "org.gantry.Workflow1.Manager",
                                             workflow_vtable, p);
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, "/org/gantry/Workload1", "org.gantry.Workload1.Manager",
                                             workload_vtable, p);
        if (r >= 0)
                r = sd_bus_request_name(bus, "org.gantry.Workload1", 0);
        return r < 0 ? r : daemon_run(p->daemon);
}

int main(int argc, char *argv[]) {
        Peer p = {};
        int r;

        if (argc != 3)
                return 2;
        p.catalog = argv[2];
        r = daemon_new(&(DaemonOptions) { .bus_name = "org.gantry.Workflow1", .idle = USEC_INFINITY }, &p.daemon);
        if (r >= 0)
                r = serve(&p, argv[1]);
        if (r < 0)
                log_error_errno(r, "workflow-peer failed");
        db_free(p.db);
        daemon_free(p.daemon);
        return r < 0;
}
