-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Connections and what belongs to them: catalogs, states, generations, timelines.
-- let: LIVE c.status <> 'deprecated'

-- name: connection_insert
INSERT INTO connection (id, workspace_id, source_id, destination_id, name, status, status_reason, schedule_type,
        schedule_data, namespace_definition, namespace_format, prefix, catalog_hash, source_catalog_id,
        non_breaking_preference, backfill, resource_allocation, data_residency, notify_schema_changes,
        notify_schema_changes_by_email, breaking_change, next_run, created_at, updated_at)
        VALUES ($id, $workspace_id, $source_id, $destination_id, $name, $status, $status_reason, $schedule_type,
        $schedule_data, $namespace_definition, $namespace_format, $prefix, $catalog_hash, $source_catalog_id,
        $non_breaking_preference, $backfill, $resource_allocation, $data_residency, $notify_schema_changes,
        $notify_schema_changes_by_email, $breaking_change, $next_run, $now, $now);
-- name: connection_get
SELECT * FROM connection WHERE id = $id;
-- name: connection_list
SELECT * FROM connection WHERE id IN (SELECT id FROM connection WHERE status <> 'deprecated' AND id > $after
        ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- name: connection_list_all
SELECT * FROM connection WHERE id IN (SELECT id FROM connection WHERE id > $after
        ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- name: connection_list_of_workspace
SELECT * FROM connection WHERE id IN (SELECT id FROM connection WHERE workspace_id = $workspace_id
        AND status <> 'deprecated' AND id > $after ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- name: connection_list_all_of_workspace
SELECT * FROM connection WHERE id IN (SELECT id FROM connection WHERE workspace_id = $workspace_id AND id > $after
        ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- name: connection_list_filtered
SELECT * FROM connection AS c WHERE c.id > $after AND ($workspace_id IS NULL OR c.workspace_id = $workspace_id)
        AND ($status IS NULL OR c.status = $status) AND ($deleted = 1 OR @LIVE@)
        ORDER BY c.id LIMIT $limit OFFSET $offset;
-- name: connection_list_of_source
SELECT c.* FROM connection AS c WHERE c.source_id = $actor_id AND c.id > $after
        AND ($workspace_id IS NULL OR c.workspace_id = $workspace_id) AND ($status IS NULL OR c.status = $status)
        AND ($deleted = 1 OR @LIVE@) ORDER BY c.id LIMIT $limit OFFSET $offset;
-- name: connection_list_of_destination
SELECT c.* FROM connection AS c WHERE c.destination_id = $actor_id AND c.id > $after
        AND ($workspace_id IS NULL OR c.workspace_id = $workspace_id) AND ($status IS NULL OR c.status = $status)
        AND ($deleted = 1 OR @LIVE@) ORDER BY c.id LIMIT $limit OFFSET $offset;
-- name: connection_list_of_tag
SELECT c.* FROM connection_tag AS t JOIN connection AS c ON c.id = t.connection_id WHERE t.tag_id = $tag_id
        AND t.connection_id > $after AND ($actor_id IS NULL OR $actor_id IN (c.source_id, c.destination_id))
        AND ($workspace_id IS NULL OR c.workspace_id = $workspace_id)
        AND ($status IS NULL OR c.status = $status) AND ($deleted = 1 OR @LIVE@)
        ORDER BY t.connection_id LIMIT $limit OFFSET $offset;
-- name: connection_update
UPDATE connection SET name = $name, status = $status, status_reason = $status_reason, schedule_type = $schedule_type,
        schedule_data = $schedule_data, namespace_definition = $namespace_definition,
        namespace_format = $namespace_format, prefix = $prefix, catalog_hash = $catalog_hash,
        source_catalog_id = coalesce($source_catalog_id, source_catalog_id),
        non_breaking_preference = $non_breaking_preference,
        backfill = $backfill, resource_allocation = $resource_allocation, data_residency = $data_residency,
        notify_schema_changes = $notify_schema_changes,
        notify_schema_changes_by_email = $notify_schema_changes_by_email, breaking_change = $breaking_change,
        revision = revision + 1, updated_at = $now WHERE id = $id AND revision = $revision AND status <> 'deprecated';
-- name: connection_set_next_run
UPDATE connection SET next_run = $next_run WHERE id = $id;
-- name: connection_set_source_catalog
UPDATE connection SET source_catalog_id = $source_catalog_id, updated_at = $now
        WHERE id = $id AND status <> 'deprecated';
-- name: connection_list_due
SELECT * FROM connection WHERE status = 'active' AND next_run IS NOT NULL AND next_run <= $until
        ORDER BY next_run, id LIMIT $limit;
-- name: connection_list_scheduled
SELECT * FROM connection WHERE id > $after AND status = 'active' AND next_run IS NOT NULL ORDER BY id LIMIT $limit;
-- name: connection_delete
UPDATE connection SET status = 'deprecated', next_run = NULL, revision = revision + 1, updated_at = $now
        WHERE id = $id AND status <> 'deprecated';

-- name: catalog_put
INSERT INTO catalog (hash, size, created_at, content) VALUES ($hash, $size, $now, $content)
        ON CONFLICT (hash) DO NOTHING;
-- name: catalog_has
SELECT 1 FROM catalog WHERE hash = $hash;
-- name: catalog_size
SELECT size FROM catalog WHERE hash = $hash;
-- name: catalog_content
SELECT content FROM catalog WHERE hash = $hash;
-- name: catalog_fetch_insert
INSERT INTO catalog_fetch (id, actor_id, config_hash, connector_version, catalog_hash, created_at)
        VALUES ($id, $actor_id, $config_hash, $connector_version, $catalog_hash, $now);
-- name: catalog_fetch_get
SELECT * FROM catalog_fetch WHERE id = $id;
-- name: catalog_fetch_latest
SELECT * FROM catalog_fetch WHERE actor_id = $actor_id AND ($config_hash IS NULL OR config_hash = $config_hash)
        AND ($connector_version IS NULL OR connector_version = $connector_version)
        ORDER BY created_at DESC, id DESC LIMIT 1;

-- name: state_list
SELECT * FROM state WHERE connection_id = $connection_id ORDER BY stream_namespace, stream_name;
-- name: state_put
INSERT INTO state (connection_id, stream_namespace, stream_name, kind, updated_at, state)
        VALUES ($connection_id, $stream_namespace, $stream_name, $kind, $now, $state)
        ON CONFLICT (connection_id, stream_namespace, stream_name, kind)
        DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at;
-- name: state_clear
DELETE FROM state WHERE connection_id = $connection_id;
-- name: state_clear_kind
DELETE FROM state WHERE connection_id = $connection_id AND kind = $kind;
-- name: state_drop
DELETE FROM state WHERE connection_id = $connection_id AND stream_namespace = $stream_namespace
        AND stream_name = $stream_name AND kind = 'STREAM';
-- name: state_count
SELECT count(*) FROM state WHERE connection_id = $connection_id AND kind = $kind;

-- name: generation_list
SELECT * FROM generation WHERE connection_id = $connection_id ORDER BY stream_namespace, stream_name;

-- name: generation_set
INSERT INTO generation
        (connection_id, stream_namespace, stream_name, generation_id, job_id, refreshing, updated_at)
        VALUES ($connection_id, $stream_namespace, $stream_name, $generation_id, $job_id, $refreshing, $now)
        ON CONFLICT (connection_id, stream_namespace, stream_name)
        DO UPDATE SET generation_id = excluded.generation_id, job_id = excluded.job_id,
        refreshing = excluded.refreshing, updated_at = excluded.updated_at
        WHERE excluded.generation_id >= generation.generation_id;

-- name: backfill_list
SELECT * FROM backfill WHERE connection_id = $connection_id ORDER BY stream_namespace, stream_name;
-- name: backfill_owe
INSERT INTO backfill (connection_id, stream_namespace, stream_name, forced, begun, created_at)
        VALUES ($connection_id, $stream_namespace, $stream_name, $forced, 0, $now)
        ON CONFLICT (connection_id, stream_namespace, stream_name) DO UPDATE SET begun = 0,
        forced = CASE WHEN backfill.forced = 1 THEN 1 ELSE excluded.forced END, created_at = excluded.created_at;
-- name: backfill_begin
UPDATE backfill SET begun = 1 WHERE connection_id = $connection_id AND stream_namespace = $stream_namespace
        AND stream_name = $stream_name AND created_at = $since;
-- name: backfill_forget
DELETE FROM backfill WHERE connection_id = $connection_id AND stream_namespace = $stream_namespace
        AND stream_name = $stream_name AND created_at = $since;
-- name: backfill_forget_all
DELETE FROM backfill WHERE connection_id = $connection_id;

-- name: timeline_insert
INSERT INTO timeline_event (id, connection_id, principal, event_type, job_id, summary, created_at)
        VALUES ($id, $connection_id, $principal, $event_type, $job_id, $summary, $now)
        ON CONFLICT (id) DO NOTHING;
-- name: timeline_at
SELECT created_at FROM timeline_event WHERE id = $id;
-- name: timeline_list
SELECT * FROM timeline_event WHERE connection_id = $connection_id AND (created_at, id) < ($before, $before_id)
        ORDER BY created_at DESC, id DESC LIMIT $limit OFFSET $offset;
-- name: timeline_prune
DELETE FROM timeline_event WHERE id IN (SELECT id FROM timeline_event WHERE created_at < $before
        ORDER BY created_at LIMIT $limit);
