#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What lists and single objects cost a client of the API in a small and in a large database: two servers side by side, each call on
random rows, in turns. Told is the server's time on a processor, which other programs hardly disturb, and the client's wait.

    tests/bench/run-api.py [--build DIR] [--connections N] [--jobs N] [--calls N]"""

import argparse
import contextlib
import os
import pathlib
import random
import sqlite3
import sys
import tempfile
import time

SMALL = 100
# As many jobs to a connection in both, so that pages hold as many rows.
SHARE = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build")
    parser.add_argument("--connections", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=500)
    return parser.parse_args()


class World:
    """One server with so many connections and jobs."""

    def __init__(self, suite, connections, jobs):
        self.suite, self.connections, self.jobs = suite, connections, jobs
        self.random = random.Random(1)
        suite.start()
        made = suite.new_connection()["connectionId"]
        self.token = suite.token
        suite.server.terminate()
        suite.server.wait()
        self.fill(made)

    def fill(self, made):
        """Copies of a connection that the API has made, and ended jobs of theirs."""
        with contextlib.closing(sqlite3.connect(self.suite.database)) as db:
            db.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;")
            row = db.execute("SELECT * FROM connection WHERE id = ?", (made,))
            names, template = [d[0] for d in row.description], row.fetchone()
            rows = ([self.id(i) if name == "id" else f"Connection {i}" if name == "name" else value for name, value in zip(names, template)]
                    for i in range(self.connections))
            db.executemany(f"INSERT INTO connection ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})", rows)
            workspace, at = dict(zip(names, template))["workspace_id"], int(time.time() * 1e6)
            db.executemany("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at)"
                           " VALUES (?, ?, ?, 'sync', 'succeeded', '{\"trigger\":\"schedule\"}', ?, ?, ?)",
                           ((i, self.id(i % self.connections), workspace, at + i, at + i, at + i) for i in range(1, self.jobs + 1)))
            db.execute("UPDATE counter SET n = ? WHERE name = 'job'", (self.jobs,))
            db.commit()
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    @staticmethod
    def id(i):
        return f"01900000-0000-7000-8000-{i:012}"

    def connection(self, room=0):
        return self.id(self.random.randrange(self.connections - room))

    def job(self):
        return self.random.randrange(SHARE * 3, self.jobs + 1)

    def cpu(self):
        """The server's time on a processor, nanoseconds."""
        return int(pathlib.Path(f"/proc/{self.suite.server.pid}/schedstat").read_text().split()[0])

    def get(self, path, query=None):
        """Microseconds that the server worked and that we waited."""
        cpu, start = self.cpu(), time.perf_counter()
        answer = self.suite.get(path, query=query, token=self.token)
        waited = time.perf_counter() - start
        assert answer.status == 200, answer
        return (self.cpu() - cpu) / 1e3, waited * 1e6


CALLS = {
    "get a connection": lambda w: w.get(f"/connections/{w.connection()}"),
    "connections, first page": lambda w: w.get("/connections"),
    "connections, next of any page": lambda w: w.get("/connections", {"offset": 20, "after": w.connection(room=20)}),
    "connections at any offset": lambda w: w.get("/connections", {"offset": w.random.randrange(w.connections - 20)}),
    "get a job": lambda w: w.get(f"/jobs/{w.job()}"),
    "jobs, first page": lambda w: w.get("/jobs"),
    "jobs, next of any page": lambda w: w.get("/jobs", {"offset": 20, "after": w.job()}),
    "jobs of a connection": lambda w: w.get("/jobs", {"connectionId": w.connection(), "limit": SHARE}),
    "a connection's newest job": lambda w: w.get("/jobs", {"connectionId": w.connection(), "limit": 1}),
    "jobs at any offset": lambda w: w.get("/jobs", {"offset": w.random.randrange(w.jobs - 20)}),
}


def percentile(values, share):
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def measure(worlds, call, count):
    cpu, wait = ([], []), ([], [])
    for i in range(count + count // 5):
        for world, c, w in zip(worlds, cpu, wait):
            a, b = call(world)
            if i >= count // 5:
                c.append(a)
                w.append(b)
    return cpu, wait


def report(name, cpu, wait):
    p50, p99 = [percentile(c, .5) for c in cpu], [percentile(c, .99) for c in cpu]
    w99 = [percentile(w, .99) for w in wait]
    print(f"{name:32} {p50[0]:8.0f} {p99[0]:8.0f} {p50[1]:10.0f} {p99[1]:8.0f} {p50[1] / p50[0]:8.2f} {p99[1] / p99[0]:8.2f}"
          f" {w99[0]:9.0f} {w99[1]:9.0f} {w99[1] / w99[0]:8.2f}", flush=True)


def main():
    options = arguments()
    os.environ["GANTRY_BUILD"] = str(options.build)
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "suite"))
    from conftest import Suite
    with tempfile.TemporaryDirectory(prefix="gantry-bench-api-", dir="/var/tmp") as place:
        suites = []
        try:
            worlds = []
            for name, connections, jobs in (("small", SMALL, SMALL * SHARE), ("large", options.connections, options.jobs)):
                (pathlib.Path(place) / name).mkdir()
                suites.append(Suite(pathlib.Path(place) / name))
                worlds.append(World(suites[-1], connections, jobs))
            # Only now: a server that is asked nothing leaves after 30 s.
            for suite in suites:
                suite.start_server()
            print(f"{'µs':32} {'small':>8} {'p99':>8} {'large p50':>10} {'p99':>8} {'ratio':>8} {'p99':>8} {'wait p99':>9} {'large':>9} {'ratio':>8}")
            for name, call in CALLS.items():
                report(name, *measure(worlds, call, options.calls))
        finally:
            for suite in suites:
                suite.stop()


if __name__ == "__main__":
    main()
