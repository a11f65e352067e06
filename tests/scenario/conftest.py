# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the scenario suites share: where the programs are, and how to run them and read what they say.

The build tree is $GANTRY_BUILD, else build/ in the source tree."""

import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("GANTRY_BUILD", ROOT / "build")).resolve()
# Ten times what a quiet machine needs: a test fails for what is wrong, never for slowness.
TIMEOUT = float(os.environ.get("GANTRY_TEST_TIMEOUT", "300"))


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="rewrite tests/snapshots from what is built (then review the diff)")


class Result:
    """What a finished program said."""

    def __init__(self, process):
        self.code = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr

    @property
    def messages(self):
        return [json.loads(line) for line in self.stdout.decode().splitlines()]

    def of(self, kind):
        """The messages of one type: RECORD, STATE, TRACE, …"""
        return [m for m in self.messages if m["type"] == kind]

    @property
    def records(self):
        return [m["record"] for m in self.of("RECORD")]

    @property
    def states(self):
        return [m["state"] for m in self.of("STATE")]

    def __repr__(self):
        return f"exit {self.code}\nstdout: {self.stdout[-4000:]!r}\nstderr: {self.stderr[-4000:]!r}"


def run(argv, input=None, env=None, cwd=None, timeout=TIMEOUT):
    """Runs a program to its end; never raises for its exit code."""
    whole = dict(os.environ, **(env or {}))
    return Result(subprocess.run([str(a) for a in argv], input=input, env=whole, cwd=cwd, timeout=timeout,
                                 capture_output=True, check=False))


def lines(messages):
    """Messages as the bytes that a connector reads or writes."""
    return b"".join(json.dumps(m, separators=(",", ":")).encode() + b"\n" for m in messages)


def record(stream, data, emitted_at=1700000000000, **more):
    return {"type": "RECORD", "record": {"stream": stream, "data": data, "emitted_at": emitted_at, **more}}


def stream_state(stream, state, namespace=None, **more):
    descriptor = {"name": stream} if namespace is None else {"name": stream, "namespace": namespace}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": descriptor,
                                                                    "stream_state": state}, **more}}


def stream_status(stream, status, namespace=None):
    descriptor = {"name": stream} if namespace is None else {"name": stream, "namespace": namespace}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1700000000000.0,
                                       "stream_status": {"stream_descriptor": descriptor, "status": status}}}


def configured(name, schema=None, sync_mode="full_refresh", destination_sync_mode="append", **more):
    """One entry of a configured catalog. `namespace`, `supported_sync_modes` go into the stream, the rest beside it."""
    stream = {"name": name, "json_schema": schema or {"type": "object", "properties": {}},
              "supported_sync_modes": more.pop("supported_sync_modes", ["full_refresh", "incremental"])}
    for key in ("namespace", "source_defined_cursor", "is_resumable", "source_defined_primary_key"):
        if key in more:
            stream[key] = more.pop(key)
    return {"stream": stream, "sync_mode": sync_mode, "destination_sync_mode": destination_sync_mode, **more}


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty directory as cwd, HOME and state, so that no test sees another's or the user's files."""
    for name, sub in (("HOME", "home"), ("XDG_STATE_HOME", "state"), ("XDG_DATA_HOME", "data"),
                      ("XDG_CACHE_HOME", "cache")):
        (tmp_path / sub).mkdir()
        monkeypatch.setenv(name, str(tmp_path / sub))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def program(name):
    """The path of a program of the build tree; a missing one is an error, not a skip."""
    path = BUILD / name
    assert path.exists(), f"{path} is not built"
    return path


@pytest.fixture
def gantry():
    """Runs `gantry …`."""
    return lambda *args, **more: run([program("gantry"), *args], **more)


@pytest.fixture
def native():
    """Runs a native connector by its name, without a sandbox."""
    return lambda name, *args, **more: run([program(f"connectors/{name}"), *args], **more)


@pytest.fixture
def put(workspace):
    """Writes a JSON (or text, or bytes) file into the workspace and returns its path."""
    def write(name, content):
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path
    return write
