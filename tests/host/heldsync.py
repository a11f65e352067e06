#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""For host tests: a sync that stands still in its middle, while something happens to the host, and what must be true of its end.

The source is stopped (SIGSTOP) as soon as it runs and let go for a moment at a time, until records have arrived: while it stands still
the sync can't end, however fast the machine is. Nothing is made slow.

As a program, for tests outside of the host: `heldsync.py hold NAME` begins one, `go NAME` lets it go on, `end NAME ATTEMPTS` waits for
its end, which must be the ATTEMPTS-th one's success."""

import contextlib
import functools
import json
import os
import pathlib
import signal
import sqlite3
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

USERS = 120_000
# Of a sync that somebody ends: more than any machine moves meanwhile.
ENDLESS = 10**9
# So often a sync that was over before it could be held begins again, each time with four times as many records.
TIMES = 5
# What a source runs for at a time.
MOMENT = 0.01


# ---- processes ----

@functools.cache
def cgroups():
    """Where systemd's control groups are."""
    own = suite.show("-.slice", "ControlGroup").rstrip("/")
    return pathlib.Path(("/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup") + own)


def program_in(group, word):
    """The process below a control group whose program has that word in its path; None while it isn't there."""
    for procs in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):  # one that has just ended
            for pid in map(int, procs.read_text().split()):
                if word in pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]:
                    return pid
    return None


def connector(unit):
    """The connector below a unit's shims; None while it isn't there."""
    group = suite.show(unit, "ControlGroup")
    return program_in(cgroups() / group.lstrip("/"), "connectors/") if group else None


def connector_of(slice_name, role, word="connectors/"):
    """The same of a role of an attempt. It asks nobody, so that it can be asked often."""
    for group in (cgroups() / "gantry.slice/gantry-jobs.slice" / slice_name).glob(f"gantry-run-*-{role}.service"):
        if pid := program_in(group, word):
            return pid
    return None


def stand_still(pid):
    """Stops a process; whether it had not ended before."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        os.kill(pid, signal.SIGSTOP)
        while (state := pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]) not in "TZX":
            time.sleep(0.001)
        return state == "T"
    return False


def go_on(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def step(pid):
    """Lets a process that stands still run for a moment; whether it has not ended with that."""
    go_on(pid)
    time.sleep(MOMENT)
    return stand_still(pid)


def hold(slice_name, over, role="source", word="connectors/"):
    """Stops the connector of an attempt that is about to begin. Its process; None if the attempt was over() before."""
    end = time.monotonic() + suite.PATIENCE
    while time.monotonic() < end:
        for _ in range(20):
            if pid := connector_of(slice_name, role, word):
                return pid if stand_still(pid) else None
            time.sleep(0.005)
        if over():
            return None
    raise AssertionError(f"no {role} ever ran in {slice_name}")


# ---- syncs ----

def count(path, what="count(*)", where="1"):
    try:
        return suite.rows(path, f"SELECT {what} FROM users WHERE {where}")[0][0]
    except sqlite3.OperationalError:
        return 0  # not there yet


def distinct(path, up_to=ENDLESS):
    return count(path, "count(DISTINCT id)", f"id <= {up_to}")


class HeldSync:
    """Faker to SQLite, held once records have arrived; with `stored`, also a state, beyond which some more have arrived. go() lets it
    go on, feed() for a moment. users=ENDLESS is for one that something else ends."""

    def __init__(self, api, name, users=USERS, stored=False):
        self.api = api
        for time_ in range(TIMES):
            self.users = min(users * 4**time_, ENDLESS)
            self.begin(f"{name}-{os.getpid()}{f'-{time_}' if time_ else ''}")
            if self.hold(stored):
                self.before = {unit: suite.main_pid(unit) for unit in self.units()}
                return
            api.wait(self.job, "succeeded")
            print(f"   {self.users} users were through before the sync could be held", flush=True)
        raise AssertionError("no sync could be held: what is said to stand still moves")

    def begin(self, name):
        self.path = suite.FILES / f"{name}.db"
        self.feed_from = self.api.source(name, **self.configuration(self.users))
        destination = self.api.destination(name, destinationType="sqlite", path=str(self.path))
        stream = {"name": "users", "syncMode": "incremental_append",
                  "selectedFields": [{"fieldPath": [f]} for f in ("id", "updated_at", "email")]}
        self.connection = self.api.connect(name, self.feed_from, destination, configurations={"streams": [stream]})
        self.job = self.api.start(self.connection)

    @staticmethod
    def configuration(users):
        return {"sourceType": "faker", "count": users, "seed": 5, "always_updated": False}

    def hold(self, stored):
        """Whether it is held with at least half of its records to come."""
        self.source = hold(f"gantry-jobs-j{self.job}a0.slice", lambda: self.api.job(self.job)["status"] in suite.ENDED[:3])
        held = self.source is not None and self.feeds()
        if held and stored:
            # States are stored every 10 s.
            suite.until(self.state, "the first stored state", pause=0.1)
            held = self.feeds()
        return held and count(self.path) <= self.users // 2

    def feeds(self):
        """Lets the source run for a moment until more records have arrived; whether it has not ended with that."""
        before, patience = count(self.path), 0.25
        while step(self.source):
            end = time.monotonic() + patience
            while time.monotonic() < end:
                if count(self.path) > before:
                    return True
                time.sleep(0.01)
            # Where they are long on their way there is no need for ever more.
            patience = min(2 * patience, 30)
        return False

    def feed(self):
        assert self.feeds(), "the source has ended: more users"

    def state(self):
        """The users that the stored state says are done."""
        return self.api.states(self.connection).get("users", {}).get("loop_offset", 0)

    def end_at(self, users):
        """The source has so many from its next attempt on."""
        self.users = users
        self.api.ask("PATCH", f"/sources/{self.feed_from}", {"configuration": self.configuration(users)})

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
        return unit_of(self.job, role)

    def check_untouched(self):
        """All its processes are what they were."""
        assert {unit: suite.main_pid(unit) for unit in self.units()} == self.before and len(self.before) == 3

    def go(self):
        go_on(self.source)

    def check_end(self, attempts=1, patience=1500):
        """It ends well, nothing is lost or left over, the state is neither ahead nor behind."""
        self.api.wait(self.job, "succeeded", patience)
        told = self.api.story_of(self.job)["attempts"]
        assert [a["status"] for a in told] == ["failed"] * (attempts - 1) + ["succeeded"], self.api.story(self.job)
        total, different = count(self.path), distinct(self.path)
        assert different == self.users, f"{self.users - different} of {self.users} records are lost"
        assert attempts > 1 or total == self.users, f"{total - self.users} records came twice within one attempt"
        committed = sum(a["recordsCommitted"] for a in told)
        assert self.users <= committed <= total, f"{committed} told as committed, {total} are there\n{self.api.story(self.job)}"
        self.check_next()
        return told, total - different

    def check_next(self):
        """The next sync has nothing to bring, and nothing of any is left over."""
        assert self.state() == self.users
        job = self.api.start(self.connection)
        assert self.api.wait(job, "succeeded")["rowsSynced"] == 0
        for ended in (self.job, job):
            check_nothing_left(ended)


def unit_of(job, role):
    (unit,) = [u for u in suite.job_units(job) if u.endswith(f"-{role}.service")]
    return unit


def check_gone(job):
    """Units and slices of an ended job go; the launcher takes them away once the result is stored."""
    suite.until(lambda: not suite.job_units(job) and not suite.attempt_slices(job), f"the end of the units of job {job}", pause=0.1)


def files_of_no_unit():
    """What the launcher has made for units (their networks) and units that systemd knows no more have left."""
    known = suite.job_units()
    return [p for p in pathlib.Path("/run/gantry").rglob("gantry-run-*") if p.name.partition(".service")[0] + ".service" not in known]


def check_nothing_left(job):
    check_gone(job)
    suite.until(lambda: not files_of_no_unit(), "the end of the units' files", pause=0.1)
    # systemd takes failed units that are nobody's any more away when it has time.
    suite.until(lambda: not suite.out("systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "gantry*"),
                "the end of failed units", pause=0.1)


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
