#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""For host tests: a sync that stands still in its middle, while something happens to the host, and what must be true of its end.

As a program, for tests outside of the host: `heldsync.py hold NAME` begins one, `go NAME` lets it go on, `end NAME ATTEMPTS` waits for
its end, which must be the ATTEMPTS-th one's success."""

import json
import os
import pathlib
import signal
import sqlite3
import sys

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

USERS = 120_000
SLOW = ("systemctl", "set-property", "--runtime", "gantry-jobs.slice")


def count(path, what="count(*)"):
    try:
        return suite.rows(path, f"SELECT {what} FROM users")[0][0]
    except sqlite3.OperationalError:
        return 0  # not there yet


def processes(unit):
    """The processes of a unit, and of what lies below it."""
    group = suite.show(unit, "ControlGroup")
    for root in ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup"):
        path = pathlib.Path(root + group)
        if group and (path / "cgroup.procs").exists():
            return [int(pid) for procs in path.rglob("cgroup.procs") for pid in procs.read_text().split()]
    return []


def connector(unit):
    """The connector below a unit's shims; None while it isn't there."""
    for pid in processes(unit):
        try:
            program = pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
        except OSError:
            continue
        if "connectors/" in program:
            return pid
    return None


class HeldSync:
    """Faker to SQLite. The source is stopped (SIGSTOP) once records have arrived; go() lets it go on."""

    def __init__(self, api, name, users=USERS, quota=5):
        self.api, self.users = api, users
        self.path = suite.FILES / f"{name}.db"
        source = api.source(name, sourceType="faker", count=users, seed=5, always_updated=False)
        destination = api.destination(name, destinationType="sqlite", path=str(self.path))
        stream = {"name": "users", "syncMode": "incremental_append",
                  "selectedFields": [{"fieldPath": [f]} for f in ("id", "updated_at", "email")]}
        self.connection = api.connect(name, source, destination, configurations={"streams": [stream]})
        # On a small share of a processor, until it is held.
        suite.out(*SLOW, f"CPUQuota={quota}%")
        self.job = api.start(self.connection)
        suite.until(lambda: count(self.path) > 0, "the first records at the destination")
        self.source = connector(self.unit("source"))
        os.kill(self.source, signal.SIGSTOP)
        suite.out(*SLOW, "CPUQuota=")
        assert 0 < count(self.path) < users, "the sync was over before it could be held: more users"
        self.before = {unit: suite.main_pid(unit) for unit in self.units()}

    @classmethod
    def load(cls, api, name):
        """One that another process holds."""
        sync = object.__new__(cls)
        vars(sync).update(json.loads(pathlib.Path(f"/root/{name}.json").read_text()), api=api)
        return sync

    def save(self, name):
        told = {key: str(value) if key == "path" else value for key, value in vars(self).items() if key != "api"}
        pathlib.Path(f"/root/{name}.json").write_text(json.dumps(told))

    def units(self):
        return suite.job_units(self.job)

    def unit(self, role):
        (unit,) = [u for u in self.units() if u.endswith(f"-{role}.service")]
        return unit

    def check_untouched(self):
        """All its processes are what they were."""
        assert {unit: suite.main_pid(unit) for unit in self.units()} == self.before and len(self.before) == 3

    def go(self):
        try:
            os.kill(self.source, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def check_end(self, attempts=1, patience=1500):
        """It ends well, nothing is lost or left over, the state is neither ahead nor behind."""
        self.api.wait(self.job, "succeeded", patience)
        told = self.api.story_of(self.job)["attempts"]
        assert [a["status"] for a in told] == ["failed"] * (attempts - 1) + ["succeeded"], self.api.story(self.job)
        total, different = count(self.path), count(self.path, "count(DISTINCT id)")
        assert different == self.users, f"{self.users - different} of {self.users} records are lost"
        assert attempts > 1 or total == self.users, f"{total - self.users} records came twice within one attempt"
        assert sum(a["recordsCommitted"] for a in told) >= self.users
        self.check_next()

    def check_next(self):
        """The next sync has nothing to bring, and nothing of any is left over."""
        assert self.api.states(self.connection)["users"]["loop_offset"] == self.users
        job = self.api.start(self.connection)
        assert self.api.wait(job, "succeeded")["rowsSynced"] == 0
        for ended in (self.job, job):
            check_nothing_left(ended)


def check_nothing_left(job):
    suite.until(lambda: not suite.job_units(job) and not suite.attempt_slices(job), f"the end of the units of job {job}")
    failed = suite.out("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "gantry*")
    assert not failed, failed


def main(verb, name, attempts=None):
    api = suite.Api()
    if verb == "hold":
        HeldSync(api, name).save(name)
    elif verb == "go":
        HeldSync.load(api, name).check_untouched()
        HeldSync.load(api, name).go()
    else:
        HeldSync.load(api, name).check_end(int(attempts))


if __name__ == "__main__":
    main(*sys.argv[1:])
