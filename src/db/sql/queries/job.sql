-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Jobs, attempts, statistics.
-- let: FILTER ($type IS NULL OR type = $type) AND ($status IS NULL OR status = $status)
-- let: PAGE LIMIT $limit OFFSET $offset

-- name: job_insert
INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at)
        SELECT $id, c.id, c.workspace_id, $type, 'pending', $config, $now, $now FROM connection AS c
        WHERE c.id = $connection_id;
-- name: job_get
SELECT * FROM job WHERE id = $id;
-- name: job_list_live
SELECT * FROM job WHERE status IN ('pending', 'queued', 'running', 'incomplete') ORDER BY id;
-- name: job_get_latest
SELECT * FROM job WHERE connection_id = $connection_id ORDER BY id DESC LIMIT 1;
-- name: job_list_latest
SELECT j.id, j.connection_id, j.type, j.status, j.created_at, j.started_at, j.ended_at FROM connection AS c
        JOIN job AS j ON j.id = (SELECT max(id) FROM job WHERE connection_id = c.id)
        WHERE c.id >= $first AND c.id <= $last AND ($workspace_id IS NULL OR c.workspace_id = $workspace_id)
        ORDER BY c.id;
-- name: job_get_live
SELECT * FROM job WHERE connection_id = $connection_id AND status IN ('pending', 'queued', 'running', 'incomplete');
-- name: job_set_status
UPDATE job SET status = $status, failure = COALESCE($failure, failure), started_at = COALESCE(started_at, $started_at),
        ended_at = $ended_at, updated_at = $now WHERE id = $id;
-- name: job_update
UPDATE job SET config = $config, successive_complete_failures = $successive_complete_failures,
        total_complete_failures = $total_complete_failures, successive_partial_failures = $successive_partial_failures,
        total_partial_failures = $total_partial_failures, updated_at = $now WHERE id = $id;
-- name: job_last_success
SELECT id, ended_at FROM job WHERE connection_id = $connection_id AND status = 'succeeded' ORDER BY id DESC LIMIT 1;
-- name: job_streak_count
SELECT count(*) FROM job WHERE connection_id = $connection_id AND id > $id AND status = 'failed';
-- name: job_streak_first
SELECT ended_at FROM job WHERE connection_id = $connection_id AND id > $id AND status = 'failed' ORDER BY id LIMIT 1;

-- Lists. Without filters the page is found in an index alone; with a filter rows are read until it is full, which for a
-- rare status has an index of its own; with times the rows of one range are read, and sorted where they come in another
-- order. "+ 0" keeps the other range from being the one. Orders by creation are those of the ids.
-- let: CREATED created_at >= $created_from AND created_at <= $created_until
-- let: UPDATED updated_at >= $updated_from AND updated_at <= $updated_until
-- let: ALSO_CREATED created_at + 0 >= $created_from AND created_at + 0 <= $created_until
-- let: ALSO_UPDATED updated_at + 0 >= $updated_from AND updated_at + 0 <= $updated_until
-- let: PLAIN SELECT * FROM job WHERE id IN (SELECT id FROM job WHERE @SCOPE@ ORDER BY @ORDER@ @PAGE@) ORDER BY @ORDER@;
-- let: FILTERED SELECT * FROM job WHERE @SCOPE@ AND @FILTER@ ORDER BY @ORDER@ @PAGE@;
-- let: WHEN_CREATED SELECT * FROM job WHERE @SCOPE@ AND @FILTER@ AND @CREATED@ AND @ALSO_UPDATED@ ORDER BY @ORDER@ @PAGE@;
-- let: WHEN_UPDATED SELECT * FROM job WHERE @SCOPE@ AND @FILTER@ AND @UPDATED@ AND @ALSO_CREATED@ ORDER BY @ORDER@ @PAGE@;
-- let: STATUS SELECT * FROM job WHERE status = $status AND @SCOPE@ AND @FILTER@ ORDER BY @ORDER@ @PAGE@;

-- let: ORDER id
-- let: SCOPE id > $after_number
-- name: job_list_created_ascending_plain
@PLAIN@
-- name: job_list_created_ascending_filtered
@FILTERED@
-- name: job_list_created_ascending_when_created
@WHEN_CREATED@
-- name: job_list_created_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE connection_id = $connection_id AND id > $after_number
-- name: job_list_of_connection_created_ascending_plain
@PLAIN@
-- name: job_list_of_connection_created_ascending_filtered
@FILTERED@
-- name: job_list_of_connection_created_ascending_when_created
@WHEN_CREATED@
-- name: job_list_of_connection_created_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE workspace_id = $workspace_id AND id > $after_number
-- name: job_list_of_workspace_created_ascending_plain
@PLAIN@
-- name: job_list_of_workspace_created_ascending_filtered
@FILTERED@
-- name: job_list_of_workspace_created_ascending_when_created
@WHEN_CREATED@
-- name: job_list_of_workspace_created_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE ($workspace_id IS NULL OR workspace_id = $workspace_id) AND id > $after_number
-- name: job_list_of_status_created_ascending_filtered
@STATUS@

-- let: ORDER id DESC
-- let: SCOPE id < $after_number
-- name: job_list_created_descending_plain
@PLAIN@
-- name: job_list_created_descending_filtered
@FILTERED@
-- name: job_list_created_descending_when_created
@WHEN_CREATED@
-- name: job_list_created_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE connection_id = $connection_id AND id < $after_number
-- name: job_list_of_connection_created_descending_plain
@PLAIN@
-- name: job_list_of_connection_created_descending_filtered
@FILTERED@
-- name: job_list_of_connection_created_descending_when_created
@WHEN_CREATED@
-- name: job_list_of_connection_created_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE workspace_id = $workspace_id AND id < $after_number
-- name: job_list_of_workspace_created_descending_plain
@PLAIN@
-- name: job_list_of_workspace_created_descending_filtered
@FILTERED@
-- name: job_list_of_workspace_created_descending_when_created
@WHEN_CREATED@
-- name: job_list_of_workspace_created_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE ($workspace_id IS NULL OR workspace_id = $workspace_id) AND id < $after_number
-- name: job_list_of_status_created_descending_filtered
@STATUS@

-- let: ORDER updated_at, id
-- let: SCOPE updated_at >= 0
-- name: job_list_updated_ascending_plain
@PLAIN@
-- name: job_list_updated_ascending_filtered
@FILTERED@
-- name: job_list_updated_ascending_when_created
@WHEN_CREATED@
-- name: job_list_updated_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE connection_id = $connection_id AND updated_at >= 0
-- name: job_list_of_connection_updated_ascending_plain
@PLAIN@
-- name: job_list_of_connection_updated_ascending_filtered
@FILTERED@
-- name: job_list_of_connection_updated_ascending_when_created
@WHEN_CREATED@
-- name: job_list_of_connection_updated_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE workspace_id = $workspace_id AND updated_at >= 0
-- name: job_list_of_workspace_updated_ascending_plain
@PLAIN@
-- name: job_list_of_workspace_updated_ascending_filtered
@FILTERED@
-- name: job_list_of_workspace_updated_ascending_when_created
@WHEN_CREATED@
-- name: job_list_of_workspace_updated_ascending_when_updated
@WHEN_UPDATED@
-- let: SCOPE ($workspace_id IS NULL OR workspace_id = $workspace_id) AND updated_at >= 0
-- name: job_list_of_status_updated_ascending_filtered
@STATUS@

-- let: ORDER updated_at DESC, id DESC
-- let: SCOPE updated_at >= 0
-- name: job_list_updated_descending_plain
@PLAIN@
-- name: job_list_updated_descending_filtered
@FILTERED@
-- name: job_list_updated_descending_when_created
@WHEN_CREATED@
-- name: job_list_updated_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE connection_id = $connection_id AND updated_at >= 0
-- name: job_list_of_connection_updated_descending_plain
@PLAIN@
-- name: job_list_of_connection_updated_descending_filtered
@FILTERED@
-- name: job_list_of_connection_updated_descending_when_created
@WHEN_CREATED@
-- name: job_list_of_connection_updated_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE workspace_id = $workspace_id AND updated_at >= 0
-- name: job_list_of_workspace_updated_descending_plain
@PLAIN@
-- name: job_list_of_workspace_updated_descending_filtered
@FILTERED@
-- name: job_list_of_workspace_updated_descending_when_created
@WHEN_CREATED@
-- name: job_list_of_workspace_updated_descending_when_updated
@WHEN_UPDATED@
-- let: SCOPE ($workspace_id IS NULL OR workspace_id = $workspace_id) AND updated_at >= 0
-- name: job_list_of_status_updated_descending_filtered
@STATUS@

-- name: attempt_insert
INSERT INTO attempt (job_id, number, status, created_at, updated_at)
        VALUES ($job_id, $number, 'running', $now, $now);
-- name: job_count_attempt
UPDATE job SET attempts = attempts + 1, updated_at = $now WHERE id = $id;
-- name: attempt_get
SELECT * FROM attempt WHERE job_id = $job_id AND number = $number;
-- name: attempt_list
SELECT * FROM attempt WHERE job_id = $job_id ORDER BY number;
-- name: attempt_set_workload
UPDATE attempt SET workload_id = $workload_id, updated_at = $now WHERE job_id = $job_id AND number = $number;
-- name: attempt_finish
UPDATE attempt SET status = $status, output = $output, failure = $failure, records_emitted = $records_emitted,
        bytes_emitted = $bytes_emitted, records_committed = $records_committed, bytes_committed = $bytes_committed,
        ended_at = $now, updated_at = $now WHERE job_id = $job_id AND number = $number AND status = 'running';
-- name: job_add_committed
UPDATE job SET records_committed = records_committed + $records_committed,
        bytes_committed = bytes_committed + $bytes_committed, updated_at = $now WHERE id = $job_id;
-- name: attempt_fail_running
UPDATE attempt SET status = 'failed', failure = $failure, ended_at = $now, updated_at = $now
        WHERE job_id = $job_id AND status = 'running';

-- name: stream_stats_put
INSERT INTO stream_stats (job_id, attempt, stream_namespace, stream_name, records_emitted, bytes_emitted,
        records_committed, bytes_committed, records_filtered, bytes_filtered, records_rejected, estimated_records,
        estimated_bytes, status, incomplete_cause, was_backfilled, was_resumed, updated_at)
        VALUES ($job_id, $attempt, $namespace, $stream_name, $records_emitted, $bytes_emitted, $records_committed,
        $bytes_committed, $records_filtered, $bytes_filtered, $records_rejected, $estimated_records, $estimated_bytes,
        $status, $incomplete_cause, $was_backfilled, $was_resumed, $now)
        ON CONFLICT (job_id, attempt, stream_namespace, stream_name) DO UPDATE SET
        records_emitted = excluded.records_emitted, bytes_emitted = excluded.bytes_emitted,
        records_committed = excluded.records_committed, bytes_committed = excluded.bytes_committed,
        records_filtered = excluded.records_filtered, bytes_filtered = excluded.bytes_filtered,
        records_rejected = excluded.records_rejected, estimated_records = excluded.estimated_records,
        estimated_bytes = excluded.estimated_bytes, status = excluded.status,
        incomplete_cause = excluded.incomplete_cause, was_backfilled = excluded.was_backfilled,
        was_resumed = excluded.was_resumed, updated_at = excluded.updated_at;
-- name: stream_latest_put
INSERT INTO stream_latest AS l (connection_id, stream_namespace, stream_name, job_id, attempt)
        SELECT j.connection_id, $namespace, $stream_name, j.id, $attempt FROM job AS j WHERE j.id = $job_id
        ON CONFLICT (connection_id, stream_namespace, stream_name)
        DO UPDATE SET job_id = excluded.job_id, attempt = excluded.attempt
        WHERE (excluded.job_id, excluded.attempt) > (l.job_id, l.attempt);
-- name: stream_stats_list
SELECT * FROM stream_stats WHERE job_id = $job_id AND attempt = $attempt ORDER BY stream_namespace, stream_name;
-- name: stream_stats_list_latest
SELECT s.* FROM stream_latest AS l JOIN stream_stats AS s ON s.job_id = l.job_id AND s.attempt = l.attempt
        AND s.stream_namespace = l.stream_namespace AND s.stream_name = l.stream_name
        WHERE l.connection_id = $connection_id ORDER BY s.stream_namespace, s.stream_name;
