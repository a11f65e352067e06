-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Workflows and workloads.
-- let: ALIVE status IN ('pending', 'claimed', 'launched', 'running')

-- name: workflow_insert
INSERT INTO workflow (id, type, status, connection_id, job_id, workload_id, wake_at, input, created_at, updated_at)
        VALUES ($id, $type, 'open', $connection_id, $job_id, $workload_id, $wake_at, $input, $now, $now)
        ON CONFLICT (id) DO NOTHING;
-- name: workflow_get
SELECT * FROM workflow WHERE id = $id;
-- name: workflow_get_open
SELECT * FROM workflow WHERE connection_id = $connection_id AND type = $type AND status = 'open' ORDER BY id LIMIT 1;
-- name: workflow_get_by_workload
SELECT * FROM workflow WHERE workload_id = $workload_id AND status = 'open' LIMIT 1;
-- name: workflow_list_open
SELECT * FROM workflow WHERE status = 'open' AND id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workflow_page_open
SELECT id, type, status, connection_id, job_id, workload_id, run_seq, last_event, wake_at, created_at, updated_at, ended_at
        FROM workflow WHERE status = 'open' AND id > $after AND ($type IS NULL OR type = $type)
        AND ($connection_id IS NULL OR connection_id = $connection_id)
        ORDER BY created_at DESC, id DESC LIMIT $limit OFFSET $offset;
-- name: workflow_page_ended
SELECT id, type, status, connection_id, job_id, workload_id, run_seq, last_event, wake_at, created_at, updated_at, ended_at
        FROM workflow WHERE ended_at > 0 AND ($status IS NULL OR status = $status)
        AND ($type IS NULL OR type = $type) AND ($connection_id IS NULL OR connection_id = $connection_id)
        ORDER BY ended_at DESC, id DESC LIMIT $limit OFFSET $offset;
-- name: workflow_next_wake
SELECT min(wake_at) FROM workflow WHERE status = 'open' AND wake_at IS NOT NULL;
-- name: workflow_move
UPDATE workflow SET last_event = last_event + $n, job_id = $job_id, workload_id = $workload_id, wake_at = $wake_at,
        updated_at = $now WHERE id = $id AND status = 'open' AND last_event = $last;
-- name: workflow_run
SELECT run_seq FROM workflow WHERE id = $id;
-- name: workflow_event_insert
INSERT INTO workflow_event (workflow_id, run_seq, seq, type, at, payload)
        VALUES ($workflow_id, $run_seq, $seq, $type, $at, $payload);
-- name: workflow_history
SELECT e.* FROM workflow AS w JOIN workflow_event AS e ON e.workflow_id = w.id AND e.run_seq = w.run_seq
        WHERE w.id = $id ORDER BY e.seq;
-- name: workflow_finish
UPDATE workflow SET status = $status, result = $result, workload_id = NULL, wake_at = NULL, ended_at = $now,
        updated_at = $now WHERE id = $id AND status = 'open';
-- name: workflow_restart
UPDATE workflow SET run_seq = run_seq + 1, last_event = 0, input = $input, workload_id = NULL, wake_at = NULL,
        updated_at = $now WHERE id = $id AND status = 'open';
-- name: workflow_forget
DELETE FROM workflow_event WHERE workflow_id = $id;
-- name: workflow_prune
DELETE FROM workflow WHERE id IN (SELECT id FROM workflow WHERE ended_at IS NOT NULL AND ended_at < $before
        ORDER BY ended_at LIMIT $limit);

-- name: workload_insert
INSERT INTO workload (id, auto_id, type, status, priority, mutex_key, workspace_id, connection_id, job_id, attempt,
        labels, deadline, available_at, created_at, updated_at)
        VALUES ($id, $auto_id, $type, 'pending', $priority, $mutex_key, $workspace_id, $connection_id, $job_id,
        $attempt, $labels, $deadline, $available_at, $now, $now) ON CONFLICT (id) DO NOTHING;
-- name: workload_put_text
INSERT INTO workload_text (workload_id, kind, content) VALUES ($id, $kind, $content)
        ON CONFLICT (workload_id, kind) DO UPDATE SET content = excluded.content;
-- name: workload_get
SELECT w.*, (SELECT content FROM workload_text WHERE workload_id = w.id AND kind = 'input') AS input,
        (SELECT content FROM workload_text WHERE workload_id = w.id AND kind = 'output') AS output,
        (SELECT content FROM workload_text WHERE workload_id = w.id AND kind = 'stats') AS stats
        FROM workload AS w WHERE w.id = $id;
-- name: workload_stats
SELECT content FROM workload_text WHERE workload_id = $id AND kind = 'stats';
-- name: workload_head
SELECT * FROM workload WHERE id = $id;
-- name: workload_list
SELECT * FROM workload WHERE id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workload_list_live
SELECT * FROM workload WHERE @ALIVE@ AND id > $after AND ($dataplane_id IS NULL OR dataplane_id = $dataplane_id)
        AND ($connection_id IS NULL OR connection_id = $connection_id) ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workload_list_unnotified
SELECT * FROM workload WHERE notified = 0 AND ended_at IS NOT NULL AND id > $after
        ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workload_list_of_connection
SELECT * FROM workload WHERE connection_id = $connection_id AND id > $after ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workload_list_of_dataplane
SELECT * FROM workload WHERE dataplane_id = $dataplane_id AND id > $after
        AND ($connection_id IS NULL OR connection_id = $connection_id) ORDER BY id LIMIT $limit OFFSET $offset;
-- name: workload_list_mutex
SELECT * FROM workload WHERE mutex_key = $mutex_key AND @ALIVE@;
-- name: workload_list_queue
SELECT * FROM workload WHERE status = 'pending' AND priority = $priority AND available_at <= $now
        ORDER BY available_at, created_at, id LIMIT $limit;
-- name: workload_hide
UPDATE workload SET available_at = $until WHERE id = $id;
-- name: workload_claim
UPDATE workload SET status = 'claimed', dataplane_id = $dataplane_id, lease_epoch = lease_epoch + 1,
        deadline = $deadline, updated_at = $now WHERE id = $id AND cancel_at IS NULL
        AND (status = 'pending' OR (status = 'claimed' AND dataplane_id = $dataplane_id)) RETURNING lease_epoch;
-- A cancel's deadline stays, whoever is heard of.
-- name: workload_advance
UPDATE workload SET status = $status, heartbeat_at = $now, updated_at = $now,
        deadline = CASE WHEN cancel_at IS NULL THEN $deadline ELSE deadline END WHERE id = $id;
-- Behind RETURNING, SQLite 3.40 takes "IS NULL" of an empty column for false: hence coalesce().
-- name: workload_heartbeat
UPDATE workload SET heartbeat_at = $now,
        deadline = CASE WHEN cancel_at IS NULL THEN $deadline ELSE deadline END
        WHERE id = $id AND lease_epoch = $epoch AND status = 'running'
        RETURNING coalesce(cancel_at, 0);
-- name: workload_ask_cancel
UPDATE workload SET cancel_at = $now, deadline = $deadline, termination_source = $source,
        termination_reason = $reason, updated_at = $now WHERE id = $id AND @ALIVE@ AND cancel_at IS NULL;
-- name: workload_bound_cancel
UPDATE workload SET deadline = $deadline WHERE id = $id AND @ALIVE@ AND cancel_at IS NOT NULL AND deadline > $deadline;
-- name: workload_list_cancelling
SELECT * FROM workload WHERE @ALIVE@ AND id > '' AND cancel_at IS NOT NULL ORDER BY id;
-- name: workload_lease
SELECT 1 FROM workload WHERE id = $id AND lease_epoch = $epoch AND lease_epoch > 0 AND @ALIVE@;
-- A success has neither source nor reason; any other end of what was told to end is the cancel.
-- name: workload_end
UPDATE workload SET status = CASE WHEN cancel_at IS NOT NULL AND $status = 'failure' THEN 'cancelled'
                ELSE $status END,
        termination_source = CASE WHEN cancel_at IS NOT NULL AND $status <> 'success' THEN termination_source
                ELSE $source END,
        termination_reason = CASE WHEN cancel_at IS NOT NULL AND $status <> 'success' THEN termination_reason
                ELSE $reason END,
        ended_at = $now, updated_at = $now WHERE id = $id AND @ALIVE@;
-- name: workload_list_expired
SELECT * FROM workload WHERE @ALIVE@ AND deadline < $now ORDER BY deadline LIMIT $limit;
-- name: workload_next_deadline
SELECT min(deadline) FROM workload WHERE @ALIVE@;
-- name: workload_set_notified
UPDATE workload SET notified = 1 WHERE id = $id AND ended_at IS NOT NULL;
-- name: workload_depth
SELECT count(*) FROM workload WHERE status = 'pending' AND priority = $priority;
-- name: workload_prune
DELETE FROM workload WHERE id IN (SELECT id FROM workload WHERE ended_at IS NOT NULL AND ended_at < $before
        AND notified = 1 ORDER BY ended_at LIMIT $limit);
