# SPDX-License-Identifier: LGPL-2.1-or-later
"""The worker library between real processes: kill -9 at random moments, cancel, limits, what it holds on to."""

import json
import os
import random
import signal
import subprocess
import time

import pytest

import lies
from conftest import TIMEOUT, program

KILLS = int(os.environ.get("GANTRY_TEST_KILLS", "60"))


def start(directory, options=(), source=(), destination=(), streams=3):
    """A sync of 3 streams that goes on for about a second; stored states and durable rows are written all along."""
    (directory / "catalog.json").write_text(json.dumps(lies.catalog(streams)))
    argv = [program("tests/tools/replicate"), directory / "catalog.json", "--state-out", directory / "state.json",
            "--flush-ms", "5", *options, "--", program("tests/tools/lying-source"), f"streams={streams}",
            "records=20000", "every=100", *source, "--", program("tests/tools/checking-destination"),
            f"file={directory / 'rows.json'}", *destination]
    return subprocess.Popen([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(process):
    out, err = process.communicate(timeout=TIMEOUT)
    return json.loads(out) if out else {"stderr": err}


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(p) for p in f.read().split()]


def wait_for(condition, what):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.001)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_until_moving(directory, process):
    wait_for(lambda: (directory / "state.json").exists() or process.poll() is not None, "the first stored state")


@pytest.mark.parametrize("victim", ("source", "destination", "worker"))
def test_kill_9_leaves_no_state_ahead_of_the_rows(tmp_path, victim):
    """Whoever is killed, whenever: the stored state covers durable rows only. The hits are counted: a kill that comes
    after the end proves nothing."""
    draw, hits = random.Random(victim), 0
    for n in range(KILLS // 3):
        directory = tmp_path / str(n)
        directory.mkdir()
        process = start(directory, source=["pace=100"])
        wait_until_moving(directory, process)
        pids = children(process.pid)
        time.sleep(draw.random() * 0.03)
        target = process.pid if victim == "worker" else pids[0] if victim == "source" else pids[-1]
        try:
            os.kill(target, signal.SIGKILL)
        except ProcessLookupError:
            pass
        result = finish(process)
        # Without its worker the destination goes on with what is in the pipe: wait for its last word.
        wait_for(lambda: all(gone(p) for p in pids), "the end of the connectors")
        rows = lies.read_json(directory / "rows.json", {})
        stored = lies.read_json(directory / "state.json", [])
        lies.check_not_ahead(stored, rows)
        if victim == "worker":
            hits += process.returncode == -signal.SIGKILL
        else:
            hits += result["status"] == "failed"
            assert result["status"] == "failed" or rows == {f"s{i}": 20000 for i in range(3)}
    assert hits >= KILLS // 3 // 2, f"only {hits} kills hit a running sync"


def test_cancel_by_signal_keeps_what_is_committed(tmp_path):
    process = start(tmp_path, source=["pace=1000"])
    wait_until_moving(tmp_path, process)
    process.send_signal(signal.SIGTERM)
    result = finish(process)
    assert result["status"] == "cancelled"
    assert [f["failureType"] for f in result["failures"]] == ["manual_cancellation"]
    assert 0 < result["records_committed"] < 60000
    rows = lies.read_json(tmp_path / "rows.json", {})
    lies.check_not_ahead(result["states"], rows)
    # The destination had the chance to finish: all that it made durable and confirmed is stored.
    assert sum(lies.cursors(result["states"]).values()) == result["records_committed"]


def test_two_cancels_end_at_once(tmp_path):
    process = start(tmp_path, source=["lie=hang-deaf", "at=9"], destination=["lie=hang-late-deaf"],
                    options=["--grace-ms", "100000000"])
    wait_until_moving(tmp_path, process)

    def ended():
        # Two that come at once are one to the kernel: so it is asked until it has heard two.
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
        return process.poll() is not None

    wait_for(ended, "the end")
    assert finish(process)["status"] == "cancelled"


def test_the_limit_stops_an_endless_source(tmp_path):
    process = start(tmp_path, options=["--limit", "250"], source=["lie=hang", "at=100"])
    result = finish(process)
    assert result["status"] == "completed", result
    assert [s["records_committed"] for s in result["streams"]] == [250, 250, 250]
    assert lies.cursors(result["states"]) == {"s0": 200, "s1": 200, "s2": 200}
    assert lies.read_json(tmp_path / "rows.json", {}) == {"s0": 250, "s1": 250, "s2": 250}


def test_a_slow_destination_holds_the_source_back(tmp_path):
    """Backpressure: with a destination that takes its time, the worker's memory stays where it is."""
    process = start(tmp_path, destination=["pace=200"])
    wait_until_moving(tmp_path, process)
    result = finish(process)
    assert result["status"] == "completed"
    assert result["records_committed"] == 60000


def measure_open(pid):
    fds = len(os.listdir(f"/proc/{pid}/fd"))
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        rss = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    return fds, rss


@pytest.mark.memory
def test_memory_and_descriptors_stay_flat(tmp_path):
    """From the first state to the last of 2,000,000 records with 2,000 states: next to no growth, no descriptor."""
    process = start(tmp_path, options=["--flush-ms", "100"], source=["records=500000", "every=1000"], streams=4)
    wait_until_moving(tmp_path, process)
    first = last = measure_open(process.pid)
    while process.poll() is None:
        try:
            last = measure_open(process.pid)
        except (FileNotFoundError, StopIteration, ProcessLookupError):
            break
        time.sleep(0.02)
    result = finish(process)
    assert result["status"] == "completed"
    assert result["records_committed"] == 2000000
    print(f"descriptors, KiB: {first} -> {last}")
    assert last[0] <= first[0], f"{first} -> {last}"
    assert last[1] - first[1] < 6 * 1024, f"{first} -> {last} KiB"
    assert last[1] < 32 * 1024


def test_a_secret_is_nowhere_in_what_replicate_says(tmp_path):
    """T29, with a positive control: without the option it is there."""
    source = tmp_path / "source"
    source.write_text("#!/bin/sh\necho 'junk hunter2-hunter2'\n"
                      """echo '{"type":"TRACE","trace":{"type":"ERROR","emitted_at":1,"error":{"message":"hunter2-hunter2"}}}'\n"""
                      "exit 1\n")
    source.chmod(0o755)
    (tmp_path / "catalog.json").write_text(json.dumps(lies.catalog(1)))
    for options, there in (([], True), (["--secret", "hunter2-hunter2"], False)):
        argv = [program("tests/tools/replicate"), tmp_path / "catalog.json", "--log", *options, "--", source, "--",
                program("tests/tools/checking-destination")]
        p = subprocess.run([str(a) for a in argv], capture_output=True, timeout=TIMEOUT, check=True)
        said = p.stdout + p.stderr
        assert (b"hunter2" in said) == there
        assert there or said.count(b"**********") >= 3


def test_validation_counts_what_breaks_the_schema_and_fails_nothing(tmp_path):
    catalog = lies.catalog(1)
    catalog["streams"][0]["stream"]["json_schema"] = {"type": "object", "properties": {"id": {"type": "string"}}}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    argv = [program("tests/tools/replicate"), tmp_path / "catalog.json", "--log", "--validate", "--",
            program("tests/tools/lying-source"), "streams=1", "--", program("tests/tools/checking-destination")]
    p = subprocess.run([str(a) for a in argv], capture_output=True, timeout=TIMEOUT, check=True)
    result = json.loads(p.stdout)
    assert result["status"] == "completed"
    assert result["invalid_records"] == 10
    assert b"breaks its schema" in p.stderr and b"'s0'" in p.stderr
