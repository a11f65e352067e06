#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Syncs in a loop for a given time, with faults: SIGKILL of source, destination, their supervisors and the worker, SIGTERM
and SIGSTOP, no space under the destination and under the state. After each sync it holds that

  - what the stored state claims is in the destination, and what was there once still is (nothing acknowledged is lost);
  - exit 0 means that everything is there; a deduplicated stream has each key once;
  - no process, scratch file or temporary file is left, and no process was larger than in the first rounds by far.

soak.py [--seconds N] [--seed N] [--keep DIR] [--break KIND]. The seed decides order, sizes, faults and their moments as shares of a clean
sync's time; the moments themselves are the machine's, so a failure may need a few runs with its seed. Prints a line for each
sync and ends with 0, or with 1 at the first thing that doesn't hold; DIR is then left as it was. --break does such a thing
on purpose after a few syncs, to show that it is found."""

import argparse
import collections
import contextlib
import ctypes
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD", ROOT / "build")).resolve()
# No step of a healthy machine takes a tenth of this.
TIMEOUT = float(os.environ.get("GANTRY_TEST_TIMEOUT", "300"))
PR_SET_CHILD_SUBREAPER = 36
SPACE = 192 << 20
# A destination larger than this is given up for a new one.
EPOCH_BYTES = 60 << 20
ROUNDS_TO_KNOW_MEMORY = 12
MEMORY_SLACK_KIB = 32 << 10


class Broken(Exception):
    """Something that must hold does not."""


def hold(condition, sentence):
    if not condition:
        raise Broken(sentence)


def sqlite_ids(path, table):
    """The ids at a SQLite destination, as often as they are there; none without the table."""
    if not path.exists():
        return []
    # For writing, too: what was killed leaves a log that the next to open it puts right.
    with contextlib.closing(sqlite3.connect(path, timeout=TIMEOUT)) as db:
        hold(db.execute("PRAGMA quick_check").fetchone() == ("ok",), f"{path} is damaged")
        found = db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
        return [row[0] for row in db.execute(f"SELECT id FROM {table}")] if found else []


# ---- what is synced ----

class Loop:
    """One connection: what its source holds, what its state claims, what its destination has."""

    name, exactly_once, streams = "", False, ()

    def __init__(self, place, draw):
        self.place, self.draw, self.epoch = place, draw, -1
        self.durations, self.before = [], {}
        self.begin()

    def begin(self):
        """A new source, destination and name."""
        self.epoch += 1
        self.inputs = self.place / f"{self.name}-in-{self.epoch}"
        self.out = self.place / "space" / f"{self.name}-{self.epoch}"
        for path in (self.inputs, self.out):
            path.mkdir()
        self.before = {stream: set() for stream in self.streams}
        self.clean = True

    def end_epoch(self):
        shutil.rmtree(self.inputs)
        shutil.rmtree(self.out)
        shutil.rmtree(self.state_directory, ignore_errors=True)

    @property
    def sync_name(self):
        return f"{self.name}-{self.epoch}"

    @property
    def state_directory(self):
        return self.place / "state-space/gantry/syncs" / self.sync_name

    def states(self):
        path = self.state_directory / "state.json"
        return {s["stream"]["stream_descriptor"]["name"]: s["stream"].get("stream_state") or {}
                for s in (json.loads(path.read_text()) if path.exists() else [])}

    def check_data(self, whole):
        """Nothing is lost, the state is not ahead; after a sync that succeeded (`whole`) everything is there."""
        wanted, claimed, present = self.wanted(), self.claimed(), self.present()
        for stream in self.streams:
            have = set(present[stream])
            hold(claimed[stream] <= have,
                 f"the state of '{stream}' is ahead: it claims {len(claimed[stream])} records, "
                 f"{sorted(claimed[stream] - have)[:5]}… are not there")
            hold(self.before[stream] <= have, f"'{stream}' lost {sorted(self.before[stream] - have)[:5]}…")
            hold(have <= wanted[stream], f"'{stream}' has what the source never had")
            hold(not whole or have == wanted[stream],
                 f"success, but '{stream}' has {len(have)} of {len(wanted[stream])} records")
            hold(not self.exactly_once or len(have) == len(present[stream]), f"'{stream}' has a key twice")
            # From now on these are acknowledged: a state that claims them is stored.
            self.before[stream] |= claimed[stream]

    def left_over(self):
        """Files in the destination's directory that a whole sync does not leave."""
        return [p for p in self.out.rglob("*") if p.is_file() and p.relative_to(self.out).as_posix() not in self.files]


class FilesToSqlite(Loop):
    name, streams, files = "files", ("rows",), ("out.db",)

    def begin(self):
        super().begin()
        self.ids_of = {}

    def grow(self):
        for _ in range(self.draw.randint(1, 4)):
            first = sum(len(ids) for ids in self.ids_of.values()) + 1
            ids = range(first, first + self.draw.randint(1, 20000))
            path = self.inputs / f"rows-{len(self.ids_of)}.csv"
            path.write_text("id,text\n" + "".join(f"{i},some text of row {i}\n" for i in ids))
            self.ids_of[str(path)] = ids

    def argv(self):
        return [f"source-file?path={self.inputs}/rows-*.csv&stream_name=rows", f"sqlite:{self.out}/out.db",
                "--mode", "incremental_append"]

    def wanted(self):
        return {"rows": {i for ids in self.ids_of.values() for i in ids}}

    def claimed(self):
        history = self.states().get("rows", {}).get("history", {})
        return {"rows": {i for path in history for i in self.ids_of[path]}}

    def present(self):
        return {"rows": sqlite_ids(self.out / "out.db", "rows")}


class FakerToSqlite(Loop):
    """Deduplicated: whatever comes again must not be there twice."""

    name, streams, files, exactly_once = "faker", ("users",), ("out.db",), True

    def begin(self):
        super().begin()
        self.count, self.seed = self.draw.randint(2000, 60000), self.draw.randint(1, 1000)

    def grow(self):
        pass

    def argv(self):
        return [f"source-faker?count={self.count}&seed={self.seed}&always_updated=false", f"sqlite:{self.out}/out.db",
                "--mode", "incremental_deduped_history", "--stream", "users"]

    def wanted(self):
        return {stream: set(range(1, self.count + 1)) for stream in self.streams}

    def claimed(self):
        states = self.states()
        return {stream: set(range(1, states.get(stream, {}).get("loop_offset", 0) + 1)) for stream in self.streams}

    def present(self):
        return {stream: sqlite_ids(self.out / "out.db", stream) for stream in self.streams}


class SqliteToJsonl(Loop):
    name, streams, files = "jsonl", ("items",), ("items.jsonl", ".gantry/.items.journal", ".gantry/lock")

    def begin(self):
        super().begin()
        self.last = 0
        with contextlib.closing(sqlite3.connect(self.inputs / "in.db")) as db, db:
            db.execute("CREATE TABLE items(id INTEGER PRIMARY KEY, text TEXT)")

    def grow(self):
        more = range(self.last + 1, self.last + 1 + self.draw.randint(1, 40000))
        with contextlib.closing(sqlite3.connect(self.inputs / "in.db")) as db, db:
            db.executemany("INSERT INTO items VALUES (?, ?)", ((i, f"item {i}") for i in more))
        self.last = more[-1]

    def argv(self):
        return [f"source-sqlite?path={self.inputs}/in.db&checkpoint_rows=5000", f"jsonl:{self.out}",
                "--mode", "incremental_append"]

    def wanted(self):
        return {"items": set(range(1, self.last + 1))}

    def claimed(self):
        return {"items": set(range(1, (self.states().get("items", {}).get("cursor") or 0) + 1))}

    def present(self):
        path = self.out / "items.jsonl"
        if not path.exists():
            return {"items": []}
        # What a killed destination has not acknowledged may end in half a line; the next one cuts it off.
        whole = path.read_bytes().rpartition(b"\n")[0]
        return {"items": [json.loads(line)["id"] for line in whole.splitlines()]}


# ---- what goes wrong ----

def children_of(pid):
    try:
        return [int(p) for task in pathlib.Path(f"/proc/{pid}/task").iterdir() for p in (task / "children").read_text().split()]
    except OSError:
        return []


def family(pid):
    """A process and all below it: pid → name."""
    found, todo = {}, [pid]
    while todo:
        pid = todo.pop()
        try:
            found[pid] = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
        except OSError:
            continue
        todo += children_of(pid)
    return found


def memory_of(pid):
    """The most memory that a process has had, in KiB; 0 when it is gone. (What wait4() says counts its starter's, too.)"""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")), 0)


def send(number, prefix):
    """Sends a signal to a process of the sync that is called so; says whether there was one."""
    def fault(sync):
        targets = [pid for pid, name in family(sync.pid).items() if name.startswith(prefix)]
        for pid in targets[-1:]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return False
        return bool(targets)
    return fault


def send_worker(number):
    def fault(sync):
        alive = sync.poll() is None
        sync.send_signal(number)
        return alive
    return fault


def pause(prefix):
    def fault(sync):
        if not send(signal.SIGSTOP, prefix)(sync):
            return False
        time.sleep(0.3)
        for pid, name in family(sync.pid).items():
            if name.startswith(prefix):
                os.kill(pid, signal.SIGCONT)
        return True
    return fault


FAULTS = {
    "kill-source": send(signal.SIGKILL, "source-"),
    "kill-destination": send(signal.SIGKILL, "destination-"),
    "kill-shim": send(signal.SIGKILL, "gantry-shim"),
    "kill-worker": send_worker(signal.SIGKILL),
    "term-worker": send_worker(signal.SIGTERM),
    "pause-source": pause("source-"),
    "pause-destination": pause("destination-"),
}
FULL = {"full-destination": "space", "full-state": "state-space"}


class Ballast:
    """Fills a file system up to a few bytes, and gives it back."""

    def __init__(self, place, leave):
        free = os.statvfs(place)
        self.path = place / "ballast"
        size = free.f_bavail * free.f_frsize - leave
        with self.path.open("wb") as f:
            if size > 0:
                os.posix_fallocate(f.fileno(), 0, size)

    def close(self):
        self.path.unlink()


# ---- what this program does itself, to show that it is found ----

def lose_a_record(soak, loop):
    if isinstance(loop, SqliteToJsonl):
        path = loop.out / "items.jsonl"
        path.write_bytes(path.read_bytes()[:-1].rpartition(b"\n")[0] + b"\n")
    else:
        with contextlib.closing(sqlite3.connect(loop.out / "out.db")) as db, db:
            db.execute(f"DELETE FROM {loop.streams[0]} WHERE id = (SELECT max(id) FROM {loop.streams[0]})")


def repeat_a_record(soak, loop):
    with contextlib.closing(sqlite3.connect(loop.out / "out.db")) as db, db:
        # Around the destination's own unique index.
        db.execute("CREATE TABLE again AS SELECT * FROM users")
        db.execute("DROP TABLE users")
        db.execute("ALTER TABLE again RENAME TO users")
        db.execute("INSERT INTO users SELECT * FROM users LIMIT 1")


def advance_the_state(soak, loop):
    path = loop.state_directory / "state.json"
    path.write_text(path.read_text().replace('"cursor":', '"cursor":9'))


def leave_a_file(soak, loop):
    (soak.place / "tmp/left").touch()


def leave_a_process(soak, loop):
    subprocess.run(["sh", "-c", "sleep 1000 >/dev/null 2>&1 &"], check=True)
    soak.reap()


# What is done, to which loops, and a word of the sentence that must come of it.
BREAKS = {
    "lose": (lose_a_record, Loop, "are not there"),
    "repeat": (repeat_a_record, FakerToSqlite, "a key twice"),
    "ahead": (advance_the_state, SqliteToJsonl, "is ahead"),
    "file": (leave_a_file, Loop, "left in tmp"),
    "process": (leave_a_process, Loop, "processes are left"),
}
BREAK_AFTER = 4


# ---- the loop ----

class Soak:
    def __init__(self, place, draw, full, sabotage=None):
        self.place, self.draw, self.sabotage = place, draw, sabotage
        self.faults = list(FAULTS) + (list(FULL) if full else [])
        self.hits, self.peaks = collections.Counter(), collections.defaultdict(list)
        for sub in ("home", "cache", "data", "run", "tmp"):
            (place / sub).mkdir(mode=0o700)
        self.environment = dict(os.environ, HOME=str(place / "home"), XDG_STATE_HOME=str(place / "state-space"),
                                XDG_CACHE_HOME=str(place / "cache"), XDG_DATA_HOME=str(place / "data"),
                                XDG_RUNTIME_DIR=str(place / "run"), TMPDIR=str(place / "tmp"))
        self.loops = [kind(place, draw) for kind in (FilesToSqlite, FakerToSqlite, SqliteToJsonl)]
        self.n_fds = len(os.listdir("/proc/self/fd"))

    def start(self, loop):
        self.log = (self.place / "last.log").open("wb")
        return subprocess.Popen([str(BUILD / "gantry"), "sync", *loop.argv(), "--name", loop.sync_name, "--json", "--progress",
                                 "none"], env=self.environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                start_new_session=True)

    def wait(self, sync):
        """The exit code and the largest process of the sync, in KiB."""
        deadline, peak = time.monotonic() + TIMEOUT, 0
        while sync.poll() is None:
            hold(time.monotonic() < deadline, f"the sync hangs: {family(sync.pid)}")
            peak = max([peak, *map(memory_of, family(sync.pid))])
            time.sleep(0.02)
        return sync.returncode, peak

    def reap(self):
        """Orphans come to us. All must end by themselves."""
        deadline = time.monotonic() + TIMEOUT
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                hold(time.monotonic() < deadline, f"processes are left: {family(os.getpid())}")
                time.sleep(0.005)

    def run(self, loop, fault):
        """One sync, with a fault or none. Returns exit code and whether the fault hit."""
        ballast, hit = None, True
        share = self.draw.random()
        if fault in FULL:
            leave = 2 << 20 if fault == "full-destination" else 32 << 10
            ballast = Ballast(self.place / FULL[fault], int(share * leave))
        start = time.monotonic()
        sync = self.start(loop)
        try:
            if fault in FAULTS:
                time.sleep(share * 0.9 * statistics.median(loop.durations))
                hit = FAULTS[fault](sync)
            code, peak = self.wait(sync)
            self.reap()
        finally:
            self.log.close()
            if ballast:
                ballast.close()
        if not fault:
            loop.durations.append(time.monotonic() - start)
        self.hits[fault or "none"] += hit
        self.check_memory(loop, peak)
        return code, hit

    def check_memory(self, loop, peak):
        known = self.peaks[loop.name]
        if len(known) < ROUNDS_TO_KNOW_MEMORY:
            known.append(peak)
        hold(peak <= max(known) + MEMORY_SLACK_KIB, f"a process had {peak} KiB, in the first rounds {max(known)} at most")

    def check_files(self, loop, code):
        for sub in ("tmp", "run"):
            left = [str(p) for p in (self.place / sub).rglob("*") if p.is_file()]
            hold(not left, f"left in {sub}: {left}")
        names = {p.name for p in loop.state_directory.iterdir()} if loop.state_directory.exists() else set()
        hold(code != 0 or names <= {"lock", "state.json", "sync.json"}, f"left beside the state: {names}")
        hold(code != 0 or not loop.left_over(), f"left in the destination: {loop.left_over()}")
        hold(len(os.listdir("/proc/self/fd")) <= self.n_fds, "this program leaks descriptors")

    def one(self, number):
        loop = self.draw.choice(self.loops)
        fault = self.draw.choice(self.faults) if loop.durations and self.draw.random() < 0.7 else None
        # A failed sync is mostly tried again as it was; at times its source has grown meanwhile.
        if loop.clean or self.draw.random() < 0.3:
            loop.grow()
        code, hit = self.run(loop, fault)
        print(f"{number} {loop.sync_name} {fault or '-'}{'' if hit else ' (too late)'} exit {code}", flush=True)
        hold(fault or code == 0, f"a sync without a fault ended with {code}")
        if self.sabotage and number > BREAK_AFTER and code == 0 and isinstance(loop, BREAKS[self.sabotage][1]):
            BREAKS[self.sabotage][0](self, loop)
        loop.check_data(whole=code == 0)
        self.check_files(loop, code)
        loop.clean = code == 0
        size = sum(p.stat().st_size for p in loop.out.rglob("*") if p.is_file())
        if loop.clean and (size > EPOCH_BYTES or isinstance(loop, FakerToSqlite)):
            loop.end_epoch()
            loop.begin()


def in_own_mounts():
    """Starts this program again where it may mount. Returns whether it may."""
    if os.environ.get("GANTRY_SOAK_MOUNTS"):
        return os.environ["GANTRY_SOAK_MOUNTS"] == "1"
    flags = ["-m"] if os.geteuid() == 0 else ["-rm"]
    can = subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=False,
                         stderr=subprocess.DEVNULL).returncode == 0
    os.environ["GANTRY_SOAK_MOUNTS"] = "1" if can else "0"
    if can:
        os.execvp("unshare", ["unshare", *flags, sys.executable, *sys.argv])
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", type=pathlib.Path, help="work in this new directory, which stays")
    parser.add_argument("--break", choices=BREAKS, dest="sabotage", help="do this once, and succeed when it is found")
    arguments = parser.parse_args()
    full = in_own_mounts()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    place = arguments.keep or pathlib.Path(tempfile.mkdtemp(prefix="gantry-soak-", dir="/var/tmp"))
    place.mkdir(exist_ok=True)
    place = place.resolve()
    for name, size in (("space", SPACE), ("state-space", 4 << 20)):
        (place / name).mkdir()
        if full:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place / name], check=True)
    print(f"seed {arguments.seed}, {arguments.seconds:g} s, in {place}" + ("" if full else "; can't mount: no full disks"),
          flush=True)
    soak, number = Soak(place, random.Random(arguments.seed), full, arguments.sabotage), 0
    end = time.monotonic() + arguments.seconds
    try:
        while time.monotonic() < end:
            number += 1
            soak.one(number)
        if arguments.sabotage:
            print(f"nobody has noticed: {arguments.sabotage}")
            return 1
    except Broken as e:
        if arguments.sabotage and BREAKS[arguments.sabotage][2] in str(e):
            print(f"found, as it must be: {e}")
            return 0
        print(f"BROKEN in sync {number} (--seed {arguments.seed}): {e}")
        print((place / "last.log").read_text(errors="replace")[-2000:])
        keep = place.with_name(place.name + "-broken")
        shutil.copytree(place, keep, symlinks=True)
        print(f"All of it is in {keep}")
        return 1
    finally:
        for pid in children_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        if full:
            for name in ("space", "state-space"):
                subprocess.run(["umount", "-l", place / name], check=False)
        if not arguments.keep:
            shutil.rmtree(place, ignore_errors=True)
    print("hits: " + ", ".join(f"{name} {n}" for name, n in sorted(soak.hits.items())))
    print("largest process, MiB: " + ", ".join(f"{name} {max(p) >> 10}" for name, p in soak.peaks.items()))
    print(f"{number} syncs, seed {arguments.seed}: nothing lost, no state ahead, nothing left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
