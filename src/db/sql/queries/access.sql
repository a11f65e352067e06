-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Secrets, applications, permissions, sessions.

-- name: secret_put
INSERT INTO secret AS s (id, workspace_id, owner_id, sealed, created_at, updated_at)
        VALUES ($id, $workspace_id, $owner_id, $sealed, $now, $now)
        ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at
        WHERE s.owner_id = excluded.owner_id;
-- name: secret_get
SELECT * FROM secret WHERE id = $id;
-- name: secret_list
SELECT * FROM secret WHERE id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: secret_list_of_owner
SELECT * FROM secret WHERE owner_id = $owner_id ORDER BY id;
-- name: secret_reseal
UPDATE secret SET sealed = $sealed, updated_at = $now WHERE id = $id AND sealed = $old;
-- name: secret_delete
DELETE FROM secret WHERE id = $id;
-- name: secret_delete_of_owner
DELETE FROM secret WHERE owner_id = $owner_id;

-- name: application_insert
INSERT INTO application (id, name, client_id, secret_hash, sealed_secret, created_at)
        VALUES ($id, $name, $client_id, $secret_hash, $sealed_secret, $now);
-- name: application_get
SELECT * FROM application WHERE id = $id;
-- name: application_get_by_client_id
SELECT * FROM application WHERE client_id = $client_id;
-- name: application_list
SELECT * FROM application WHERE id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: application_reseal
UPDATE application SET sealed_secret = $sealed WHERE id = $id AND sealed_secret = $old;
-- name: application_delete
DELETE FROM application WHERE id = $id;

-- name: permission_insert
INSERT INTO permission (id, principal_kind, principal_id, role, workspace_id, created_at)
        VALUES ($id, $principal_kind, $principal_id, $role, $workspace_id, $now);
-- name: permission_get
SELECT * FROM permission WHERE id = $id;
-- name: permission_list
SELECT * FROM permission WHERE id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: permission_list_of
SELECT * FROM permission WHERE principal_kind = $kind AND principal_id = $principal_id ORDER BY id;
-- name: permission_set_role
UPDATE permission SET role = $role WHERE id = $id;
-- name: permission_delete
DELETE FROM permission WHERE id = $id;
-- name: permission_delete_of
DELETE FROM permission WHERE principal_kind = $kind AND principal_id = $principal_id;

-- name: session_insert
INSERT INTO session (token_hash, kind, principal_kind, principal_id, created_at, expires_at)
        VALUES ($token_hash, $kind, $principal_kind, $principal_id, $created_at, $expires_at);
-- name: session_get
SELECT * FROM session WHERE token_hash = $token_hash AND expires_at > $now;
-- name: session_extend
UPDATE session SET expires_at = $expires_at WHERE token_hash = $token_hash;
-- name: session_delete
DELETE FROM session WHERE token_hash = $token_hash;
-- name: session_delete_of
DELETE FROM session WHERE principal_kind = $kind AND principal_id = $principal_id;
-- name: session_prune
DELETE FROM session WHERE token_hash IN (SELECT token_hash FROM session WHERE expires_at <= $now LIMIT $limit);
