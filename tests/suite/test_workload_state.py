# SPDX-License-Identifier: LGPL-2.1-or-later
"""States, statistics, logs and configurations that runners report, and what kills do to them."""

import json
import os
import threading

import dbus
import pytest
from workload_host import PATIENCE, Host, sealed, stream_state


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path)
    for name in ("Workflow1", "Launcher1"):
        host.peer(name)
    host.start()
    yield host
    host.stop()


def next_states(host, attempt):
    """The state that the next attempt would begin with, by stream."""
    claim = host.claim(host.sync(attempt=attempt))
    return claim["input"]["state"]


def names(states):
    return {s["stream"]["stream_descriptor"]["name"]: s["stream"]["stream_state"] for s in states}


def test_O03_states_are_merged_by_stream_and_kept_byte_for_byte(host):
    runner = host.runner(host.sync())
    number = "1234567890123456789012345678901234567890"
    body = ('{"workloadId":"%s","leaseEpoch":1,"states":[{"type":"STREAM","stream":{"stream_descriptor":{"name":"a"},'
            '"stream_state":{"n":%s,"x": 1.50e+7}}}]}' % (runner.id, number))
    assert host.request("POST", "workload/state", body, runner.token).status == 204
    assert runner.state(stream_state("b", {"c": 1}), stream_state("b", {"c": 2}, namespace="n")).status == 204
    assert runner.state(stream_state("b", {"c": 3})).status == 204
    (row,) = host.sql("SELECT state FROM state WHERE stream_name = 'a'")
    assert number in row[0] and "1.50e+7" in row[0]
    launcher = host.launcher
    runner.put("failure", source="worker", reason="x")
    id_ = host.sync(attempt=1)
    answer = host.request("PUT", "workload/claim", {"workloadId": id_, "dataplaneId": launcher["dataplaneId"]}, launcher["token"])
    assert number in answer.text
    states = answer.json["input"]["state"]
    assert sorted((s["stream"]["stream_descriptor"].get("namespace") or "", s["stream"]["stream_state"].get("c", 0))
                  for s in states) == [("", 0), ("", 3), ("n", 2)]


def test_O03_kinds_are_not_mixed(host):
    runner = host.runner(host.sync())
    global_state = {"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}, "stream_states": [
        {"stream_descriptor": {"name": "a"}, "stream_state": {"c": 1}}, {"stream_descriptor": {"name": "b"}, "stream_state": {}}]}}
    assert runner.state(global_state).status == 204
    answer = runner.state(stream_state("a", {}))
    assert answer.status in (409, 422) and "STREAM" in answer.text and "GLOBAL" in answer.text
    assert runner.state(stream_state("a", {}), global_state).status in (409, 422)
    for bad in ({}, {"type": "X"}, {"type": "STREAM"}, {"type": "GLOBAL", "global": {}}, 3, None, []):
        answer = runner.state(bad)
        assert answer.status == 422 and answer.json["detail"], (bad, answer)
    runner.put("failure", source="worker", reason="x")
    (state,) = next_states(host, 1)
    assert state["global"]["shared_state"] == {"lsn": 1} and len(state["global"]["stream_states"]) == 2


def test_O03_drop_states_takes_effect_with_the_new_workload(host):
    runner = host.runner(host.sync())
    assert runner.state(*(stream_state(n, {"c": n}) for n in "abc")).status == 204
    runner.put("failure", source="worker", reason="x")
    claim = host.claim(host.sync(attempt=1, dropStates=[{"name": "a", "namespace": None}, {"name": "nobody"}]))
    assert set(names(claim["input"]["state"])) == {"b", "c"}
    # a workload that is there already drops nothing
    workload = host.workload(id=f"{host.connection_id}_7_1_sync", type="sync", connectionId=host.connection_id, jobId=7, attempt=1,
                             input={"destination": {}}, dropStates=[{"name": "b"}])
    assert not host.call("Create", sealed(json.dumps(workload)))
    assert len(host.sql("SELECT 1 FROM state")) == 2


def test_O03_T27_a_state_of_an_old_lease_or_of_no_connection_is_not_stored(host):
    id_ = host.sync()
    host.claim(id_)
    old = host.claim(id_)
    new = host.claim(id_)
    body = {"workloadId": id_, "leaseEpoch": old["leaseEpoch"], "states": [stream_state("a", {})]}
    assert host.request("POST", "workload/state", body, old["workloadToken"]).status == 410
    assert host.request("POST", "workload/state", dict(body, leaseEpoch=new["leaseEpoch"]), old["workloadToken"]).status == 410
    check = host.runner(host.create())
    assert check.state(stream_state("a", {})).status in (409, 422)
    assert host.request("POST", "workload/state", body, check.token).status == 403
    assert host.sql("SELECT 1 FROM state") == []


def test_state_set_waits_for_the_end_of_a_sync(host):
    runner = host.runner(host.sync())
    text = json.dumps([stream_state("z", {"c": 9})])
    with pytest.raises(dbus.DBusException, match="Busy"):
        host.call("StateSet", host.connection_id, sealed(text))
    assert runner.state(stream_state("a", {})).status == 204
    runner.put("success", output={})
    host.call("StateSet", host.connection_id, sealed(text))
    assert [r[0] for r in host.sql("SELECT stream_name FROM state")] == ["z"]
    host.call("StateSet", host.connection_id, sealed("[]"))
    assert host.sql("SELECT 1 FROM state") == []
    for bad in ("{", "3", '[{"type":"X"}]'):
        with pytest.raises(dbus.DBusException, match="InvalidArgument"):
            host.call("StateSet", host.connection_id, sealed(bad))
    with pytest.raises(dbus.DBusException, match="NotFound"):
        host.call("StateSet", "nobody", sealed(text))


def test_sizes_are_bounded(host):
    runner = host.runner(host.sync())
    assert runner.state(stream_state("a", {"x": "y" * (19 * 1024 * 1024)})).status == 204
    assert runner.state(stream_state("b", {"x": "y" * (21 * 1024 * 1024)})).status == 413
    assert runner.state(*(stream_state(f"s{i}", {"x": "y" * (11 * 1024 * 1024)}) for i in range(3))).status == 413
    assert runner.post("stats", streams=[{"name": "x" * (2 * 1024 * 1024)}]).status == 413
    assert runner.put("heartbeat").status == 204
    assert [r[0] for r in host.sql("SELECT stream_name FROM state")] == ["a"]


def test_a_state_that_was_answered_is_there_after_a_kill(host):
    runner = host.runner(host.sync())
    answered = []
    go_on = threading.Event()

    def send():
        for i in range(100000):
            try:
                if runner.state(stream_state("a", {"c": i})).status == 204:
                    answered.append(i)
            except (OSError, ConnectionError):
                return
            if i == 20:
                go_on.set()

    thread = threading.Thread(target=send)
    for _ in range(5):
        answered.clear()
        go_on.clear()
        thread = threading.Thread(target=send)
        thread.start()
        assert go_on.wait(PATIENCE)
        host.kill()
        thread.join()
        (row,) = host.sql("SELECT state FROM state")
        assert json.loads(row[0]).get("stream", {}).get("stream_state", json.loads(row[0]))["c"] in (answered[-1], answered[-1] + 1)
        host.start()


def test_statistics_are_replaced_as_a_whole(host):
    runner = host.runner(host.sync())
    first = [{"name": "a", "namespace": "n", "recordsEmitted": 5, "status": "RUNNING"}, {"name": "b"}]
    assert runner.post("stats", streams=first).status == 204
    assert host.get(runner.id)["stats"] == first
    assert runner.post("stats", streams=[{"name": "b", "recordsEmitted": 2**53}]).status == 204
    assert host.get(runner.id)["stats"] == [{"name": "b", "recordsEmitted": 2**53}]
    for bad in (None, {}, [3], [{}], [{"name": "a", "recordsEmitted": -1}], [{"name": "a", "bytesEmitted": "5"}]):
        assert runner.post("stats", streams=bad).status == 422, bad
    assert len(host.get(runner.id)["stats"]) == 1


def test_progress_goes_to_the_server_and_nowhere_else(host):
    server = host.peer("Server1")
    runner = host.runner(host.sync())
    streams = [{"name": "a", "namespace": "n", "recordsEmitted": 5, "status": "RUNNING"}]
    assert runner.post("progress", streams=streams).status == 204
    assert json.loads(server.call("PutProgress")[0]) == {"jobId": 7, "attempt": 0, "streams": streams}
    assert "stats" not in host.get(runner.id) or not host.get(runner.id)["stats"]
    for bad in (None, {}, [3], [{"name": "a", "recordsEmitted": -1}]):
        assert runner.post("progress", streams=bad).status == 422, bad
    # Whoever floods it is answered, and passed on no more often than one can follow.
    for i in range(200):
        assert runner.post("progress", streams=[{"name": "a", "recordsEmitted": i}]).status == 204
    assert runner.put("success", output={}).status == 204
    assert runner.post("progress", streams=streams).status == 410
    told = []
    while not server.lines.empty():
        told.append(server.next())
    assert len([t for t in told if t.get("member") == "PutProgress"]) < 100, len(told)


def read_logs(host, cursor=0, maximum=1000, job=7, attempt=0):
    fd, cursor, more = host.call("ReadLogs", dbus.Int64(job), dbus.UInt32(attempt), dbus.UInt64(cursor), dbus.UInt32(maximum))
    with os.fdopen(fd.take(), "rb") as f:
        f.seek(0)
        return [json.loads(line) for line in f.read().splitlines()], int(cursor), bool(more)


def lines(*numbers):
    return "".join(json.dumps({"t": n, "level": "INFO", "origin": "source", "message": f"line {n}"}) + "\n" for n in numbers)


def test_logs_are_read_through_the_bus(host):
    runner = host.runner(host.sync())
    assert read_logs(host) == ([], 0, False)
    assert runner.log(lines(1, 2, 3)).status == 204
    assert runner.log(lines(1, 2, 3)).status == 204
    first, cursor, more = read_logs(host, maximum=2)
    assert [line["t"] for line in first] == [1, 2] and more
    rest, cursor, more = read_logs(host, cursor)
    assert [line["message"] for line in rest] == ["line 3"] and not more
    host.kill()
    host.start()
    assert runner.log(lines(4)).status == 204
    assert [line["t"] for line in read_logs(host, cursor)[0]] == [4]
    for bad in ("x\n", "{}\n", lines(1)[:-1], "\n"):
        assert runner.log(bad).status == 422, bad
    check = host.runner(host.create())
    assert check.log(lines(5)).status == 204
    fd, _, _ = host.call("ReadWorkloadLogs", check.id, dbus.UInt64(0), dbus.UInt32(10))
    with os.fdopen(fd.take(), "rb") as f:
        f.seek(0)
        assert json.loads(f.read())["t"] == 5


def test_T28_control_messages_are_passed_on_and_bounded(host):
    server = host.peer("Server1")
    runner = host.runner(host.sync())
    assert runner.post("control", role="source", configuration={"token": "new"}).status == 204
    assert server.call("PutRotatedConfiguration") == ["source-actor", '{"token":"new"}']
    server.answer("org.gantry.Error.InvalidArgument")
    answer = runner.post("control", role="destination", configuration={"host": "evil"})
    assert answer.status == 422 and "as the test wants" in answer.text
    assert server.call("PutRotatedConfiguration") == ["destination-actor", '{"host":"evil"}']
    server.answer("")
    assert runner.post("control", role="platform", configuration={}).status == 400
    assert runner.post("control", role="source", configuration=[]).status == 400
    assert runner.post("control", role="source", configuration={"x": "y" * 600000}).status == 413
    statuses = [runner.post("control", role="source", configuration={}).status for _ in range(20)]
    assert statuses.count(204) <= 10 and statuses[-1] == 429
    # a configuration that is stored nowhere
    check = host.runner(host.create())
    assert check.post("control", role="source", configuration={}).status == 204


def test_the_workflow_is_told_until_it_has_answered(host):
    workflow = host.peer("Workflow1")
    workflow.answer("org.gantry.Error.Unavailable")
    id_ = host.create()
    assert host.runner(id_).put("success", output={}).status == 204
    assert workflow.call("WorkloadFinished") == [id_]
    assert workflow.call("WorkloadFinished") == [id_]
    workflow.answer("")
    assert workflow.call("WorkloadFinished") == [id_]
    while host.sql("SELECT notified FROM workload") != [(1,)]:
        pass


def test_the_workflow_is_told_after_a_kill(host):
    workflow = host.peer("Workflow1")
    workflow.answer("org.gantry.Error.Failed")
    ids = [host.create() for _ in range(3)]
    for id_ in ids:
        assert host.runner(id_).put("failure", source="worker", reason="x").status == 204
    host.kill()
    assert host.sql("SELECT count(*) FROM workload WHERE notified = 0") == [(3,)]
    workflow.answer("")
    host.start()
    assert {workflow.call("WorkloadFinished")[0] for _ in range(3)} == set(ids)


def test_an_end_that_the_workflow_never_heard_of_is_told_once(host):
    workflow = host.peer("Workflow1")
    workflow.answer("org.gantry.Error.NotFound")
    id_ = host.create()
    host.runner(id_).put("success", output={})
    assert workflow.call("WorkloadFinished") == [id_]
    while host.sql("SELECT notified FROM workload") != [(1,)]:
        pass
