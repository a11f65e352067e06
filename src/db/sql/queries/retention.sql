-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What gantry-cron deletes once it is old. Candidates are found without a lock, from a cursor on; the deletion looks again.

-- A job that nobody misses: it has ended, and is neither its connection's newest, nor the last that succeeded, nor the one
-- that a stream's newest statistics are of.
-- let: ENDED j.status NOT IN ('pending', 'queued', 'running', 'incomplete')
-- let: OUTLIVED EXISTS (SELECT 1 FROM job AS k WHERE k.connection_id = j.connection_id AND k.id > j.id)
-- let: SURPASSED (j.status <> 'succeeded' OR EXISTS (SELECT 1 FROM job AS k WHERE k.connection_id = j.connection_id AND k.status = 'succeeded' AND k.id > j.id))
-- let: UNSHOWN NOT EXISTS (SELECT 1 FROM stream_latest AS l WHERE l.job_id = j.id)
-- let: EXPENDABLE @ENDED@ AND @OUTLIVED@ AND @SURPASSED@ AND @UNSHOWN@

-- name: prune_list_jobs
SELECT j.id, j.updated_at FROM job AS j WHERE (j.updated_at, j.id) > ($at, $id) AND j.updated_at < $before
        AND @EXPENDABLE@
        ORDER BY j.updated_at, j.id LIMIT $limit;
-- name: prune_list_surplus_jobs
SELECT j.id, j.updated_at FROM job AS j WHERE j.connection_id = $connection_id AND j.id > $id
        AND j.id < (SELECT k.id FROM job AS k WHERE k.connection_id = $connection_id ORDER BY k.id DESC LIMIT 1
        OFFSET $keep)
        AND @EXPENDABLE@
        ORDER BY j.id LIMIT $limit;
-- name: prune_next_connection
SELECT connection_id FROM job WHERE connection_id > $after ORDER BY connection_id LIMIT 1;
-- name: prune_job_expendable
SELECT 1 FROM job AS j WHERE j.id = $id AND @EXPENDABLE@;
-- name: prune_stream_stats
DELETE FROM stream_stats WHERE job_id = $id AND (attempt, stream_namespace, stream_name) IN
        (SELECT attempt, stream_namespace, stream_name FROM stream_stats WHERE job_id = $id
        ORDER BY attempt, stream_namespace, stream_name LIMIT $limit);
-- name: prune_job
DELETE FROM job WHERE id = $id;
-- name: prune_job_end
SELECT id, status, ended_at, updated_at FROM job WHERE id = $id;

-- The newest discover of an actor stays, and what a connection was made of.
-- let: FORGOTTEN NOT EXISTS (SELECT 1 FROM connection AS c WHERE c.source_catalog_id = f.id) AND EXISTS (SELECT 1 FROM catalog_fetch AS g WHERE g.actor_id = f.actor_id AND (g.created_at, g.id) > (f.created_at, f.id))
-- name: prune_list_fetches
SELECT f.id, f.created_at FROM catalog_fetch AS f WHERE (f.created_at, f.id) > ($at, $id) AND f.created_at < $before
        AND @FORGOTTEN@
        ORDER BY f.created_at, f.id LIMIT $limit;
-- name: prune_fetch
DELETE FROM catalog_fetch AS f WHERE f.id = $id AND @FORGOTTEN@;
-- let: UNUSED NOT EXISTS (SELECT 1 FROM connection AS c WHERE c.catalog_hash = k.hash) AND NOT EXISTS (SELECT 1 FROM catalog_fetch AS f WHERE f.catalog_hash = k.hash)
-- name: prune_list_catalogs
SELECT k.hash AS id, k.created_at FROM catalog AS k WHERE (k.created_at, k.hash) > ($at, $id) AND k.created_at < $before
        AND @UNUSED@
        ORDER BY k.created_at, k.hash LIMIT $limit;
-- name: prune_catalog
DELETE FROM catalog AS k WHERE k.hash = $id AND @UNUSED@;

-- name: prune_workload_end
SELECT id, status, ended_at FROM workload WHERE auto_id = $auto_id;
