/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Syncs of a source whose schema changes, on workflow-manager-harness.h: one stream, users(id, at). */

#include "db/state-store.h"
#include "unit/workflow-manager-harness.h"

#define HOUR (3600 * USEC_PER_SEC)
#define USERS(fields_)                                                                                        \
        "{\"name\":\"users\",\"json_schema\":{\"type\":\"object\",\"properties\":{" fields_ "}},"                \
        "\"supported_sync_modes\":[\"full_refresh\",\"incremental\"]}"
#define CATALOG(streams_) "{\"catalog\":{\"streams\":[" streams_ "]}}"
#define ID "\"id\":{\"type\":\"integer\"}"
#define AT "\"at\":{\"type\":\"integer\"}"
#define CITY "\"city\":{\"type\":\"string\"}"
#define DEDUP "{\"streams\":[{\"name\":\"users\",\"syncMode\":\"incremental_deduped_history\",\"cursorField\":[\"at\"]," \
              "\"primaryKey\":[[\"id\"]]}]}"
#define OVERWRITE "{\"streams\":[{\"name\":\"users\",\"syncMode\":\"full_refresh_overwrite\"}]}"

static _unused_ const char old_catalog[] = CATALOG(USERS(ID "," AT)), new_column[] = CATALOG(USERS(ID "," AT "," CITY)),
                  no_cursor[] = CATALOG(USERS(ID)),
                  new_stream[] = CATALOG(USERS(ID "," AT) ",{\"name\":\"more\",\"json_schema\":{},\"supported_sync_modes\":[\"full_refresh\"]}");

/* What the source has to offer just now. */
static const char *offered;

static _unused_ void well(World *w, FakeWorkload *workload) {
        workload->status = "success";
        workload->output = streq(workload->type, "check") ? "{\"status\":\"succeeded\"}"
                           : streq(workload->type, "discover") ? offered
                           : "{\"status\":\"completed\",\"streams\":[{\"name\":\"users\",\"recordsEmitted\":1,\"recordsCommitted\":1,"
                             "\"complete\":true}]}";
}

static _unused_ Connection *get_connection(World *w, const char *id) {
        Connection *c = NULL;

        ASSERT_OK(connection_store_get(w->db.db, id, &c, NULL));
        return c;
}

static _unused_ void configure(World *w, const char *selection, NonBreakingPreference preference, bool backfill) {
        _cleanup_(connection_freep) Connection *c = get_connection(w, "c");

        free(c->catalog);
        c->catalog = strdup(selection);
        c->non_breaking_preference = preference;
        c->backfill = backfill;
        ASSERT_OK(connection_store_update(w->db.db, c, w->clock.now, NULL));
}

#define APPENDS_ONLY "{\"connectionSpecification\":{},\"supported_destination_sync_modes\":[\"append\"]}"
#define DEDUPLICATES "{\"connectionSpecification\":{},\"supported_destination_sync_modes\":[\"append\",\"overwrite\",\"append_dedup\"]}"

/* A connection of a world that is there, which has been discovered and synced once. */
static _unused_ void begin_in(World *w, const char *selection, NonBreakingPreference preference, bool backfill) {
        int64_t id;

        offered = old_catalog;
        ASSERT_OK(definition_store_set_spec(w->db.db, "dd", DEDUPLICATES, NOW, NULL));
        configure(w, selection, preference, backfill);
        ASSERT_OK(workflow_manager_start_job(w->manager, "c", "sync", "", &id, NULL));
        world_run(w, NOW + 60 * USEC_PER_SEC);
}

static _unused_ void begin(World *w, const char *selection, NonBreakingPreference preference, bool backfill) {
        world_init(w, well);
        begin_in(w, selection, preference, backfill);
}

static _unused_ int64_t start(World *w, const char *connection) {
        int64_t id = 0;
        int r = workflow_manager_start_job(w->manager, connection, "sync", "", &id, NULL);

        if (w->crashed)
                world_reboot(w);
        ASSERT_OK(r);
        return id;
}

/* Another sync, after `hours` and with what the source offers then. */
static _unused_ int64_t sync_after(World *w, unsigned hours, const char *catalog) {
        int64_t id;

        offered = catalog;
        w->clock.now += hours * HOUR;
        id = start(w, "c");
        world_run(w, w->clock.now + 60 * USEC_PER_SEC);
        return id;
}

static _unused_ void assert_status(World *w, int64_t id, JobStatus status) {
        _cleanup_(job_freep) Job *job = NULL;

        ASSERT_OK(job_store_get(w->db.db, id, &job, NULL));
        assert_string_equal(job_status_to_string(job->status), job_status_to_string(status));
}

static _unused_ size_t count(const World *w, const char *type) {
        size_t n = 0;

        for (size_t i = 0; i < w->n_workloads; i++)
                n += streq(w->workloads[i].type, type);
        return n;
}

static _unused_ char *last_source_catalog(World *w) {
        return json_to_string(json_member(json_member(world_last(w, "sync")->request, "input"), "sourceCatalog"));
}

/* The job's events on the timeline, oldest first by their meaning: "TYPE TYPE". */
static _unused_ char *timeline_of(World *w, const char *connection, int64_t job_id, char **ret_summary) {
        _cleanup_(timeline_event_array_done) TimelineEventArray events = {};
        _cleanup_buffer_ Buffer b = {};
        const ListOptions all = {};

        ASSERT_OK(timeline_store_list(w->db.db, connection, NULL, &all, &events, NULL));
        for (size_t i = events.n; i-- > 0;)
                if (events.items[i]->job_id == job_id) {
                        ASSERT_OK(buffer_appendf(&b, "%s%s", b.len > 0 ? " " : "", events.items[i]->event_type));
                        if (ret_summary && !*ret_summary)
                                *ret_summary = strdup(events.items[i]->summary);
                }
        return buffer_steal_string(&b);
}

/* Whether the job's history has the step, and what it recorded. */
static _unused_ char *schema_step(World *w, int64_t job_id) {
        _cleanup_(workflow_event_array_done) WorkflowEventArray events = {};
        char id[32];

        (void) snprintf(id, sizeof(id), "job-%lld", (long long) job_id);
        ASSERT_OK(workflow_store_history(w->db.db, id, &events, NULL));
        for (size_t i = 0; i < events.n; i++)
                if (events.items[i]->payload && strstr(events.items[i]->payload, "\"name\":\"schema\""))
                        return strdup(events.items[i]->payload);
        return NULL;
}

#define STATE(kind_, body_) "[{\"type\":\"" kind_ "\"," body_ "}]"
#define STREAM_STATE STATE("STREAM", "\"stream\":{\"stream_descriptor\":{\"name\":\"users\"},\"stream_state\":{\"at\":5}}")
#define GLOBAL_STATE STATE("GLOBAL", "\"global\":{\"shared_state\":{\"lsn\":1},\"stream_states\":[{\"stream_descriptor\":" \
                           "{\"name\":\"users\"},\"stream_state\":{}}]}")
