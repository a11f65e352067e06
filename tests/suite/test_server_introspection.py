# SPDX-License-Identifier: LGPL-2.1-or-later
"""The interfaces on the bus are those of dbus/*.xml, which are installed: no member comes or goes unnoticed. The launcher's, which
can't run without systemd as process 1, are compared by tests/host/test-suite-cron.py.

GANTRY_WRITE_INTERFACES=1 writes the files anew."""

import os

import dbus
import introspection
import pytest
import test_server_bus
from workflow_host import Suite
from workload_host import ROOT

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
NAME, SERVER = test_server_bus.NAME, test_server_bus.ROOT


def introspect(bus, name, path):
    return introspection.interfaces(dbus.Interface(bus.get_object(name, path, introspect=False), INTROSPECTABLE).Introspect())


def compare(name, found):
    path = ROOT / f"dbus/org.gantry.{name}.xml"
    said = introspection.document(found)
    if os.environ.get("GANTRY_WRITE_INTERFACES"):
        path.write_text(said)
    assert said == path.read_text(), f"{path.name} says something else than the daemon"


def test_the_server(suite):
    """With one object of each kind."""
    connection = suite.new_connection()
    job = suite.post("/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"}).json["jobId"]
    bus = dbus.bus.BusConnection(suite.bus)
    found = introspect(bus, NAME, SERVER)
    for kind, number in (("source", connection["sourceId"]), ("destination", connection["destinationId"]),
                         ("connection", connection["connectionId"]), ("job", job)):
        found |= introspect(bus, NAME, introspection.path(SERVER, kind, str(number)))
    bus.close()
    assert len(found) == introspection.KINDS["Server1"], sorted(found)
    compare("Server1", found)


@pytest.fixture(scope="module")
def daemons(tmp_path_factory):
    host = Suite(tmp_path_factory.mktemp("daemons"))
    host.start_all()
    yield host
    host.stop()


@pytest.mark.parametrize("name", ["Workflow1", "Workload1"])
def test_the_daemons(daemons, name):
    with daemons.connected() as bus:
        compare(name, introspect(bus, f"org.gantry.{name}", f"/org/gantry/{name}"))
