# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a client of org.gantry.Server1 hears without asking: properties that have changed, jobs that come and go, the seq of the last
change; and that whoever listens keeps the daemon."""

import json
import queue
import subprocess
import threading

import dbus
import pytest
from api_world import own_suite  # noqa: F401
from conftest import TIMEOUT
from introspection import path
from test_server_bus import NAME, ROOT

PROPERTIES = "org.freedesktop.DBus.Properties"
OBJECTS = "org.freedesktop.DBus.ObjectManager"


class Monitor:
    """All signals of the server, in their order."""

    def __init__(self, suite):
        self.process = subprocess.Popen(["busctl", f"--address={suite.bus}", "monitor", "--json=short",
                                         f"--match=type='signal',sender='{NAME}'"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert "Monitoring" in self.process.stderr.readline()
        self.heard, self.seen = queue.Queue(), []
        threading.Thread(target=lambda: [self.heard.put(json.loads(line)) for line in self.process.stdout], daemon=True).start()

    def until(self, member, what, interface=None):
        """The next signal of that name from that object, or about it."""
        while True:
            signal = self.heard.get(timeout=TIMEOUT)
            self.seen.append(signal)
            data = signal["payload"]["data"]
            if signal["member"] == member and what in (signal["path"], data[0]) and interface in (None, data[0]):
                return data

    def end(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture
def monitor(suite):
    monitor = Monitor(suite)
    yield monitor
    monitor.end()


def objects(suite):
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        manager = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False), OBJECTS)
        return {str(p): interfaces for p, interfaces in manager.GetManagedObjects().items()}
    finally:
        bus.close()


@pytest.mark.parametrize("kind", ["source", "destination", "connection"])
def test_a_change_names_the_object_and_what_is_to_be_asked_anew(suite, monitor, kind):
    made = {"source": suite.new_source, "destination": suite.new_destination, "connection": suite.new_connection}[kind]()
    where, interface = path(ROOT, kind, made[f"{kind}Id"]), f"{NAME}.{kind.capitalize()}"
    monitor.until("PropertiesChanged", where)  # that it is there
    assert suite.patch(f"/{kind}s/{made[f'{kind}Id']}", {"name": "anew"}).status == 200
    told, values, names = monitor.until("PropertiesChanged", where)
    assert (told, values) == (interface, {}) and {"Name", "Revision", "UpdatedAt"} <= set(names), names
    assert not {"Id", "WorkspaceId", "CreatedAt"} & set(names), names
    # What is told is what is so.
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        assert dbus.Interface(bus.get_object(NAME, where, introspect=False), PROPERTIES).Get(interface, "Name") == "anew"
    finally:
        bus.close()
    # No value of anything is in a signal, nor the name of what was not changed.
    assert "anew" not in json.dumps(monitor.seen)


def test_the_seq_of_each_change_is_told_once_and_grows(suite, monitor):
    for i in range(3):
        suite.new_source(name=f"seq {i}")
    suite.post("/tags", {"name": "end of it", "color": "000000", "workspaceId": suite.workspace})
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        manager = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False), f"{NAME}.Manager")
        while True:
            monitor.until("Changed", ROOT)
            seqs = [s["payload"]["data"][0] for s in monitor.seen if s["member"] == "Changed"]
            if manager.ListChanges(dbus.UInt64(seqs[-1] - 1), dbus.UInt32(0))[0][1] == "tag":
                break
        assert seqs == sorted(set(seqs)) and len(seqs) >= 4, seqs
    finally:
        bus.close()


def test_jobs_that_have_not_ended_are_objects(suite, monitor):
    connection = suite.new_connection()["connectionId"]
    before = set(objects(suite))
    assert not any(p.endswith(path("", "connection", connection)) for p in before), before
    job = suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).json["jobId"]
    where = path(ROOT, "job", str(job))
    # The peer that stores jobs here says nothing of itself; the server looks when it has stored something.
    suite.new_source()
    told = monitor.until("InterfacesAdded", where)
    properties = told[1][f"{NAME}.Job"]
    assert properties["Id"]["data"] == job and "Status" not in properties, properties  # what changes is not in a signal
    found = objects(suite)
    assert set(found) - before == {where}
    assert (found[where][f"{NAME}.Job"]["ConnectionId"], found[where][f"{NAME}.Job"]["Status"]) == (connection, "pending")
    assert suite.delete(f"/jobs/{job}").status == 200
    suite.new_source()
    assert "Status" in monitor.until("PropertiesChanged", where)[2]
    assert f"{NAME}.Job" in monitor.until("InterfacesRemoved", where)[1]
    assert set(objects(suite)) == before
    # It comes once, and goes once; what it is can still be asked.
    suite.new_source(name="later")
    monitor.until("Changed", ROOT)
    about = [s["member"] for s in monitor.seen if s["member"].startswith("Interfaces") and s["payload"]["data"][0] == where]
    assert about == ["InterfacesAdded", "InterfacesRemoved"], about


def test_who_listens_may_stay_and_leave(suite):
    """Whether the daemon stays for it is seen where it may leave: tests/host/test-suite-idle.py."""
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        manager = dbus.Interface(bus.get_object(NAME, ROOT, introspect=False), f"{NAME}.Manager")
        for _ in range(2):
            manager.Subscribe()
        for _ in range(2):
            manager.Unsubscribe()
    finally:
        bus.close()
