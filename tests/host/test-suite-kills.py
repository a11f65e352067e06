#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=3600
"""kill -9 of every process of a sync, one at a time, while records move: the job ends well without a person, no record is lost, the
state is never ahead of the destination, nothing is left over."""

import contextlib
import os
import pathlib
import signal
import sqlite3
import sys
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

# Enough that a sync takes some 20 s on the share of a processor that it gets before the kill.
USERS = 600_000
SLOW = ("systemctl", "set-property", "--runtime", "gantry-jobs.slice")
API = suite.Api()


class Watch(threading.Thread):
    """Compares the stored state with the destination again and again: what the state says is done must be there."""

    def __init__(self, connection, path):
        super().__init__(daemon=True)
        self.api, self.connection, self.path = suite.Api(), connection, path
        self.stop, self.wrong, self.seen = threading.Event(), [], []

    def done(self):
        """Users that the stored state counts as done; None when the server is away just now."""
        try:
            return self.api.states(self.connection).get("users", {}).get("loop_offset", 0)
        except (OSError, AssertionError, ValueError):
            return None

    def look(self):
        done = self.done()
        if not done or (self.seen and self.seen[-1] == done):
            return
        with contextlib.suppress(sqlite3.OperationalError):  # nobody has opened it since it was left by a kill
            found = distinct(self.path, done)
            self.seen.append(done)
            if found != done:
                self.wrong.append(f"the state says {done}, {found} of them are there")

    def run(self):
        try:
            while not self.stop.wait(0.2):
                self.look()
        except Exception as error:
            self.wrong.append(f"the watch ended: {error!r}")

    def finish(self):
        self.stop.set()
        self.join()
        self.look()
        assert not self.wrong, self.wrong
        assert self.seen, "no state was ever seen"


def count(path):
    try:
        return suite.rows(path, "SELECT count(*) FROM users")[0][0]
    except sqlite3.OperationalError:
        return 0  # not there yet


def distinct(path, up_to=USERS):
    return suite.rows(path, "SELECT count(DISTINCT id) FROM users WHERE id <= ?", up_to)[0][0]


def begin(name):
    """A sync that moves records: its connection, destination and job."""
    name = f"{name}-{os.getpid()}"
    suite.out(*SLOW, "CPUQuota=6%")
    path = suite.FILES / f"{name}.db"
    source = API.source(name, sourceType="faker", count=USERS, seed=5, always_updated=False)
    destination = API.destination(name, destinationType="sqlite", path=str(path))
    stream = {"name": "users", "syncMode": "incremental_append", "selectedFields": [{"fieldPath": [f]} for f in ("id", "updated_at", "email")]}
    connection = API.connect(name, source, destination, configurations={"streams": [stream]})
    job = API.start(connection)
    suite.until(lambda: count(path) > 0, "the first records at the destination")
    return connection, path, job


def role_unit(job, role):
    (unit,) = [u for u in suite.job_units(job) if u.endswith(f"-{role}.service")]
    return unit


def connector_pid(unit):
    """The connector below a unit's shims."""
    group = suite.show(unit, "ControlGroup")
    for pid in map(int, pathlib.Path(f"/sys/fs/cgroup/systemd{group}/cgroup.procs").read_text().split()):
        if os.readlink(f"/proc/{pid}/exe").startswith("/usr/lib/gantry/connectors/") or "connectors/" in pathlib.Path(
                f"/proc/{pid}/cmdline").read_text().split("\0")[0]:
            return pid
    raise AssertionError(f"no connector in {unit}")


def check_end(connection, path, job, watch, attempts):
    suite.out(*SLOW, "CPUQuota=")
    shown = API.wait(job, patience=1500)
    watch.finish()
    assert shown["status"] == "succeeded", API.story(job)
    told = API.story_of(job)["attempts"]
    assert [a["status"] for a in told] == ["failed"] * (attempts - 1) + ["succeeded"], API.story(job)
    total, different = count(path), distinct(path)
    assert different == USERS, f"{USERS - different} of {USERS} records are lost"
    committed = sum(a["recordsCommitted"] for a in told)
    assert USERS <= committed <= total, f"{committed} told as committed, {total} are there\n{API.story(job)}"
    if attempts == 1:
        assert total == USERS, f"{total - USERS} records came twice within one attempt"
    assert API.states(connection)["users"]["loop_offset"] == USERS
    check_nothing_left(job)
    print(f"   {len(told)} attempts, {total - different} records twice, states seen {watch.seen}; "
          f"{[a.get('failure') for a in told if a['status'] == 'failed']}", flush=True)
    # The next sync has nothing to do, so the state is not behind either.
    assert API.wait(API.start(connection), "succeeded")["rowsSynced"] == 0
    path.unlink()


def check_nothing_left(job):
    suite.until(lambda: not suite.job_units(job) and not suite.attempt_slices(job), f"the end of the units of job {job}")
    left = [p for p in pathlib.Path("/run/gantry").rglob("*") if f"j{job}" in p.name]
    assert not left, left
    failed = suite.out("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "gantry*")
    assert not failed, failed


def in_its_middle(name):
    """A sync that moves records, and of which a state is stored already: its connection, destination, job and watch."""
    connection, path, job = begin(f"kill-{name}")
    watch = Watch(connection, path)
    watch.start()
    # States are stored every 10 s. Until then the source stands still, however fast the machine is.
    source = connector_pid(role_unit(job, "source"))
    os.kill(source, signal.SIGSTOP)
    suite.until(lambda: watch.seen, "the first stored state")
    there = count(path)
    os.kill(source, signal.SIGCONT)
    suite.until(lambda: count(path) > there, "more records")
    assert API.job(job)["status"] == "running", "the sync ended before it could be disturbed: more users"
    return connection, path, job, watch


def kill_daemon(name):
    """Kills a daemon while records move, and while it works for the sync if it does."""
    connection, path, job, watch = in_its_middle(name)
    suite.out("busctl", "call", f"org.gantry.{name.capitalize()}1", "/", "org.freedesktop.DBus.Peer", "Ping")
    assert API.job(job)["status"] == "running"
    pid = suite.kill(f"gantry-{name}.service")
    suite.until(lambda: suite.main_pid(f"gantry-{name}.service") not in (0, pid), f"the return of gantry-{name}")
    check_end(connection, path, job, watch, attempts=1)


def kill_of_attempt(name, find):
    """Kills a process of the attempt once a state is stored, so that the next attempt has to go on from it."""
    connection, path, job, watch = in_its_middle(name)
    pid, start = find(job), time.monotonic()
    os.kill(pid, signal.SIGKILL)
    suite.until(lambda: API.job(job)["status"] in suite.ENDED[:3] or len(API.attempts(job)) > 1, "the next attempt")
    print(f"   the next attempt came after {time.monotonic() - start:.1f} s", flush=True)
    check_end(connection, path, job, watch, attempts=2)


def test_the_server():
    kill_daemon("server")


def test_the_workload_daemon():
    kill_daemon("workload")


def test_the_launcher():
    kill_daemon("launcher")


def test_the_launcher_that_somebody_stops():
    """The sync goes on, and what it leaves is taken away although nobody starts the launcher."""
    connection, path, job = begin("stop-launcher")
    watch = Watch(connection, path)
    watch.start()
    suite.out("systemctl", "stop", "gantry-launcher.service")
    assert API.job(job)["status"] == "running"
    check_end(connection, path, job, watch, attempts=1)


def test_a_slice_without_units():
    """What a launcher left that died between the last unit and its slice."""
    suite.out("systemctl", "start", "gantry-jobs-j999a0.slice")
    suite.code("systemctl", "stop", "gantry-launcher.service")
    assert suite.attempt_slices(999)
    suite.out("busctl", "call", "org.gantry.Launcher1", "/", "org.freedesktop.DBus.Peer", "Ping")
    suite.until(lambda: not suite.attempt_slices(999), "the end of the slice")


def test_the_workflow_daemon():
    kill_daemon("workflow")


def test_the_worker():
    kill_of_attempt("worker", lambda job: suite.main_pid(role_unit(job, "worker")))


def test_the_source():
    kill_of_attempt("source", lambda job: connector_pid(role_unit(job, "source")))


def test_the_destination():
    kill_of_attempt("destination", lambda job: connector_pid(role_unit(job, "destination")))


def test_the_shim_of_the_source():
    kill_of_attempt("source-shim", lambda job: suite.main_pid(role_unit(job, "source")))


def test_the_shim_of_the_destination():
    kill_of_attempt("destination-shim", lambda job: suite.main_pid(role_unit(job, "destination")))


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
