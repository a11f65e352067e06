# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.gantry.Server1: the manager, the objects, and that both faces show the same."""

import fcntl
import json
import os

import dbus
import pytest

NAME, ROOT = "org.gantry.Server1", "/org/gantry/Server1"
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


@pytest.fixture(scope="module")
def bus(suite):
    connection = dbus.bus.BusConnection(suite.bus)
    yield connection
    connection.close()


@pytest.fixture
def manager(bus):
    return dbus.Interface(bus.get_object(NAME, ROOT), f"{NAME}.Manager")


def memfd(value, seals=SEALS):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, json.dumps(value).encode() if value is not None else b"")
    if seals:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return dbus.types.UnixFd(os.fdopen(fd, "rb"))


def text(fd):
    """What a memfd holds, wherever its offset is."""
    with os.fdopen(fd.take(), "rb") as f:
        return os.pread(f.fileno(), os.fstat(f.fileno()).st_size, 0).decode()


def read(fd):
    return json.loads(text(fd))


def of(bus, path, kind):
    return dbus.Interface(bus.get_object(NAME, path), f"{NAME}.{kind}")


def properties(bus, path, kind):
    return dbus.Interface(bus.get_object(NAME, path), "org.freedesktop.DBus.Properties").GetAll(f"{NAME}.{kind}")


def fails(error, call, *arguments):
    with pytest.raises(dbus.DBusException) as caught:
        call(*arguments)
    assert caught.value.get_dbus_name() == f"org.gantry.Error.{error}", caught.value
    return caught.value.get_dbus_message()


def test_a_sync_over_the_bus(suite, bus, manager):
    path, source = manager.CreateSource(memfd({"name": "bus", "configuration": {"sourceType": "faker", "count": 3}}))
    away, destination = manager.CreateDestination(memfd({"name": "away", "configuration": {
        "destinationType": "jsonl", "path": str(suite.files)}}))
    connection_path, connection = manager.CreateConnection(memfd({"sourceId": source, "destinationId": destination}))
    assert suite.get(f"/sources/{source}").json == read(of(bus, path, "Source").Get()[0])
    assert suite.get(f"/connections/{connection}").json == read(of(bus, connection_path, "Connection").Get()[0])
    assert properties(bus, path, "Source")["Name"] == "bus"
    assert "Configuration" not in properties(bus, path, "Source")  # everybody may read properties
    job = manager.Sync(connection, "")
    fails("Busy", manager.Sync, connection, "")
    assert properties(bus, f"{ROOT}/job/_3{str(job)[0]}{str(job)[1:]}", "Job")["Status"] == "pending"
    manager.Cancel(job)
    fails("NotRunning", manager.Cancel, job)
    assert job in [json.loads(j)["jobId"] for j in manager.ListJobs(json.dumps({"connectionId": connection}), 0, 0)]
    fails("Conflict", of(bus, path, "Source").Delete, 0)
    of(bus, connection_path, "Connection").Disable()
    assert properties(bus, connection_path, "Connection")["Status"] == "inactive"
    of(bus, connection_path, "Connection").Delete(0)
    of(bus, path, "Source").Delete(0)
    of(bus, away, "Destination").Delete(0)
    with pytest.raises(dbus.DBusException):
        of(bus, path, "Source").Get()


def test_checks_discovers_states_and_logs(suite, bus, manager):
    made = suite.new_connection()
    paths = {json.loads(s)["sourceId"]: None for s in manager.ListSources("", 0, 0)}
    assert made["sourceId"] in paths
    path, _ = manager.CreateSource(memfd({"name": "checked", "configuration": {"sourceType": "faker"}}))
    source = of(bus, path, "Source")
    assert json.loads(source.Check(memfd(None)))["status"] == "succeeded"
    assert json.loads(source.Check(memfd({"note": "fail"})))["status"] == "failed"
    assert {s["name"] for s in read(source.Discover(True))["streams"]} == {"users", "products", "purchases"}
    path, _ = manager.CreateConnection(memfd({"sourceId": made["sourceId"], "destinationId": made["destinationId"]}))
    connection = of(bus, path, "Connection")
    states = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": {"n": 1}}}]
    connection.SetState(memfd({"states": states}))
    assert read(connection.GetState())[0]["stream"]["stream_state"] == {"n": 1}
    job = connection.Sync("")
    lines, cursor, more = of(bus, f"{ROOT}/job/_3{str(job)[0]}{str(job)[1:]}", "Job").ReadLogs(0, dbus.UInt64(0), 0)
    assert json.loads(text(lines).splitlines()[0])["message"] == "one"
    assert cursor == 1 and not more
    connection.Delete(0)


def test_what_is_wrong_is_told(suite, manager):
    message = fails("InvalidArgument", manager.CreateSource, memfd({"name": "bad", "configuration": {
        "sourceType": "faker", "count": "many"}}))
    assert "/count" in message
    fails("InvalidArgument", manager.CreateSource, memfd(None))
    fails("InvalidArgument", manager.CreateSource, memfd({"name": "x"}, seals=0))
    fails("InvalidArgument", manager.CreateSource, memfd([]))
    fails("NotFound", manager.Sync, "nothing", "")
    connection = suite.new_connection()["connectionId"]
    for options in ("[]", '"x"', "5", "{", "[{}]"):  # found by tests/host/busfuzz.py: an array ended the daemon
        for member in ("Sync", "Refresh", "Clear"):
            fails("InvalidArgument", manager.get_dbus_method(member), connection, options)
    fails("NotFound", manager.Cancel, dbus.Int64(99999999))


def test_rotated_configurations_change_secrets_alone(suite, manager):
    spec = {"type": "object", "properties": {"host": {"type": "string"}, "token": {"type": "string", "airbyte_secret": True}}}
    definition = suite.post(f"/workspaces/{suite.workspace}/definitions/declarative_sources", {
        "name": "Rotating", "manifest": {"spec": {"connection_specification": spec}}}).json["id"]
    source = suite.new_source(definitionId=definition, configuration={"host": "here", "token": "first"})["sourceId"]
    manager.PutRotatedConfiguration(source, memfd({"host": "evil", "token": "second"}))
    assert suite.get(f"/sources/{source}").json["configuration"] == {"host": "here", "token": "**********"}
    fails("NotFound", manager.PutRotatedConfiguration, "nothing", memfd({}))


def test_changes_are_listed_and_signalled(suite, manager):
    changes = manager.ListChanges(dbus.UInt64(0), 0)
    last = changes[-1][0] if len(changes) < 1000 else 0
    source = suite.new_source()["sourceId"]
    assert source in [c[2] for c in manager.ListChanges(dbus.UInt64(last), 0)] or last == 0
    # Found by tests/host/busfuzz.py with sanitizers: the largest number plus one.
    assert manager.ListChanges(dbus.UInt64(2**63 - 1), 0) == []
