# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who watches a sync sees it move: what its worker reports reaches event streams, the HTTP APIs, D-Bus and gantryctl. All daemons
are real, the runner is the test."""

import contextlib
import json
import os
import queue
import subprocess
import threading
import time

import dbus
import pytest
from test_gantryctl import Control
from test_workflow_jobs import in_background
from workflow_host import completed, failed
from workload_host import BUILD, PATIENCE, ROOT, UnixConnection

V1 = "/api/public/v1"
SERVER = "org.gantry.Server1"


class Live(Control):
    def __init__(self, directory):
        super().__init__(directory)
        self.token = None
        client_id, secret = map(str, self.manager("GetCredentials"))
        self.token = self.ask("POST", f"{V1}/applications/token", {"client_id": client_id, "client_secret": secret})["access_token"]

    def start_all(self):
        data = self.directory / "data"
        data.mkdir()
        (data / "definitions.d").symlink_to(ROOT / "data/definitions.d")
        (data / "specs").mkdir()
        for spec in ROOT.glob("src/connectors/*/*-spec.json"):
            (data / "specs" / spec.name).symlink_to(spec)
        subprocess.run([BUILD / "gantry-bootloader", f"--database={self.database}", f"--data={data}"], env=self.environment, check=True)
        super().start_all()

    def manager(self, member, *arguments):
        with self.connected() as bus:
            manager = dbus.Interface(bus.get_object(SERVER, "/org/gantry/Server1", introspect=False), f"{SERVER}.Manager")
            return manager.get_dbus_method(member)(*arguments, timeout=PATIENCE)

    def http(self, method, path, body=None, token=None):
        connection = UnixConnection(str(self.directory / "server.sock"))
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token or self.token}"} if self.token else {})
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, token=None):
        connection, response = self.http(method, path, body, token)
        text = response.read().decode()
        connection.close()
        assert response.status < 300, (method, path, response.status, text)
        return json.loads(text) if text else None

    def start_sync(self):
        """A job whose sync runs; its number and its runner."""
        job = self.ask("POST", f"{V1}/jobs", {"connectionId": self.connection_id, "jobType": "sync"})["jobId"]
        return job, self.take_sync()

    def properties(self, job, name=None):
        with self.connected() as bus:
            path = f"/org/gantry/Server1/job/{'_3' + str(job)[0] + str(job)[1:]}"
            properties = dbus.Interface(bus.get_object(SERVER, path, introspect=False), "org.freedesktop.DBus.Properties")
            return properties.Get(f"{SERVER}.Job", name) if name else properties.GetAll(f"{SERVER}.Job")

    def reader_of(self, workspace):
        """The token of somebody who may read one workspace and nothing else."""
        made = self.ask("POST", f"{V1}/applications", {"name": "somebody"})
        whole = next(p for p in self.ask("GET", f"{V1}/permissions")["data"] if p["userId"] == made["id"])
        self.ask("POST", f"{V1}/permissions", {"permissionType": "workspace_reader", "userId": made["id"], "workspaceId": workspace})
        self.ask("DELETE", f"{V1}/permissions/{whole['permissionId']}")
        return self.ask("POST", f"{V1}/applications/token", {"client_id": made["clientId"],
                                                             "client_secret": made["clientSecret"]})["access_token"]


class Listener:
    """An event stream."""

    def __init__(self, live, token=None):
        self.connection, self.answer = live.http("GET", "/api/v1/events", token=token)
        assert self.answer.status == 200
        while self.answer.readline() != b"\n":
            pass

    def event(self):
        found = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            found[key] = value
        return found

    def progress(self):
        """The next one; all other events are passed over."""
        while (event := self.event()).get("event") != "progress":
            pass
        assert "id" not in event, event  # nobody who comes back hears of it again
        return json.loads(event["data"])

    def close(self):
        self.connection.close()


def stream(n, name="users", **more):
    return {"name": name, "recordsEmitted": n, "bytesEmitted": 10 * n, "recordsCommitted": n // 2, "bytesCommitted": 5 * n,
            "status": "RUNNING", "complete": False} | more


def report(runner, n, **more):
    answer = runner.post("progress", streams=[stream(n, **more)])
    assert answer.status == 204, answer


def shown_by(live, job, records):
    """Waits until the API shows so many: a report is passed on without an answer."""
    end = time.monotonic() + PATIENCE
    while (shown := live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"]) != records:
        assert time.monotonic() < end, (shown, records)
        time.sleep(0.02)


@contextlib.contextmanager
def reporting(runner, first=2, pause=0.02, **more):
    """Reports far more often than anybody is told, of two records more each time."""
    done = threading.Event()
    numbers = iter(range(first, 1 << 40, 2))

    def work():
        while not done.wait(pause):
            report(runner, next(numbers), **more)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


@pytest.fixture
def live(tmp_path):
    live = Live(tmp_path)
    yield live
    live.stop()


def test_a_watcher_sees_rising_numbers_four_times_a_second_at_most(live):
    job, runner = live.start_sync()
    listener, other = Listener(live), Listener(live)
    begin = time.monotonic()
    with reporting(runner, estimatedRecords=100_000):
        seen = [listener.progress() for _ in range(15)]
        took = time.monotonic() - begin
    assert len(seen) <= 4 * took + 1, took
    for event in seen:
        assert (event["jobId"], event["attempt"], event["connectionId"]) == (job, 0, live.connection_id)
        (moved,) = event["streams"]
        assert moved == stream(moved["recordsEmitted"], estimatedRecords=100_000)
    counts = [event["streams"][0]["recordsEmitted"] for event in seen]
    assert counts == sorted(set(counts)), counts  # in order, and never twice the same
    assert [event["at"] for event in seen] == sorted({event["at"] for event in seen})
    # Somebody else who watches hears the same.
    assert [other.progress() for _ in range(5)] == seen[:5]
    # Who comes later is told at once how far it is, though nothing moves.
    late = Listener(live)
    assert late.progress()["streams"][0]["recordsEmitted"] >= counts[-1]
    for each in (listener, other, late):
        each.close()
    assert runner.put("success", output=completed()).status == 204
    live.serve(live.ended(job))


def test_T42_who_may_not_read_the_workspace_hears_nothing(live):
    mine = live.ask("POST", f"{V1}/workspaces", {"name": "mine"})["workspaceId"]
    (theirs,) = live.sql("SELECT workspace_id FROM connection")[0]
    stranger, reader = Listener(live, live.reader_of(mine)), Listener(live, live.reader_of(theirs))
    _, runner = live.start_sync()
    with reporting(runner):
        for _ in range(5):
            reader.progress()  # positive control
    live.ask("PATCH", f"{V1}/workspaces/{mine}", {"name": "still mine"})
    while True:
        event = stranger.event()
        assert event.get("event") in (None, "change"), event
        if mine in event.get("data", ""):
            break
    for each in (stranger, reader):
        each.close()


def test_a_running_job_has_live_numbers_everywhere(live):
    job, runner = live.start_sync()
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 0
    for n in (100, 250):
        time.sleep(0.3)  # of what is told within a quarter of a second only the first is passed on
        report(runner, n)
        shown_by(live, job, n // 2)
        shown = live.ask("GET", f"{V1}/jobs/{job}")
        assert (shown["status"], shown["rowsSynced"], shown["bytesSynced"]) == ("running", n // 2, 5 * n)
        (listed,) = live.ask("GET", f"{V1}/jobs")["data"]
        assert listed["rowsSynced"] == n // 2
        for call in ("get", "get_light", "get_without_logs"):
            info = live.ask("POST", f"/api/v1/jobs/{call}", {"id": job})
            (attempt,) = info["attempts"]
            assert attempt["attempt"]["totalStats"] == {"recordsEmitted": n, "bytesEmitted": 10 * n, "recordsCommitted": n // 2,
                                                        "bytesCommitted": 5 * n}, call
            assert attempt["attempt"]["streamStats"][0]["stats"]["recordsEmitted"] == n
            assert info["job"]["aggregatedStats"] == {"recordsCommitted": n // 2, "bytesCommitted": 5 * n}
        (info,) = live.ask("POST", "/api/v1/jobs/list", {"configId": live.connection_id})["jobs"]
        assert info["attempts"][0]["attempt"]["recordsSynced"] == n // 2
        assert live.properties(job, "RecordsCommitted") == n // 2
        found = live.properties(job)
        assert (found["RecordsCommitted"], found["BytesCommitted"], found["Id"]) == (n // 2, 5 * n, job)
        whole = live.json("job", "show", str(job))["attempts"][0]
        assert (whole["recordsEmitted"], whole["recordsCommitted"], whole["streams"][0]["recordsEmitted"]) == (n, n // 2, n)
        (item,) = live.manager("ListJobs", "", dbus.UInt64(0), dbus.UInt32(0))
        assert json.loads(item)["rowsSynced"] == n // 2
    # The next attempt's numbers come to those of the first; what the first one was told of is past.
    assert runner.put("success", output=failed(40)).status == 204
    runner = live.take_sync()
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 40
    report(runner, 10)
    shown_by(live, job, 45)
    assert runner.put("success", output=completed(7)).status == 204
    live.serve(live.ended(job))
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == live.properties(job, "RecordsCommitted") == 47


def test_a_job_that_is_cancelled_is_watched_to_its_end(live):
    """From the word to the end it is running, as clients know it, and its numbers grow; the last are those that are handed over."""
    job, runner = live.start_sync()
    listener = Listener(live)
    report(runner, 100)
    shown_by(live, job, 50)
    cancel, _ = in_background(lambda: live.ask("DELETE", f"{V1}/jobs/{job}"))
    end = time.monotonic() + PATIENCE
    while runner.put("heartbeat").status != 200:
        assert time.monotonic() < end
        time.sleep(0.02)
    again, _ = in_background(lambda: live.ask("POST", "/api/v1/jobs/cancel", {"id": job}))
    time.sleep(0.3)  # of what is told within a quarter of a second only the first is passed on
    report(runner, 140)
    shown_by(live, job, 70)
    while listener.progress()["streams"][0]["recordsEmitted"] < 140:
        pass
    assert [j["status"] for j in live.ask("GET", f"{V1}/jobs?status=running")["data"]] == ["running"]
    assert live.properties(job, "Status") == "running" and live.properties(job, "RecordsCommitted") == 70
    assert live.json("job", "show", str(job))["status"] == "running"
    output = {"status": "cancelled", "streams": [stream(160, status="INCOMPLETE")], "failures": []}
    assert runner.put("failure", source="worker", reason="stopped", output=output).status == 204
    live.serve(live.ended(job))
    while not ((event := listener.event()).get("event") == "change" and '"job"' in event["data"] and str(job) in event["data"]):
        pass
    assert cancel()["jobId"] == again()["job"]["id"] == job  # test_cancel_answers.py
    ended = live.ask("GET", f"{V1}/jobs/{job}")
    assert (ended["status"], ended["rowsSynced"], ended["bytesSynced"]) == ("cancelled", 80, 800), ended
    attempt = live.json("job", "show", str(job))["attempts"][0]
    assert (attempt["recordsEmitted"], attempt["recordsCommitted"]) == (160, 80), attempt
    connection, answer = live.http("DELETE", f"{V1}/jobs/{job}")
    assert answer.status == 409, answer.status
    connection.close()
    listener.close()


def test_after_a_restart_numbers_go_on_with_the_next_report(live):
    job, runner = live.start_sync()
    listener = Listener(live)
    assert runner.post("stats", streams=[stream(60)]).status == 204
    report(runner, 100)
    while listener.progress()["streams"][0]["recordsEmitted"] < 100:
        pass
    live.kill()
    # Without the daemon what was told last is shown, and after its start it is not back to what was stored.
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 50
    live.start()
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 50
    late = Listener(live)
    assert late.progress()["streams"][0]["recordsEmitted"] == 100
    report(runner, 140)
    assert listener.progress()["streams"][0]["recordsEmitted"] == 140
    # A server that has just started knows what is stored, until there is a report.
    live.server.kill()
    live.server.wait()
    live.server = subprocess.Popen([BUILD / "gantry-server", f"--listen={live.directory}/server.sock",
                                    f"--database={live.database}"], env=live.environment)
    while not live.owns("Server1"):
        time.sleep(0.02)
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 30
    time.sleep(0.3)
    report(runner, 160)
    shown_by(live, job, 80)


class Wire:
    """What goes over the bus to and from the server, as far as the match says."""

    def __init__(self, live, match):
        self.process = subprocess.Popen(["busctl", f"--address={live.environment['GANTRY_BUS_ADDRESS']}", "monitor", "--json=short",
                                         f"--match={match}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "Monitoring" in self.process.stderr.readline()
        self.messages = queue.Queue()
        threading.Thread(target=lambda: [self.messages.put(json.loads(line)) for line in self.process.stdout], daemon=True).start()

    def until(self, condition):
        """All messages up to the first that fits, which is the last."""
        found = []
        while not found or not condition(found[-1]):
            found.append(self.messages.get(timeout=PATIENCE))
        return found

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


def numbers_of(message):
    return message["member"] == "PropertiesChanged" and "RecordsCommitted" in message["payload"]["data"][2]


def test_live_numbers_are_told_on_the_bus_while_somebody_has_subscribed(live):
    """And to nobody else; a subscriber that goes without a word is forgotten."""
    job, runner = live.start_sync()
    told = Wire(live, f"type='signal',sender='{SERVER}'")
    reports = iter(range(100, 10_000, 2))

    def signals():
        """Those of one more report, up to a signal that is told to everybody."""
        n = next(reports)
        time.sleep(0.3)  # of what is told within a quarter of a second only the first is passed on
        report(runner, n)
        shown_by(live, job, n // 2)
        live.ask("POST", f"{V1}/workspaces", {"name": f"after {n}"})
        return [m for m in told.until(lambda m: m["member"] == "Changed") if m["member"] == "PropertiesChanged"]

    def manager_of(bus):
        return dbus.Interface(bus.get_object(SERVER, "/org/gantry/Server1", introspect=False), f"{SERVER}.Manager")

    try:
        while told.messages.qsize():
            told.messages.get()
        assert not [m for m in signals() if numbers_of(m)]
        with live.connected() as one, live.connected() as other:
            for bus in (one, one, other):
                manager_of(bus).Subscribe()
            heard = [m for m in signals() if numbers_of(m)]
            assert len(heard) == 1 and heard[0]["path"].endswith(f"/job/_3{str(job)[0]}{str(job)[1:]}"), heard
            assert heard[0]["payload"]["data"] == [f"{SERVER}.Job", {}, ["RecordsCommitted", "BytesCommitted"]]  # names, no value
            for _ in range(2):  # subscribed twice is told once, and has to say so twice
                manager_of(one).Unsubscribe()
            assert [m for m in signals() if numbers_of(m)], "the other one listens still"
            name = other.get_unique_name()
        with live.connected() as bus:
            while bus.name_has_owner(name):
                time.sleep(0.02)
        assert not [m for m in signals() if numbers_of(m)]
        assert runner.put("success", output=completed()).status == 204
        live.serve(live.ended(job))
    finally:
        told.close()


def test_a_report_is_bound_to_its_lease_and_stores_nothing(live):
    job, runner = live.start_sync()

    def stored():
        return live.sql("SELECT * FROM workload") + live.sql("SELECT * FROM workload_text") + live.sql("SELECT max(seq) FROM change")

    before = stored()
    report(runner, 10)
    shown_by(live, job, 5)
    assert stored() == before
    for streams in (None, {}, [{}], [{"name": 3}], [stream(-1)], [dict(stream(1), recordsEmitted="x")]):
        assert runner.post("progress", streams=streams).status == 422, streams
    body = dict(runner.lease, streams=[])
    assert live.request("POST", "workload/progress", body, live.launcher["token"]).status == 403
    assert live.request("POST", "workload/progress", dict(body, leaseEpoch=runner.lease["leaseEpoch"] + 1), runner.token).status == 410
    assert live.request("POST", "workload/progress", dict(body, workloadId="other"), runner.token).status == 403
    assert live.ask("GET", f"{V1}/jobs/{job}")["rowsSynced"] == 5
    assert runner.put("failure", source="x", reason="y").status == 204
    assert runner.post("progress", streams=[stream(20)]).status == 410
    shown_by(live, job, 0)


def test_an_attempt_has_one_number_everywhere_and_the_first_is_0(live):
    """docs/INTERFACES.md, "Numbers of attempts": what is read in one place can be typed in another."""
    listener = Listener(live)
    ctl = subprocess.Popen([BUILD / "gantryctl", "sync", "start", "test", "--wait", "--progress=json"], env=live.environment, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for number in (0, 1):
        runner = live.take_sync()
        job = int(runner.id.rsplit("_", 3)[1])
        assert runner.id.endswith(f"_{job}_{number}_sync")
        watcher = subprocess.Popen([BUILD / "gantryctl", "job", "wait", str(job), "--progress=plain"], env=live.environment, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        runner.log(json.dumps({"t": 1, "level": "INFO", "origin": "source", "message": f"number {number} speaks"}) + "\n")
        with reporting(runner, first=2 + 1_000_000 * number, estimatedRecords=10_000_000):
            while (told := json.loads(ctl.stderr.readline()))["attempt"] != number:
                assert told["attempt"] == number - 1, told
            assert watcher.stderr.readline().startswith(f"Job {job}, attempt {number}: ")
            while (event := listener.progress())["attempt"] != number:
                assert event["attempt"] == number - 1, event
        watcher.kill()
        watcher.communicate()
        assert runner.put("success", output=completed() if number else failed(3)).status == 204
    live.serve(live.ended(job))
    ctl.communicate(timeout=PATIENCE)
    assert f"Job {job}: attempt 0 failed: it broke" in live.said() and "attempt 1 failed" not in live.said()
    assert [a["attemptNumber"] for a in live.json("job", "show", str(job))["attempts"]] == [0, 1]
    info = live.ask("POST", "/api/v1/jobs/get", {"id": job})
    assert [a["attempt"]["id"] for a in info["attempts"]] == [0, 1]
    table = live.ctl("job", "show", str(job)).stdout.splitlines()
    heads = [i for i, line in enumerate(table) if line.startswith("ATTEMPT")]
    assert [line.split()[0] for line in table[heads[0] + 1:heads[0] + 3]] == ["0", "1"], table
    for number in (0, 1):
        assert f"number {number} speaks" in live.ctl("job", "logs", str(job), f"--attempt={number}").stdout
    assert "has no attempt 2, its last one is 1" in live.ctl("job", "logs", str(job), "--attempt=2", code=4).stderr
    listener.close()


def test_gantryctl_shows_it_in_each_form(live):
    def start(*arguments, text=True):
        ctl = subprocess.Popen([BUILD / "gantryctl", "sync", "start", "test", *arguments], env=live.environment, text=text,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        return ctl, live.take_sync()

    def end(ctl, runner):
        assert runner.put("success", output=completed()).status == 204
        out, err = ctl.communicate(timeout=PATIENCE)
        assert ctl.returncode == 0, (out, err)
        return out, err

    ctl, runner = start("--wait", "--follow", "--progress=plain")
    runner.log('{"t":1,"level":"INFO","origin":"source","message":"hello"}\n')
    with reporting(runner, estimatedRecords=100_000):
        first, second = ctl.stderr.readline(), ctl.stderr.readline()
    out, _ = end(ctl, runner)
    for line in (first, second):
        assert "records" in line and "committed" in line and "%" in line and "\x1b" not in line, line
    assert "hello" in out and "succeeded" in out

    ctl, runner = start("--wait", "--progress=json")
    with reporting(runner):
        lines = [json.loads(ctl.stderr.readline()) for _ in range(2)]
    end(ctl, runner)
    assert lines[1]["records_emitted"] > lines[0]["records_emitted"] > 0 and lines[0]["job"] == lines[1]["job"] > 0

    ctl, runner = start("--wait", "--progress=bar", text=False)  # a text's \r would come as \n
    with reporting(runner, estimatedRecords=100_000):
        drawn = b""
        while drawn.count(b"\r") < 4:
            drawn += ctl.stderr.read1()
    assert "░" in drawn.decode(errors="replace"), drawn
    end(ctl, runner)

    # By itself a bar where there is a terminal.
    terminal, end_of_it = os.openpty()
    ctl = subprocess.Popen([BUILD / "gantryctl", "sync", "start", "test", "--wait"], env=live.environment | {"TERM": "xterm"}, text=True,
                           stdout=subprocess.PIPE, stderr=end_of_it)
    os.close(end_of_it)
    runner, drawn = live.take_sync(), b""
    with reporting(runner, estimatedRecords=100_000):
        while drawn.count(b"\r") < 3:
            drawn += os.read(terminal, 4096)
    assert "░" in drawn.decode(errors="replace"), drawn
    assert end(ctl, runner)[0].endswith("records.\n")
    os.close(terminal)

    for quiet in (("--progress=none", "--follow"), ("--quiet", "--follow"), ()):
        ctl, runner = start("--wait", *quiet)
        report(runner, 10)
        time.sleep(1)
        assert end(ctl, runner)[1] == "", quiet
    assert "--progress" in live.ctl("sync", "start", "test", "--wait", "--progress=loud", code=2).stderr
