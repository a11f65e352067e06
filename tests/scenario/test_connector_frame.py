# SPDX-License-Identifier: LGPL-2.1-or-later
"""The frame of the native connectors (src/connectors/lib), seen through a source: signals, files that are wrong, output."""

import json
import signal
import subprocess

import pytest

from conftest import TIMEOUT, configured, program, run

ENDLESS = {"count": 1000000000, "seed": 1}


@pytest.fixture
def source():
    return program("connectors/source-faker")


def argv(source, put, catalog, config=None, state=None):
    args = [source, "read", "--config", put("c.json", config or {"count": 5, "seed": 1}), "--catalog",
            put("cat.json", catalog)]
    return [str(a) for a in args + (["--state", put("state.json", state)] if state is not None else [])]


def users(**more):
    return {"streams": [configured("users", **more)]}


def error_of(result):
    error, = [m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR"]
    return error


def test_sigterm_ends_a_source_between_two_records(source, put):
    process = subprocess.Popen(argv(source, put, users(), ENDLESS), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    first = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(TIMEOUT) == 143
    assert rest.endswith(b"\n")
    messages = [json.loads(line) for line in (first + rest).splitlines()]
    assert any(m["type"] == "RECORD" for m in messages)
    statuses = [m["trace"]["stream_status"]["status"] for m in messages if m["type"] == "TRACE"
                and m["trace"]["type"] == "STREAM_STATUS"]
    assert "COMPLETE" not in statuses


def test_a_reader_that_goes_away_ends_a_source(source, put):
    process = subprocess.Popen(argv(source, put, users(), ENDLESS), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(TIMEOUT) == 1


def test_an_unknown_stream_is_a_config_error(source, put):
    result = run(argv(source, put, {"streams": [configured("nobody", namespace="nowhere")]}))
    assert result.code == 1 and not result.records
    assert error_of(result)["failure_type"] == "config_error" and "nobody" in error_of(result)["message"]


@pytest.mark.parametrize("name, content, said", [
    ("cat.json", "{", "catalog"), ("cat.json", "[]", "catalog"), ("cat.json", None, "cat.json"),
    ("c.json", "5", "configuration"), ("c.json", "{\"count\": \"many\"}", "count"), ("c.json", None, "c.json"),
    ("state.json", "{", "state"), ("state.json", None, "state.json")])
def test_files_that_are_wrong_are_named(source, put, workspace, name, content, said):
    args = argv(source, put, users(), state=[])
    if content is None:
        (workspace / name).unlink()
    else:
        put(name, content)
    result = run(args)
    assert result.code == 1 and said in error_of(result)["message"] and not result.records


@pytest.mark.parametrize("state", ["", "  \n", "[]"])
def test_an_empty_state_is_none(source, put, state):
    result = run(argv(source, put, users(sync_mode="incremental", cursor_field=["updated_at"]), state=state))
    assert result.code == 0 and len(result.records) == 5


def test_verbs_that_a_connector_has_not_are_usage_errors(source):
    assert run([source, "write", "--config", "x", "--catalog", "y"]).code == 2
    assert run([program("connectors/destination-devnull"), "discover", "--config", "x"]).code == 2


def test_help_and_version(source):
    assert b"read --config" in run([source, "--help"]).stdout
    assert run([source, "--version"]).stdout.startswith(b"source-faker ")
