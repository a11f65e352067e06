# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole control plane as it is: bootloader, server, workflow, workload and proxy, driven through the proxy as a client
would. Only the launcher is the test."""

import contextlib
import http.client
import json
import os
import queue
import subprocess
import threading
import time

import dbus
import pytest
from introspection import path
from workflow_host import PATIENCE, Suite, sealed, stats
from workload_host import BUILD, ROOT

V1 = "/api/public/v1"


class Whole(Suite):
    proxy = server = log = None

    def begin(self):
        data = self.directory / "data"
        (data / "specs").mkdir(parents=True)
        (data / "definitions.d").symlink_to(ROOT / "data/definitions.d")
        for spec in ROOT.glob("src/connectors/*/*-spec.json"):
            (data / "specs" / spec.name).symlink_to(spec)
        files = self.directory / "files"
        files.mkdir()
        (self.directory / "gantry.conf").write_text(f"[Files]\nReadRoots={files}\nWriteRoots={files}\n")
        self.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address
        subprocess.run([BUILD / "gantry-bootloader", f"--database={self.database}", f"--data={data}"], env=self.environment,
                       check=True)
        self.start_all()
        self.log = (self.directory / "server.stderr").open("ab")
        self.server = subprocess.Popen([BUILD / "gantry-server", f"--listen={self.directory}/server.sock",
                                        f"--database={self.database}", f"--config={self.directory}/gantry.conf"],
                                       env=self.environment, stderr=self.log)
        while not self.owns("Server1"):
            assert self.server.poll() is None, (self.directory / "server.stderr").read_text()
            time.sleep(0.01)
        self.proxy = subprocess.Popen([BUILD / "gantry-proxy", "--listen=0", f"--server={self.directory}/server.sock",
                                       f"--config={self.directory}/gantry.conf"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.proxy.stdout.readline().rsplit(":", 1)[1])
        self.catalog = self.discover()
        self.token = self.get_token()

    def discover(self):
        spoken = subprocess.run([BUILD / "gantry", "discover", "native:source-faker"], capture_output=True, check=True)
        messages = [json.loads(line) for line in spoken.stdout.splitlines()]
        return next(m["catalog"] for m in messages if m["type"] == "CATALOG")

    def get_token(self):
        with self.connected() as bus:
            manager = dbus.Interface(bus.get_object("org.gantry.Server1", "/org/gantry/Server1", introspect=False),
                                     "org.gantry.Server1.Manager")
            client_id, secret = manager.GetCredentials(timeout=PATIENCE)
        return self.ask("POST", "/applications/token", {"client_id": str(client_id), "client_secret": str(secret)},
                        token=None)["access_token"]

    def ask(self, method, path, body=None, token="own", status=200):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {self.token}"
        connection.request(method, V1 + path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == status, (response.status, text, (self.directory / "server.stderr").read_text(), self.said())
        return json.loads(text) if text else None

    def script(self, kind, _attempt):
        return {"check": {"status": "succeeded"}, "discover": {"catalog": self.catalog},
                "sync": {"status": "completed", "failures": [],
                         "streams": [dict(stats(7)[0], name=s["name"]) for s in self.catalog["streams"]]}}[kind]

    def background(self, call):
        """A call that makes the daemons work, with the launcher at work meanwhile."""
        from test_workflow_jobs import serve_call
        return serve_call(self, call, self.script)

    def end(self):
        """What begin() has come to, if it has failed as well."""
        for process in (self.proxy, self.server):
            if process:
                process.terminate()
                process.wait(PATIENCE)
        if self.log:
            self.log.close()
        self.stop()


@contextlib.contextmanager
def running(directory):
    whole = Whole(directory)
    try:
        whole.begin()
        yield whole
    finally:
        whole.end()


@pytest.fixture
def whole(tmp_path):
    with running(tmp_path) as whole:
        yield whole


def test_a_start_that_fails_leaves_nothing_behind(tmp_path, monkeypatch):
    """Of these tests: the bus and the peers are processes too."""
    started = []
    monkeypatch.setattr("subprocess.Popen", record(subprocess.Popen, started))
    monkeypatch.setattr(Whole, "start_all", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError), running(tmp_path):
        pass
    assert started and all(process.poll() is not None for process in started), started


def record(make, made):
    class Recorded(make):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)
    return Recorded


def configure(whole):
    workspace = whole.ask("GET", "/workspaces")["data"][0]["workspaceId"]
    source = whole.background(lambda: whole.ask("POST", "/sources", {
        "name": "people", "workspaceId": workspace, "configuration": {"sourceType": "faker", "count": 10}}))
    destination = whole.background(lambda: whole.ask("POST", "/destinations", {
        "name": "away", "workspaceId": workspace,
        "configuration": {"destinationType": "jsonl", "path": str(whole.directory / "files")}}))
    return whole.background(lambda: whole.ask("POST", "/connections", {
        "sourceId": source["sourceId"], "destinationId": destination["destinationId"], "name": "first"}))


def test_a_sync_through_the_api_from_nothing_to_its_end(whole):
    connection = configure(whole)
    assert {s["name"] for s in connection["configurations"]["streams"]} == {"users", "products", "purchases"}
    job = whole.ask("POST", "/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"})
    assert job["status"] in ("pending", "running")
    whole.ask("POST", "/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"}, status=409)
    whole.serve(whole.ended(job["jobId"]), whole.script)
    job = whole.ask("GET", f"/jobs/{job['jobId']}")
    assert (job["status"], job["rowsSynced"], job["bytesSynced"]) == ("succeeded", 21, 189)
    (stream, *_) = whole.sql("SELECT DISTINCT status FROM stream_stats")
    assert stream == ("COMPLETE",)


class Events(threading.Thread):
    """The `progress` events of a client of the proxy."""

    def __init__(self, whole):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection("127.0.0.1", whole.port, timeout=PATIENCE)
        self.connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {whole.token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.heard = queue.Queue()
        self.start()

    def run(self):
        kind = None
        while line := self.answer.readline().decode():
            if line.startswith("event: "):
                kind = line.strip().removeprefix("event: ")
            elif line.startswith("data: ") and kind == "progress":
                self.heard.put(json.loads(line.removeprefix("data: ")))


def test_how_far_a_sync_is_can_be_seen_while_it_runs(whole):
    """What the runner tells between its stored numbers: on the event stream at most four times a second, in the job, on the bus. The
    stored numbers count where nothing was told, and only the attempt's own end is what stays."""
    connection = configure(whole)
    job = whole.ask("POST", "/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"})["jobId"]
    runner = None
    while runner is None:
        for workload in whole.poll():
            taken = whole.runner(workload)
            if workload.endswith("_sync"):
                runner = taken
            else:
                assert whole.answer(taken, whole.script).status == 204
        time.sleep(0.02)
    assert whole.ask("GET", f"/jobs/{job}")["rowsSynced"] == 0
    assert runner.post("stats", streams=stats(100, complete=False)).status == 204
    assert whole.ask("GET", f"/jobs/{job}")["rowsSynced"] == 100  # stored, and nothing newer told
    events = Events(whole)
    until, n = time.monotonic() + 3, 200
    while time.monotonic() < until:
        n += 1
        assert runner.post("progress", streams=stats(n, complete=False)).status == 204
        time.sleep(0.02)
    # One more, which nothing came shortly before: it is passed on, and when it was heard nothing is on its way.
    time.sleep(0.3)
    n += 1
    assert runner.post("progress", streams=stats(n, complete=False)).status == 204
    heard = [events.heard.get(timeout=PATIENCE)]
    while heard[-1]["streams"][0]["recordsCommitted"] != n:
        heard.append(events.heard.get(timeout=PATIENCE))
    span = (heard[-1]["at"] - heard[0]["at"]) / 1e6
    assert 2 <= len(heard) <= 4 * span + 2, (len(heard), span)
    event = heard[-1]
    assert (event["jobId"], event["attempt"], event["connectionId"]) == (job, 0, connection["connectionId"])
    assert event["streams"][0]["name"] == "users", event
    told = whole.ask("GET", f"/jobs/{job}")
    assert told["rowsSynced"] == event["streams"][0]["recordsCommitted"], (told, event)
    assert whole.ask("GET", f"/jobs?connectionId={connection['connectionId']}")["data"][0] == told
    with whole.connected() as bus:
        where = bus.get_object("org.gantry.Server1", path("/org/gantry/Server1", "job", str(job)), introspect=False)
        properties = where.GetAll("org.gantry.Server1.Job", dbus_interface="org.freedesktop.DBus.Properties")
        assert properties["RecordsCommitted"] == told["rowsSynced"], properties
        with os.fdopen(where.Get(dbus_interface="org.gantry.Server1.Job").take()) as shown:
            shown.seek(0)
            attempt = json.load(shown)["attempts"][0]
        assert attempt["streams"][0]["recordsCommitted"] == told["rowsSynced"], attempt
    # Another attempt of the same job, or none, has no numbers to tell.
    before = events.heard.qsize()
    for body in ({"jobId": job, "attempt": 1, "streams": []}, {"jobId": job + 1, "attempt": 0, "streams": []}, {}, {"jobId": job, "attempt": 0}):
        with whole.connected() as bus, pytest.raises(dbus.DBusException):
            manager = bus.get_object("org.gantry.Server1", "/org/gantry/Server1", introspect=False)
            manager.PutProgress(sealed(json.dumps(body)), dbus_interface="org.gantry.Server1.Manager")
    assert runner.put("success", output=whole.script("sync", 0)).status == 204
    whole.serve(whole.ended(job), whole.script)
    assert whole.ask("GET", f"/jobs/{job}")["rowsSynced"] == 21 and events.heard.qsize() == before
    events.connection.close()


def test_a_cancel_through_the_api(whole):
    connection = configure(whole)
    job = whole.ask("POST", "/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"})
    whole.take()
    whole.ask("DELETE", f"/jobs/{job['jobId']}")
    whole.serve(whole.ended(job["jobId"]), whole.script)
    assert whole.ask("GET", f"/jobs/{job['jobId']}")["status"] == "cancelled"
    whole.ask("DELETE", f"/jobs/{job['jobId']}", status=409)
