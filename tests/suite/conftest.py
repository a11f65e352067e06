# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control plane as processes: a bus, the bootloader, gantry-server over a database of its own, and the peer that answers
for the daemons that can't run without systemd. Everything else is what is installed.

The build tree is $GANTRY_BUILD, else build/ in the source tree."""

import base64
import http.client
import json
import os
import pathlib
import socket
import struct
import subprocess
import time
import urllib.parse

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD", ROOT / "build")).resolve()
TIMEOUT = float(os.environ.get("GANTRY_TEST_TIMEOUT", "300"))
V1 = "/api/public/v1"

BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>
"""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:2000]!r}"


class Unix(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=TIMEOUT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Python's own time-out would make a queue that is full for a moment an error at once.
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(TIMEOUT), 0))
        self.sock.connect(self.path)
        self.sock.settimeout(TIMEOUT)


class Suite:
    """One running control plane."""

    def __init__(self, directory):
        self.directory = directory
        self.database = directory / "gantry.db"
        self.socket = str(directory / "server.sock")
        self.catalog = directory / "catalog.json"
        self.bus = f"unix:path={directory}/bus"
        self.files = directory / "files"
        self.files.mkdir()
        self.processes = []
        # Held while it is bound here and nobody listens: the kernel gives it to nobody who asks for any port, and the server, which
        # sets SO_REUSEADDR as well, may still have it.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}{V1}"
        (directory / "key").write_bytes(bytes(range(32)))
        (directory / "gantry.conf").write_text(f"[Files]\nReadRoots={self.files}\nWriteRoots={self.files}\n")
        self.environment = dict(os.environ, GANTRY_KEY_FILE=str(directory / "key"), GANTRY_DATABASE=str(self.database),
                                GANTRY_BUS_ADDRESS=self.bus, DBUS_SYSTEM_BUS_ADDRESS=self.bus)
        self._token = None

    def spawn(self, *argv, **kwargs):
        log = open(self.directory / f"{pathlib.Path(argv[0]).name}.log", "ab")
        process = subprocess.Popen([str(a) for a in argv], env=self.environment, stderr=log, **kwargs)
        self.processes.append(process)
        return process

    def run(self, *argv, check=True):
        return subprocess.run([str(a) for a in argv], env=self.environment, capture_output=True, check=check, timeout=TIMEOUT,
                              text=True)

    def wait_for_bus_name(self, name):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            if "true" in self.run("busctl", f"--address={self.bus}", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                  "org.freedesktop.DBus", "NameHasOwner", "s", name).stdout:
                return
        raise AssertionError(f"{name} never came")

    def make_data(self):
        """definitions.d and specs as they are installed."""
        data = self.directory / "data"
        (data / "specs").mkdir(parents=True)
        (data / "definitions.d").symlink_to(ROOT / "data/definitions.d")
        for spec in ROOT.glob("src/connectors/*/*-spec.json"):
            (data / "specs" / spec.name).symlink_to(spec)
        return data

    def start(self):
        (self.directory / "bus.conf").write_text(BUS_CONFIG.format(path=self.directory / "bus"))
        bus = self.spawn("dbus-daemon", f"--config-file={self.directory}/bus.conf", "--nofork", "--print-address",
                         stdout=subprocess.PIPE)
        bus.stdout.readline()
        self.run(BUILD / "gantry-bootloader", f"--database={self.database}", f"--data={self.make_data()}")
        self.make_catalog()
        self.spawn(BUILD / "tests/tools/workflow-peer", self.database, self.catalog)
        self.wait_for_bus_name("org.gantry.Workflow1")
        self.start_server()

    def start_server(self):
        self.server = self.spawn(BUILD / "gantry-server", f"--listen={self.socket}", f"--database={self.database}",
                                 f"--listen=127.0.0.1:{self.port}", f"--config={self.directory}/gantry.conf")
        self.wait_for_bus_name("org.gantry.Server1")

    def make_catalog(self):
        spoken = self.run(BUILD / "gantry", "discover", "native:source-faker").stdout
        for line in spoken.splitlines():
            message = json.loads(line)
            if message["type"] == "CATALOG":
                self.catalog.write_text(json.dumps(message["catalog"]))

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.terminate()
        for process in reversed(self.processes):
            process.wait(TIMEOUT)
        self.held.close()

    def call(self, interface, path, *arguments, method=None, check=True):
        result = self.run("busctl", f"--address={self.bus}", "--json=short", "call", "org.gantry.Server1", path,
                          f"org.gantry.Server1.{interface}", method, *arguments, check=check)
        return json.loads(result.stdout)["data"] if result.returncode == 0 and result.stdout.strip() else result

    def manager(self, method, *arguments, check=True):
        return self.call("Manager", "/org/gantry/Server1", *arguments, method=method, check=check)

    @property
    def credentials(self):
        return self.manager("GetCredentials")

    @property
    def token(self):
        if not self._token:
            client_id, secret = self.credentials
            answer = self.request("POST", f"{V1}/applications/token", {"client_id": client_id, "client_secret": secret},
                                  token=None)
            assert answer.status == 200, answer
            self._token = answer.json["access_token"]
        return self._token

    def request(self, method, path, body=None, token="own", headers=None, query=None):
        connection = Unix(self.socket)
        headers = dict(headers or {})
        if token == "own":
            token = self.token
        if token:
            headers.setdefault("Authorization", f"Bearer {token}")
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    def raw(self, data):
        """Sends bytes as they are and reads to the end."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(TIMEOUT)
            s.connect(self.socket)
            s.sendall(data)
            received = b""
            while chunk := s.recv(65536):
                received += chunk
            return received

    def get(self, path, **kwargs):
        return self.request("GET", V1 + path, **kwargs)

    def post(self, path, body=None, **kwargs):
        return self.request("POST", V1 + path, body, **kwargs)

    def patch(self, path, body=None, **kwargs):
        return self.request("PATCH", V1 + path, body, **kwargs)

    def put(self, path, body=None, **kwargs):
        return self.request("PUT", V1 + path, body, **kwargs)

    def delete(self, path, **kwargs):
        return self.request("DELETE", V1 + path, **kwargs)

    # What most tests need first.
    @property
    def workspace(self):
        return self.get("/workspaces").json["data"][0]["workspaceId"]

    def new_source(self, **changes):
        body = {"name": "people", "workspaceId": self.workspace, "configuration": {"sourceType": "faker", "count": 10}} | changes
        answer = self.post("/sources", body)
        assert answer.status == 200, answer
        return answer.json

    def new_destination(self, **changes):
        body = {"name": "away", "workspaceId": self.workspace,
                "configuration": {"destinationType": "jsonl", "path": str(self.files)}} | changes
        answer = self.post("/destinations", body)
        assert answer.status == 200, answer
        return answer.json

    def new_connection(self, **changes):
        body = {"sourceId": self.new_source()["sourceId"], "destinationId": self.new_destination()["destinationId"]} | changes
        answer = self.post("/connections", body)
        assert answer.status == 200, answer
        return answer.json

    def new_token(self):
        """Another application, and its token."""
        made = self.post("/applications", {"name": "another"}).json
        answer = self.post("/applications/token", {"client_id": made["clientId"], "client_secret": made["clientSecret"]},
                           token=None)
        return made["id"], answer.json["access_token"]

    def limited_token(self, role, workspace):
        """The token of an application that has one role on one workspace and nothing else."""
        application, token = self.new_token()
        whole = next(p for p in self.get("/permissions").json["data"] if p["userId"] == application)
        made = self.post("/permissions", {"permissionType": f"workspace_{role}", "userId": application, "workspaceId": workspace})
        assert made.status == 200, made
        assert self.delete(f"/permissions/{whole['permissionId']}").status == 204
        return token


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture(scope="session")
def suite(tmp_path_factory):
    s = Suite(tmp_path_factory.mktemp("suite"))
    try:
        s.start()
        yield s
    finally:
        s.stop()
