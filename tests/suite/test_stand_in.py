# SPDX-License-Identifier: LGPL-2.1-or-later
"""A daemon whose database can't be used answers everything with the reason instead of not being there, and makes room for a daemon
that can when it is mended. On a host, with a disk that is full: tests/host/test-suite-faults.py."""

import json
import subprocess
import time

import dbus
import pytest
from workload_host import BUILD, PATIENCE, DaemonHost, UnixConnection

NEWER = "newer than this program's"
CALLS = {"server": ("ListSources", "", dbus.UInt64(0), dbus.UInt32(0)), "workflow": ("WorkloadFinished", "of nobody"),
         "workload": ("Cancel", "of nobody", "test", "test")}
SOCKETS = {"server": "/api/public/v1/health", "workload": "/api/v1/workload/x"}


class Daemon(DaemonHost):
    def __init__(self, directory, name):
        super().__init__(directory)
        self.name = name
        data = directory / "data"
        (data / "definitions.d").mkdir(parents=True)
        subprocess.run([BUILD / "gantry-bootloader", f"--data={data}"], env=self.environment, check=True)

    def start(self):
        listen = [f"--listen={self.socket}"] if self.name in SOCKETS else []
        logs = [f"--log-directory={self.logs}"] if self.name == "workload" else []
        self.start_daemon(self.name, *listen, *logs)

    @property
    def bus_name(self):
        return f"org.gantry.{self.name.capitalize()}1"

    def call(self):
        """The name and the words of what a call fails with."""
        member, *arguments = CALLS[self.name]
        with self.connected() as bus:
            peer = bus.get_object(self.bus_name, f"/org/gantry/{self.name.capitalize()}1", introspect=False)
            with pytest.raises(dbus.DBusException) as failed:
                peer.get_dbus_method(member, f"{self.bus_name}.Manager")(*arguments, timeout=PATIENCE)
            peer.Ping(dbus_interface="org.freedesktop.DBus.Peer")
        return failed.value.get_dbus_name(), failed.value.get_dbus_message()

    def get(self):
        connection = UnixConnection(self.socket)
        connection.request("GET", SOCKETS[self.name])
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, json.loads(body) if body.startswith("{") else body

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait()
        self.bus.stop()


@pytest.fixture(params=list(CALLS))
def daemon(tmp_path, request):
    daemon = Daemon(tmp_path, request.param)
    yield daemon
    daemon.stop()


def test_the_reason_is_the_answer_until_it_is_gone(daemon):
    daemon.sql("INSERT INTO schema_migration (version, name, applied_at) VALUES (9999, 'later', 1)")
    daemon.start()
    for _ in range(3):
        name, words = daemon.call()
        assert name == "org.gantry.Error.Unavailable" and NEWER in words, (name, words)
        if daemon.name in SOCKETS:
            status, problem = daemon.get()
            assert status == 503 and NEWER in problem["detail"], (status, problem)
    assert daemon.process.poll() is None
    daemon.sql("DELETE FROM schema_migration WHERE version = 9999")
    assert daemon.process.wait(PATIENCE) == (0 if daemon.name == "server" else 75)
    assert NEWER in daemon.words()
    # Positive control: the next one does its work.
    daemon.start()
    if daemon.name in SOCKETS:
        assert daemon.get()[0] == {"server": 200, "workload": 401}[daemon.name]
    if daemon.name != "server":
        assert daemon.call()[0] == "org.gantry.Error.NotFound"


def test_what_nobody_mends_is_tried_anew(daemon):
    """Only gantry-bootloader makes a database, and what starts the daemon runs it before."""
    daemon.database.unlink()
    began = time.monotonic()
    daemon.start()
    name, words = daemon.call()
    assert name == "org.gantry.Error.Unavailable" and str(daemon.database) in words, (name, words)
    assert daemon.process.wait(PATIENCE) == (0 if daemon.name == "server" else 75)
    assert time.monotonic() - began >= 2, "a unit that is started so often is stopped for it"


def test_a_stop_is_a_stop(daemon):
    daemon.database.unlink()
    daemon.start()
    daemon.process.terminate()
    assert daemon.process.wait(PATIENCE) == 0
