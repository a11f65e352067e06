#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`make bench`: what Gantry's record path costs, as ratios within one run. Goals stand beside; nothing fails on them.

    run-bench.py --build DIR [--rounds N] [--records N] [--large] [--only PART,…] [--source-faker PATH] [--write]"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench_common import (CSV_TYPES, ROOT, best, best_pair_ratio, heading, interleave, make_csv, run, spread, table)

PARTS = ["worker", "mappers", "sqlite", "faker", "memory", "streams", "db", "api"]


class WorkerRun:
    """What bench-worker says of itself: wall time, and the CPU time and memory of the process in the middle alone."""

    def __init__(self, text):
        o = json.loads(text)
        if not o["ok"]:
            raise RuntimeError("bench-worker: the sync failed")
        self.seconds, self.bytes, self.peak_kib = o["seconds"], o["bytes"], o["peak_kib"]
        self.cpu = o["cpu_user"] + o["cpu_system"]
        self.heap_catalog, self.heap_end = o["heap_catalog"], o["heap_end"]


class Bench:
    def __init__(self, args):
        self.args = args
        self.build = pathlib.Path(args.build)
        self.tool = self.build / "tests/bench"
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="gantry-bench-"))
        self.env = dict(os.environ, XDG_STATE_HOME=str(self.work / "state"), XDG_CACHE_HOME=str(self.work / "cache"))

    def worker(self, mode, records, streams=1):
        return WorkerRun(run([self.tool / "bench-worker", mode, records, streams], keep_output=True).output)

    def sync(self, source, destination, *options):
        return run([self.build / "gantry", "sync", source, destination, "--progress=none", "--no-state", *options],
                   env=self.env)

    def measure_worker(self):
        """The worker in the pipe between two processes that cost next to nothing."""
        records = self.args.records
        modes = ["copy", "relay", "prefix", "mappers"]
        results = interleave({m: lambda m=m: self.worker(m, records) for m in modes}, self.args.rounds)
        gb = results["copy"][0].bytes / 1e9
        copies = min(r.cpu for r in results["copy"])
        goals = {"relay": "≥ 0.80 of copy; ≤ 0.1 CPU s/GB", "prefix": "≥ 0.70 of copy",
                 "mappers": "≥ 0.85 of relay, or 300 MB/s of CPU"}
        rows = []
        for mode in modes:
            runs = results[mode]
            cpu = min(r.cpu for r in runs)
            pair, overall = best_pair_ratio(results["copy"], runs)
            rows.append([mode, f"{gb / best(runs).seconds:.2f}", spread(runs), f"{overall:.2f}", f"{pair:.2f}",
                         f"{cpu / gb:.3f}", f"{(cpu - copies) / gb:.3f}", goals.get(mode, "")])
        pair, overall = best_pair_ratio(results["relay"], results["mappers"])
        mapper_cpu = min(r.cpu for r in results["mappers"])
        return (f"## Worker between two processes, pipes of 1 MiB\n\n{records:,} RECORD lines of "
                f"{gb * 1e9 / records:.0f} B, a STATE every 1,024; the process in the middle is\na relay that only copies "
                f"(copy) or the worker. Best of {self.args.rounds} interleaved rounds.\n\n"
                + table(["mode", "GB/s", "spread", "of copy (bests)", "of copy (best pair)", "CPU s/GB",
                         "beyond the copies", "goal"], rows)
                + f"\nMappers (hash, rename, filter) run at {overall:.2f} of the speed without (best pair {pair:.2f}); "
                  f"{gb * 1e3 / mapper_cpu:.0f} MB a CPU second\nof the worker in all, copies included.\n")

    def measure_mappers(self):
        output = run([self.tool / "bench-mapper"], keep_output=True).output
        return f"## Mappers alone, in memory\n\n```\n{output}```\n"

    def measure_db(self):
        output = run([self.tool / "bench-db"], keep_output=True).output
        return ("## The database, 100 connections and 1,000 jobs beside 100,000 and 1,000,000\n\nThe stores alone, CPU time; "
                "the next table has what a client meets. What is read of the large one\nis mostly not in SQLite's cache (8 MiB), "
                f"of the small one all is.\n\n```\n{output}```\n")

    def measure_api(self):
        output = run([pathlib.Path(__file__).with_name("run-api.py"), "--build", self.build], keep_output=True).output
        return ("## Lists and objects by the API, the same databases\n\nGoal: no get and no page, its link followed, at more than "
                "twice the small one's p99. The server's time on a\nprocessor, and the client's wait beside whatever else ran.\n\n"
                f"```\n{output}```\n")

    def measure_sqlite(self):
        rows = self.args.csv_rows
        source = make_csv(self.work / f"rows-{rows}.csv", rows)
        out = self.work / "out.db"

        def loop():
            out.unlink(missing_ok=True)
            return run([self.tool / "bench-csv-sqlite", source, out, CSV_TYPES])

        def sync():
            out.unlink(missing_ok=True)
            return self.sync(f"csv:{source}", f"sqlite:{out}")

        results = interleave({"bare C loop": loop, "gantry sync": sync}, self.args.rounds)
        pair, overall = best_pair_ratio(results["bare C loop"], results["gantry sync"])
        lines = [[name, f"{best(runs).seconds:.2f} s", spread(runs), f"{rows / best(runs).seconds:,.0f}",
                  f"{min(r.cpu for r in runs):.2f}"] for name, runs in results.items()]
        return (f"## CSV into SQLite, {rows:,} rows of 10 columns\n\n"
                + table(["", "best", "spread", "rows/s", "CPU s"], lines)
                + f"\ngantry runs at {overall:.2f} of the loop (best pair {pair:.2f}); goal ≥ 0.80. The time of `gantry sync` "
                  "counts from its\nstart to its exit: sandboxes, spec, check, discover with type inference and all.\n")

    def measure_faker(self):
        faker = self.args.source_faker or shutil.which("source-faker")
        if not faker:
            return "## airbyte-source-faker\n\nNot measured: no `source-faker` found (`--source-faker PATH`).\n"
        config = self.work / "faker.json"
        config.write_text(json.dumps({"count": self.args.faker_users, "seed": 7, "parallelism": 1}))
        catalog = self.work / "faker-catalog.json"
        discovered = run([faker, "discover", "--config", config], keep_output=True).output
        streams = next(json.loads(line)["catalog"]["streams"] for line in discovered.splitlines() if '"CATALOG"' in line)
        catalog.write_text(json.dumps({"streams": [
            {"stream": s, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"} for s in streams]}))
        out = self.work / "faker-out"

        def alone():
            return run([faker, "read", "--config", config, "--catalog", catalog])

        def sync():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
            return self.sync(f"exec:{faker}", f"jsonl:{out}", "--source-config", config, "--mode", "full_refresh_overwrite")

        sync()  # the spec and the catalog are cached from now on, as in any repeated sync
        results = interleave({"alone": alone, "gantry sync": sync}, self.args.rounds)
        pair, overall = best_pair_ratio(results["alone"], results["gantry sync"])
        lines = [[name, f"{best(runs).seconds:.2f} s", spread(runs), f"{min(r.cpu for r in runs):.2f}"]
                 for name, runs in results.items()]
        return (f"## airbyte-source-faker → jsonl, {self.args.faker_users:,} users\n\n"
                + table(["", "best", "spread", "CPU s"], lines)
                + f"\n{overall:.2f} of the source alone writing to /dev/null (best pair {pair:.2f}); goal ≥ 0.97.\n")

    def destination_run(self, records):
        """destination-sqlite alone, fed by bench-generate: its peak memory is the whole tree's largest."""
        config, catalog = self.work / "dst.json", self.work / "dst-catalog.json"
        out = self.work / "memory.db"
        out.unlink(missing_ok=True)
        config.write_text(json.dumps({"path": str(out)}))
        run_config = self.work / "gen.json"
        run_config.write_text(json.dumps({"records": records, "streams": 1}))
        discovered = run([self.tool / "bench-generate", "discover", "--config", run_config], keep_output=True).output
        stream = json.loads(discovered)["catalog"]["streams"][0]
        catalog.write_text(json.dumps({"streams": [
            {"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append",
             "generation_id": 1, "minimum_generation_id": 0, "sync_id": 1}]}))
        import subprocess
        with subprocess.Popen([str(self.tool / "bench-generate"), str(records)], stdout=subprocess.PIPE) as generator:
            result = run([self.build / "connectors/destination-sqlite", "write", "--config", config, "--catalog", catalog],
                         stdin=generator.stdout, reap=False)
        out.unlink(missing_ok=True)
        return result

    def measure_memory(self):
        sizes = [10**4, 10**5, 10**6] + ([10**7] if self.args.large else [])
        lines = []
        for n in sizes:
            destination = self.destination_run(n)
            lines.append([f"{n:,}", f"{self.worker('relay', n).peak_kib / 1024:.1f} MiB",
                          f"{destination.peak_kib / 1024:.1f} MiB", f"{n / destination.seconds:,.0f}"])
        return ("## Peak memory against rows\n\n"
                + table(["rows", "worker", "destination-sqlite", "rows/s of the destination alone"], lines)
                + "\nGoal: ≤ 32 MiB each, flat. (A destination of less than this script's own memory, some 14 MiB, would show "
                  "that.)\n")

    def measure_streams(self):
        records, many = 20000, 1000
        results = interleave({n: lambda n=n: self.worker("relay", records, n) for n in (1, many)}, self.args.rounds)
        one, all_ = results[1], results[many]

        def each(value):
            return (min(value(r) for r in all_) - min(value(r) for r in one)) / (many - 1)

        return (f"## What a stream costs the worker\n\n{records:,} records in {many:,} streams against one, a stream: "
                f"{each(lambda r: r.seconds) * 1e3:.3f} ms (CPU {each(lambda r: r.cpu) * 1e3:.3f} ms) and\n"
                f"{each(lambda r: r.heap_end - r.heap_catalog) / 1024:.2f} KiB of heap; goal ≤ 0.5 ms, ≤ 2 KB. The two "
                f"catalogs, parsed, take {each(lambda r: r.heap_catalog) / 1024:.2f} KiB a stream before\nthat (json-c's "
                "tables; the schemas here are empty).\n")

    def run_all(self, parts):
        texts = [heading("Bench")]
        for part in parts:
            print(f"--- {part}", file=sys.stderr, flush=True)
            try:
                texts.append(getattr(self, f"measure_{part}")())
            except (RuntimeError, OSError) as e:
                texts.append(f"## {part}\n\nNot measured: {str(e).strip()[:500]}\n")
            print(texts[-1], flush=True)
        shutil.rmtree(self.work, ignore_errors=True)
        return "\n".join(texts)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    p.add_argument("--build", default=str(ROOT / "build"))
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--records", type=int, default=2000000)
    p.add_argument("--csv-rows", type=int, default=1000000)
    p.add_argument("--faker-users", type=int, default=20000)
    p.add_argument("--source-faker")
    p.add_argument("--large", action="store_true", help="memory at 10^7 rows too")
    p.add_argument("--only", default=",".join(PARTS))
    p.add_argument("--write", action="store_true", help="keep the result in docs/evidence/bench.md")
    args = p.parse_args()
    parts = args.only.split(",")
    if any(part not in PARTS for part in parts):
        p.error(f"--only takes {', '.join(PARTS)}")
    text = Bench(args).run_all(parts)
    if args.write:
        (ROOT / "docs/evidence/bench.md").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
