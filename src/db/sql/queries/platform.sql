-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The schema's version, facts about the installation, counters, changes, dataplanes.

-- name: schema_version
SELECT max(version) FROM schema_migration;
-- name: schema_record
INSERT INTO schema_migration (version, name, applied_at) VALUES ($version, $name, $now);

-- name: metadata_get
SELECT value FROM metadata WHERE name = $name;
-- name: metadata_set
INSERT INTO metadata AS m (name, value) VALUES ($name, $value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE m.value <> excluded.value;

-- name: counter_next
UPDATE counter SET n = n + 1 WHERE name = $name RETURNING n;
-- name: counter_get
SELECT n FROM counter WHERE name = $name;

-- name: change_insert
INSERT INTO change (seq, kind, id, at) VALUES ($seq, $kind, $id, $at);
-- name: change_list
SELECT seq, kind, id, at FROM change WHERE seq > $since ORDER BY seq LIMIT $limit;
-- name: change_first
SELECT min(seq) FROM change;
-- name: change_prune
DELETE FROM change WHERE seq IN (SELECT seq FROM change WHERE at < $before AND seq < (SELECT max(seq) FROM change)
        ORDER BY seq LIMIT $limit);

-- name: dataplane_insert
INSERT INTO dataplane (id, name, enabled, token_hash, heartbeat_at, created_at)
        VALUES ($id, $name, $enabled, $token_hash, $heartbeat_at, $now);
-- name: dataplane_get
SELECT * FROM dataplane WHERE id = $id;
-- name: dataplane_get_by_name
SELECT * FROM dataplane WHERE name = $name;
-- name: dataplane_list
SELECT * FROM dataplane ORDER BY id;
-- name: dataplane_set_token
UPDATE dataplane SET token_hash = $token_hash WHERE id = $id;
-- name: dataplane_heartbeat
UPDATE dataplane SET heartbeat_at = $now WHERE id = $id;
-- name: dataplane_set_enabled
UPDATE dataplane SET enabled = $enabled WHERE id = $id;
