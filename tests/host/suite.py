# SPDX-License-Identifier: LGPL-2.1-or-later
"""For host tests written in Python: the installed suite as a client sees it (HTTP by socket and proxy, D-Bus, gantryctl), and
what of it the host itself shows (units, processes, destinations).

    sys.path.insert(0, "/mnt/tests/host")
    import suite
"""

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
import traceback

V1 = "/api/public/v1"
FILES = pathlib.Path("/srv/gantry")
DATABASE = "/var/lib/gantry/gantry.db"
BUS = ("org.gantry.Server1", "/org/gantry/Server1", "org.gantry.Server1.Manager")
DAEMONS = ("launcher", "proxy", "server", "workflow", "workload")
ON_BUS = ("launcher", "server", "workflow", "workload")
ENDED = ("succeeded", "failed", "cancelled", "incomplete")
# The end of patience for what a quiet machine does in a few seconds; never a measure.
PATIENCE = 900


def out(*argv, check=True, user=None):
    """Runs a command; what it wrote."""
    argv = [*(["runuser", "-u", user, "--"] if user else []), *map(str, argv)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert not check or done.returncode == 0, f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}"
    return done.stdout.strip()


def code(*argv, user=None):
    """Runs a command; its exit code."""
    argv = [*(["runuser", "-u", user, "--"] if user else []), *map(str, argv)]
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def show(unit, name):
    """One property of a unit."""
    return out("systemctl", "show", "--property", name, "--value", "--", unit)


def polkit_rules(text=""):
    """polkit's rules beside the installed ones, in force when this returns. polkit allows few starts in ten seconds, a fast
    machine's tests want more of them: the count begins anew."""
    pathlib.Path("/etc/polkit-1/rules.d/10-test.rules").write_text(f"polkit.addRule(function (action, subject) {{ {text} }});\n")
    out("systemctl", "reset-failed", "polkit.service", check=False)  # not loaded is no failure
    out("systemctl", "restart", "polkit.service")


class Gate:
    """A rule of polkit's about one user that has no answer until somebody opens the gate: what happens before the answer does so
    whatever the machine's speed. polkit gives such a rule ten seconds, and then denies."""

    def __init__(self, user, verdict):
        self.path = pathlib.Path(f"/run/gate-{user}")
        self.close()
        polkit_rules(f'if (subject.user == "{user}") {{ polkit.spawn(["/bin/sh", "-c", "until [ -e {self.path} ]; do sleep 0.02; done"]); '
                     f'return polkit.Result.{verdict}; }}')

    def close(self):
        self.path.unlink(missing_ok=True)

    def open(self):
        self.path.touch()

    def wait(self):
        """Until somebody stands before it."""
        until(lambda: code("pgrep", "-u", "polkitd", "-f", str(self.path)) == 0, "the rule")


def until(condition, what, patience=PATIENCE, pause=None):
    """Waits for what sends no event; the condition's first true value. Without `pause` the first looks come soon and the later ones
    seldom, a twentieth of the wait later: what takes long isn't asked for all the time."""
    begin = time.monotonic()
    while True:
        if value := condition():
            return value
        waited = time.monotonic() - begin
        assert waited < patience, f"never came: {what}"
        time.sleep(pause or min(max(waited / 20, 0.02), 0.25))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """The HTTP API with a token of the first application."""

    def __init__(self, way="unix"):
        """way: "unix", the server's socket, or "proxy"."""
        self.way, self.token = way, None

    def connection(self):
        if self.way == "unix":
            return UnixConnection("/run/gantry/server.sock", PATIENCE)
        return http.client.HTTPConnection("127.0.0.1", 8000, timeout=PATIENCE)

    def raw(self, method, path, body=None, token=None):
        """A call as it is; status and text."""
        connection = self.connection()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def ask(self, method, path, body=None, status=(200, 201, 204)):
        """A call with a token, of the public API unless the path says otherwise; what was answered, as JSON."""
        path = path if path.startswith("/api/") else V1 + path
        if self.token is None:
            self.login()
        got, text = self.raw(method, path, body, self.token)
        if got == 401:
            self.login()
            got, text = self.raw(method, path, body, self.token)
        assert got in (status if isinstance(status, tuple) else (status,)), f"{method} {path}: {got} {text}"
        return json.loads(text) if text else None

    def login(self):
        client_id, secret = credentials()
        status, text = self.raw("POST", f"{V1}/applications/token", {"client_id": client_id, "client_secret": secret})
        assert status == 200, f"no token: {status} {text}"
        self.token = json.loads(text)["access_token"]

    @property
    def workspace(self):
        return self.ask("GET", "/workspaces")["data"][0]["workspaceId"]

    def source(self, name, **configuration):
        return self.ask("POST", "/sources", {"name": name, "workspaceId": self.workspace, "configuration": configuration})["sourceId"]

    def destination(self, name, **configuration):
        return self.ask("POST", "/destinations",
                        {"name": name, "workspaceId": self.workspace, "configuration": configuration})["destinationId"]

    def connect(self, name, source, destination, mode=None, streams=None, **more):
        """A connection of all streams, or of those named, each in the given sync mode."""
        if streams:
            more["configurations"] = {"streams": [{"name": s} | ({"syncMode": mode} if mode else {}) for s in streams]}
        return self.ask("POST", "/connections", {"name": name, "sourceId": source, "destinationId": destination} | more)["connectionId"]

    def start(self, connection, job_type="sync"):
        return self.ask("POST", "/jobs", {"connectionId": connection, "jobType": job_type})["jobId"]

    def job(self, job_id):
        return self.ask("GET", f"/jobs/{job_id}")

    def wait(self, job_id, status=None, patience=PATIENCE):
        """Waits for a job's end, which must be this one."""
        until(lambda: self.job(job_id)["status"] in ENDED[:3], f"the end of job {job_id}", patience)
        job = self.job(job_id)
        assert status in (None, job["status"]), f"job {job_id}: {job['status']}, not {status}\n{self.story(job_id)}"
        return job

    def attempts(self, job_id):
        """The job's attempts with their statistics, as the config API shows them."""
        return self.ask("POST", "/api/v1/jobs/get", {"id": job_id})["attempts"]

    def states(self, connection):
        """The states stored for a connection by stream name."""
        answer = self.ask("POST", "/api/v1/state/get", {"connectionId": connection})
        return {s["streamDescriptor"]["name"]: s["streamState"] for s in answer.get("streamState", [])}

    def story_of(self, job_id):
        """A job with its attempts, their failures and statistics per stream: the bus's view, which has more than the API's."""
        return bus_read(f"/org/gantry/Server1/job/{job_id}", "org.gantry.Server1.Job", "Get")

    def story(self, job_id):
        """The same as text, for when a test has failed."""
        return json.dumps(self.story_of(job_id), indent=1)


def credentials():
    """Client id and secret of the application that the installation made."""
    return json.loads(out("busctl", "--json=short", "call", *BUS, "GetCredentials"))["data"]


def bus(member, signature="", *arguments, path=BUS[1], interface=BUS[2], user=None):
    """A call on the server's D-Bus interface by busctl; its results."""
    done = out("busctl", "--json=short", "--timeout=900", "call", BUS[0], path, interface, member,
               *([signature, "--", *arguments] if signature else []), user=user)
    return json.loads(done)["data"] if done else []


def bus_read(path, interface, member):
    """A method without arguments that answers with a memfd (and perhaps a revision), which busctl can't read; needs python3-dbus."""
    import dbus
    answer = dbus.SystemBus().get_object(BUS[0], path, introspect=False).get_dbus_method(member, interface)(timeout=PATIENCE)
    descriptor = answer[0] if isinstance(answer, tuple) else answer
    with os.fdopen(descriptor.take(), "rb") as memory:
        memory.seek(0)
        return json.loads(memory.read())


def bus_create(kind, body):
    """CreateSource and its like, which take a memfd; the new object's path and id."""
    import dbus
    descriptor = os.memfd_create("body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with os.fdopen(descriptor, "r+b") as memory:
        memory.write(json.dumps(body).encode())
        memory.flush()
        seal(descriptor)
        manager = dbus.Interface(dbus.SystemBus().get_object(*BUS[:2], introspect=False), BUS[2])
        return tuple(map(str, getattr(manager, f"Create{kind}")(dbus.types.UnixFd(descriptor), timeout=900)))


def seal(descriptor):
    import fcntl
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS,
                fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)


def rows(path, query, *values):
    """What a reader of a database sees now."""
    for mode in ("ro", "rw"):
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=PATIENCE)) as database:
            try:
                return database.execute(query, values).fetchall()
            except sqlite3.OperationalError as error:
                # Its writer was killed: the first who opens it has to put its log in order.
                if mode == "rw" or "readonly" not in str(error):
                    raise
    return None


def jsonl(path):
    """The records of a JSON lines file."""
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def job_units(job_id=None):
    """Units below gantry-jobs.slice that systemd knows, slices excluded."""
    listed = json.loads(out("systemctl", "list-units", "--all", "--output=json", "gantry-run-*"))
    names = [unit["unit"] for unit in listed]
    return [n for n in names if job_id is None or f"j{job_id}a" in show(n, "Slice")]


def attempt_slices(job_id):
    """The slices of a job's attempts that systemd knows as active."""
    listed = json.loads(out("systemctl", "list-units", "--state=active", "--output=json", f"gantry-jobs-j{job_id}a*.slice"))
    return [unit["unit"] for unit in listed]


def main_pid(unit):
    return int(show(unit, "MainPID"))


def kill(unit):
    """kill -9 of a unit's main process."""
    pid = main_pid(unit)
    assert pid > 0, f"{unit} does not run"
    os.kill(pid, signal.SIGKILL)
    return pid


def main(tests):
    """Runs a test file's functions test_… in order; says which failed and why."""
    failed = 0
    for name, test in list(tests.items()):
        if not name.startswith("test_") or (len(sys.argv) > 1 and not any(word in name for word in sys.argv[1:])):
            continue
        start = time.monotonic()
        try:
            test()
            print(f"ok {name} ({time.monotonic() - start:.1f} s)", flush=True)
        except Exception:  # the others' results are wanted, too
            failed += 1
            print(f"not ok {name} ({time.monotonic() - start:.1f} s)\n{traceback.format_exc()}", flush=True)
    return 1 if failed else 0
