-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Schema 1. docs/DATABASE.md says what the tables are for and who writes them.
--
-- Times are microseconds since 1970 UTC. Truth values are 0 or 1. Enumerations are stored by their names (src/model). Every
-- key of a page is NOT NULL. A stream without a namespace has the empty one. @I64@, @BLOB@ and @STRICT@ are the engine's
-- words (src/db/engine.h); everything else is what SQLite and PostgreSQL both take.

CREATE TABLE schema_migration (
        version @I64@ PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        applied_at @I64@ NOT NULL
) @STRICT@;

CREATE TABLE metadata (
        name TEXT PRIMARY KEY NOT NULL,
        value TEXT NOT NULL
) @STRICT@;

CREATE TABLE counter (
        name TEXT PRIMARY KEY NOT NULL,
        n @I64@ NOT NULL
) @STRICT@;
INSERT INTO counter (name, n) VALUES ('job', 0), ('change', 0);

CREATE TABLE change (
        seq @I64@ PRIMARY KEY NOT NULL,
        kind TEXT NOT NULL,
        id TEXT NOT NULL,
        at @I64@ NOT NULL
) @STRICT@;

CREATE TABLE workspace (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        email TEXT,
        data_residency TEXT,
        notifications TEXT,
        webhook_configs TEXT,
        tombstone @I64@ NOT NULL DEFAULT 0 CHECK (tombstone IN (0, 1)),
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL
) @STRICT@;

CREATE TABLE definition (
        id TEXT PRIMARY KEY NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('source', 'destination')),
        name TEXT NOT NULL,
        reference TEXT NOT NULL,
        connector_type TEXT NOT NULL,
        docker_repository TEXT,
        docker_image_tag TEXT,
        documentation_url TEXT,
        executor TEXT NOT NULL,
        network TEXT NOT NULL,
        allowed_hosts TEXT,
        limits TEXT,
        manifest_version @I64@ NOT NULL DEFAULT 0,
        supports_refreshes @I64@ NOT NULL DEFAULT 0 CHECK (supports_refreshes IN (0, 1)),
        custom @I64@ NOT NULL DEFAULT 0 CHECK (custom IN (0, 1)),
        workspace_id TEXT REFERENCES workspace (id),
        tombstone @I64@ NOT NULL DEFAULT 0 CHECK (tombstone IN (0, 1)),
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL,
        spec TEXT,
        manifest TEXT,
        CHECK (custom = 0 OR workspace_id IS NOT NULL)
) @STRICT@;
-- What versions of packages say of themselves.
CREATE TABLE connector_spec (
        reference TEXT PRIMARY KEY NOT NULL,
        created_at @I64@ NOT NULL,
        spec TEXT NOT NULL
) @STRICT@;
CREATE INDEX definition_type ON definition (role, connector_type, id);
CREATE INDEX definition_workspace ON definition (workspace_id, id) WHERE workspace_id IS NOT NULL;

CREATE TABLE actor (
        id TEXT PRIMARY KEY NOT NULL,
        workspace_id TEXT NOT NULL REFERENCES workspace (id),
        definition_id TEXT NOT NULL REFERENCES definition (id),
        role TEXT NOT NULL CHECK (role IN ('source', 'destination')),
        name TEXT NOT NULL,
        version_pin TEXT,
        resource_allocation TEXT,
        check_status TEXT NOT NULL DEFAULT 'none',
        check_message TEXT,
        check_hash TEXT,
        check_at @I64@,
        revision @I64@ NOT NULL DEFAULT 1,
        tombstone @I64@ NOT NULL DEFAULT 0 CHECK (tombstone IN (0, 1)),
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL,
        configuration TEXT NOT NULL
) @STRICT@;
CREATE INDEX actor_role ON actor (role, tombstone, id);
CREATE INDEX actor_workspace ON actor (workspace_id, role, tombstone, id);
CREATE INDEX actor_definition ON actor (definition_id, tombstone, id);
CREATE INDEX actor_name ON actor (name, role, id);

CREATE TABLE secret (
        id TEXT PRIMARY KEY NOT NULL,
        workspace_id TEXT,
        owner_id TEXT NOT NULL,
        sealed @BLOB@ NOT NULL,
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL
) @STRICT@;
CREATE INDEX secret_owner ON secret (owner_id, id);

CREATE TABLE catalog (
        hash TEXT PRIMARY KEY NOT NULL,
        size @I64@ NOT NULL,
        created_at @I64@ NOT NULL,
        content @BLOB@ NOT NULL
) @STRICT@;
CREATE INDEX catalog_age ON catalog (created_at, hash);

CREATE TABLE catalog_fetch (
        id TEXT PRIMARY KEY NOT NULL,
        actor_id TEXT NOT NULL REFERENCES actor (id) ON DELETE CASCADE,
        config_hash TEXT,
        connector_version TEXT,
        catalog_hash TEXT NOT NULL REFERENCES catalog (hash),
        created_at @I64@ NOT NULL
) @STRICT@;
CREATE INDEX catalog_fetch_actor ON catalog_fetch (actor_id, created_at, id);
CREATE INDEX catalog_fetch_catalog ON catalog_fetch (catalog_hash);
CREATE INDEX catalog_fetch_age ON catalog_fetch (created_at, id);

CREATE TABLE connection (
        id TEXT PRIMARY KEY NOT NULL,
        workspace_id TEXT NOT NULL REFERENCES workspace (id),
        source_id TEXT NOT NULL REFERENCES actor (id),
        destination_id TEXT NOT NULL REFERENCES actor (id),
        name TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'deprecated', 'locked')),
        status_reason TEXT,
        schedule_type TEXT NOT NULL,
        schedule_data TEXT,
        namespace_definition TEXT NOT NULL,
        namespace_format TEXT,
        prefix TEXT,
        catalog_hash TEXT REFERENCES catalog (hash),
        source_catalog_id TEXT REFERENCES catalog_fetch (id),
        non_breaking_preference TEXT NOT NULL,
        backfill @I64@ NOT NULL DEFAULT 0 CHECK (backfill IN (0, 1)),
        resource_allocation TEXT,
        data_residency TEXT,
        notify_schema_changes @I64@ NOT NULL DEFAULT 0 CHECK (notify_schema_changes IN (0, 1)),
        notify_schema_changes_by_email @I64@ NOT NULL DEFAULT 0 CHECK (notify_schema_changes_by_email IN (0, 1)),
        breaking_change @I64@ NOT NULL DEFAULT 0 CHECK (breaking_change IN (0, 1)),
        next_run @I64@,
        revision @I64@ NOT NULL DEFAULT 1,
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL
) @STRICT@;
-- Lists are paged by ids; the status stands in the index so that rows before a page needn't be read.
CREATE INDEX connection_page ON connection (id, status);
CREATE INDEX connection_workspace ON connection (workspace_id, id, status);
CREATE INDEX connection_source ON connection (source_id, id, status);
CREATE INDEX connection_destination ON connection (destination_id, id, status);
CREATE INDEX connection_catalog ON connection (catalog_hash) WHERE catalog_hash IS NOT NULL;
CREATE INDEX connection_source_catalog ON connection (source_catalog_id) WHERE source_catalog_id IS NOT NULL;
CREATE INDEX connection_due ON connection (next_run, id) WHERE next_run IS NOT NULL AND status = 'active';

CREATE TABLE tag (
        id TEXT PRIMARY KEY NOT NULL,
        workspace_id TEXT NOT NULL REFERENCES workspace (id),
        name TEXT NOT NULL,
        color TEXT NOT NULL,
        created_at @I64@ NOT NULL,
        UNIQUE (workspace_id, name)
) @STRICT@;

CREATE TABLE connection_tag (
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        tag_id TEXT NOT NULL REFERENCES tag (id) ON DELETE CASCADE,
        PRIMARY KEY (connection_id, tag_id)
) @STRICT@;
CREATE INDEX connection_tag_tag ON connection_tag (tag_id, connection_id);

CREATE TABLE application (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        client_id TEXT NOT NULL UNIQUE,
        secret_hash @BLOB@ NOT NULL,
        sealed_secret @BLOB@,
        created_at @I64@ NOT NULL
) @STRICT@;

CREATE TABLE permission (
        id TEXT PRIMARY KEY NOT NULL,
        principal_kind TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('reader', 'runner', 'editor', 'admin')),
        workspace_id TEXT REFERENCES workspace (id),
        created_at @I64@ NOT NULL
) @STRICT@;
CREATE UNIQUE INDEX permission_principal ON permission (principal_kind, principal_id, workspace_id)
        WHERE workspace_id IS NOT NULL;
CREATE UNIQUE INDEX permission_principal_instance ON permission (principal_kind, principal_id) WHERE workspace_id IS NULL;
CREATE INDEX permission_of ON permission (principal_kind, principal_id, id);
CREATE INDEX permission_workspace ON permission (workspace_id) WHERE workspace_id IS NOT NULL;

CREATE TABLE session (
        token_hash @BLOB@ PRIMARY KEY NOT NULL,
        kind TEXT NOT NULL,
        principal_kind TEXT NOT NULL,
        principal_id TEXT NOT NULL,
        created_at @I64@ NOT NULL,
        expires_at @I64@ NOT NULL
) @STRICT@;
CREATE INDEX session_expiry ON session (expires_at);
CREATE INDEX session_principal ON session (principal_kind, principal_id);

CREATE TABLE job (
        id @I64@ PRIMARY KEY NOT NULL,
        connection_id TEXT NOT NULL REFERENCES connection (id),
        workspace_id TEXT NOT NULL REFERENCES workspace (id),
        type TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('pending', 'queued', 'running', 'incomplete', 'failed', 'succeeded',
                'cancelled')),
        attempts @I64@ NOT NULL DEFAULT 0,
        successive_complete_failures @I64@ NOT NULL DEFAULT 0,
        total_complete_failures @I64@ NOT NULL DEFAULT 0,
        successive_partial_failures @I64@ NOT NULL DEFAULT 0,
        total_partial_failures @I64@ NOT NULL DEFAULT 0,
        records_committed @I64@ NOT NULL DEFAULT 0,
        bytes_committed @I64@ NOT NULL DEFAULT 0,
        created_at @I64@ NOT NULL,
        started_at @I64@,
        ended_at @I64@,
        updated_at @I64@ NOT NULL,
        failure TEXT,
        config TEXT NOT NULL
) @STRICT@;
-- At most one job of a connection is alive.
CREATE UNIQUE INDEX job_live ON job (connection_id) WHERE status IN ('pending', 'queued', 'running', 'incomplete');
CREATE INDEX job_connection ON job (connection_id, id);
CREATE INDEX job_connection_status ON job (connection_id, status, id);
CREATE INDEX job_connection_updated ON job (connection_id, updated_at, id);
CREATE INDEX job_workspace ON job (workspace_id, id);
CREATE INDEX job_workspace_updated ON job (workspace_id, updated_at, id);
CREATE INDEX job_status ON job (status, id);
CREATE INDEX job_status_updated ON job (status, updated_at, id);
CREATE INDEX job_created ON job (created_at, id);
CREATE INDEX job_updated ON job (updated_at, id);

CREATE TABLE attempt (
        job_id @I64@ NOT NULL REFERENCES job (id) ON DELETE CASCADE,
        number @I64@ NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('running', 'failed', 'succeeded')),
        workload_id TEXT,
        records_emitted @I64@ NOT NULL DEFAULT 0,
        bytes_emitted @I64@ NOT NULL DEFAULT 0,
        records_committed @I64@ NOT NULL DEFAULT 0,
        bytes_committed @I64@ NOT NULL DEFAULT 0,
        created_at @I64@ NOT NULL,
        ended_at @I64@,
        updated_at @I64@ NOT NULL,
        failure TEXT,
        output TEXT,
        PRIMARY KEY (job_id, number)
) @STRICT@;
CREATE UNIQUE INDEX attempt_running ON attempt (job_id) WHERE status = 'running';

CREATE TABLE stream_stats (
        job_id @I64@ NOT NULL,
        attempt @I64@ NOT NULL,
        stream_namespace TEXT NOT NULL,
        stream_name TEXT NOT NULL,
        records_emitted @I64@ NOT NULL,
        bytes_emitted @I64@ NOT NULL,
        records_committed @I64@ NOT NULL,
        bytes_committed @I64@ NOT NULL,
        records_filtered @I64@ NOT NULL,
        bytes_filtered @I64@ NOT NULL,
        records_rejected @I64@ NOT NULL,
        estimated_records @I64@ NOT NULL,
        estimated_bytes @I64@ NOT NULL,
        status TEXT NOT NULL,
        incomplete_cause TEXT,
        was_backfilled @I64@ NOT NULL CHECK (was_backfilled IN (0, 1)),
        was_resumed @I64@ NOT NULL CHECK (was_resumed IN (0, 1)),
        updated_at @I64@ NOT NULL,
        PRIMARY KEY (job_id, attempt, stream_namespace, stream_name),
        FOREIGN KEY (job_id, attempt) REFERENCES attempt (job_id, number) ON DELETE CASCADE
) @STRICT@;

-- The newest statistics of each stream, so that a connection's page needs no walk through its jobs.
CREATE TABLE stream_latest (
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        stream_namespace TEXT NOT NULL,
        stream_name TEXT NOT NULL,
        job_id @I64@ NOT NULL,
        attempt @I64@ NOT NULL,
        PRIMARY KEY (connection_id, stream_namespace, stream_name)
) @STRICT@;
CREATE INDEX stream_latest_job ON stream_latest (job_id);

CREATE TABLE generation (
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        stream_namespace TEXT NOT NULL,
        stream_name TEXT NOT NULL,
        generation_id @I64@ NOT NULL,
        job_id @I64@,
        refreshing @I64@ NOT NULL CHECK (refreshing IN (0, 1)),
        updated_at @I64@ NOT NULL,
        PRIMARY KEY (connection_id, stream_namespace, stream_name)
) @STRICT@;

-- Streams that are to be read from their beginning; forced: whatever the connection says of backfills; begun:
-- their states have gone.
CREATE TABLE backfill (
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        stream_namespace TEXT NOT NULL,
        stream_name TEXT NOT NULL,
        forced @I64@ NOT NULL CHECK (forced IN (0, 1)),
        begun @I64@ NOT NULL CHECK (begun IN (0, 1)),
        created_at @I64@ NOT NULL,
        PRIMARY KEY (connection_id, stream_namespace, stream_name)
) @STRICT@;

CREATE TABLE timeline_event (
        id TEXT PRIMARY KEY NOT NULL,
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        principal TEXT,
        event_type TEXT NOT NULL,
        job_id @I64@,
        summary TEXT,
        created_at @I64@ NOT NULL
) @STRICT@;
CREATE INDEX timeline_event_connection ON timeline_event (connection_id, created_at, id);
CREATE INDEX timeline_event_age ON timeline_event (created_at);

CREATE TABLE workflow (
        id TEXT PRIMARY KEY NOT NULL,
        type TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('open', 'completed', 'failed', 'cancelled')),
        connection_id TEXT,
        job_id @I64@,
        workload_id TEXT,
        run_seq @I64@ NOT NULL DEFAULT 1,
        last_event @I64@ NOT NULL DEFAULT 0,
        wake_at @I64@,
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL,
        ended_at @I64@,
        input TEXT,
        result TEXT
) @STRICT@;
CREATE INDEX workflow_open ON workflow (id) WHERE status = 'open';
CREATE INDEX workflow_connection ON workflow (connection_id, type, id) WHERE status = 'open';
CREATE INDEX workflow_workload ON workflow (workload_id) WHERE workload_id IS NOT NULL AND status = 'open';
CREATE INDEX workflow_wake ON workflow (wake_at) WHERE wake_at IS NOT NULL AND status = 'open';
CREATE INDEX workflow_ended ON workflow (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE workflow_event (
        workflow_id TEXT NOT NULL REFERENCES workflow (id) ON DELETE CASCADE,
        run_seq @I64@ NOT NULL,
        seq @I64@ NOT NULL,
        type TEXT NOT NULL,
        at @I64@ NOT NULL,
        payload TEXT,
        PRIMARY KEY (workflow_id, run_seq, seq)
) @STRICT@;

CREATE TABLE dataplane (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        enabled @I64@ NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
        token_hash @BLOB@,
        heartbeat_at @I64@,
        created_at @I64@ NOT NULL
) @STRICT@;

CREATE TABLE workload (
        id TEXT PRIMARY KEY NOT NULL,
        auto_id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        status TEXT NOT NULL CHECK (status IN ('pending', 'claimed', 'launched', 'running', 'success', 'failure',
                'cancelled')),
        priority TEXT NOT NULL,
        mutex_key TEXT,
        workspace_id TEXT,
        connection_id TEXT,
        job_id @I64@,
        attempt @I64@,
        labels TEXT,
        lease_epoch @I64@ NOT NULL DEFAULT 0,
        dataplane_id TEXT REFERENCES dataplane (id),
        deadline @I64@ NOT NULL,
        available_at @I64@ NOT NULL,
        heartbeat_at @I64@,
        cancel_at @I64@,
        termination_source TEXT,
        termination_reason TEXT,
        notified @I64@ NOT NULL DEFAULT 0 CHECK (notified IN (0, 1)),
        created_at @I64@ NOT NULL,
        updated_at @I64@ NOT NULL,
        ended_at @I64@
) @STRICT@;
CREATE UNIQUE INDEX workload_mutex ON workload (mutex_key)
        WHERE mutex_key IS NOT NULL AND status IN ('pending', 'claimed', 'launched', 'running');
CREATE INDEX workload_queue ON workload (priority, available_at, created_at, id) WHERE status = 'pending';
CREATE INDEX workload_deadline ON workload (deadline) WHERE status IN ('pending', 'claimed', 'launched', 'running');
CREATE INDEX workload_live ON workload (id) WHERE status IN ('pending', 'claimed', 'launched', 'running');
CREATE INDEX workload_connection ON workload (connection_id, id) WHERE connection_id IS NOT NULL;
CREATE INDEX workload_unnotified ON workload (id) WHERE notified = 0 AND ended_at IS NOT NULL;
CREATE INDEX workload_ended ON workload (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX workload_dataplane ON workload (dataplane_id, id) WHERE dataplane_id IS NOT NULL;

-- The long texts of a workload: apart, so that a heartbeat doesn't write them again.
CREATE TABLE workload_text (
        workload_id TEXT NOT NULL REFERENCES workload (id) ON DELETE CASCADE,
        kind TEXT NOT NULL CHECK (kind IN ('input', 'output', 'stats')),
        content TEXT NOT NULL,
        PRIMARY KEY (workload_id, kind)
) @STRICT@;

CREATE TABLE state (
        connection_id TEXT NOT NULL REFERENCES connection (id) ON DELETE CASCADE,
        stream_namespace TEXT NOT NULL,
        stream_name TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('STREAM', 'GLOBAL', 'LEGACY')),
        updated_at @I64@ NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (connection_id, stream_namespace, stream_name, kind)
) @STRICT@;
