# SPDX-License-Identifier: LGPL-2.1-or-later
"""For tests of launcher and worker: workloads put into the queue through the workload API, and what became of them."""

import base64
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.parse
import uuid

import heldsync

SOCKET = "/run/gantry/workload/api.sock"
API = "/api/v1/"
DATABASE = "/var/lib/gantry/gantry.db"
TERMINAL = ("success", "failure", "cancelled")
# The end of patience, a hundred times what a quiet machine needs.
PATIENCE = 900
FILES = pathlib.Path("/srv/gantry")


class Failed(Exception):
    pass


def require(condition, what):
    if not condition:
        raise Failed(what)


def run(*argv, check=True):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    require(done.returncode == 0 or not check, f"{' '.join(map(str, argv))}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


class Api:
    """The workload API as uid 0 and, for what takes a token, as a dataplane of its own that claims nothing."""

    def __init__(self):
        self.token = None
        self.token = self.call("POST", "dataplanes/initialize", {"name": "test"})["token"]

    def call(self, method, path, body=None, good=(200, 204)):
        headers = {"Content-Type": "application/json"}
        if self.token and path != "workload/create":
            headers["Authorization"] = f"Bearer {self.token}"
        connection = Connection("localhost")
        connection.request(method, API + path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        text = answer.read()
        require(answer.status in good, f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text) if text else None

    def get(self, workload_id):
        return self.call("GET", "workload/" + urllib.parse.quote(workload_id, safe=""))

    def wait(self, workload_id, *statuses):
        """The workload once it is in one of these states, by default an end."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            workload = self.get(workload_id)
            if workload["status"] in (statuses or TERMINAL):
                return workload
            time.sleep(0.05)
        raise Failed(f"{workload_id} is still {workload['status']}")


def wake():
    """Wakes the launcher; a call that met one which was just being killed is made again."""
    end = time.monotonic() + PATIENCE
    while True:
        done = subprocess.run(["busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1",
                               "org.gantry.Launcher1.Manager", "Wake"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        require("disconnected" in done.stderr and time.monotonic() < end, f"Wake: {done.stderr}")


def greet(listener):
    """Says "hello" to whoever comes."""
    while True:
        peer, _ = listener.accept()
        with contextlib.suppress(OSError):
            peer.send(b"hello")
        peer.close()


def actor(reference, role, configuration, executor, **more):
    return {"id": None, "definitionId": str(uuid.uuid4()), "role": role, "reference": reference, "executor": executor,
            "network": "none", "allowedHosts": [], "limits": {"memoryMax": 256 << 20, "tasksMax": 64},
            "configuration": configuration, "paths": [], **more}


def hide(**config):
    """Part of hostile-connector.py's configuration in which the launcher finds no host's name."""
    return base64.b64encode(json.dumps(config).encode()).decode()


def make_connection():
    """A connection's row, with what it refers to, as gantry-server would store them: states belong to one. Its id."""
    connection, workspace, ids, at = str(uuid.uuid4()), str(uuid.uuid4()), {}, {"created_at": 1, "updated_at": 1}
    rows = [("workspace", {"id": workspace, "name": "test", **at})]
    for role in ("source", "destination"):
        definition, ids[role] = str(uuid.uuid4()), str(uuid.uuid4())
        rows.append(("definition", {"id": definition, "role": role, "name": definition, "reference": f"native:{role}",
                                    "connector_type": role, "executor": "lite", "network": "none", **at}))
        rows.append(("actor", {"id": ids[role], "workspace_id": workspace, "definition_id": definition, "role": role,
                               "name": role, "configuration": "{}", **at}))
    rows.append(("connection", {"id": connection, "workspace_id": workspace, "source_id": ids["source"],
                                "destination_id": ids["destination"], "name": "test", "status": "active",
                                "schedule_type": "manual", "namespace_definition": "destination",
                                "non_breaking_preference": "ignore", **at}))
    with contextlib.closing(sqlite3.connect(DATABASE, timeout=PATIENCE)) as db:
        for table, row in rows:
            db.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
        db.commit()
    return connection


class Lab:
    """Runs workloads; their ids are their own."""

    def __init__(self):
        self.api = Api()
        self.job = 1000

    def create(self, kind, data, workload_id=None, auto_id=None, job=None):
        workload_id = workload_id or f"{uuid.uuid4()}_{kind}"
        self.api.call("POST", "workload/create", {
            "id": workload_id, "autoId": auto_id or str(uuid.uuid4()), "type": kind, "priority": "default",
            "mutexKey": None, "deadline": int((time.time() + 1800) * 1e6), "workspaceId": str(uuid.uuid4()),
            "connectionId": make_connection() if job else None, "jobId": job, "attempt": None if job is None else 0, "dropStates": [], "labels": {},
            "input": data})
        wake()
        return workload_id

    def oneshot(self, kind, an_actor, **more):
        return self.api.wait(self.create(kind, {"actor": an_actor}, **more))

    def catalog(self, source):
        workload = self.oneshot("discover", source)
        require(workload["status"] == "success", f"discover: {workload}")
        return workload["output"]["catalog"]

    def sync(self, source, destination, catalog, **options):
        """Starts a sync of all streams; (workload id, slice)."""
        self.job += 1
        configured = {"streams": [{
            "stream": s, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite", "generation_id": 1,
            "minimum_generation_id": 1, "sync_id": self.job, "cursor_field": s.get("default_cursor_field") or [],
            "primary_key": s.get("source_defined_primary_key") or []} for s in catalog["streams"]]}
        workload_id = self.create("sync", {
            "syncId": self.job, "source": source, "destination": destination, "sourceCatalog": configured,
            "destinationCatalog": configured, "options": options,
            "streams": [{"destinationName": s["name"], "destinationNamespace": s.get("namespace"), "selectedFields": None,
                         "mappers": None} for s in catalog["streams"]]}, job=self.job)
        return workload_id, f"gantry-jobs-j{self.job}a0.slice"

    def hold(self, source, destination, catalog, count, program="connectors/"):
        """A sync of source(count) into destination() that stands still in its source, which begins with that program: workload, slice,
        process of the source, count. One that was over before it could be held begins again with four times as much."""
        for _ in range(heldsync.TIMES):
            workload_id, slice_name = self.sync(source(count), destination(), catalog)
            if pid := heldsync.hold(slice_name, lambda: self.api.get(workload_id)["status"] in TERMINAL, word=program):  # noqa: B023
                unit_of(slice_name, "worker")
                return workload_id, slice_name, pid, count
            require(self.api.wait(workload_id)["status"] == "success", "it was over before it could be held, and did not end well")
            count *= 4
        raise Failed("no sync could be held")

    def hold_endless(self, source, destination, catalog, program="connectors/"):
        """One that never ends by itself, once records move and that is told. Its source goes on when this returns."""
        workload_id, slice_name, pid, _ = self.hold(source, destination, catalog, heldsync.ENDLESS, program)
        end = time.monotonic() + PATIENCE
        while not self.emitted(workload_id):
            require(time.monotonic() < end, "nothing moved")
            require(heldsync.step(pid), f"its source has ended: {self.api.get(workload_id)}")
            time.sleep(0.2)
        heldsync.go_on(pid)
        return workload_id, slice_name

    def emitted(self, workload_id):
        """How many records the source is told to have sent."""
        return sum(s["recordsEmitted"] for s in self.api.get(workload_id).get("stats") or [])


def files_place(name):
    """A new directory of the file connectors' user."""
    place = FILES / name
    run("install", "-d", "-o", "gantry-files", "-g", "gantry-files", "-m", "0750", place)
    return place


def units(pattern="gantry-run-*"):
    return [line.split()[0] for line in run("systemctl", "list-units", "--all", "--plain", "--no-legend", pattern).splitlines()]


def wait_gone(what="gantry-run-*"):
    """Until no unit of that name is left: a test ends where it began."""
    end = time.monotonic() + PATIENCE
    while left := units(what):
        require(time.monotonic() < end, f"left over: {left}")
        time.sleep(0.05)


def main_pid(unit):
    return int(run("systemctl", "show", "--value", "-p", "MainPID", unit))


def kill_daemon(unit):
    """kill -9 of a daemon that runs; started by a call if it has left by itself."""
    if unit == "gantry-launcher.service" and not main_pid(unit):
        wake()
    pid = main_pid(unit)
    require(pid > 0, f"{unit} does not run")
    os.kill(pid, signal.SIGKILL)


def invocation(unit):
    return run("systemctl", "show", "--value", "-p", "InvocationID", unit)


def unit_of(slice_name, role):
    """The unit of that role in a slice, once it runs."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for unit in units(f"gantry-run-*-{role}.service"):
            if run("systemctl", "show", "--value", "-p", "Slice", unit) == slice_name and main_pid(unit):
                return unit
        time.sleep(0.02)
    raise Failed(f"no {role} ever ran in {slice_name}")


def run_tests(tests):
    """Runs functions of a Lab one after the other; exits as the runner wants it."""
    lab = Lab()
    bad = 0
    for test in tests:
        start = time.monotonic()
        try:
            test(lab)
            wait_gone()
            print(f"ok {test.__name__} ({time.monotonic() - start:.1f} s)", flush=True)
        except Failed as reason:
            bad += 1
            print(f"FAILED {test.__name__}: {reason}", flush=True)
    sys.exit(1 if bad else 0)
