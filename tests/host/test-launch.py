#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Check, discover and sync as transient units, by both executors; faults: whoever is killed, stopped or cancelled, the workload has
one end that is true, and no unit is left."""

import json
import os
import pathlib
import signal
import sqlite3
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
from launchlib import *  # noqa: E402, F403

EXECUTORS = ("lite", "service")
# Of a sync that is held, and then goes on for a second or two.
MANY = 300_000


def faker(executor, count=1000):
    return actor("native:source-faker", "source", {"count": count, "seed": 1}, executor)


def sqlite_destination(executor, name):
    place = files_place(name)
    return actor("native:destination-sqlite", "destination", {"path": f"{place}/out.db"}, executor,
                 paths=[{"path": str(place), "write": True}]), place / "out.db"


def rows(path, table="users"):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]


def committed(workload, stream="users"):
    return next(s["recordsCommitted"] for s in workload["output"]["streams"] if s["name"] == stream)


def test_oneshots(lab):
    for executor in EXECUTORS:
        spec = lab.oneshot("spec", actor("native:source-faker", "source", None, executor))
        require("connectionSpecification" in spec["output"]["spec"], f"spec: {spec}")
        check = lab.oneshot("check", faker(executor))
        require(check["output"]["status"] == "succeeded", f"check: {check}")
        bad = lab.oneshot("check", actor("native:source-faker", "source", {"count": -1}, executor))
        require(bad["status"] != "success" or bad["output"]["status"] == "failed", f"bad check: {bad}")
        require([s["name"] for s in lab.catalog(faker(executor))["streams"]], "no streams")


def test_syncs(lab):
    catalog = lab.catalog(faker("lite"))
    for executor in EXECUTORS:
        destination, path = sqlite_destination(executor, f"sync-{executor}")
        workload = lab.api.wait(lab.sync(faker(executor), destination, catalog)[0])
        require(workload["status"] == "success" and workload["output"]["status"] == "completed", f"sync: {workload}")
        require(rows(path) == 1000 == committed(workload), f"{rows(path)} rows")
        require(workload["output"]["source"]["exitCode"] == 0, f"sync: {workload}")
        require(os.stat(path).st_uid == os.stat(FILES).st_uid, "the file is not gantry-files'")


def test_files_are_readable_for_the_next_attempt(lab):
    place = files_place("again")
    (place / "in.csv").write_text("id,name\n1,one\n2,two\n")
    for executor in EXECUTORS:
        source = actor("native:source-file", "source",
                       {"path": f"{place}/in.csv", "format": "csv"}, executor,
                       paths=[{"path": str(place), "write": False}])
        destination = actor("native:destination-jsonl", "destination", {"path": str(place / "out")}, executor,
                            paths=[{"path": str(place), "write": True}])
        check = lab.oneshot("check", source)
        if check["status"] != "success" or check["output"]["status"] != "succeeded":
            raise Failed(f"check: {json.dumps(check)[:800]}")
        catalog = lab.catalog(source)
        for _ in range(2):
            workload = lab.api.wait(lab.sync(source, destination, catalog)[0])
            require(workload["status"] == "success", f"sync: {json.dumps(workload)[:800]}")


def test_a_clear_has_no_source(lab):
    catalog = lab.catalog(faker("lite"))
    destination, path = sqlite_destination("lite", "clear")
    require(lab.api.wait(lab.sync(faker("lite"), destination, catalog)[0])["status"] == "success", "sync")
    require(rows(path) == 1000, "nothing to clear")
    for stream in catalog["streams"]:
        stream.pop("unused", None)
    workload = lab.api.wait(lab.sync(None, destination, catalog)[0])
    require(workload["status"] == "success", f"clear: {workload}")


def start_endless(lab, executor="lite", name=None):
    """A sync in full flight: some records are committed."""
    destination, path = sqlite_destination(executor, name or f"endless-{executor}-{lab.job}")
    return *lab.hold_endless(lambda count: faker(executor, count), lambda: destination, lab.catalog(faker("lite"))), path


def kill(slice_name, role):
    os.kill(main_pid(unit_of(slice_name, role)), signal.SIGKILL)


def test_a_killed_worker_is_a_failure(lab):
    workload_id, slice_name, _ = start_endless(lab)
    kill(slice_name, "worker")
    workload = lab.api.wait(workload_id)
    require(workload["status"] == "failure" and "KILL" in workload["failure"]["reason"], f"{workload}")


def test_killed_connectors_are_failures(lab):
    for executor in EXECUTORS:
        for role in ("source", "destination"):
            workload_id, slice_name, path = start_endless(lab, executor)
            kill(slice_name, role)
            workload = lab.api.wait(workload_id)
            require(workload["status"] == "failure", f"{executor} {role}: {workload}")
            require(any(f["failureOrigin"] == role for f in workload["output"]["failures"]), f"{role}: {workload['output']}")
            require(committed(workload) <= rows_or_none(path), "more is committed than is there")


def rows_or_none(path):
    try:
        return rows(path)
    except sqlite3.OperationalError:
        # An overwrite that never came to its end has its rows in a table of its own.
        return sys.maxsize


def test_a_killed_launcher_changes_nothing(lab):
    destination, path = sqlite_destination("lite", "launcher-killed")
    workload_id, slice_name, source, count = hold(lab, destination)
    unit = unit_of(slice_name, "worker")
    worker = invocation(unit), main_pid(unit)
    require(heldsync.step(source), "its source has ended")
    kill_daemon("gantry-launcher.service")
    wake()
    require((invocation(unit), main_pid(unit)) == worker, "another worker runs")
    heldsync.go_on(source)
    workload = lab.api.wait(workload_id)
    require(workload["status"] == "success" and rows(path) == count, f"{workload['status']}: {workload.get('failure')}")


def hold(lab, destination):
    return lab.hold(lambda count: faker("lite", count), lambda: destination, lab.catalog(faker("lite")), MANY)


def test_a_killed_api_changes_nothing(lab):
    """The worker's states wait until the socket has started the daemon again."""
    destination, path = sqlite_destination("lite", "api-killed")
    workload_id, _, source, count = hold(lab, destination)
    for _ in range(3):
        lab.api.get(workload_id)
        kill_daemon("gantry-workload.service")
        require(heldsync.step(source), "its source has ended")
    require(lab.api.get(workload_id)["status"] not in TERMINAL, "it was over before")
    heldsync.go_on(source)
    workload = lab.api.wait(workload_id)
    require(workload["status"] == "success" and rows(path) == count, f"{workload['status']}: {workload.get('failure')}")


def test_strangers_are_stopped(lab):
    """Units that no workload claims go when the launcher starts (T19)."""
    wait_gone()
    kill_daemon("gantry-launcher.service")
    run("systemctl", "stop", "gantry-launcher.service")
    run("systemd-run", "-q", "--unit=gantry-run-00000000-0000-4000-8000-000000000000-e7-worker.service", "sleep", "infinity")
    wake()
    wait_gone()


def test_a_stopped_slice_is_a_cancelled_attempt(lab):
    for executor in EXECUTORS:
        workload_id, slice_name, path = start_endless(lab, executor)
        run("systemctl", "stop", slice_name)
        workload = lab.api.wait(workload_id)
        require(workload["status"] in ("failure", "cancelled"), f"{workload}")
        require(workload["output"]["status"] == "cancelled", f"{workload['output']}")
        require("stopped" in workload["failure"]["reason"], f"{workload['failure']}")


LIARS = pathlib.Path("/opt/liars")


def liar(name, program, *arguments):
    """A connector that is this program with these arguments, whatever it is told. Its path."""
    LIARS.mkdir(parents=True, exist_ok=True)
    run("install", "-m", "0755", f"/mnt/build/tests/tools/{program}", LIARS / program)
    path = LIARS / name
    path.write_text(f"#!/bin/sh\nexec {LIARS / program} {' '.join(arguments)}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_a_stopped_slice_leaves_the_destination_its_last_commit(lab):
    """It commits two seconds after the end of its input. All units are told to stop at once, and still what it was given counts."""
    catalog = {"streams": [{"name": "s0", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}]}
    for executor in EXECUTORS:
        place = files_place(f"late-{executor}")
        source = liar(f"source-{executor}", "lying-source", "streams=1", "records=1000000000", "every=10", "pace=10000")
        destination = liar(f"late-{executor}", "checking-destination", "lie=commit-late", "late=2000000", f"file={place}/rows.json")
        workload_id, slice_name = lab.sync(
            actor(f"exec:{source}", "source", {}, executor),
            actor(f"exec:{destination}", "destination", {"path": str(place)}, executor, paths=[{"path": str(place), "write": True}]), catalog)
        end = time.monotonic() + PATIENCE
        while not lab.emitted(workload_id):
            require(time.monotonic() < end, "nothing moved")
            time.sleep(0.1)
        require(not (place / "rows.json").exists(), "it has committed already")
        run("systemctl", "stop", slice_name)
        workload = lab.api.wait(workload_id)
        require(workload["output"]["status"] == "cancelled", f"{executor}: {workload['output']}")
        require((place / "rows.json").exists(), f"{executor}: the last commit did not come to its end: {workload['output']}")
        there = json.loads((place / "rows.json").read_text(encoding="utf-8"))["s0"]
        require(0 < committed(workload, "s0") <= there, f"{executor}: {committed(workload, 's0')} of {there} told")


def test_cancel(lab):
    for executor in EXECUTORS:
        workload_id, slice_name, _ = start_endless(lab, executor)
        lab.api.call("PUT", "workload/cancel", {"workloadId": workload_id, "source": "test", "reason": "enough"})
        run("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager", "Cancel", "s",
            workload_id)
        workload = lab.api.wait(workload_id)
        require(workload["status"] == "cancelled" and workload["failure"] == {"source": "test", "reason": "enough"}, f"{workload}")
        require(workload["output"]["status"] == "cancelled" and workload["output"]["streams"], f"nothing was handed over: {workload}")
        wait_gone()


def test_what_cannot_be_launched_is_a_failure(lab):
    for data in (actor("native:no-such-thing", "source", {}, "lite"), actor("native:source-faker", "source", {}, "cloud"),
                 actor("exec:/etc/hostname", "source", {}, "lite")):
        workload = lab.oneshot("check", data)
        require(workload["status"] == "failure" and workload["failure"]["reason"], f"{workload}")


def test_timers(lab):
    call = ("busctl", "call", "org.gantry.Launcher1", "/org/gantry/Launcher1", "org.gantry.Launcher1.Manager")
    soon = int(time.time() + 3600)
    for at in (soon, soon + 1):
        run(*call, "SetTimer", "st", "test", str(at * 1_000_000))
        shown = run("systemctl", "list-timers", "--output=json", "gantry-timer-test.timer")
        require(json.loads(shown)[0]["next"] == at * 1_000_000, f"timer: {shown}")
    run(*call, "ClearTimer", "s", "test")
    require(not units("gantry-timer-test.timer"), "the timer is still there")
    run(*call, "ClearTimer", "s", "test")
    for name in ("../x@y", "", "x" * 129, "a b", "%n"):
        require(bus_error(call[2:], "SetTimer", name, soon) == "org.gantry.Error.InvalidArgument", f"'{name}' is taken")
    # One that is due at once wants the workflow daemon: systemd says so even where it can't be started.
    run(*call, "SetTimer", "st", "now", str(soon * 1_000_000))
    require("gantry-workflow.service" in run("systemctl", "show", "--value", "-p", "Wants", "gantry-timer-now.service"), "target")
    run(*call, "SetTimer", "st", "now", str(int(time.time() + 2) * 1_000_000))
    wait_gone("gantry-timer-now.timer")


def bus_error(where, method, name, at):
    """The error's name that a call meets."""
    import dbus
    try:
        dbus.SystemBus().get_object(where[0], where[1]).get_dbus_method(method, where[2])(name, dbus.UInt64(at))
    except dbus.DBusException as error:
        return error.get_dbus_name()
    return None


if __name__ == "__main__":
    chosen = [value for name, value in list(globals().items()) if name.startswith("test_") and callable(value)
              and (len(sys.argv) < 2 or any(word in name for word in sys.argv[1:]))]
    run_tests(chosen)
