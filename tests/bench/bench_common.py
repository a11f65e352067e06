# SPDX-License-Identifier: LGPL-2.1-or-later
"""What run-bench.py and run-peers.py share: running a command and knowing what it cost, interleaved rounds, tables."""

import ctypes
import datetime
import os
import pathlib
import platform
import random
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The columns of the generated CSV, and their types for bench-csv-sqlite.
CSV_COLUMNS = ["id", "name", "email", "city", "amount", "active", "created_at", "score", "note", "code"]
CSV_TYPES = "itttrbtrti"


# What a command leaves behind comes to us, so that its cost is counted too.
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap_orphans():
    """CPU seconds and peak memory of processes that outlived their parent; waits for them."""
    cpu = peak = 0
    while True:
        try:
            _, _, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return cpu, peak
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss)


class Run:
    """One finished command: wall seconds, CPU seconds of its whole process tree, peak memory of its largest process."""

    def __init__(self, seconds, cpu, peak_kib, output):
        self.seconds, self.cpu, self.peak_kib, self.output = seconds, cpu, peak_kib, output


def run(argv, stdin=None, env=None, check=True, keep_output=False, reap=True):
    start = time.monotonic()
    child = subprocess.Popen([str(a) for a in argv], stdin=stdin or subprocess.DEVNULL,
                             stdout=subprocess.PIPE if keep_output else subprocess.DEVNULL,
                             stderr=subprocess.PIPE, env=env, text=True)
    # Output is small wherever it is kept; errors could fill their pipe, so both are read until they end.
    output, errors = child.stdout.read() if keep_output else "", child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    cpu, peak = reap_orphans() if reap else (0, 0)
    if check and child.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {child.returncode}\n{errors[-2000:]}")
    return Run(seconds, usage.ru_utime + usage.ru_stime + cpu, max(usage.ru_maxrss, peak), output)


def interleave(steps, rounds):
    """Runs each step once a round, in turn, so that a slow minute hits all alike. {name: [result, …]}"""
    results = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            results[name].append(step())
    return results


def best(results):
    return min(results, key=lambda r: r.seconds)


def spread(results):
    """How far the slowest round lies above the fastest, in percent."""
    seconds = [r.seconds for r in results]
    return f"+{100 * (max(seconds) / min(seconds) - 1):.0f} %"


def best_pair_ratio(floor, measured):
    """Floor's time by the measured time, within the pair of one round in which that was best; and over the bests."""
    pairs = max(f.seconds / m.seconds for f, m in zip(floor, measured))
    return pairs, best(floor).seconds / best(measured).seconds


def machine():
    family = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            family = line.partition(":")[2].strip()
            break
    return f"{platform.system()} {platform.release().split('-')[0]}, {os.cpu_count()} cores, {family}"


def heading(title):
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    load = os.getloadavg()[0]
    busy = " (others were at work: read the ratios, not the seconds)" if load > 1.5 else ""
    return f"# {title}\n\n{today}; {machine()}; load average {load:.1f} at the start{busy}.\n"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(c) for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def make_csv(path, rows):
    """A CSV of 10 columns, the same in every run."""
    if path.exists():
        return path
    rng = random.Random(4)
    cities = ["Utrecht", "Lyon", "Graz", "Porto", "Turku", "Bergen", "Gdynia", "Aarhus"]
    partial = path.with_suffix(".part")
    with partial.open("w") as f:
        f.write(",".join(CSV_COLUMNS) + "\n")
        for i in range(rows):
            f.write(f"{i},Name {i % 5000},person{i}@example.org,{cities[i % 8]},{rng.randrange(10**7) / 100:.2f},"
                    f"{'true' if i % 3 else 'false'},2026-{i % 12 + 1:02d}-{i % 28 + 1:02d}T{i % 24:02d}:{i % 60:02d}:00Z,"
                    f"{rng.random():.6f},a note of the usual length about row {i},{rng.randrange(10**9)}\n")
    partial.rename(path)
    return path
