#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench-peers`, by hand: one CSV into SQLite by Gantry, by sqlite3's own import, by dlt and by Sling, in one run.

    run-peers.py --build DIR [--rows N] [--rounds N] [--peers DIR] [--write]

The peers are installed from PyPI into DIR (default ~/.cache/gantry-bench-peers; Sling is 262 MB). Every result is counted and
summed in the database; a peer that is missing is said to be."""

import argparse
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench_common import ROOT, best, heading, interleave, make_csv, run, spread, table

DLT, SLING = "dlt[sqlalchemy]==1.31.0", "sling-linux-amd64==1.4.11"

DLT_PROGRAM = """
import csv, sys
import dlt
source, out, home = sys.argv[1:]
@dlt.resource(name="t", write_disposition="replace")
def rows():
    with open(source, newline="") as f:
        batch = []
        for row in csv.DictReader(f):
            batch.append(row)
            if len(batch) == 10000:
                yield batch
                batch = []
        yield batch
pipeline = dlt.pipeline("bench", pipelines_dir=home, dataset_name="main",
                        destination=dlt.destinations.sqlalchemy(f"sqlite:///{out}"))
pipeline.run(rows())
"""


def venv(directory, name, requirement):
    """The venv with a package in it, made if it is not there."""
    path = directory / name
    if not (path / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", path], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([path / "bin/pip", "install", "-q", requirement], check=True)
        (path / "ready").touch()
    return path


class Peers:
    def __init__(self, args):
        self.args = args
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gantry-peers-"))
        self.csv = make_csv(self.work / "rows.csv", args.rows)
        self.out = self.work / "out.db"
        self.peers = pathlib.Path(args.peers)
        self.table = {}
        self.missing = []
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.work / "state"), XDG_CACHE_HOME=str(self.work / "cache"),
                        HOME=str(self.work), DO_NOT_TRACK="1", RUNTIME__DLTHUB_TELEMETRY="false",
                        SLING_DISABLE_TELEMETRY="true")
        # Nothing here needs a network, and no peer shall fetch anything while it is measured.
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            self.env[name] = "http://127.0.0.1:9"

    def fresh(self):
        for path in self.work.glob("*.db*"):
            path.unlink()
        shutil.rmtree(self.work / "dlt-home", ignore_errors=True)

    def verify(self, what, result):
        """The same rows are there, whoever wrote them, under whatever name the table has."""
        files = [p for p in self.work.glob("*.db") if p.stat().st_size > 0]
        for path in files:
            db = sqlite3.connect(path)
            for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                columns = [c[1] for c in db.execute(f'PRAGMA table_info("{name}")')]
                if "code" not in columns:
                    continue
                rows, total = db.execute(f'SELECT count(*), sum(CAST(code AS INTEGER)) FROM "{name}"').fetchone()
                if rows == self.args.rows:
                    if total != self.expected():
                        raise RuntimeError(f"{what}: the sum of a column is wrong")
                    result.bytes = sum(p.stat().st_size for p in files)
                    return result
        raise RuntimeError(f"{what}: {self.args.rows} rows are nowhere in {[str(f) for f in files]}")

    def expected(self):
        if not hasattr(self, "sum"):
            with self.csv.open() as f:
                next(f)
                self.sum = sum(int(line.rpartition(",")[2]) for line in f)
        return self.sum

    def gantry(self):
        self.fresh()
        return run([pathlib.Path(self.args.build) / "gantry", "sync", f"csv:{self.csv}", f"sqlite:{self.out}",
                    "--progress=none", "--no-state"], env=self.env)

    def sqlite(self):
        self.fresh()
        return run(["sqlite3", self.out, "-cmd", ".mode csv", f".import {self.csv} t"])

    def dlt(self):
        self.fresh()
        return run([self.peers / "dlt/bin/python", "-c", DLT_PROGRAM, self.csv, self.out, self.work / "dlt-home"],
                   env=self.env)

    def sling(self, shell=False):
        """Sling loads through the shell of SQLite, which it would download; `shell` gives it the system's."""
        self.fresh()
        program = next((self.peers / "sling").glob("lib/*/site-packages/sling_linux_amd64/bin/sling*"))
        program.chmod(0o755)
        env = dict(self.env, BENCH_OUT=f"sqlite://{self.out}")
        if shell:
            env["SQLITE_PATH"] = shutil.which("sqlite3")
        return run([program, "run", "--src-stream", f"file://{self.csv}", "--tgt-conn", "BENCH_OUT",
                    "--tgt-object", "main.t", "--mode", "full-refresh"], env=env)

    def steps(self):
        steps = {"gantry sync": self.gantry, "sqlite3 .import": self.sqlite}
        for name, requirement, step in (("dlt 1.31.0", DLT, self.dlt), ("Sling 1.4.11", SLING, self.sling),
                                        ("Sling 1.4.11 with sqlite3's shell", SLING, lambda: self.sling(shell=True))):
            try:
                venv(self.peers, name.split()[0].lower(), requirement)
                steps[name] = step
            except (OSError, subprocess.CalledProcessError) as e:
                self.missing.append(f"{name}: {e}")
        return {name: lambda name=name, step=step: self.verify(name, step()) for name, step in steps.items()}

    def measure(self):
        steps = self.steps()
        # The slow ones run once or twice: their spread is small beside what separates them.
        slow = {name: steps.pop(name) for name in list(steps) if name.startswith(("dlt", "Sling"))}
        results = interleave(steps, self.args.rounds)
        results.update(interleave(slow, self.args.slow_rounds))
        own = best(results["gantry sync"]).seconds
        goals = {"sqlite3 .import": "gantry ≤ 1.25 × this (it types and stamps nothing)", "dlt 1.31.0": "gantry ≥ 5 times as fast",
                 "Sling 1.4.11": "gantry ≥ 25 times as fast",
                 "Sling 1.4.11 with sqlite3's shell": "none set"}
        rows = [[name, len(runs), f"{best(runs).seconds:.2f} s", spread(runs), f"{min(r.cpu for r in runs):.2f}",
                 f"{best(runs).peak_kib / 1024:.0f} MiB", f"{best(runs).bytes / 1e6:.0f} MB",
                 f"{best(runs).seconds / own:.2f}", goals.get(name, "")] for name, runs in results.items()]
        text = heading("Bench beside peers") + (
            f"\nOne CSV of {self.args.rows:,} rows and 10 columns ({self.csv.stat().st_size / 1e6:.0f} MB) into SQLite, from the "
            "command's start to its exit;\nthe file system's cache is warm, rows and the sum of a column are compared. "
            "`make bench-peers`.\n\n"
            + table(["", "runs", "best", "spread", "CPU s", "largest process", "database", "time / gantry's", "goal"], rows))
        text += ("\nSling loads through SQLite's command line shell. It would download one; kept off the network it inserts row by "
                 "row\n(first line), and with SQLITE_PATH it takes the system's (second line).\n")
        for line in self.missing:
            text += f"\nNot measured: {line}\n"
        return text


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--rows", type=int, default=300000)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--slow-rounds", type=int, default=2)
    p.add_argument("--peers", default=str(pathlib.Path.home() / ".cache/gantry-bench-peers"))
    p.add_argument("--write", action="store_true", help="keep the table in docs/evidence/bench-peers.md")
    args = p.parse_args()
    peers = Peers(args)
    try:
        text = peers.measure()
    finally:
        shutil.rmtree(peers.work, ignore_errors=True)
    print(text)
    if args.write:
        (ROOT / "docs/evidence/bench-peers.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
