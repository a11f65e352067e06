# SPDX-License-Identifier: LGPL-2.1-or-later
"""Syncs between a source and a destination that lie: tests/tools/lying-source and checking-destination, moved by
tests/tools/replicate, which is the worker library without sandbox and configuration."""

import json
import random
import subprocess

from conftest import TIMEOUT, program

ALL = ("stream", "global", "legacy")
COUNTED = ("stream", "global")

# name: (fatal, kinds of state under which it is a lie, options of replicate that it needs)
SOURCE_LIES = {
    "foreign-record": (True, ALL, ()),
    "foreign-complete": (True, ALL, ()),
    "mixed-kind": (True, ALL, ()),
    "bad-state": (True, ALL, ()),
    "unknown-kind": (True, ALL, ()),
    "broken-record": (True, ALL, ()),
    "glued-records": (True, ALL, ()),
    "record-without-data": (True, ALL, ()),
    "error-trace": (True, ALL, ()),
    "incomplete": (True, ALL, ()),
    "half-line": (True, ALL, ()),
    "crash": (True, ALL, ()),
    "exit-code": (True, ALL, ()),
    "exit-late": (True, ALL, ()),
    "lose-record": (True, COUNTED, ()),
    "repeat-record": (True, COUNTED, ()),
    "count-high": (True, COUNTED, ()),
    "count-low": (True, COUNTED, ()),
    "early-state": (True, COUNTED, ()),
    "hang": (True, ALL, ("--heartbeat-ms", "300")),
    "hang-deaf": (True, ALL, ("--heartbeat-ms", "300")),
    "hang-closed": (True, ALL, ("--heartbeat-ms", "300")),
    "leave-child": (True, ALL, ()),
    "garbage": (False, ALL, ()),
    "unknown-type": (False, ALL, ()),
    "repeat-state": (False, ALL, ()),
    "foreign-state": (False, ("stream",), ()),
    "foreign-status": (False, ALL, ()),
    "bad-trace": (False, ALL, ()),
    "mixed-estimates": (False, ALL, ()),
    "no-last-newline": (False, ALL, ()),
}
DESTINATION_LIES = {
    "count-low": (True, COUNTED, ()),
    "count-high": (True, COUNTED, ()),
    "rejects-too": (True, COUNTED, ()),
    "forge-id": (True, ALL, ()),
    "zero-id": (True, ALL, ()),
    "foreign-stream": (True, ("stream",), ()),
    "other-id": (True, ("stream",), ()),
    "swap": (True, ALL, ()),
    "repeat-old": (True, ALL, ()),
    "change-content": (True, ALL, ()),
    "wrong-kind": (True, ("stream", "legacy"), ()),
    "bad-state": (True, ALL, ()),
    "invent": (True, ALL, ()),
    "never-echo": (True, ALL, ()),
    "close-output": (True, ALL, ()),
    "error-trace": (True, ALL, ()),
    "late-error-trace": (True, ALL, ()),
    "exit-early": (True, ALL, ()),
    "fail-early": (True, ALL, ()),
    "fail-late": (True, ALL, ()),
    "crash": (True, ALL, ()),
    "deaf": (True, ALL, ("--destination-timeout-ms", "300")),
    "hang-late": (True, ALL, ("--destination-timeout-ms", "300")),
    "hang-late-deaf": (True, ALL, ("--destination-timeout-ms", "300")),
    "garbage": (False, ALL, ()),
    "twice": (False, ALL, ()),
    "anew": (False, ALL, ()),
    "anew-without-id": (False, ALL, ()),
}


class Case:
    """One sync, its size, order and lies drawn from a seed."""

    def __init__(self, seed, source=None, destination=None):
        draw = random.Random(seed)
        self.seed = seed
        self.source, self.destination = source, destination
        kinds = [k for k in ALL if (not source or k in SOURCE_LIES[source][1])
                 and (not destination or k in DESTINATION_LIES[destination][1])]
        self.kind = draw.choice(kinds)
        self.streams = draw.randint(2, 4)
        self.every = draw.randint(1, 30)
        self.batches = draw.randint(3, 8)  # of each stream
        self.records = self.every * self.batches
        states = self.streams * self.batches
        # With a state of the same stream behind it, which the lies about order need.
        self.source_at = draw.randrange(states - self.streams)
        self.destination_at = draw.randrange(states - self.streams - 1)
        self.reject = draw.choice((0, 0, 1))
        self.prefix = draw.choice(("", "p_"))
        self.buffer = draw.choice((4096, 65536, 1048576))
        self.grace = "150" if source in ("leave-child", "hang-deaf") or destination in ("deaf", "hang-late-deaf") else "10000"
        self.statuses = "1" if source == "incomplete" else draw.choice("01")

    @property
    def fatal(self):
        return bool(self.source and SOURCE_LIES[self.source][0]) or bool(
            self.destination and DESTINATION_LIES[self.destination][0])

    def commands(self, directory):
        options = ["--state-out", directory / "state.json", "--flush-ms", "20", "--grace-ms", self.grace,
                   "--buffer-size", str(self.buffer)]
        if self.prefix:
            options += ["--prefix", self.prefix]
        for table, name in ((SOURCE_LIES, self.source), (DESTINATION_LIES, self.destination)):
            options += table[name][2] if name else ()
        source = [program("tests/tools/lying-source"), f"streams={self.streams}", f"records={self.records}",
                  f"every={self.every}", f"kind={self.kind}", f"statuses={self.statuses}", f"told={directory / 'told'}"]
        if self.source:
            source += [f"lie={self.source}", f"at={self.source_at}"]
        destination = [program("tests/tools/checking-destination"), f"file={directory / 'rows.json'}",
                       f"reject={self.reject}", f"prefix={self.prefix}", f"told={directory / 'told'}"]
        if self.destination:
            destination += [f"lie={self.destination}", f"at={self.destination_at}"]
        return options, source, destination

    def __repr__(self):
        return (f"seed {self.seed}: source {self.source or 'honest'} at {self.source_at}, destination"
                f" {self.destination or 'honest'} at {self.destination_at}, {self.streams} streams of {self.batches} x"
                f" {self.every} records, {self.kind} states, prefix '{self.prefix}', reject {self.reject}")


def catalog(streams):
    return {"streams": [{"stream": {"name": f"s{i}", "json_schema": {}, "supported_sync_modes": ["incremental"],
                                    "source_defined_cursor": True},
                         "sync_mode": "incremental", "destination_sync_mode": "append"} for i in range(streams)]}


def replicate(directory, streams, options, source, destination, **more):
    """Runs a sync to its end and returns what replicate printed."""
    path = directory / "catalog.json"
    path.write_text(json.dumps(catalog(streams)))
    argv = [program("tests/tools/replicate"), path, *options, "--", *source, "--", *destination]
    p = subprocess.run([str(a) for a in argv], capture_output=True, timeout=TIMEOUT, check=False, **more)
    assert p.returncode == 0, p.stderr[-2000:]
    return json.loads(p.stdout)


def cursors(states):
    """What the stored states say of each stream: how many of its records they cover."""
    found = {}
    for state in states:
        if state.get("type") == "STREAM":
            found[state["stream"]["stream_descriptor"]["name"]] = state["stream"]["stream_state"]["cursor"]
        elif state.get("type") == "GLOBAL":
            for s in state["global"]["stream_states"]:
                found[s["stream_descriptor"]["name"]] = s["stream_state"]["cursor"]
        else:
            found.update(state["data"])
    return found


def read_json(path, default):
    return json.loads(path.read_text()) if path.exists() else default


def check_not_ahead(states, rows):
    """The one rule: no stored state covers a row that the destination hasn't made durable."""
    for name, cursor in cursors(states).items():
        assert cursor <= rows.get(name, 0), f"{name}: the state says {cursor}, {rows} are durable"


def check(case, directory):
    """Runs the case; returns the names of the lies that were told."""
    directory.mkdir()
    options, source, destination = case.commands(directory)
    result = replicate(directory, case.streams, options, source, destination)
    rows = read_json(directory / "rows.json", {})
    stored = read_json(directory / "state.json", [])
    told = (directory / "told").read_text() if (directory / "told").exists() else ""
    assert stored == result["states"]
    check_not_ahead(stored, rows)
    names = set(cursors(stored))
    assert names <= {f"s{i}" for i in range(case.streams)}, names
    # "anew" is a habit of every echo, told by being there.
    assert told or case.destination == "anew" or not (case.source or case.destination), "no lie was told"
    if case.fatal:
        assert result["status"] == "failed", result
        assert result["failures"], result
    else:
        assert result["status"] == "completed", result
        assert not result["failures"], result
        total = case.streams * case.records
        assert rows == {f"s{i}": case.records for i in range(case.streams)}
        assert cursors(stored) == rows
        assert result["records_emitted"] == total
        rejected = 0 if case.kind == "legacy" else result["records_rejected"]
        assert result["records_committed"] == total - result["records_rejected"] and rejected >= 0
    return told
