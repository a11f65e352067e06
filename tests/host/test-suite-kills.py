#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=3600
"""kill -9 of every process of a sync, one at a time, while records move: the job ends well without a person, no record is lost, the
state is never ahead of the destination, nothing is left over."""

import concurrent.futures
import os
import signal
import sqlite3
import sys
import threading

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
from heldsync import HeldSync, connector  # noqa: E402

# Enough that the sync goes on for a while after the kill.
USERS = 400_000
API = suite.Api()


class Watch(threading.Thread):
    """Compares the stored state with the destination again and again: what the state says is done must be there."""

    def __init__(self, sync):
        super().__init__(daemon=True)
        self.api, self.sync = suite.Api(), sync
        self.stop, self.wrong, self.seen = threading.Event(), [], []

    def done(self):
        """Users that the stored state counts as done; None when the server is away just now."""
        try:
            return self.api.states(self.sync.connection).get("users", {}).get("loop_offset", 0)
        except (OSError, AssertionError, ValueError):
            return None

    def look(self):
        done = self.done()
        if not done or (self.seen and self.seen[-1] == done):
            return
        try:
            ((found,),) = suite.rows(self.sync.path, "SELECT count(DISTINCT id) FROM users WHERE id <= ?", done)
        except sqlite3.OperationalError:
            return  # nobody has opened it since it was left by a kill
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


def check_end(sync, watch, attempts):
    API.wait(sync.job, patience=1500)
    watch.finish()
    told, twice = sync.check_end(attempts)
    print(f"   {len(told)} attempts, {twice} records twice, states seen {watch.seen}; "
          f"{[a.get('failure') for a in told if a['status'] == 'failed']}", flush=True)
    sync.path.unlink()


def begin_all():
    """A sync in its middle, of which a state is stored already, and its watch, for each kill: side by side, since states are stored
    every 10 s. They stand still: whoever kills something lets his go on."""
    def begin(name):
        sync = HeldSync(suite.Api(), f"kill-{name}", USERS, stored=True)
        watch = Watch(sync)
        watch.start()
        suite.until(lambda: watch.seen or watch.wrong, "the stored state")
        return sync, watch
    with concurrent.futures.ThreadPoolExecutor() as pool:
        names = [*suite.ON_BUS, *OF_ATTEMPT]
        return dict(zip(names, pool.map(begin, names)))


def kill_daemon(name):
    """Kills a daemon in the middle of a sync, and while it works for the sync if it does; records move while it is away. What it does
    for the other syncs it does for ones that stand still."""
    sync, watch = BEGUN.pop(name)
    suite.out("busctl", "call", f"org.gantry.{name.capitalize()}1", "/", "org.freedesktop.DBus.Peer", "Ping")
    assert API.job(sync.job)["status"] == "running"
    sync.feed()
    pid = suite.kill(f"gantry-{name}.service")
    sync.go()
    suite.until(lambda: suite.main_pid(f"gantry-{name}.service") not in (0, pid), f"the return of gantry-{name}", pause=0.1)
    check_end(sync, watch, attempts=1)


def test_the_server():
    kill_daemon("server")


def test_the_workload_daemon():
    kill_daemon("workload")


def test_the_launcher():
    kill_daemon("launcher")


def test_the_launcher_that_somebody_stops():
    """The sync goes on, and what it leaves is taken away although nobody starts the launcher."""
    sync = HeldSync(API, "stop-launcher")
    watch = Watch(sync)
    watch.start()
    suite.out("systemctl", "stop", "gantry-launcher.service")
    assert API.job(sync.job)["status"] == "running"
    sync.go()
    check_end(sync, watch, attempts=1)


def test_a_slice_without_units():
    """What a launcher left that died between the last unit and its slice."""
    suite.out("systemctl", "start", "gantry-jobs-j999a0.slice")
    suite.code("systemctl", "stop", "gantry-launcher.service")
    assert suite.attempt_slices(999)
    suite.out("busctl", "call", "org.gantry.Launcher1", "/", "org.freedesktop.DBus.Peer", "Ping")
    suite.until(lambda: not suite.attempt_slices(999), "the end of the slice")


def test_the_workflow_daemon():
    kill_daemon("workflow")


# The processes of an attempt.
OF_ATTEMPT = {
    "worker": lambda sync: suite.main_pid(sync.unit("worker")),
    "source": lambda sync: sync.source,
    "destination": lambda sync: connector(sync.unit("destination")),
    "source-shim": lambda sync: suite.main_pid(sync.unit("source")),
    "destination-shim": lambda sync: suite.main_pid(sync.unit("destination"))}


def test_each_process_of_an_attempt():
    """Killed once a state is stored, so that the next attempt, which comes after 10 s, has to go on from it."""
    killed = {}
    for name, find in OF_ATTEMPT.items():
        sync, watch = killed[name] = BEGUN.pop(name)
        pid = find(sync)
        # Records are on their way at that moment.
        sync.feed()
        os.kill(pid, signal.SIGKILL)
        sync.go()
    for name, (sync, watch) in killed.items():
        suite.until(lambda: API.job(sync.job)["status"] in suite.ENDED[:3] or len(API.attempts(sync.job)) > 1, "another attempt", pause=0.1)  # noqa: B023
        print(f"   {name}:", flush=True)
        check_end(sync, watch, attempts=2)


if __name__ == "__main__":
    BEGUN = begin_all()
    sys.exit(suite.main(globals()))
