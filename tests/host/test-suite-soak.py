#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: soak timeout=9000
"""The suite in a loop with faults at random: daemons, workers, connectors and shims are killed or stopped for a while, jobs cancelled,
slices and daemons stopped by systemctl, while three connections sync side by side. After each round every job has ended as it may,
no acknowledged record is lost, no state is ahead, nothing is left over. The first line has the seed.

    tests/host/run suite-soak                                   # half an hour
    tests/host/shell x -- /mnt/tests/host/test-suite-soak.py [--seconds N] [--seed N] [--break lose|repeat]

--break does such a thing on purpose, and succeeds when it is found."""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import sys
import time
import urllib.parse

sys.path[:0] = ["/mnt/tests/host", "/mnt/tests/soak"]
import heldsync  # noqa: E402
import soak  # noqa: E402
import suite  # noqa: E402

PLACE = suite.FILES / "soak"
# A sync then takes some seconds here, so that faults come in its middle; one that comes too late counts as none.
SHARE = "CPUQuota=15%"
# "file" is Airbyte's own.
TYPES = {"source-file": "files"}
ROUNDS_TO_KNOW_MEMORY = 5


class Api(suite.Api):
    """Asks again while the server is away: that is what clients do."""

    def ask(self, method, path, body=None, status=(200, 201, 204)):
        end = time.monotonic() + suite.PATIENCE
        while True:
            try:
                return super().ask(method, path, body, status)
            except OSError:  # it was killed in the middle of the answer
                assert time.monotonic() < end, "the server does not come back"
                time.sleep(0.05)


API = Api()


def value(text):
    """What a query says, as the connector's configuration has it."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def configuration(reference, kind):
    """A shorthand of `gantry sync` as a configuration of the API."""
    name, _, query = reference.partition("?")
    if ":" in name:
        name, _, path = name.partition(":")
        return {kind: name, "path": path}
    return {kind: TYPES.get(name) or name.removeprefix("source-")} | {k: value(v) for k, v in urllib.parse.parse_qsl(query)}


class Connected:
    """A soak's loop whose syncs are jobs of the suite."""

    job = None

    def begin(self):
        super().begin()
        shutil.chown(self.out, "gantry-files", "gantry-files")
        self.grow()
        source, destination, _, mode, *_ = self.argv()
        name = f"{self.sync_name}-{os.getpid()}"
        self.source = API.source(name, **configuration(source, "sourceType"))
        self.destination = API.destination(name, **configuration(destination, "destinationType"))
        self.connection = API.connect(name, self.source, self.destination, mode, self.streams)

    def end_epoch(self):
        for kind, identity in (("connections", self.connection), ("sources", self.source), ("destinations", self.destination)):
            API.ask("DELETE", f"/{kind}/{identity}", status=(200, 204, 404))
        super().end_epoch()

    def states(self):
        return API.states(self.connection)

    def start(self):
        """The answer may be lost with the server: then the job runs, and a second is refused."""
        answer = API.ask("POST", "/jobs", {"connectionId": self.connection, "jobType": "sync"}, status=(200, 409))
        self.job = answer.get("jobId") or API.ask("GET", f"/jobs?connectionId={self.connection}&limit=1&orderBy=createdAt|DESC")["data"][0]["jobId"]


LOOPS = [type(kind.__name__, (Connected, kind), {}) for kind in (soak.FilesToSqlite, soak.FakerToSqlite, soak.SqliteToJsonl)]


# ---- what goes wrong: a function of a running job; whether it hit ----

def process_of(job, role):
    """The main process of a role's unit, or the connector below it."""
    units = [u for u in suite.job_units(job) if u.endswith(f"-{role.removesuffix('-shim')}.service")]
    if not units:
        return 0
    return suite.main_pid(units[0]) if role == "worker" or role.endswith("-shim") else heldsync.connector(units[0]) or 0


def send(number, role):
    def fault(job):
        pid = process_of(job, role)
        try:
            if pid:
                os.kill(pid, number)
        except ProcessLookupError:
            return False
        return pid > 0
    return fault


def pause(role):
    def fault(job):
        hit = send(signal.SIGSTOP, role)(job)
        time.sleep(0.5)
        return send(signal.SIGCONT, role)(job) and hit
    return fault


def kill_daemon(name):
    def fault(_):
        pid = suite.main_pid(f"gantry-{name}.service")
        if pid:
            os.kill(pid, signal.SIGKILL)
        return pid > 0
    return fault


def stop_daemon(name):
    return lambda _: suite.code("systemctl", "stop", f"gantry-{name}.service") == 0


def cancel(job):
    return "jobId" in API.ask("DELETE", f"/jobs/{job}", status=(200, 404, 409))


def stop_slice(job):
    slices = suite.attempt_slices(job)
    return bool(slices) and suite.code("systemctl", "stop", slices[0]) == 0


# Those after which a job may have ended without success: somebody wanted it to.
ENDING = {"cancel": cancel, "stop-slice": stop_slice}
FAULTS = ENDING | {f"kill-{name}": kill_daemon(name) for name in suite.ON_BUS} | {f"stop-{name}": stop_daemon(name) for name in suite.ON_BUS} | {
    f"kill-{role}": send(signal.SIGKILL, role) for role in ("worker", "source", "destination", "source-shim", "destination-shim")} | {
    f"pause-{role}": pause(role) for role in ("worker", "source", "destination")}


# ---- the loop ----

def memory():
    """Resident KiB by daemon."""
    found = {}
    for name in suite.ON_BUS:
        pid = suite.main_pid(f"gantry-{name}.service")
        found[name] = soak.memory_of(pid) if pid else 0
    return found


class Soak:
    def __init__(self, draw, sabotage=None):
        self.draw, self.sabotage, self.hits, self.known = draw, sabotage, {}, {}
        self.loops = [kind(PLACE, draw) for kind in LOOPS]

    def disturb(self, jobs):
        """One to three faults while the jobs run. The names of those that hit, by job; those of daemons are every job's."""
        hit = {job: [] for job in jobs}
        for _ in range(self.draw.randint(1, 3)):
            time.sleep(self.draw.random() * 3)
            name, job = self.draw.choice(sorted(FAULTS)), self.draw.choice(jobs)
            if FAULTS[name](job):
                self.hits[name] = self.hits.get(name, 0) + 1
                hit[job].append(name)
        return hit

    def check(self, loop, faults):
        shown = API.wait(loop.job, patience=1500)
        whole = shown["status"] == "succeeded"
        story = None if whole else API.story(loop.job)
        soak.hold(whole or set(faults) & set(ENDING), f"{loop.sync_name}: {shown['status']} after {faults}\n{story}")
        heldsync.check_nothing_left(loop.job)
        loop.check_data(whole)
        loop.clean = whole
        if whole and self.sabotage and isinstance(loop, soak.BREAKS[self.sabotage][1]):
            soak.BREAKS[self.sabotage][0](self, loop)
            loop.check_data(whole)

    def one(self, number):
        quiet = number % 4 == 1
        for loop in self.loops:
            if loop.clean or self.draw.random() < 0.3:
                loop.grow()
            loop.start()
        hit = {loop.job: [] for loop in self.loops} if quiet else self.disturb([loop.job for loop in self.loops])
        for loop in self.loops:
            self.check(loop, hit[loop.job])
        print(f"{number}: {'; '.join(f'{loop.sync_name} job {loop.job} {hit[loop.job]}' for loop in self.loops)}", flush=True)
        self.check_host(number)
        for loop in self.loops:
            size = sum(p.stat().st_size for p in loop.out.rglob("*") if p.is_file())
            if loop.clean and (size > soak.EPOCH_BYTES // 4 or isinstance(loop, soak.FakerToSqlite)):
                loop.end_epoch()
                loop.begin()

    def check_host(self, number):
        died = suite.out("journalctl", "--no-pager", "-q", "-o", "cat", "-u", "gantry-*.service", "-g", "code=dumped|status=6/ABRT|status=11/SEGV", check=False)
        soak.hold(not died, died)
        for name, kib in memory().items():
            if number <= ROUNDS_TO_KNOW_MEMORY:
                self.known[name] = max(kib, self.known.get(name, 0))
            soak.hold(kib <= self.known[name] * 2 + 8192, f"gantry-{name} has {kib} KiB, in the first rounds {self.known[name]}")


def run(soaked, seconds):
    number, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        number += 1
        soaked.one(number)
    return number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--break", choices=("lose", "repeat"), dest="sabotage")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.seconds:g} s", flush=True)
    (PLACE / "space").mkdir(parents=True, exist_ok=True)
    suite.out("systemctl", "set-property", "--runtime", "gantry-jobs.slice", SHARE)
    soaked = Soak(random.Random(arguments.seed), arguments.sabotage)
    try:
        number = run(soaked, arguments.seconds)
    except soak.Broken as e:
        if arguments.sabotage and soak.BREAKS[arguments.sabotage][2] in str(e):
            print(f"found, as it must be: {e}")
            return 0
        raise
    print(f"hits: {', '.join(f'{name} {n}' for name, n in sorted(soaked.hits.items()))}; memory, KiB: {memory()}")
    print(f"{number} rounds, {3 * number} syncs: nothing lost, no state ahead, nothing left")
    return 1 if arguments.sabotage else 0


if __name__ == "__main__":
    sys.exit(main())
