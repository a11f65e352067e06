# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of gantry-workload run: the daemon on a bus, a database and a socket of their own."""

import contextlib
import fcntl
import http.client
import json
import os
import pathlib
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import uuid

import dbus
import dbus.bus

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD", ROOT / "build"))
MANAGER = "org.gantry.Workload1.Manager"
# A hundred times what a quiet machine needs.
PATIENCE = 300


BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={directory}/bus</listen><auth>EXTERNAL</auth>
<servicedir>{directory}/services</servicedir><limit name="service_start_timeout">10000</limit>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


class Bus:
    """A private dbus-daemon. One that activates starts what services/ in its directory names, and waits 10 s for it."""

    def __init__(self, directory, activates=False):
        self.address = f"unix:path={directory}/bus"
        config = ["--session", f"--address={self.address}"]
        if activates:
            (pathlib.Path(directory) / "services").mkdir()
            (pathlib.Path(directory) / "bus.conf").write_text(BUS_CONFIG.format(directory=directory))
            config = [f"--config-file={directory}/bus.conf"]
        self.process = subprocess.Popen(["dbus-daemon", *config, "--nofork", "--print-address"],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process.stdout.readline()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Peer:
    """Another daemon's name, see bus_peer.py."""

    def __init__(self, bus, name):
        self.process = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("bus_peer.py"), bus.address,
                                         f"org.gantry.{name}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        threading.Thread(target=lambda: [self.lines.put(json.loads(line)) for line in self.process.stdout], daemon=True).start()
        assert self.next()["ready"]

    def next(self, timeout=PATIENCE):
        return self.lines.get(timeout=timeout)

    def call(self, member):
        """The arguments of the next call of that name; others are passed over."""
        while True:
            line = self.next()
            if line.get("member") == member:
                return line["arguments"]

    def answer(self, error):
        """What calls are answered with from now on."""
        self.process.stdin.write(f"{error}\n")
        self.process.stdin.flush()
        while "set" not in self.next():
            pass

    def stop(self):
        self.process.kill()
        self.process.wait()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, status, body):
        self.status = status
        self.text = body
        self.json = json.loads(body) if body else None

    def __repr__(self):
        return f"{self.status} {self.text[:500]}"


class DaemonHost:
    """What any daemon of the suite needs: a bus, a key, a place for the database. start_daemon() may be called again and again."""

    activates = False  # whether its bus does

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.database = self.directory / "gantry.db"
        self.socket = str(self.directory / "socket")
        self.logs = self.directory / "logs"
        (self.directory / "key").write_bytes(bytes(range(32)))
        self.bus = Bus(directory, self.activates)
        self.process = None
        self.environment = dict(os.environ, GANTRY_BUS_ADDRESS=self.bus.address, GANTRY_KEY_FILE=str(self.directory / "key"),
                                GANTRY_DATABASE=str(self.database))

    def sql(self, statement, parameters=()):
        with contextlib.closing(sqlite3.connect(self.database, timeout=PATIENCE)) as db:
            rows = db.execute(statement, parameters).fetchall()
            db.commit()
            return rows

    def start_daemon(self, name, *arguments):
        """Starts gantry-NAME and waits until it has its name on the bus. What it says is for words()."""
        self.process = subprocess.Popen([BUILD / f"gantry-{name}", *arguments], env=self.environment,
                                        stderr=(self.directory / "stderr").open("ab"))
        while not self.owns(f"{name.capitalize()}1"):
            assert self.process.poll() is None, self.words()
            time.sleep(0.01)

    def words(self):
        return (self.directory / "stderr").read_text()

    def owns(self, name):
        with self.connected() as bus:
            return bus.name_has_owner(f"org.gantry.{name}")

    @contextlib.contextmanager
    def connected(self):
        bus = dbus.bus.BusConnection(self.bus.address)
        try:
            yield bus
        finally:
            bus.close()


class Host(DaemonHost):
    """gantry-workload and what is around it. start() and kill() may be called again and again."""

    def __init__(self, directory):
        super().__init__(directory)
        self.peers = {}
        subprocess.run([BUILD / "tests/tools/make-database", self.database], check=True)
        self.connection_id = str(uuid.uuid4())
        self.launcher = None

    def start(self, arguments=()):
        self.start_daemon("workload", f"--listen={self.socket}", f"--log-directory={self.logs}", *arguments)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(PATIENCE) == 0
        for peer in self.peers.values():
            peer.stop()
        self.bus.stop()

    def peer(self, name):
        if name not in self.peers:
            self.peers[name] = Peer(self.bus, name)
        return self.peers[name]

    def call(self, member, *arguments):
        """A method of org.gantry.Workload1; a bytes or str that begins with "memfd:" travels as one."""
        with self.connected() as bus:
            manager = dbus.Interface(bus.get_object("org.gantry.Workload1", "/org/gantry/Workload1", introspect=False), MANAGER)
            return manager.get_dbus_method(member)(*arguments, timeout=PATIENCE)

    def request(self, method, path, body=None, token=None, content_type="application/json"):
        connection = UnixConnection(self.socket)
        headers = {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content_type
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
        # A body that is too large is refused before it is read.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request(method, f"/api/v1/{path}", body, headers)
        response = connection.getresponse()
        answer = Answer(response.status, response.read().decode())
        connection.close()
        return answer

    def register(self, name="local"):
        answer = self.request("POST", "dataplanes/initialize", {"name": name})
        assert answer.status == 200, answer
        return answer.json

    def create(self, **members):
        """A workload through the bus; returns its id."""
        workload = self.workload(**members)
        assert self.call("Create", sealed(json.dumps(workload)))
        return workload["id"]

    def workload(self, **members):
        workload = {"id": f"w{uuid.uuid4()}", "autoId": str(uuid.uuid4()), "type": "check", "priority": "default",
                    "workspaceId": None, "input": {"actor": {"id": None, "role": "source", "configuration": {}}}}
        workload.update(members)
        return workload

    def sync(self, attempt=0, **members):
        """A sync of the connection, which is made where there is none."""
        self.make_connection()
        return self.create(type="sync", id=f"{self.connection_id}_7_{attempt}_sync", connectionId=self.connection_id, jobId=7,
                           attempt=attempt, input={"source": {"id": "source-actor", "configuration": {}},
                                                   "destination": {"id": "destination-actor", "configuration": {}}}, **members)

    def as_launcher(self):
        if not self.launcher:
            self.launcher = self.register()
        return self.launcher

    def claim(self, workload_id):
        launcher = self.as_launcher()
        answer = self.request("PUT", "workload/claim", {"workloadId": workload_id, "dataplaneId": launcher["dataplaneId"]},
                              launcher["token"])
        assert answer.status == 200, answer
        return answer.json

    def runner(self, workload_id):
        """A claimed, launched and running workload's runner."""
        claim = self.claim(workload_id)
        assert claim["claimed"]
        runner = Runner(self, workload_id, claim)
        assert self.request("PUT", "workload/launched", runner.lease, self.launcher["token"]).status == 204
        assert runner.put("running").status == 204
        return runner

    def get(self, workload_id):
        fd = self.call("Get", workload_id).take()
        with os.fdopen(fd, "rb") as f:
            f.seek(0)
            return json.loads(f.read())

    def make_connection(self):
        """A connection's row, with what it refers to, as gantry-server would store them."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=PATIENCE)) as db:
            if db.execute("SELECT 1 FROM connection WHERE id = ?", (self.connection_id,)).fetchone():
                return
            for table, row in self.rows():
                columns = ", ".join(row)
                db.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
            db.commit()


    def rows(self):
        workspace, at = str(uuid.uuid4()), {"created_at": 1, "updated_at": 1}
        yield "workspace", {"id": workspace, "name": "test", **at}
        for role in ("source", "destination"):
            definition = str(uuid.uuid4())
            yield "definition", {"id": definition, "role": role, "name": role, "reference": f"native:{role}", "connector_type": role,
                                 "executor": "lite", "network": "none", **at}
            yield "actor", {"id": f"{role}-actor", "workspace_id": workspace, "definition_id": definition, "role": role,
                            "name": role, "configuration": "{}", **at}
        yield "connection", {"id": self.connection_id, "workspace_id": workspace, "source_id": "source-actor",
                             "destination_id": "destination-actor", "name": "test", "status": "active",
                             "schedule_type": "manual", "namespace_definition": "destination",
                             "non_breaking_preference": "ignore", **at}


class Runner:
    def __init__(self, host, workload_id, claim):
        self.host, self.claim, self.token = host, claim, claim["workloadToken"]
        self.id = workload_id
        self.lease = {"workloadId": workload_id, "leaseEpoch": claim["leaseEpoch"]}

    def put(self, word, **members):
        return self.host.request("PUT", f"workload/{word}", dict(self.lease, **members), self.token)

    def post(self, word, **members):
        return self.host.request("POST", f"workload/{word}", dict(self.lease, **members), self.token)

    def state(self, *states):
        return self.post("state", states=list(states))

    def log(self, lines):
        return self.host.request("POST", f"workload/logs?workloadId={self.id}&leaseEpoch={self.lease['leaseEpoch']}", lines,
                                 self.token, content_type="application/x-ndjson")


def sealed(text):
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(fd, text.encode() if isinstance(text, str) else text)
    fcntl.fcntl(fd, 1033, 0xF)  # F_ADD_SEALS: seal, shrink, grow, write
    result = dbus.types.UnixFd(fd)
    os.close(fd)
    return result


def stream_state(name, value, namespace=None):
    descriptor = {"name": name}
    if namespace is not None:
        descriptor["namespace"] = namespace
    return {"type": "STREAM", "stream": {"stream_descriptor": descriptor, "stream_state": value}}
