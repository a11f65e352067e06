# SPDX-License-Identifier: LGPL-2.1-or-later
"""gantry-workflow with gantry-workload: jobs from start to end (W01, W02), whatever is killed and when (W05)."""

import json
import os
import random
import signal
import threading
import time

import dbus
import pytest
from workflow_host import CATALOG, PATIENCE, SPEC, Suite, completed, failed, sealed, stats, well
from workload_host import stream_state


@pytest.fixture
def suite(tmp_path):
    suite = Suite(tmp_path)
    suite.start_all()
    yield suite
    suite.stop()


def in_background(call):
    """Calls in a thread; returns a function that gives the result."""
    result = {}

    def run():
        try:
            result["value"] = call()
        except dbus.DBusException as e:
            result["error"] = e

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def get():
        thread.join(PATIENCE)
        assert not thread.is_alive()
        if "error" in result:
            raise result["error"]
        return result["value"]

    return get, thread


def serve_call(suite, call, script=well):
    get, thread = in_background(call)
    suite.serve(lambda: not thread.is_alive(), script)
    return get()


def test_a_sync_checks_discovers_and_moves(suite):
    job_id = suite.run_job()
    assert suite.job(job_id)[:2] == ("succeeded", 1)
    assert suite.attempts(job_id) == ["succeeded"]
    assert [row[1:] for row in suite.workloads()] == [("check", "success"), ("check", "success"), ("discover", "success"),
                                                      ("sync", "success")]
    assert suite.sql("SELECT records_committed, bytes_committed FROM attempt WHERE job_id = ?", (job_id,)) == [(5, 45)]
    assert suite.sql("SELECT stream_name, records_committed, status FROM stream_stats") == [("users", 5, "COMPLETE")]
    assert suite.sql("SELECT event_type FROM timeline_event") == [("SYNC_SUCCEEDED",)]
    assert suite.sql("SELECT status FROM workflow") == [("completed",)]
    # What is known is not asked for again.
    second = suite.run_job()
    assert suite.job(second)[:2] == ("succeeded", 1)
    assert len(suite.workloads()) == 5


def test_the_sync_workload_has_catalogs_generations_and_a_mutex(suite):
    job_id = suite.start_job()
    for _ in range(3):
        suite.answer(suite.take())
    runner = suite.take("sync")
    assert runner.id == f"{suite.connection_id}_{job_id}_0_sync"
    input_ = runner.claim["input"]
    (stream,) = input_["sourceCatalog"]["streams"]
    assert stream["stream"]["name"] == "users" and stream["sync_id"] == job_id
    assert input_["source"]["role"] == "source" and input_["destination"]["role"] == "destination"
    assert input_["streams"][0]["destinationName"] == "users"
    assert suite.sql("SELECT mutex_key FROM workload WHERE id = ?", (runner.id,)) == [(suite.connection_id,)]
    suite.answer(runner)
    suite.serve(suite.ended(job_id))


def test_W02_one_job_at_a_time_and_nothing_to_cancel_when_idle(suite):
    job_id = suite.start_job()
    with pytest.raises(dbus.DBusException) as e:
        suite.start_job()
    assert e.value.get_dbus_name() == "org.gantry.Error.Busy"
    suite.serve(suite.ended(job_id))
    for id_, error in ((job_id, "NotRunning"), (999, "NotFound")):
        with pytest.raises(dbus.DBusException) as e:
            suite.workflow("CancelJob", dbus.Int64(id_))
        assert e.value.get_dbus_name() == f"org.gantry.Error.{error}"
    with pytest.raises(dbus.DBusException) as e:
        suite.start_job(connection_id="nobody")
    assert e.value.get_dbus_name() == "org.gantry.Error.NotFound"


def running_sync(suite):
    """A sync whose runner is at work."""
    job_id = suite.start_job()
    while True:
        runner = suite.take()
        if runner.id.endswith("_sync"):
            return job_id, runner
        suite.answer(runner)


@pytest.mark.parametrize("kind", ["clear", "reset", "refresh"])
def test_W02_a_clear_or_refresh_cancels_the_sync_that_runs_and_starts_at_its_end(suite, kind):
    job_id, runner = running_sync(suite)
    options = json.dumps({"streams": [{"name": "users"}]} | ({"refreshMode": "Truncate"} if kind == "refresh" else {}))
    second = serve_call(suite, lambda: suite.start_job(kind, options))
    assert second == job_id + 1 and suite.job(job_id)[:2] == ("cancelled", 1)
    assert runner.put("heartbeat").status == 410
    (failure,) = suite.sql("SELECT failure FROM attempt WHERE job_id = ?", (job_id,))[0]
    assert json.loads(failure)["failures"][0]["failureType"] == "manual_cancellation"
    suite.serve(suite.ended(second))
    assert suite.job(second)[0] == "succeeded"
    assert suite.sql("SELECT type FROM job WHERE id = ?", (second,)) == [(kind,)]
    # When nothing runs it just starts.
    assert suite.run_job(kind, options) == second + 1


def test_W02_a_clear_takes_the_place_of_a_clear_and_each_caller_gets_its_job(suite):
    job_id, _ = running_sync(suite)
    calls = [in_background(lambda: suite.start_job("clear")) for _ in range(3)]
    suite.serve(lambda: not any(thread.is_alive() for _, thread in calls))
    jobs = sorted(get() for get, _ in calls)
    assert jobs == [job_id + 1, job_id + 2, job_id + 3]
    with pytest.raises(dbus.DBusException, match="Busy"):
        suite.start_job()
    suite.serve(suite.ended(jobs[-1]))
    assert [suite.job(j)[0] for j in (job_id, *jobs)][-1] == "succeeded" and suite.job(job_id)[0] == "cancelled"
    assert all(suite.job(j)[0] in ("cancelled", "succeeded") for j in jobs)
    assert suite.job(suite.run_job())[0] == "succeeded"


def test_W02_a_schedule_does_not_come_before_the_clear(suite):
    job_id, _ = running_sync(suite)
    suite.sql("UPDATE connection SET schedule_type = 'basic', schedule_data = '{\"units\":1,\"timeUnit\":\"minutes\"}', next_run = 1")
    suite.workflow("ConnectionChanged", suite.connection_id)
    suite.sql("UPDATE connection SET next_run = 1")
    second = serve_call(suite, lambda: suite.start_job("clear"))
    assert suite.sql("SELECT type FROM job WHERE id > ? ORDER BY id LIMIT 1", (job_id,)) == [("clear",)]
    suite.serve(suite.ended(second))


def test_W02_a_caller_whose_daemon_dies_is_told_and_may_ask_again(suite):
    job_id, runner = running_sync(suite)
    suite.peer("Launcher1")
    suite.process.send_signal(signal.SIGSTOP)  # so that the cancel takes long
    get, thread = in_background(lambda: suite.start_job("clear"))
    while suite.sql("SELECT count(*) FROM workflow_event WHERE type = 'signal-received'") == [(0,)]:
        assert thread.is_alive()
        time.sleep(0.02)
    suite.kill_workflow()
    with pytest.raises(dbus.DBusException):
        get()
    suite.process.send_signal(signal.SIGCONT)
    suite.start_workflow()
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[0] == "cancelled" and runner.put("heartbeat").status == 410
    assert suite.sql("SELECT count(*) FROM job") == [(1,)]  # it was not accepted
    assert suite.run_job("clear") == job_id + 1


def test_W02_what_cannot_start_leaves_the_sync_alone(suite):
    job_id, runner = running_sync(suite)
    for kind, options in (("dance", ""), ("clear", "[]"), ("clear", "{"), ("refresh", json.dumps({"streams": 5}))):
        with pytest.raises(dbus.DBusException, match="InvalidArgument"):
            suite.start_job(kind, options)
    assert runner.put("heartbeat").status == 204
    suite.answer(runner)
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[0] == "succeeded"


def test_partial_failures_are_retried_at_once(suite):
    job_id = suite.run_job(script=lambda kind, attempt: failed(3) if kind == "sync" and attempt < 3 else well(kind, attempt))
    assert suite.job(job_id)[:2] == ("succeeded", 4)
    assert suite.attempts(job_id) == ["failed"] * 3 + ["succeeded"]
    assert suite.sql("SELECT event_type FROM timeline_event") == [("SYNC_SUCCEEDED",)]


def test_a_configuration_error_is_not_retried(suite):
    job_id = suite.run_job(script=lambda kind, attempt: failed(0, "config_error") if kind == "sync" else well(kind, attempt))
    status, attempts, failure = suite.job(job_id)
    assert (status, attempts) == ("failed", 1)
    assert json.loads(failure)["failures"][0]["externalMessage"] == "it broke"


def test_a_failed_check_ends_the_job(suite):
    job_id = suite.run_job(script=lambda kind, attempt: {"status": "failed", "message": "wrong password"})
    status, attempts, failure = suite.job(job_id)
    assert (status, attempts) == ("failed", 1)
    assert json.loads(failure)["failures"][0] | {"timestamp": 0} == {
        "failureOrigin": "source", "failureType": "config_error", "externalMessage": "wrong password", "retryable": False,
        "timestamp": 0}
    assert len(suite.workloads()) == 1


def test_a_launch_that_failed_is_a_failed_attempt(suite):
    """Never a success: the attempt fails, and is tried again ten seconds later."""
    started = time.monotonic()
    job_id = suite.run_job(script=lambda kind, attempt: None if kind == "sync" and attempt == 0 else well(kind, attempt))
    assert suite.job(job_id)[:2] == ("succeeded", 2)
    assert suite.attempts(job_id) == ["failed", "succeeded"]
    assert time.monotonic() - started >= 10


def cancel_and_see(suite, job_id, runner):
    """Cancels; returns when the runner can hear of it."""
    suite.workflow("CancelJob", dbus.Int64(job_id))
    end = time.monotonic() + PATIENCE
    while (beat := runner.put("heartbeat")).status == 204:
        assert time.monotonic() < end, suite.said()
        time.sleep(0.02)
    assert (beat.status, beat.json) == (200, {"cancelRequested": True})


def hand_over(runner, n):
    """What a worker that was told to end brings: n records are committed."""
    assert runner.post("stats", streams=stats(n, complete=False)).status == 204
    assert runner.state(stream_state("users", {"id": n})).status == 204
    output = {"status": "cancelled", "streams": stats(n, complete=False), "failures": []}
    answer = runner.put("failure", source="worker", reason="stopped", output=output)
    assert answer.status == 204, answer


def check_handed_over(suite, job_id, n):
    assert suite.job(job_id)[:2] == ("cancelled", 1)
    assert suite.attempts(job_id) == ["failed"]
    assert suite.sql("SELECT records_committed, bytes_committed FROM job WHERE id = ?", (job_id,)) == [(n, 9 * n)]
    failure, = suite.sql("SELECT failure FROM attempt WHERE job_id = ?", (job_id,))[0]
    assert json.loads(failure)["failures"][0]["failureType"] == "manual_cancellation"
    assert json.loads(suite.sql("SELECT state FROM state")[0][0]) == {"id": n}


def test_a_cancelled_sync_hands_over_what_it_has_committed(suite):
    job_id, runner = running_sync(suite)
    cancel_and_see(suite, job_id, runner)
    # It runs until then, and nothing else does.
    assert suite.job(job_id)[0] == "running"
    with pytest.raises(dbus.DBusException, match="Busy"):
        suite.start_job()
    suite.workflow("CancelJob", dbus.Int64(job_id))  # again
    hand_over(runner, 7)
    suite.serve(suite.ended(job_id))
    check_handed_over(suite, job_id, 7)
    assert runner.put("heartbeat").status == 410
    assert suite.sql("SELECT event_type FROM timeline_event") == [("SYNC_CANCELLED",)]
    # And the connection is free.
    assert suite.job(suite.run_job())[0] == "succeeded"


def test_a_sync_that_has_succeeded_when_it_is_stopped_is_a_success(suite):
    job_id, runner = running_sync(suite)
    cancel_and_see(suite, job_id, runner)
    assert runner.put("success", output=completed(5)).status == 204
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[:2] == ("succeeded", 1)
    assert suite.sql("SELECT event_type FROM timeline_event") == [("SYNC_SUCCEEDED",)]
    with pytest.raises(dbus.DBusException, match="NotRunning"):
        suite.workflow("CancelJob", dbus.Int64(job_id))


def test_a_clear_has_no_source(suite):
    suite.run_job()
    job_id = suite.start_job("clear")
    runner = suite.take("sync")
    assert runner.claim["input"]["source"] is None
    (stream,) = runner.claim["input"]["destinationCatalog"]["streams"]
    assert stream["minimum_generation_id"] == stream["generation_id"]
    suite.answer(runner)
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[0] == "succeeded"


# -- asked for by somebody --

def test_check_with_the_stored_and_with_another_configuration(suite):
    result = json.loads(serve_call(suite, lambda: suite.workflow("RunCheck", "source-actor", sealed(""))))
    assert result["status"] == "succeeded"
    suite.sql("UPDATE definition SET spec = ? WHERE role = 'source'", (json.dumps(SPEC),))
    config = json.dumps({"password": "hunter2", "host": "db"})
    get, _ = in_background(lambda: suite.workflow("RunCheck", "source-actor", sealed(config)))
    runner = suite.take("check")
    assert runner.claim["input"]["actor"]["configuration"] == {"password": "hunter2", "host": "db"}
    assert "hunter2" in runner.claim["input"]["secrets"]
    runner.put("success", output={"status": "failed", "message": "no"})
    assert json.loads(get()) == {"status": "failed", "message": "no"}
    for name in os.listdir(suite.directory):
        path = suite.directory / name
        if path.is_file():
            assert b"hunter2" not in path.read_bytes(), name


def test_discover_is_shared_and_cached(suite):
    with suite.connected() as bus:
        where = ("org.gantry.Workflow1", "/org/gantry/Workflow1")
        asked = []
        for _ in range(3):
            call = dbus.lowlevel.MethodCallMessage(*where, "org.gantry.Workflow1.Manager", "RunDiscover")
            call.append("source-actor", True, signature="sb")
            asked.append((bus.send_message_with_reply(call, lambda answer: answers.append(str(answer.get_args_list()[0])), PATIENCE)))
        answers = []
        # What comes behind them on the same connection is answered when all three are known.
        bus.get_object(*where, introspect=False).Ping(dbus_interface="org.freedesktop.DBus.Peer", timeout=PATIENCE)
        suite.take("discover").put("success", output={"catalog": CATALOG})
        for pending in asked:
            pending.block()
    assert len(answers) == 3 and len({json.loads(a)["catalogId"] for a in answers}) == len(suite.workloads()) == 1, answers
    cached = json.loads(suite.workflow("RunDiscover", "source-actor", False))
    assert cached["catalogId"] in {json.loads(a)["catalogId"] for a in answers}
    failure = json.loads(serve_call(suite, lambda: suite.workflow("RunDiscover", "source-actor", True), lambda *_: None))
    assert "no such program" in failure["failure"]["externalMessage"]


def test_spec(suite):
    ((definition_id,),) = suite.sql("SELECT id FROM definition WHERE role = 'source'")
    fd = serve_call(suite, lambda: suite.workflow("RunSpec", definition_id)).take()
    with os.fdopen(fd, "rb") as f:
        f.seek(0)
        assert json.loads(f.read()) == SPEC


# -- schedules (W01) --

def test_W01_a_schedule_runs_waits_and_asks_to_be_woken(suite):
    suite.sql("UPDATE connection SET schedule_type = 'basic', schedule_data = ?",
              (json.dumps({"units": 1, "timeUnit": "hours"}),))
    suite.workflow("ConnectionChanged", suite.connection_id)
    suite.serve(lambda: suite.sql("SELECT count(*) FROM job WHERE status = 'succeeded'") == [(1,)])
    ((created, next_run),) = suite.sql("SELECT j.created_at, c.next_run FROM job j, connection c")
    assert next_run == created + 3600 * 10**6
    while True:
        name, at = suite.peer("Launcher1").call("SetTimer")
        if at == next_run:
            break
    # A manual run moves the next one (it counts from the newest job).
    job_id = suite.run_job()
    ((created, next_run),) = suite.sql("SELECT j.created_at, c.next_run FROM job j, connection c WHERE j.id = ?", (job_id,))
    assert next_run == created + 3600 * 10**6
    # A changed schedule counts at once, and does not run by itself.
    suite.sql("UPDATE connection SET schedule_data = ?", (json.dumps({"units": 2, "timeUnit": "hours"}),))
    suite.workflow("ConnectionChanged", suite.connection_id)
    assert suite.sql("SELECT next_run FROM connection") == [(created + 7200 * 10**6,)]
    assert suite.sql("SELECT count(*) FROM job") == [(2,)]


# -- kills (W05) --

def restart(suite, order):
    for name in order:
        if name == "workload":
            suite.start()
        else:
            suite.start_workflow()


@pytest.mark.parametrize("order", [("workload", "workflow"), ("workflow", "workload")], ids=["workload-first", "workflow-first"])
@pytest.mark.parametrize("who", ["workflow", "workload", "both"])
def test_W05_killed_at_every_step_of_a_sync(suite, order, who):
    """kill -9 when the job is accepted, and before and after each workload's end: one attempt, and it succeeds."""
    def kill():
        if who in ("workflow", "both"):
            suite.kill_workflow()
        if who in ("workload", "both"):
            suite.kill()
        restart(suite, [name for name in order if who in (name, "both")])

    job_id = suite.start_job()
    kill()
    for kind in ("check", "check", "discover", "sync"):
        runner = suite.take(kind)
        kill()
        assert suite.answer(runner).status == 204
        kill()
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[:2] == ("succeeded", 1)
    assert suite.attempts(job_id) == ["succeeded"]
    assert [row[1:] for row in suite.workloads()] == [("check", "success"), ("check", "success"), ("discover", "success"),
                                                      ("sync", "success")]
    assert suite.sql("SELECT count(*) FROM timeline_event") == [(1,)]


def test_W05_killed_at_random_while_jobs_run(suite):
    """Both daemons die again and again; each job ends once, each attempt has one end."""
    seed = int(os.environ.get("GANTRY_SEED", random.randrange(2**32)))
    print(f"GANTRY_SEED={seed}")
    chance = random.Random(seed)
    jobs = []
    for _ in range(3):
        jobs.append(suite.start_job())
        while not suite.ended(jobs[-1])():
            victim = chance.choice(["workflow", "workload", None, None])
            if victim == "workflow":
                suite.kill_workflow()
                suite.start_workflow()
            elif victim == "workload":
                suite.kill()
                suite.start()
            for workload_id in suite.poll()[:1]:
                suite.answer(suite.runner(workload_id),
                             lambda kind, attempt: failed(2) if kind == "sync" and attempt == 0 else well(kind, attempt))
            time.sleep(chance.random() * 0.1)
    for job_id in jobs:
        assert suite.job(job_id)[:2] == ("succeeded", 2)
        assert suite.attempts(job_id) == ["failed", "succeeded"]
    assert suite.sql("SELECT count(*) FROM timeline_event") == [(3,)]
    assert suite.sql("SELECT DISTINCT status FROM workflow") == [("completed",)]


def test_W05_a_cancel_survives_a_kill(suite):
    job_id = suite.start_job()
    suite.take("check")
    suite.kill()
    suite.workflow("CancelJob", dbus.Int64(job_id))
    suite.kill_workflow()
    restart(suite, ("workflow", "workload"))
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[0] == "cancelled"
    assert suite.attempts(job_id) == ["failed"]


@pytest.mark.parametrize("killed", [("workflow",), ("workload",), ("workflow", "workload"), ("workload", "workflow")])
@pytest.mark.parametrize("when", ["asked", "told", "handed over"])
def test_W05_what_a_cancelled_sync_hands_over_survives_kills(suite, killed, when):
    """Killed when the wish is stored, when the runner has heard of it, when it has handed over: always the same numbers."""
    job_id, runner = running_sync(suite)

    def kill_and_restart():
        for name in killed:
            suite.kill_workflow() if name == "workflow" else suite.kill()
        restart(suite, killed)

    if when == "asked":
        suite.workflow("CancelJob", dbus.Int64(job_id))
        kill_and_restart()
        wait_until_told(runner)
    else:
        cancel_and_see(suite, job_id, runner)
    if when == "told":
        kill_and_restart()
    assert runner.put("heartbeat").json == {"cancelRequested": True}
    assert suite.job(job_id)[0] == "running"
    hand_over(runner, 4)
    if when == "handed over":
        kill_and_restart()
    suite.serve(suite.ended(job_id))
    check_handed_over(suite, job_id, 4)


def wait_until_told(runner):
    end = time.monotonic() + PATIENCE
    while runner.put("heartbeat").status != 200:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_W05_a_job_without_a_workflow_is_closed(suite):
    suite.kill_workflow()
    suite.sql("INSERT INTO job (id, connection_id, workspace_id, type, status, config, attempts, successive_complete_failures,"
              " total_complete_failures, successive_partial_failures, total_partial_failures, records_committed, bytes_committed,"
              " created_at, updated_at) SELECT 77, id, workspace_id, 'sync', 'running', '{}', 0, 0, 0, 0, 0, 0, 0, 1, 1"
              " FROM connection")
    suite.start_workflow()
    suite.serve(suite.ended(77))
    assert suite.job(77)[0] == "failed"


def test_the_daemon_stays_while_somebody_waits_and_completes_what_it_missed(suite):
    """A workload that ends while nobody listens is found at the next start."""
    job_id = suite.start_job()
    runner = suite.take("check")
    suite.kill_workflow()
    assert suite.answer(runner).status == 204
    suite.start_workflow()
    suite.serve(suite.ended(job_id))
    assert suite.job(job_id)[:2] == ("succeeded", 1)


