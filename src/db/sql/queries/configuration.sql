-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Workspaces, definitions, actors, tags.

-- name: workspace_insert
INSERT INTO workspace (id, name, email, data_residency, notifications, webhook_configs, created_at, updated_at)
        VALUES ($id, $name, $email, $data_residency, $notifications, $webhook_configs, $now, $now);
-- name: workspace_get
SELECT * FROM workspace WHERE id = $id;
-- name: workspace_get_default
SELECT * FROM workspace WHERE tombstone = 0 ORDER BY created_at, id LIMIT 1;
-- name: workspace_list
SELECT * FROM workspace WHERE id > $after AND (tombstone = 0 OR $deleted = 1) ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workspace_update
UPDATE workspace SET name = $name, email = $email, data_residency = $data_residency, notifications = $notifications,
        webhook_configs = $webhook_configs, updated_at = $now WHERE id = $id;
-- name: workspace_in_use
SELECT CASE WHEN EXISTS (SELECT 1 FROM actor WHERE workspace_id = $id AND tombstone = 0)
        OR EXISTS (SELECT 1 FROM connection WHERE workspace_id = $id AND status <> 'deprecated') THEN 1 ELSE 0 END;
-- name: workspace_delete
UPDATE workspace SET tombstone = 1, updated_at = $now WHERE id = $id;

-- name: definition_insert
INSERT INTO definition (id, role, name, reference, connector_type, docker_repository, docker_image_tag,
        documentation_url, executor, network, allowed_hosts, limits, manifest_version, supports_refreshes, custom,
        workspace_id, created_at, updated_at, spec, manifest)
        VALUES ($id, $role, $name, $reference, $connector_type, $docker_repository, $docker_image_tag,
        $documentation_url, $executor, $network, $allowed_hosts, $limits, $manifest_version, $supports_refreshes,
        $custom, $workspace_id, $now, $now, $spec, $manifest);
-- name: definition_get
SELECT * FROM definition WHERE id = $id;
-- name: definition_get_by_type
SELECT * FROM definition WHERE role = $role AND connector_type = $connector_type AND tombstone = 0
        AND (custom = 0 OR workspace_id = $workspace_id) ORDER BY custom DESC, id LIMIT 1;
-- name: definition_list
SELECT * FROM definition WHERE id > $after AND (tombstone = 0 OR $deleted = 1) AND ($role IS NULL OR role = $role)
        AND ($workspace_id IS NULL OR custom = 0 OR workspace_id = $workspace_id) AND ($custom = 0 OR custom = 1)
        ORDER BY id LIMIT $limit OFFSET $offset;
-- name: definition_update
UPDATE definition SET name = $name, reference = $reference, connector_type = $connector_type,
        docker_repository = $docker_repository, docker_image_tag = $docker_image_tag,
        documentation_url = $documentation_url, executor = $executor, network = $network,
        allowed_hosts = $allowed_hosts, limits = $limits, manifest_version = $manifest_version,
        supports_refreshes = $supports_refreshes, spec = $spec, manifest = $manifest, tombstone = $tombstone,
        updated_at = $now WHERE id = $id;
-- name: definition_set_spec
UPDATE definition SET spec = $spec, updated_at = $now WHERE id = $id;
-- name: spec_get
SELECT spec FROM connector_spec WHERE reference = $reference;
-- name: spec_put
INSERT INTO connector_spec (reference, created_at, spec) VALUES ($reference, $now, $spec)
        ON CONFLICT (reference) DO UPDATE SET spec = $spec, created_at = $now;
-- name: definition_in_use
SELECT CASE WHEN EXISTS (SELECT 1 FROM actor WHERE definition_id = $id AND tombstone = 0) THEN 1 ELSE 0 END;
-- name: definition_delete
UPDATE definition SET tombstone = 1, updated_at = $now WHERE id = $id;

-- name: actor_insert
INSERT INTO actor (id, workspace_id, definition_id, role, name, configuration, version_pin, resource_allocation,
        created_at, updated_at) VALUES ($id, $workspace_id, $definition_id, $role, $name, $configuration,
        $version_pin, $resource_allocation, $now, $now);
-- name: actor_get
SELECT * FROM actor WHERE id = $id;
-- name: actor_list
SELECT * FROM actor WHERE id IN (SELECT id FROM actor WHERE role = $role AND tombstone = $tombstone AND id > $after
        ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- name: actor_list_of_workspace
SELECT * FROM actor WHERE id IN (SELECT id FROM actor WHERE workspace_id = $workspace_id AND role = $role
        AND tombstone = $tombstone AND id > $after ORDER BY id LIMIT $limit OFFSET $offset) ORDER BY id;
-- The filters that the public API doesn't have, and lists with deleted rows among the others.
-- name: actor_list_filtered
SELECT * FROM actor WHERE id > $after AND ($role IS NULL OR role = $role)
        AND ($workspace_id IS NULL OR workspace_id = $workspace_id)
        AND ($definition_id IS NULL OR definition_id = $definition_id) AND ($name IS NULL OR name = $name)
        AND (tombstone = 0 OR $deleted = 1) ORDER BY id LIMIT $limit OFFSET $offset;
-- name: actor_list_of_definition
SELECT * FROM actor WHERE definition_id = $definition_id AND id > $after AND tombstone = 0
        ORDER BY id LIMIT $limit OFFSET $offset;
-- name: actor_list_named
SELECT * FROM actor WHERE name = $name AND role = $role AND id > $after AND tombstone = 0
        AND ($workspace_id IS NULL OR workspace_id = $workspace_id) ORDER BY id LIMIT $limit OFFSET $offset;
-- name: actor_update
UPDATE actor SET name = $name, configuration = $configuration, version_pin = $version_pin,
        resource_allocation = $resource_allocation, revision = revision + 1, updated_at = $now
        WHERE id = $id AND revision = $revision AND tombstone = 0;
-- name: actor_set_check
UPDATE actor SET check_status = $status, check_message = $message, check_hash = $hash, check_at = $now WHERE id = $id;
-- name: actor_user
SELECT name FROM connection WHERE source_id = $id AND status <> 'deprecated'
        UNION ALL SELECT name FROM connection WHERE destination_id = $id AND status <> 'deprecated' LIMIT 1;
-- name: actor_delete
UPDATE actor SET tombstone = 1, revision = revision + 1, updated_at = $now WHERE id = $id AND tombstone = 0;
-- What the actor looks like is kept for its jobs' sake, what it holds is not.
-- name: actor_forget
UPDATE actor SET configuration = '{}' WHERE id = $id;

-- name: tag_insert
INSERT INTO tag (id, workspace_id, name, color, created_at) VALUES ($id, $workspace_id, $name, $color, $now);
-- name: tag_get
SELECT * FROM tag WHERE id = $id;
-- name: tag_list
SELECT * FROM tag ORDER BY id;
-- name: tag_list_of_workspace
SELECT * FROM tag WHERE workspace_id = $workspace_id ORDER BY id;
-- name: tag_update
UPDATE tag SET name = $name, color = $color WHERE id = $id;
-- name: tag_delete
DELETE FROM tag WHERE id = $id;
-- name: tag_list_of_connection
SELECT t.* FROM connection_tag AS c JOIN tag AS t ON t.id = c.tag_id WHERE c.connection_id = $connection_id ORDER BY t.id;
-- name: tag_clear_connection
DELETE FROM connection_tag WHERE connection_id = $connection_id;
-- name: tag_add_to_connection
INSERT INTO connection_tag (connection_id, tag_id)
        SELECT c.id, t.id FROM connection AS c JOIN tag AS t ON t.workspace_id = c.workspace_id
        WHERE c.id = $connection_id AND t.id = $tag_id ON CONFLICT (connection_id, tag_id) DO NOTHING;
-- name: tag_is_on_connection
SELECT 1 FROM connection_tag WHERE connection_id = $connection_id AND tag_id = $tag_id;
