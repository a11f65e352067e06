# SPDX-License-Identifier: LGPL-2.1-or-later
"""gantry-workload over HTTP and the bus: statuses, tokens, leases, the queue."""

import base64
import hashlib
import json
import os
import time
import uuid

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


def test_create_wakes_the_launcher_and_is_idempotent(host):
    workload = host.workload()
    assert host.call("Create", sealed(json.dumps(workload)))
    host.peer("Launcher1").call("Wake")
    assert not host.call("Create", sealed(json.dumps(workload)))
    assert host.get(workload["id"])["status"] == "pending"


@pytest.mark.parametrize("change", [
    {"id": ""}, {"id": "a/b"}, {"id": "-x"}, {"id": "x" * 256}, {"id": None}, {"id": 3}, {"autoId": "x"}, {"type": "wash"},
    {"type": None}, {"priority": "urgent"}, {"input": None}, {"input": []}, {"input": {}}, {"jobId": -1}, {"attempt": "0"},
    {"type": "sync"}, {"labels": []}, {"dropStates": [{"name": "a"}]}, {"dropStates": {}}, {"deadline": -5}])
def test_create_refuses_what_is_no_workload(host, change):
    with pytest.raises(dbus.DBusException) as e:
        host.create(**change)
    assert e.value.get_dbus_name() == "org.gantry.Error.InvalidArgument"
    assert e.value.get_dbus_message()


def test_create_refuses_what_is_no_json_and_what_is_not_sealed(host):
    for text in ("", "{", "[]", "null", "\xff"):
        with pytest.raises(dbus.DBusException, match="InvalidArgument"):
            host.call("Create", sealed(text))
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, json.dumps(host.workload()).encode())
    with pytest.raises(dbus.DBusException, match="sealed"):
        host.call("Create", dbus.types.UnixFd(fd))
    os.close(fd)


def test_a_workload_lives_from_poll_to_success(host):
    id_ = host.create(priority="high", jobId=3, attempt=1)
    launcher = host.as_launcher()
    poll = {"dataplaneId": launcher["dataplaneId"], "quantity": 5}
    assert host.request("POST", "workload/queue/poll", dict(poll, priority="default"), launcher["token"]).json["workloads"] == []
    (polled,) = host.request("POST", "workload/queue/poll", poll, launcher["token"]).json["workloads"]
    assert (polled["id"], polled["priority"], polled["jobId"], polled["attempt"]) == (id_, "high", 3, 1)
    # hidden, not gone
    assert host.request("POST", "workload/queue/poll", poll, launcher["token"]).json["workloads"] == []
    runner = host.runner(id_)
    assert runner.claim["input"]["state"] == [] and runner.claim["input"]["secrets"] == []
    assert runner.put("heartbeat").status == 204
    assert host.get(id_)["status"] == "running"
    assert runner.put("success", output={"status": "succeeded"}).status == 204
    assert host.peer("Workflow1").call("WorkloadFinished") == [id_]
    got = host.get(id_)
    assert (got["status"], got["output"], got["leaseEpoch"]) == ("success", {"status": "succeeded"}, 1)
    # the answer got lost
    assert runner.put("success", output={"status": "succeeded"}).status == 204
    for word, members in (("heartbeat", {}), ("running", {}), ("failure", {"source": "x", "reason": "y"})):
        assert runner.put(word, **members).status == 410
    assert runner.state().status == runner.post("stats", streams=[]).status == 410
    assert runner.log('{"t":1,"level":"INFO","message":"late"}\n').status == 410


def test_what_was_polled_comes_back(host):
    id_ = host.create()
    launcher = host.as_launcher()
    poll = {"dataplaneId": launcher["dataplaneId"], "quantity": 1}
    assert len(host.request("POST", "workload/queue/poll", poll, launcher["token"]).json["workloads"]) == 1
    (hidden,) = host.sql("SELECT available_at - updated_at FROM workload WHERE id = ?", (id_,))
    assert 290_000_000 <= hidden[0] <= 310_000_000
    host.sql("UPDATE workload SET available_at = 1 WHERE id = ?", (id_,))
    assert len(host.request("POST", "workload/queue/poll", poll, launcher["token"]).json["workloads"]) == 1


def test_only_root_registers_and_every_call_needs_its_token(host):
    id_ = host.create()
    runner = host.runner(id_)
    launcher = host.launcher
    poll = {"dataplaneId": launcher["dataplaneId"], "quantity": 1}
    lease = runner.lease
    runners = [("PUT", "running", {}), ("PUT", "heartbeat", {}), ("PUT", "success", {"output": {}}), ("POST", "state", {"states": []}),
               ("POST", "stats", {"streams": []}), ("POST", "progress", {"streams": []}), ("POST", "control", {"role": "source", "configuration": {}})]
    launchers = [("POST", "queue/poll", poll), ("POST", "queue/depth", {}), ("POST", "list", {}), ("PUT", "launched", lease),
                 ("PUT", "claim", {"workloadId": id_, "dataplaneId": launcher["dataplaneId"]}), ("GET", id_, None),
                 ("PUT", "cancel", {"workloadId": id_, "source": "x", "reason": "y"})]
    for method, word, body in runners + launchers:
        body = body if body is None else dict(lease, **body)
        for token, status in ((None, 401), ("", 401), ("x.y.z", 401), (launcher["token"] + "x", 401), (runner.token[:-3] + "AAA", 401)):
            answer = host.request(method, f"workload/{word}", body, token)
            assert answer.status == status, (word, token, answer)
    for method, word, body in runners:
        assert host.request(method, f"workload/{word}", dict(lease, **body), launcher["token"]).status == 403, word
    for method, word, body in launchers:
        assert host.request(method, f"workload/{word}", body, runner.token).status == 403, word
    assert host.get(id_)["status"] == "running"
    other = host.runner(host.create())
    assert host.request("PUT", "workload/heartbeat", lease, other.token).status == 403
    # the old token goes with a new registration
    host.register()
    assert host.request("POST", "workload/queue/depth", {}, launcher["token"]).status == 401


def test_the_launcher_is_woken_by_an_end(host):
    """Who stopped it in the middle has left the units of what runs."""
    runner = host.runner(host.create())
    host.peer("Launcher1").call("Wake")
    assert runner.put("success", output={}).status == 204
    host.peer("Launcher1").call("Wake")


def test_the_launcher_is_not_woken_by_the_end_of_what_nobody_had_claimed(host):
    launcher = host.peer("Launcher1")
    unclaimed = host.create()
    launcher.call("Wake")
    with host.connected() as bus:  # its answer has gone out before this one does: the next wake is a call of its own
        bus.get_object("org.gantry.Launcher1", "/org/gantry/Launcher1", introspect=False).Ping(dbus_interface="org.freedesktop.DBus.Peer")
    host.call("Cancel", unclaimed, "user", "because")
    assert host.peer("Workflow1").call("WorkloadFinished") == [unclaimed]
    claimed = host.create()
    host.claim(claimed)
    host.call("Cancel", claimed, "user", "because")
    calls = []
    while not calls or calls[-1] != "Cancel":
        calls.append(launcher.next().get("member"))
    assert calls == ["Wake", "Cancel"]  # of the create
    launcher.call("Wake")  # what somebody had may have left its units


def test_registering_is_for_root(host):
    code = ("import socket,os,sys;os.setuid(65534);s=socket.socket(socket.AF_UNIX);s.connect(sys.argv[1]);b=b'{\"name\":\"x\"}';"
            "s.sendall(b'POST /api/v1/dataplanes/initialize HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\n"
            "Content-Length: %d\\r\\n\\r\\n' % len(b)+b);print(s.recv(12).decode())")
    if os.geteuid() != 0:
        pytest.skip("needs root to become somebody else")
    import subprocess
    import sys
    for part in host.directory.parents:
        if str(part).startswith("/tmp/"):
            part.chmod(0o755)
    host.directory.chmod(0o755)
    os.chmod(host.socket, 0o666)
    result = subprocess.run([sys.executable, "-c", code, host.socket], capture_output=True, text=True, check=False)
    assert result.stdout.strip() == "HTTP/1.1 403", result
    assert host.register()["token"]


def every_call(host, id_, epoch, token):
    """The status of every call that a runner can make, for a lease and under a token."""
    lease = {"workloadId": id_, "leaseEpoch": epoch}
    calls = [("PUT", "running", {}), ("PUT", "heartbeat", {}), ("POST", "state", {"states": []}), ("POST", "stats", {"streams": []}),
             ("POST", "progress", {"streams": []}), ("POST", "control", {"role": "source", "configuration": {}}), ("PUT", "failure", {"source": "x", "reason": "y"}),
             ("PUT", "success", {"output": {}})]
    found = {word: host.request(method, f"workload/{word}", dict(lease, **body), token).status for method, word, body in calls}
    log = '{"t":1,"level":"INFO","message":"late"}\n'
    found["logs"] = host.request("POST", f"workload/logs?workloadId={id_}&leaseEpoch={epoch}", log, token, "application/x-ndjson").status
    return found


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_a_token_ends_with_its_workload_whichever_way(host):
    """Finished, failed, cancelled, superseded, lost, claimed again, forgotten: from then on 410, whatever is asked."""
    ends = {
        "success": lambda r: r.put("success", output={}), "failure": lambda r: r.put("failure", source="x", reason="y"),
        "cancelled": lambda r: host.call("Cancel", r.id, "user", "enough"),
        "superseded": lambda r: host.create(mutexKey=r.id),
        "forgotten": lambda r: host.sql("DELETE FROM workload WHERE id = ?", (r.id,))}
    for what, end in ends.items():
        id_ = f"w{uuid.uuid4()}"
        host.create(id=id_, mutexKey=id_)
        runner = host.runner(id_)
        assert runner.put("heartbeat").status == runner.post("stats", streams=[]).status == 204, what  # positive control
        end(runner)
        found = every_call(host, id_, 1, runner.token)
        # The word that was its last may have been lost on its way back; that it failed is agreed with whoever said so.
        again = {"success": {"success": 204}, "failure": {"failure": 204}, "superseded": {"failure": 204}}.get(what, {})
        assert found == dict.fromkeys(found, 410) | again, (what, found)
        other = host.runner(host.create())  # nor is it good for anybody else's
        found = every_call(host, other.id, 1, runner.token)
        assert set(found.values()) <= {403, 410}, (what, found)


def test_a_token_ends_with_its_lease(host):
    """The deadline, not the sweep, is the end; and in the time in which nobody is judged it may be renewed."""
    while True:
        id_, old = host.create(), host.create()
        runner, aged = host.runner(id_), host.runner(old)
        host.kill()
        began = time.monotonic()
        host.start()
        host.sql("UPDATE workload SET deadline = 1 WHERE id IN (?, ?)", (id_, old))
        status = runner.put("heartbeat").status
        if time.monotonic() - began < 30:  # else it came too late to be judged
            break
    assert status == 204  # it has just begun: those whom it does not know yet may come
    while host.get(old)["status"] == "running":
        host.call("Sweep")
        time.sleep(0.5)
    assert host.get(old)["status"] == "failure" and host.get(id_)["status"] == "running"
    found = every_call(host, old, 1, aged.token)
    assert found == dict.fromkeys(found, 410) | {"failure": 204}, found
    host.sql("UPDATE workload SET deadline = 1 WHERE id = ?", (id_,))
    assert runner.put("heartbeat").status == 410  # not after the next sweep: now
    assert host.get(id_)["status"] == "failure"


def test_a_token_says_no_more_than_its_workload_can_need(host):
    for id_, limit in ((host.sync(), 30 * 24 * 3600), (host.create(), 4.5 * 3600), (host.create(type="discover"), 4.5 * 3600)):
        claim = host.claim(id_)
        said = claims(claim["workloadToken"])
        assert (said["sub"], said["epoch"], said["aud"]) == (id_, claim["leaseEpoch"], "workload"), said
        assert said["exp"] - said["iat"] == limit, said


def test_success_of_what_has_not_run_is_409(host):
    id_ = host.create()
    claim = host.claim(id_)
    lease = {"workloadId": id_, "leaseEpoch": 1}
    for status in ("claimed", "launched"):
        answer = host.request("PUT", "workload/success", dict(lease, output={}), claim["workloadToken"])
        assert answer.status == 409 and status in answer.json["detail"], answer
        assert host.get(id_)["status"] == status and "output" not in host.get(id_)
        assert host.request("PUT", "workload/launched", lease, host.launcher["token"]).status == 204
    assert host.request("PUT", "workload/running", lease, claim["workloadToken"]).status == 204
    assert host.request("PUT", "workload/success", dict(lease, output={}), claim["workloadToken"]).status == 204
    # A failure needs nothing to have run.
    other = host.create()
    token = host.claim(other)["workloadToken"]
    assert host.request("PUT", "workload/failure", {"workloadId": other, "leaseEpoch": 1, "source": "x", "reason": "y"}, token).status == 204


def test_a_second_claim_gets_a_new_epoch_and_the_old_one_is_gone(host):
    id_ = host.create()
    first, second = host.claim(id_), host.claim(id_)
    assert (first["leaseEpoch"], second["leaseEpoch"]) == (1, 2)
    old = {"workloadId": id_, "leaseEpoch": 1}
    assert host.request("PUT", "workload/launched", old, host.launcher["token"]).status == 410
    assert host.request("PUT", "workload/running", old, first["workloadToken"]).status == 410
    # an old token with the new epoch
    assert host.request("PUT", "workload/running", dict(old, leaseEpoch=2), first["workloadToken"]).status == 410
    new = {"workloadId": id_, "leaseEpoch": 2}
    assert host.request("PUT", "workload/launched", new, host.launcher["token"]).status == 204
    assert host.request("PUT", "workload/running", new, second["workloadToken"]).status == 204
    # launched: nobody else gets it
    assert host.claim(id_) == {"claimed": False}


def test_T48_tokens_of_launchers_and_runners_are_not_stored(host):
    launcher, claim = host.register("hashed"), host.claim(host.create())
    stored = b"".join(p.read_bytes() for p in host.database.parent.glob("gantry.db*"))
    for token in (launcher["token"], claim["workloadToken"], claim["workloadToken"].split(".")[2]):
        assert len(token) > 20 and token.encode() not in stored
    assert hashlib.blake2b(launcher["token"].encode(), digest_size=32).digest() in stored


def test_another_dataplane_does_not_get_a_claimed_workload(host):
    id_ = host.create()
    assert host.claim(id_)["claimed"]
    other = host.register("other")
    answer = host.request("PUT", "workload/claim", {"workloadId": id_, "dataplaneId": other["dataplaneId"]}, other["token"])
    assert answer.json == {"claimed": False}
    answer = host.request("PUT", "workload/claim", {"workloadId": id_, "dataplaneId": host.launcher["dataplaneId"]}, other["token"])
    assert answer.status == 403


def test_a_heartbeat_before_running_is_refused(host):
    id_ = host.create()
    claim = host.claim(id_)
    lease = {"workloadId": id_, "leaseEpoch": 1}
    assert host.request("PUT", "workload/heartbeat", lease, claim["workloadToken"]).status == 410
    assert host.get(id_)["status"] == "claimed"


def test_unknown_workloads_and_bad_bodies(host):
    launcher = host.as_launcher()
    body = {"workloadId": "nobody", "dataplaneId": launcher["dataplaneId"], "leaseEpoch": 1, "source": "x", "reason": "y"}
    for word in ("claim", "launched", "failure", "cancel"):
        assert host.request("PUT", f"workload/{word}", body, launcher["token"]).status == 404, word
    assert host.request("GET", "workload/nobody", None, launcher["token"]).status == 404
    with pytest.raises(dbus.DBusException, match="NotFound"):
        host.call("Get", "nobody")
    runner = host.runner(host.create())
    for bad in ("{", "[]", "null", '{"workloadId":3}', "{}", '{"workloadId":"x","leaseEpoch":"1"}'):
        for method, word in (("PUT", "heartbeat"), ("POST", "state"), ("POST", "stats"), ("PUT", "failure")):
            answer = host.request(method, f"workload/{word}", bad, runner.token)
            assert answer.status == 400, (word, bad, answer)
    for quantity in (0, -1, 101, "x"):
        assert host.request("POST", "workload/queue/poll", {"dataplaneId": launcher["dataplaneId"], "quantity": quantity},
                            launcher["token"]).status == 400
    assert host.request("POST", "workload/nothing", {}, launcher["token"]).status in (404, 405)
    assert runner.put("heartbeat").status == 204


def test_a_mutex_key_fails_the_older_one(host):
    first = host.create(mutexKey="c")
    runner = host.runner(first)
    waiting = host.create(mutexKey="other")
    second = host.create(mutexKey="c")
    got = host.get(first)
    assert got["status"] == "failure" and "supersede" in got["failure"]["reason"].lower()
    assert host.peer("Launcher1").call("Cancel") == [first]
    assert host.peer("Workflow1").call("WorkloadFinished") == [first]
    assert runner.put("heartbeat").status == 410
    assert host.get(second)["status"] == host.get(waiting)["status"] == "pending"


def told_to_end(host, runner):
    host.call("Cancel", runner.id, "user", "because")
    assert host.peer("Launcher1").call("Cancel") == [runner.id]


def test_a_sync_is_told_to_end_and_hands_over(host):
    """It runs until its runner has told what it has committed; then it is cancelled, and 410 is all there is."""
    runner = host.runner(host.sync())
    states = [stream_state("users", {"id": 3}), stream_state("users", {"id": 5})]
    assert runner.put("heartbeat").status == runner.state(states[0]).status == 204
    told_to_end(host, runner)
    got = host.get(runner.id)
    assert got["status"] == "running" and got["cancelRequestedAt"] > 0 and "failure" not in got and "endedAt" not in got, got
    with pytest.raises(dbus.DBusException, match="Busy"):  # nobody's state changes under it
        host.call("StateSet", host.connection_id, sealed("[]"))
    beat = runner.put("heartbeat")
    assert (beat.status, beat.json) == (200, {"cancelRequested": True})
    assert runner.put("running").status == 204 and host.get(runner.id)["deadline"] == got["deadline"]
    host.call("Cancel", runner.id, "somebody", "again")
    assert host.peer("Launcher1").call("Cancel") == [runner.id]
    numbers = [{"name": "users", "recordsCommitted": 5}]
    assert runner.post("stats", streams=numbers).status == runner.state(states[1]).status == 204
    assert runner.log('{"t":1,"level":"INFO","message":"last"}\n').status == runner.post("progress", streams=numbers).status == 204
    last = {"source": "worker", "reason": "stopped", "output": {"status": "cancelled", "streams": numbers}}
    assert runner.put("failure", **last).status == 204
    assert host.peer("Workflow1").call("WorkloadFinished") == [runner.id]
    got = host.get(runner.id)
    assert (got["status"], got["failure"]) == ("cancelled", {"source": "user", "reason": "because"})
    assert got["output"] == last["output"] and got["stats"] == numbers
    assert json.loads(host.sql("SELECT state FROM state")[0][0]) == {"id": 5}
    found = every_call(host, runner.id, 1, runner.token)
    assert found == dict.fromkeys(found, 410) | {"failure": 204}, found  # its last word may be said again, and changes nothing
    assert host.get(runner.id)["output"] == last["output"]
    # Nor does the launcher's, which can't know that it was said.
    body = dict(runner.lease, source="launcher", reason="It was stopped")
    assert host.request("PUT", "workload/failure", body, host.launcher["token"]).status == 204
    assert host.get(runner.id) == got
    host.call("Cancel", runner.id, "user", "late")
    # The next one goes on from there.
    assert host.claim(host.sync(attempt=1))["input"]["state"] == states[1:]


def test_a_success_that_comes_before_the_end_is_one(host):
    runner = host.runner(host.sync())
    told_to_end(host, runner)
    assert runner.put("success", output={"status": "completed"}).status == 204
    got = host.get(runner.id)
    assert got["status"] == "success" and "failure" not in got, got
    with pytest.raises(dbus.DBusException, match="NotRunning"):
        host.call("Cancel", runner.id, "user", "late")


def test_a_sync_that_nobody_runs_is_cancelled_by_who_has_it(host):
    """Waiting: at once. Claimed, and the answer got lost: with the next claim. Stopped while it was launched: by the launcher."""
    waiting, claimed, launching = host.sync(), host.sync(attempt=1), host.sync(attempt=2)
    host.claim(claimed), host.claim(launching)
    for id_, status in ((waiting, "cancelled"), (claimed, "claimed"), (launching, "claimed")):
        host.call("Cancel", id_, "user", "because")
        assert host.get(id_)["status"] == status
    assert host.claim(waiting) == host.claim(claimed) == {"claimed": False}
    assert host.get(claimed)["status"] == "cancelled"
    body = {"workloadId": launching, "leaseEpoch": 1, "source": "launcher", "reason": "It was cancelled before it was launched"}
    assert host.request("PUT", "workload/failure", body, host.launcher["token"]).status == 204
    assert host.get(launching)["status"] == "cancelled"
    told = {host.peer("Workflow1").call("WorkloadFinished")[0] for _ in range(3)}
    assert told == {waiting, claimed, launching}


def test_O03_a_cancel_survives_a_kill_of_the_daemon(host):
    """Whatever it was doing: the launcher is told again, and finds it in its list; the runner hears it; the deadline stays."""
    runner = host.runner(host.sync())
    told_to_end(host, runner)
    deadline = host.get(runner.id)["deadline"]
    host.kill()
    host.start()
    assert host.peer("Launcher1").call("Cancel") == [runner.id]
    assert runner.put("heartbeat").json == {"cancelRequested": True}
    listed = host.request("POST", "workload/list", {"status": ["claimed", "launched", "running"]}, host.launcher["token"]).json
    assert [(w["id"], w["cancelRequestedAt"] > 0, w["deadline"]) for w in listed["workloads"]] == [(runner.id, True, deadline)]
    assert runner.put("failure", source="worker", reason="stopped").status == 204
    host.kill()
    host.start()
    assert host.get(runner.id)["status"] == "cancelled" and runner.state().status == 410


def test_a_cancel_that_nobody_answers_ends_at_its_deadline(host):
    runner = host.runner(host.sync())
    told_to_end(host, runner)
    asked, deadline = host.sql("SELECT cancel_at, deadline FROM workload")[0]
    assert deadline - asked == 180_000_000
    host.sql("UPDATE workload SET deadline = 1")
    end = time.monotonic() + 2 * PATIENCE
    while host.get(runner.id)["status"] == "running":  # for its first 30 s it judges nobody
        runner.put("heartbeat")
        assert time.monotonic() < end
        time.sleep(0.5)
    got = host.get(runner.id)
    assert (got["status"], got["failure"]["reason"]) == ("cancelled", "because")
    assert host.peer("Workflow1").call("WorkloadFinished") == [runner.id]
    assert runner.state().status == runner.put("heartbeat").status == 410


def test_cancel_is_terminal_at_once(host):
    """Of all but syncs, which have something to hand over."""
    id_ = host.create()
    runner = host.runner(id_)
    host.call("Cancel", id_, "user", "because")
    got = host.get(id_)
    assert (got["status"], got["failure"]) == ("cancelled", {"source": "user", "reason": "because"})
    assert host.peer("Launcher1").call("Cancel") == [id_]
    assert host.peer("Workflow1").call("WorkloadFinished") == [id_]
    assert runner.put("heartbeat").status == runner.put("success", output={}).status == 410
    host.call("Cancel", id_, "user", "again")
    done = host.create()
    assert host.runner(done).put("success", output={}).status == 204
    with pytest.raises(dbus.DBusException, match="NotRunning"):
        host.call("Cancel", done, "user", "late")
    answer = host.request("PUT", "workload/cancel", {"workloadId": done, "source": "x", "reason": "y"}, host.launcher["token"])
    assert answer.status == 410


def test_failure_by_the_launcher_keeps_its_reason(host):
    id_ = host.create()
    host.claim(id_)
    body = {"workloadId": id_, "leaseEpoch": 1, "source": "launcher", "reason": "no such image \u2026 " + "ä" * 20000}
    assert host.request("PUT", "workload/failure", body, host.launcher["token"]).status == 204
    got = host.get(id_)
    assert got["status"] == "failure" and got["failure"]["source"] == "launcher"
    assert got["failure"]["reason"].startswith("no such image") and 16000 < len(got["failure"]["reason"].encode()) <= 16384


def test_lists_depth_and_stats(host):
    sync, check = host.sync(), host.create(priority="high")
    done = host.create()
    host.runner(done).put("success", output={})
    token = host.launcher["token"]

    def ids(path, **body):
        answer = host.request("POST", f"workload/{path}", body, token)
        assert answer.status == 200, answer
        return {w["id"] for w in answer.json["workloads"]}

    assert ids("list") == {sync, check, done}
    assert ids("list", status=["success"]) == {done}
    assert ids("list", dataplane=[host.launcher["dataplaneId"]]) == {done}
    assert ids("list", updatedBefore=5) == set()
    assert ids("list_active") == {sync, check}
    assert ids("list_long_running_sync") == {sync} and ids("list_long_running_non_sync") == {check}
    assert ids("list_long_running_sync", createdBefore=5) == set()
    assert ids("expired_deadline_list", deadline=2**62) == {sync, check}
    assert host.request("POST", "workload/list", {"status": ["x"]}, token).status == 400
    assert host.request("POST", "workload/queue/depth", {}, token).json == {"depth": 2}
    assert host.request("POST", "workload/queue/depth", {"priority": "high"}, token).json == {"depth": 1}
    stats = host.request("GET", "workload/queue/stats", None, token).json["stats"]
    assert {s["priority"]: s["enqueuedCount"] for s in stats} == {"default": 1, "high": 1}
    assert host.request("POST", "workload/queue/clean", {}, token).status == 204


def test_create_over_http_is_for_root(host):
    workload = host.workload()
    assert [host.request("POST", "workload/create", workload).status for _ in range(2)] == [204, 200]
    assert host.request("POST", "workload/create", {"id": str(uuid.uuid4())}).status == 400


def test_secrets_come_with_the_claim_only(host):
    """A secret that is not there, or sealed for somebody else, ends the workload with a sentence."""
    id_ = host.create(input={"actor": {"configuration": {"password": {"_secret": str(uuid.uuid4())}}}})
    assert host.claim(id_) == {"claimed": False}
    assert host.get(id_)["failure"]["source"] == "workload-manager"
    id_ = host.create(input={"actor": {"configuration": {"password": {"_sealed": "AAAA"}}}})
    assert host.claim(id_) == {"claimed": False}
    assert "configuration" in host.get(id_)["failure"]["reason"]
