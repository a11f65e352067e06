# SPDX-License-Identifier: LGPL-2.1-or-later
"""The native destinations, run as programs: what is acknowledged is there, whatever is killed and when; refreshes show
the old rows or the new ones; names and values survive. D-numbers are the scenarios of docs/DESTINATIONS.md."""

import csv
import io
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import threading

import pytest

from conftest import BUILD, TIMEOUT, configured, lines, program, record, run, stream_state, stream_status

FILES = ["jsonl", "csv"]
ALL = ["sqlite"] + FILES
META = ["_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id"]
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
T0 = 1700000000000


def schema(**types):
    """schema(id="integer", tags={"type": "array"}): nullable unless given whole."""
    return {"type": "object", "properties": {
        name: t if isinstance(t, dict) else {"type": ["null", t]} for name, t in types.items()}}


ID = schema(id="integer", name="string")


def stream(name, json_schema=None, mode="append", generation=None, minimum=0, sync_id=1, **more):
    if generation is not None:
        more.update(generation_id=generation, minimum_generation_id=minimum, sync_id=sync_id)
    if mode.endswith("dedup"):
        more.setdefault("primary_key", [["id"]])
    more.setdefault("sync_mode", "incremental" if "cursor_field" in more else "full_refresh")
    return configured(name, json_schema or ID, destination_sync_mode=mode, **more)


def catalog(*streams):
    return {"streams": list(streams)}


def parse_csv(text):
    """Rows of (value or None): an empty field is null, a quoted one is text. Python's reader can't tell them apart."""
    rows, row, i = [], [], 0
    while i < len(text):
        if text[i] == '"':
            j, out = i + 1, []
            while True:
                k = text.index('"', j)
                out.append(text[j:k])
                if text[k + 1:k + 2] != '"':
                    break
                out.append('"')
                j = k + 2
            row.append("".join(out))
            i = k + 1
        else:
            j = i
            while j < len(text) and text[j] not in ",\n":
                j += 1
            row.append(text[i:j] or None)
            i = j
        if text[i:i + 1] == ",":
            i += 1
            continue
        assert text[i:i + 1] == "\n", text[i:i + 20]
        rows.append(row)
        row, i = [], i + 1
    assert not row
    return rows


class Destination:
    def __init__(self, kind, directory, put):
        self.kind, self.put = kind, put
        self.program = program(f"connectors/destination-{kind}")
        self.path = directory / ("out.db" if kind == "sqlite" else "out")
        self.options = {}
        self.started = 0

    def argv(self, verb="write", catalog=None):
        # A program that was started may not have read its files when the next one gets its own.
        self.started += 1
        argv = [self.program, verb, "--config", self.put(f"settings/config{self.started}.json",
                                                         {"path": str(self.path), **self.options})]
        return argv + (["--catalog", self.put(f"settings/catalog{self.started}.json", catalog)] if catalog else [])

    def raw(self, catalog, data, **more):
        return run(self.argv(catalog=catalog), input=data, **more)

    def write(self, catalog, messages, complete=True, code=0):
        """A sync: the messages, then COMPLETE for each stream."""
        ends = [stream_status(s["stream"]["name"], "COMPLETE", s["stream"].get("namespace"))
                for s in catalog["streams"]] if complete else []
        result = self.raw(catalog, lines(messages + ends))
        assert result.code == code, result
        return result

    def start(self, catalog):
        return subprocess.Popen([str(a) for a in self.argv(catalog=catalog)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def table(self, name, namespace=None):
        db = sqlite3.connect(self.path)
        row = db.execute("SELECT table_name, final FROM _gantry_streams WHERE namespace = ? AND stream = ?",
                         (namespace or "", name)).fetchone()
        return db, row

    def file(self, name, namespace=None):
        def encode(s, dots):
            keep = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
            return "".join(c if c in keep or (i > 0 and (c == "-" or (c == "." and dots))) else
                           "".join(f"%{b:02X}" for b in c.encode()) for i, c in enumerate(s)) or "%"
        base = self.path / encode(namespace, False) if namespace else self.path
        return base / f"{encode(name, True)}.{self.kind}"

    def rows(self, name, namespace=None):
        """The records as dicts; None when there is no table or file. Nested values are parsed."""
        if self.kind == "sqlite":
            return self.rows_sqlite(name, namespace)
        path = self.file(name, namespace)
        if not path.exists():
            return None
        text = path.read_bytes().decode()
        assert text == "" or text.endswith("\n")
        if self.kind == "jsonl":
            return [json.loads(line) for line in text.split("\n")[:-1]]
        header, *rows = parse_csv(text)
        assert all(len(r) == len(header) for r in rows)
        return [dict(zip(header, r)) for r in rows]

    def rows_sqlite(self, name, namespace):
        if not self.path.exists():
            return None
        db, row = self.table(name, namespace)
        if not row or not row[1]:
            return None
        table = json.loads(row[1])
        names = dict(zip(table["columns"], table["fields"]))
        cursor = db.execute('SELECT * FROM "%s"' % table["name"].replace('"', '""'))
        columns = [names.get(d[0], d[0]) for d in cursor.description]
        return [dict(zip(columns, r)) for r in cursor]

    def ids(self, name, namespace=None):
        rows = self.rows(name, namespace)
        return None if rows is None else sorted(int(r["id"]) for r in rows if r["id"] is not None)


@pytest.fixture
def make(workspace, put):
    return lambda kind: Destination(kind, workspace, put)


@pytest.fixture(params=ALL)
def dest(request, make):
    return make(request.param)


@pytest.fixture
def sqlite(make):
    return make("sqlite")


@pytest.fixture(params=FILES)
def files(request, make):
    return make(request.param)


def rec(i, stream="s", emitted_at=T0, **more):
    return record(stream, {"id": i, **more}, emitted_at)


def counts(result):
    return [(s["destinationStats"]["recordCount"], s["destinationStats"]["rejectedRecordCount"]) for s in result.states]


def feed(process, messages):
    process.stdin.write(lines(messages))
    process.stdin.flush()


def await_state(process):
    """The next STATE on the program's output; everything else is skipped."""
    watchdog = threading.Timer(TIMEOUT, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            message = json.loads(line)
            if message["type"] == "STATE":
                return message["state"]
        raise AssertionError(f"no state came: {process.stderr.read()}")
    finally:
        watchdog.cancel()


def finish(process):
    out, err = process.communicate(timeout=TIMEOUT)
    return process.returncode, out, err


def kill(process):
    process.send_signal(signal.SIGKILL)
    finish(process)


def trace_error(result):
    errors = [m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR"]
    assert len(errors) == 1, result
    return errors[0]


def logs(result, level="WARN"):
    return [m["log"]["message"] for m in result.of("LOG") if m["log"]["level"] == level]


# --- the basics ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ALL + ["devnull"])
def test_spec_is_a_spec(kind):
    result = run([program(f"connectors/destination-{kind}"), "spec"])
    spec = result.of("SPEC")[0]["spec"]
    assert result.code == 0 and spec["connectionSpecification"]["type"] == "object"
    assert "append" in spec["supported_destination_sync_modes"]


def test_check_succeeds_and_leaves_nothing(dest):
    result = run(dest.argv("check"))
    assert result.code == 0 and result.of("CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "SUCCEEDED"
    assert not dest.path.exists()


def test_check_names_what_is_wrong(dest, workspace):
    (workspace / "plain").write_text("")
    dest.path = workspace / "plain" / "below" / "x"
    result = run(dest.argv("check"))
    status = result.of("CONNECTION_STATUS")[0]["connectionStatus"]
    assert result.code == 0 and status["status"] == "FAILED" and "plain" in status["message"]


def test_config_that_does_not_fit_is_named(dest):
    dest.options = {"path": 5}
    status = run(dest.argv("check")).of("CONNECTION_STATUS")[0]["connectionStatus"]
    assert status["status"] == "FAILED" and "path" in status["message"]
    result = dest.raw(catalog(stream("s")), b"")
    assert result.code == 1 and trace_error(result)["failure_type"] == "config_error"


@pytest.mark.parametrize("argv", [[], ["fly"], ["read", "--config", "x"], ["write", "--config", "x"], ["check"],
                                  ["spec", "more"], ["spec", "--no-such-option"]])
def test_usage_error_is_exit_2(argv):
    assert run([program("connectors/destination-devnull"), *argv]).code == 2


def test_D01_one_record_with_its_metadata(dest):
    changes = [{"field": "name", "change": "TRUNCATED", "reason": "SOURCE_FIELD_SIZE_LIMITATION"}]
    message = record("s", {"id": 1, "name": "a", "undeclared": True}, T0 + 123, meta={"changes": changes})
    result = dest.write(catalog(stream("s", generation=3, sync_id=42)), [message, stream_state("s", {"x": 1}, id=7)])
    assert counts(result) == [(1.0, 0.0)] and b'"recordCount":1.0' in result.stdout
    assert result.states[0]["id"] == 7 and result.states[0]["stream"]["stream_state"] == {"x": 1}
    row, = dest.rows("s")
    assert UUID7.fullmatch(row["_airbyte_raw_id"]) and row["_airbyte_extracted_at"] == "2023-11-14T22:13:20.123Z"
    meta = row["_airbyte_meta"] if dest.kind == "jsonl" else json.loads(row["_airbyte_meta"])
    assert meta == {"sync_id": 42, "changes": changes}
    assert int(row["_airbyte_generation_id"]) == 3 and int(row["id"]) == 1 and row["name"] == "a"
    # JSON Lines keeps what the schema doesn't know; a table has no place for it and says so.
    assert ("undeclared" in row) == (dest.kind == "jsonl")
    assert any("undeclared" in m for m in logs(result)) == (dest.kind != "jsonl")


def test_states_come_back_while_input_pauses(dest):
    process = dest.start(catalog(stream("s")))
    feed(process, [rec(1), stream_state("s", {"n": 1})])
    assert await_state(process)["stream"]["stream_state"] == {"n": 1}
    assert dest.ids("s") == [1]
    feed(process, [rec(2), stream_state("s", {"n": 2})])
    assert await_state(process)["stream"]["stream_state"] == {"n": 2}
    assert finish(process)[0] == 0


@pytest.mark.parametrize("before", [1, 1000])
def test_D02_a_file_is_refused_with_a_sentence(dest, before):
    """None of ours takes files. A record that refers to one ends the sync, wherever it comes and however it is written."""
    ahead = [rec(i) for i in range(before)]
    reference = {"staging_file_url": "/staging/files/a.pdf", "source_file_relative_path": "a.pdf", "file_size_bytes": 3}
    for spelled in ('"file_reference"', '"file\\u005freference"'):
        refused = lines([record("s", {"id": 7777, "name": "must not land"}, T0, file_reference=reference)])
        line = refused.replace(b'"file_reference"', spelled.encode())
        result = dest.raw(catalog(stream("s")), lines(ahead + [stream_state("s", {})]) + line)
        error = trace_error(result)
        assert result.code == 1 and "file" in error["message"] and "'s'" in error["message"], result
        assert error["failure_type"] == "config_error"
        assert not any(b"must not land" in p.read_bytes() for p in ([dest.path] if dest.kind == "sqlite" else dest.path.rglob("*"))
                       if p.is_file())


def test_D02_records_beside_null_references_and_such_names_in_data_are_taken(dest):
    """The control: what only looks like a file is none."""
    dest.write(catalog(stream("s", schema(id="integer", file_reference={"type": "object"}))),
               [record("s", {"id": 1}, T0, file_reference=None), record("s", {"id": 2, "file_reference": {"a": 1}}, T0)])
    assert dest.ids("s") == [1, 2]


def test_D02_a_catalog_that_asks_for_files_is_refused(dest):
    result = dest.raw(catalog(stream("s"), stream("t", include_files=True)), lines([rec(1)]))
    error = trace_error(result)
    assert result.code == 1 and error["failure_type"] == "config_error", result
    assert "'t'" in error["message"] and "include_files" in error["message"]
    assert dest.write(catalog(stream("s", include_files=False)), [rec(1)]).code == 0


def test_D03_acked_rows_survive_kill(dest):
    process = dest.start(catalog(stream("s")))
    feed(process, [rec(i) for i in range(500)] + [stream_state("s", {"n": 500})])
    await_state(process)
    # Enough that part of it is written, in the middle of a record, when the end comes.
    feed(process, [rec(i, name="x" * 300) for i in range(1000, 3000)])
    process.stdin.write(b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":9')
    process.stdin.flush()
    kill(process)
    dest.write(catalog(stream("s")), [])
    assert dest.ids("s") == list(range(500))
    dest.write(catalog(stream("s")), [rec(7000), stream_state("s", {})])
    assert dest.ids("s") == [*range(500), 7000]


def test_D03_kill_at_any_moment_loses_no_acked_row(dest):
    """Whatever state was echoed last before the kill, its rows are there, and of later ones only whole rows."""
    total, batch = 0, 200
    for attempt in range(6):
        process = dest.start(catalog(stream("s")))
        acked = total
        threading.Timer(0.005 * (attempt + 1) ** 2, process.kill).start()
        try:
            for k in range(200):
                feed(process, [rec(total + k * batch + i) for i in range(batch)] +
                     [stream_state("s", {"n": total + (k + 1) * batch})])
        except BrokenPipeError:
            pass
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
        process.stdin = None
        out = process.communicate(timeout=TIMEOUT)[0]
        for line in out.split(b"\n"):
            if line.startswith(b'{"type":"STATE"') and line.endswith(b"}"):
                acked = json.loads(line)["state"]["stream"]["stream_state"]["n"]
        dest.write(catalog(stream("s")), [])
        ids = dest.ids("s")
        assert ids[:acked] == list(range(acked)), f"acked {acked}"
        assert ids == list(range(len(ids))) and len(ids) % batch == 0
        total = len(ids)


def test_sigterm_ends_a_destination_without_finishing(dest):
    dest.write(catalog(stream("s", mode="overwrite", generation=1, minimum=1)), [rec(1)])
    process = dest.start(catalog(stream("s", mode="overwrite", generation=2, minimum=2)))
    feed(process, [rec(2), stream_state("s", {}), stream_status("s", "COMPLETE")])
    await_state(process)
    process.send_signal(signal.SIGTERM)
    process.stdin.close()
    process.stdin = None
    assert finish(process)[0] == -signal.SIGTERM and dest.ids("s") == [1]


def test_D04_one_name_in_three_namespaces(dest):
    whole = catalog(stream("s"), stream("s", namespace="a"), stream("s", namespace="b"))
    dest.write(whole, [rec(1), record("s", {"id": 2}, namespace="a"), record("s", {"id": 3}, namespace="b"),
                       record("s", {"id": 4}, namespace="")])
    assert (dest.ids("s"), dest.ids("s", "a"), dest.ids("s", "b")) == ([1, 4], [2], [3])


def test_D04_two_syncs_at_once_into_one_place(dest):
    first = dest.start(catalog(stream("s", namespace="a")))
    feed(first, [record("s", {"id": 1}, namespace="a"), stream_state("s", {}, "a")])
    await_state(first)
    dest.write(catalog(stream("s", namespace="b")), [record("s", {"id": 2}, namespace="b")])
    feed(first, [record("s", {"id": 3}, namespace="a")])
    assert finish(first)[0] == 0
    assert dest.ids("s", "a") == [1, 3] and dest.ids("s", "b") == [2]


FUNKY = ["camelCase", "CAPS", "with space", "é à ü", "+1", "1leading", "groups", "order", "authorization", "x" * 300,
         "$", "${", "${${", "${foo}", '"', "'", "\\", "`", ".", "$$", "\\\\", "{", "}", "a.b", "[x]", ";--", "%s", "日本",
         "../../etc/cron.d/x", "a/../b", "/abs", "%2e%2e", "dot.", "-rf", "CON", ".gantry", "sqlite_x", "_gantry_streams",
         "U+202e‮", "tab\there", "new\nline"]


def test_D05_T32_T34_funky_names_of_streams(dest, workspace):
    whole = catalog(*[stream(n, namespace=ns) for n in FUNKY for ns in (None, n[:40])])
    dest.write(whole, [record(s["stream"]["name"], {"id": i}, **({"namespace": s["stream"]["namespace"]}
                                                                 if "namespace" in s["stream"] else {}))
                       for i, s in enumerate(whole["streams"])])
    if dest.kind == "sqlite":
        for i, s in enumerate(whole["streams"]):
            assert dest.ids(s["stream"]["name"], s["stream"].get("namespace")) == [i]
        return
    # Everything lies beneath the directory, one file a stream.
    written = {p for p in workspace.rglob(f"*.{dest.kind}") if ".gantry" not in p.parts}
    assert len(written) == len(whole["streams"]) and all(dest.path in p.parents for p in written)
    assert sorted(p.name for p in workspace.iterdir()) == ["out", "settings"]
    for i, s in enumerate(whole["streams"]):
        if len(s["stream"]["name"]) < 50:
            assert dest.ids(s["stream"]["name"], s["stream"].get("namespace")) == [i]


def test_D05_funky_names_of_columns_keys_and_cursors(dest):
    names = [n for n in FUNKY if n != "x" * 300] + ["x" * 300, "_airbyte_raw_id", "rowid", "Name", "name", "NAME"]
    values = {n: f"v{i}" for i, n in enumerate(names)}
    dest.write(catalog(stream("s", schema(**{n: "string" for n in names}))), [record("s", values)])
    row, = dest.rows("s")
    for n in names:
        if n == "_airbyte_raw_id":
            continue  # ours hides the source's
        assert row[n] == values[n], n


@pytest.mark.parametrize("name", [n for n in FUNKY if n != '"'])
def test_D05_funky_key_and_cursor_in_sqlite(sqlite, name):
    whole = catalog(stream("s", schema(**{name: "integer", "c": "integer", "v": "string"}), mode="append_dedup",
                           primary_key=[[name]], cursor_field=["c"]))
    sqlite.write(whole, [record("s", {name: 1, "c": 1, "v": "old"}), record("s", {name: 1, "c": 2, "v": "new"})])
    assert [r["v"] for r in sqlite.rows("s")] == ["new"]
    whole = catalog(stream("t", schema(**{"id": "integer", name: "integer", "v": "string"}), mode="append_dedup",
                           cursor_field=[name]))
    sqlite.write(whole, [record("t", {"id": 1, name: 2, "v": "new"}), record("t", {"id": 1, name: 1, "v": "old"})])
    assert [r["v"] for r in sqlite.rows("t")] == ["new"]


def test_D05_names_that_differ_by_case_or_meet_through_the_separator_stay_apart(sqlite):
    pairs = [("Users", None), ("users", None), ("USERS", None), ("b__c", "a"), ("c", "a__b"), ("a__b__c", None)]
    for order in (pairs, pairs[::-1]):
        whole = catalog(*[stream(n, **({"namespace": ns} if ns else {})) for n, ns in order])
        sqlite.write(whole, [record(n, {"id": i}, **({"namespace": ns} if ns else {}))
                             for i, (n, ns) in enumerate(pairs)])
    for i, (n, ns) in enumerate(pairs):
        assert sqlite.ids(n, ns) == [i, i]


@pytest.mark.parametrize("before, page_size", [(None, 16384), (2048, 2048)])
def test_a_new_file_has_the_page_size_of_bulk_loads_and_an_old_one_keeps_its_own(sqlite, before, page_size):
    if before:
        with sqlite3.connect(sqlite.path) as db:
            db.execute(f"PRAGMA page_size = {before}")
            db.execute("CREATE TABLE mine (id)")
    sqlite.write(catalog(stream("s")), [rec(1)])
    assert sqlite3.connect(sqlite.path).execute("PRAGMA page_size").fetchone() == (page_size,)
    assert sqlite.ids("s") == [1]


def test_a_table_of_somebody_else_is_not_touched(sqlite):
    db = sqlite3.connect(sqlite.path)
    db.execute("CREATE TABLE s (mine)")
    db.execute("INSERT INTO s VALUES (1)")
    db.commit()
    result = sqlite.write(catalog(stream("s", mode="overwrite")), [rec(1)], code=1)
    assert "'s'" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "config_error"
    assert db.execute("SELECT * FROM s").fetchall() == [(1,)]


# --- generations --------------------------------------------------------------------------------------------------


def test_D06_truncate_refresh_leaves_the_new_generation_only(dest):
    dest.write(catalog(stream("s", generation=12)), [rec(1), rec(2), stream_state("s", {})])
    dest.write(catalog(stream("s", generation=13, minimum=13)), [rec(3), stream_state("s", {})])
    assert dest.ids("s") == [3] and {int(r["_airbyte_generation_id"]) for r in dest.rows("s")} == {13}


@pytest.mark.parametrize("prior", [True, False], ids=["D07", "D08"])
@pytest.mark.parametrize("end", ["kill", "eof"])
def test_D07_D08_interrupted_truncate_is_continued(dest, prior, end):
    if prior:
        dest.write(catalog(stream("s", generation=41)), [rec(101), rec(102), stream_state("s", {})])
    old = [101, 102] if prior else None
    truncate = catalog(stream("s", generation=42, minimum=42, sync_id=2))
    process = dest.start(truncate)
    feed(process, [rec(1), stream_state("s", {"n": 1})])
    await_state(process)
    assert dest.ids("s") == old
    if end == "kill":
        feed(process, [rec(66)])
        kill(process)
    else:
        assert finish(process)[0] == 0
    assert dest.ids("s") == old
    dest.write(truncate, [rec(2), stream_state("s", {"n": 2})])
    assert dest.ids("s") == [1, 2]


def test_D09_generation_goes_on_after_an_interrupted_truncate(dest):
    wider = schema(id="integer", name="string", only_in_refresh="string")
    dest.write(catalog(stream("s", generation=41)), [rec(1), stream_state("s", {})])
    dest.write(catalog(stream("s", wider, generation=42, minimum=42)), [rec(2, only_in_refresh="x"),
                                                                      stream_state("s", {})], complete=False)
    assert dest.ids("s") == [1]
    dest.write(catalog(stream("s", generation=43)), [rec(3), stream_state("s", {})])
    assert dest.ids("s") == [1, 2, 3]
    assert [r.get("only_in_refresh") for r in sorted(dest.rows("s"), key=lambda r: int(r["id"]))] == [None, "x", None]
    dest.write(catalog(stream("s", generation=43)), [rec(4)])
    assert dest.ids("s") == [1, 2, 3, 4]


def test_D09_merged_rows_are_deduplicated(sqlite):
    more = {"mode": "append_dedup", "cursor_field": ["c"]}
    s = schema(id="integer", c="integer", v="string")
    sqlite.write(catalog(stream("s", s, generation=1, **more)), [rec(1, c=1, v="a"), rec(2, c=9, v="keep")])
    sqlite.write(catalog(stream("s", s, generation=2, minimum=2, **more)),
                 [rec(1, c=2, v="b"), rec(2, c=3, v="old")], complete=False)
    sqlite.write(catalog(stream("s", s, generation=3, **more)), [])
    assert sorted((r["id"], r["v"]) for r in sqlite.rows("s")) == [(1, "b"), (2, "keep")]


def test_a_newer_truncate_drops_an_interrupted_one(dest):
    dest.write(catalog(stream("s", generation=1)), [rec(1)])
    dest.write(catalog(stream("s", generation=2, minimum=2)), [rec(2), stream_state("s", {})], complete=False)
    dest.write(catalog(stream("s", generation=3, minimum=3)), [rec(3)])
    assert dest.ids("s") == [3]


def test_an_attempt_after_the_swap_of_its_generation_adds_to_it(dest):
    truncate = catalog(stream("s", generation=2, minimum=2))
    dest.write(truncate, [rec(1), stream_state("s", {})])
    dest.write(truncate, [rec(2)])
    assert dest.ids("s") == [1, 2]


def test_hybrid_refresh_is_refused(dest):
    result = dest.write(catalog(stream("s", generation=5, minimum=3)), [], code=1)
    assert trace_error(result)["failure_type"] == "config_error" and "'s'" in trace_error(result)["message"]


def test_overwrite_without_generations_replaces_at_the_end(dest):
    whole = catalog(stream("s", mode="overwrite"))
    dest.write(whole, [rec(1), rec(2)])
    dest.write(whole, [rec(7), stream_state("s", {})], complete=False)
    assert dest.ids("s") == [1, 2]
    dest.write(whole, [rec(3)])
    assert dest.ids("s") == [3]


def test_D21_clear_empties_and_no_data_makes_an_empty_table(dest):
    dest.write(catalog(stream("s", generation=1), stream("e", generation=1)), [rec(1)])
    assert dest.rows("e") == []
    dest.write(catalog(stream("s", mode="overwrite", generation=2, minimum=2)), [])
    assert dest.rows("s") == []


def test_D21_schema_without_columns(dest):
    closed = {"type": "object", "properties": {}, "additionalProperties": False}
    dest.write(catalog(stream("s", closed)), [record("s", {}), record("s", {})])
    assert len(dest.rows("s")) == 2 and all(r.keys() >= set(META) for r in dest.rows("s"))


def test_D26_no_swap_without_complete(dest):
    dest.write(catalog(stream("s", generation=1), stream("t", generation=1)), [rec(1), rec(1, "t")])
    both = catalog(stream("s", generation=2, minimum=2), stream("t", generation=2, minimum=2))
    result = dest.write(both, [rec(2), rec(2, "t"), stream_status("s", "COMPLETE")], complete=False)
    assert dest.ids("s") == [2] and dest.ids("t") == [1] and any("'t'" in m for m in logs(result))
    # INCOMPLETE takes a COMPLETE back, and so does a record.
    dest.write(both, [rec(3, "t"), stream_status("t", "COMPLETE"), stream_status("t", "INCOMPLETE")], complete=False)
    dest.write(both, [stream_status("t", "COMPLETE"), rec(4, "t")], complete=False)
    assert dest.ids("t") == [1]


def test_D27_leftovers_of_dead_attempts_are_cleaned(dest):
    process = dest.start(catalog(stream("s", mode="overwrite")))
    feed(process, [rec(1), stream_state("s", {})])
    await_state(process)
    kill(process)
    dest.write(catalog(stream("s")), [rec(2)])
    assert dest.ids("s") == [2]
    if dest.kind == "sqlite":
        db = sqlite3.connect(dest.path)
        assert not db.execute("SELECT name FROM sqlite_schema WHERE name LIKE '\\_gantry\\_new%' ESCAPE '\\'").fetchall()
    else:
        side = dest.path / ".gantry"
        assert not list(side.glob("*.new"))
        # Files that no journal knows are not taken for data either.
        (side / ".s.new").write_text("garbage")
        (side / ".s.rewrite").write_text("garbage")
        dest.write(catalog(stream("s")), [rec(3)])
        assert dest.ids("s") == [2, 3] and not list(side.glob("*.new")) + list(side.glob("*.rewrite"))


def test_D27_a_swap_that_was_not_noted_is_found(files):
    """The rename is done, the journal doesn't say so: what a crash between the two leaves."""
    files.write(catalog(stream("s", generation=1)), [rec(1)])
    files.write(catalog(stream("s", generation=2, minimum=2)), [rec(2), stream_state("s", {})], complete=False)
    (files.path / ".gantry" / ".s.new").rename(files.file("s"))
    files.write(catalog(stream("s", generation=2, minimum=2)), [rec(3)])
    assert files.ids("s") == [2, 3]


def test_D27_torn_journal_falls_back_to_the_slot_before(files):
    process = files.start(catalog(stream("s")))
    for k in range(2):
        feed(process, [rec(k), stream_state("s", {"n": k})])
        await_state(process)
    kill(process)
    journal = files.path / ".gantry" / ".s.journal"
    slots = bytearray(journal.read_bytes())
    newest = max((0, 512), key=lambda at: int(slots[at:at + 512].split()[1]))
    slots[newest + 20] ^= 1
    journal.write_bytes(slots)
    files.write(catalog(stream("s")), [])
    assert files.ids("s") == [0]


def test_what_the_owner_changed_after_a_sync_is_kept(make, workspace):
    jsonl = make("jsonl")
    jsonl.write(catalog(stream("s")), [rec(1)])
    with jsonl.file("s").open("a") as f:
        f.write('{"id":2}')
    jsonl.write(catalog(stream("s")), [rec(3)])
    assert jsonl.ids("s") == [1, 2, 3]


# --- append, schema changes ---------------------------------------------------------------------------------------


def test_D10_append_twice_with_columns_added_and_removed(dest):
    dest.write(catalog(stream("s", schema(id="integer", gone="string"))), [rec(1, gone="a")])
    dest.write(catalog(stream("s", schema(id="integer", new="string"))), [rec(2, new="b")])
    rows = sorted(dest.rows("s"), key=lambda r: int(r["id"]))
    assert [(r.get("gone"), r.get("new")) for r in rows] == [("a", None), (None, "b")]


def test_D23_columns_reordered_changed_dropped_and_back(dest):
    dest.write(catalog(stream("s", schema(id="integer", a="string", b="integer"))), [rec(1, a="x", b=1)])
    dest.write(catalog(stream("s", schema(b="string", id="integer"))), [rec(2, b="text", surprise=5)])
    dest.write(catalog(stream("s", schema(a="string", id="integer", b="string"))), [rec(3, a="y", b="z")])
    rows = sorted(dest.rows("s"), key=lambda r: int(r["id"]))
    assert [r.get("a") for r in rows] == ["x", None, "y"] and [str(r["b"]) for r in rows] == ["1", "text", "z"]


@pytest.mark.parametrize("before,value,after,data", [
    ("boolean", True, "string", ["007", "1e3", "12345678901234567890123", "0.1000"]),
    ("string", "abc", "number", [0.30000000000000004, 123456789.12345679, 5]),
    ("string", "abc", "boolean", [True, False]),
])
def test_D23_values_of_a_changed_type_are_not_converted(sqlite, before, value, after, data):
    old, new = (schema(**{"id": "integer", 'v" TEXT': t}) for t in (before, after))
    sqlite.write(catalog(stream("s", old)), [record("s", {"id": 0, 'v" TEXT': value}, T0)])
    with sqlite3.connect(sqlite.path) as db:
        db.execute("CREATE VIEW w AS SELECT id FROM s")
    sqlite.write(catalog(stream("s", new)), [record("s", {"id": i + 1, 'v" TEXT': v}, T0) for i, v in enumerate(data)])
    with sqlite3.connect(sqlite.path) as db:
        rows = [r[0] for r in db.execute('SELECT "v"" TEXT" FROM s ORDER BY id')]
        assert rows == [value] + data and [type(r) for r in rows[1:]] == [int if v is True or v is False else type(v)
                                                                         for v in data]
        assert db.execute("SELECT count(*) FROM w").fetchone() == (len(rows),)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_D23_a_text_key_whose_type_changes_still_matches(sqlite):
    def put(type, key, name):
        return catalog(stream("s", schema(id=type, name="string"), "append_dedup")), [
            record("s", {"id": key, "name": name}, T0)]
    sqlite.write(*put("string", "5", "a"))
    sqlite.write(*put("integer", 5, "b"))
    assert [r["name"] for r in sqlite.rows("s")] == ["b"]


def test_D24_record_of_an_unknown_stream_is_fatal(dest):
    result = dest.raw(catalog(stream("s")), lines([rec(1), rec(1, "stranger")]))
    assert result.code == 1 and "stranger" in trace_error(result)["message"]


def test_D24_bad_lines_are_told_and_skipped(dest):
    data = (b"garbage\n" + lines([rec(1)]) + b'{"type":"NEWS"}\n\n[]\n{"type":"RECORD"}\n' + lines([rec(2)]) +
            b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":3}')
    result = dest.raw(catalog(stream("s")), data)
    assert result.code == 0 and dest.ids("s") == [1, 2]
    assert len([m for m in logs(result) if "not a message" in m]) == 5


def test_D24_a_record_with_broken_data_is_rejected_and_counted(dest):
    broken = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":tru}}}\n'
    wrong = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":"\xff"}}}\n'
    result = dest.raw(catalog(stream("s")), lines([rec(1)]) + broken + wrong + lines([stream_state("s", {})]))
    assert result.code == 0 and counts(result) == [(1.0, 2.0)] and dest.ids("s") == [1]
    assert len([m for m in logs(result) if "rejected" in m]) == 1


def test_D24_broken_data_is_rejected_among_lines_of_a_form_that_is_known(dest):
    """Of the fourth line on only the data is validated; the limit of depth, 512, counts the record's own two brackets."""
    anything = {"type": "object", "properties": {"id": {"type": "integer"}, "x": {}}}
    def line(i, x):
        return b'{"type":"RECORD","record":{"stream":"s","data":{"id":%d,"x":%s},"emitted_at":%d}}\n' % (i, x, i)
    def deep(n):
        return b"[" * n + b"]" * n
    data = b"".join(line(i, b"1") for i in range(1, 7)) + line(7, b"tru") + line(8, b'"\xff"') + line(9, deep(509)) \
        + line(10, deep(510)) + line(11, b'"a\x01"') + line(12, b'"}"')
    result = dest.raw(catalog(stream("s", anything)), data + lines([stream_state("s", {})]))
    assert result.code == 0 and sorted(dest.ids("s")) == [1, 2, 3, 4, 5, 6, 9, 12]
    assert counts(result) == [(8.0, 4.0)]


def test_D24_the_bytes_around_data_are_validated_before_a_form_is_known(dest):
    """A member beside data that isn't JSON: the walkers pass over it, each line of the form is rejected."""
    broken = b'{"type":"RECORD","record":{"stream":"s","x":tru,"data":{"id":%d},"emitted_at":1}}\n'
    result = dest.raw(catalog(stream("s")), b"".join(broken % i for i in range(6)) + lines([rec(7), stream_state("s", {})]))
    assert result.code == 0 and dest.ids("s") == [7] and counts(result) == [(1.0, 6.0)]


def test_D25_states_keep_their_order_and_counts(dest):
    messages = []
    for i in range(50):
        messages += [rec(i, "s" if i % 3 else "t"), stream_state("s" if i % 2 else "t", {"i": i})]
    result = dest.write(catalog(stream("s"), stream("t")), messages + [stream_state("s", {"i": 50})])
    states = [s["stream"] for s in result.states]
    assert [s["stream_state"]["i"] for s in states] == list(range(51))
    assert sum(c[0] for c in counts(result)) == 50


def test_D25_duplicate_states_are_all_echoed(dest):
    result = dest.write(catalog(stream("s")), [rec(1)] + [stream_state("s", {"same": 1})] * 3)
    assert counts(result) == [(1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]


def test_D25_global_states_count_all_streams(dest):
    state = {"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {"lsn": 1}, "stream_states": []}}}
    result = dest.write(catalog(stream("s"), stream("t")), [rec(1), rec(2, "t"), state, rec(3), state])
    assert counts(result) == [(2.0, 0.0), (1.0, 0.0)]


def test_D25_mixed_kinds_of_state_are_an_error(dest):
    state = {"type": "STATE", "state": {"type": "GLOBAL", "global": {"shared_state": {}, "stream_states": []}}}
    result = dest.raw(catalog(stream("s")), lines([stream_state("s", {}), state]))
    assert result.code == 1 and "GLOBAL" in trace_error(result)["message"]


def test_a_state_keeps_numbers_of_any_size(dest):
    state = b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"s"},"stream_state":' \
            b'{"n":123456789012345678901234567890,"d":1.000000000000000000001}},"later":[1]}}\n'
    out = dest.raw(catalog(stream("s")), state).stdout
    assert b'{"n":123456789012345678901234567890,"d":1.000000000000000000001}' in out and b'"later":[1]' in out


def test_D28_second_sync_into_the_same_place_is_refused(dest):
    first = dest.start(catalog(stream("s")))
    feed(first, [rec(1), stream_state("s", {})])
    await_state(first)
    result = dest.write(catalog(stream("s")), [rec(2)], code=1)
    assert "Another sync" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "transient_error"
    assert finish(first)[0] == 0 and dest.ids("s") == [1]
    dest.write(catalog(stream("s")), [rec(2)])
    assert dest.ids("s") == [1, 2]


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_D28_a_file_named_by_itself_and_by_its_directory_has_one_writer(files, make, mode):
    first, second = files, make(files.kind)
    running = first.start(catalog(stream("s")))
    feed(running, [rec(1), stream_state("s", {})])
    await_state(running)
    second.path = first.file("s")
    result = second.write(catalog(stream("s", mode=mode)), [rec(2)], code=1)
    assert "Another sync" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "transient_error"
    feed(running, [rec(3)])
    assert finish(running)[0] == 0 and first.ids("s") == [1, 3]
    second.write(catalog(stream("s", mode=mode)), [rec(2)])
    assert first.ids("s") == ([1, 2, 3] if mode == "append" else [2])


def test_D28_a_big_transaction_makes_others_wait_their_turn_and_refuses_its_own_stream_at_once(sqlite):
    """Larger than SQLite's cache: then not even the header can be read by others."""
    first = sqlite.start(catalog(stream("s")))
    feed(first, [rec(i, name="x" * 1000) for i in range(30000)])
    assert run(sqlite.argv("check")).of("CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "SUCCEEDED"
    second = sqlite.start(catalog(stream("t")))
    feed(second, [rec(1, "t"), stream_state("t", {})])
    result = sqlite.write(catalog(stream("s")), [], code=1)
    assert "Another sync" in trace_error(result)["message"]
    assert finish(first)[0] == 0
    await_state(second)
    assert finish(second)[0] == 0 and sqlite.ids("t") == [1] and len(sqlite.ids("s")) == 30000


def limited(size):
    def apply():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return apply


def test_D29_no_space_fails_the_sync_and_the_next_one_completes(dest):
    """A limit on the size of files stands for a full disk: writes fail in the middle of a batch."""
    dest.write(catalog(stream("s")), [rec(0)])
    messages = []
    for i in range(1, 4001):
        messages.append(rec(i, name="x" * 200))
        if i % 500 == 0:
            messages.append(stream_state("s", {"n": i}))
    process = subprocess.run([str(a) for a in dest.argv(catalog=catalog(stream("s")))], input=lines(messages),
                             capture_output=True, timeout=TIMEOUT, preexec_fn=limited(400_000), check=False)
    messages_out = [json.loads(line) for line in process.stdout.splitlines()]
    acked = max([m["state"]["stream"]["stream_state"]["n"] for m in messages_out if m["type"] == "STATE"], default=0)
    error = [m for m in messages_out if m["type"] == "TRACE"]
    assert process.returncode == 1 and error and "out" in error[0]["trace"]["error"]["message"]
    assert acked < 4000
    dest.write(catalog(stream("s")), [rec(9000)])
    ids = dest.ids("s")
    assert ids[:acked + 1] == list(range(acked + 1)) and ids[-1] == 9000


def test_D29_a_file_that_is_no_database(sqlite):
    sqlite.path.write_bytes(b"this is no database, whatever it is called" * 100)
    result = sqlite.write(catalog(stream("s")), [], code=1)
    assert "not an SQLite database" in trace_error(result)["message"] and "out.db" in trace_error(result)["message"]
    assert trace_error(result)["failure_type"] == "config_error"


def test_D29_a_locked_database_says_so(sqlite):
    sqlite.write(catalog(stream("s")), [rec(1)])
    sqlite.options = {"busy_timeout_seconds": 0}
    other = sqlite3.connect(sqlite.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = sqlite.write(catalog(stream("s")), [rec(2)], code=1)
    assert "lock" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "transient_error"
    other.execute("ROLLBACK")
    sqlite.write(catalog(stream("s")), [rec(2)])
    assert sqlite.ids("s") == [1, 2]


def test_D29_a_database_without_a_directory(sqlite, workspace):
    sqlite.path = workspace / "missing" / "out.db"
    result = sqlite.write(catalog(stream("s")), [], code=1)
    assert "missing" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "config_error"


# --- deduplication ------------------------------------------------------------------------------------------------

DEDUP = schema(id="integer", id2="string", c="integer", v="string")


def dedup(**more):
    more.setdefault("primary_key", [["id"], ["id2"]])
    return catalog(stream("s", more.pop("schema", DEDUP), mode="append_dedup", **more))


def values(sqlite):
    return sorted((r["id"], r["v"]) for r in sqlite.rows("s"))


def test_D11_composite_key_newest_cursor_wins(sqlite):
    whole = dedup(cursor_field=["c"])
    sqlite.write(whole, [rec(1, id2="a", c=1, v="one"), rec(1, id2="a", c=3, v="three"), rec(1, id2="a", c=2, v="two"),
                         rec(1, id2="b", c=1, v="other")])
    assert values(sqlite) == [(1, "other"), (1, "three")]
    sqlite.write(whole, [rec(1, id2="a", c=4, v="four"), rec(1, id2="b", c=0, v="older")])
    assert values(sqlite) == [(1, "four"), (1, "other")]


CDC = schema(id="integer", v="string", _ab_cdc_lsn="integer", _ab_cdc_deleted_at="string")


def cdc(i, lsn, v=None, deleted=False, **more):
    data = {"id": i, "v": v, "_ab_cdc_lsn": lsn, **more}
    return record("s", {**data, "_ab_cdc_deleted_at": "1999-01-01T00:00:00Z"} if deleted else data)


def test_D11_D15_delete_markers_remove_rows(sqlite):
    whole = dedup(schema=CDC, primary_key=[["id"]], cursor_field=["_ab_cdc_lsn"])
    sqlite.write(whole, [cdc(1, 1, "a"), cdc(2, 2, "b"), cdc(3, 3, "c", _ab_cdc_deleted_at=None)])
    batch = [cdc(1, 4, deleted=True), cdc(2, 1, deleted=True), cdc(4, 5, "born"), cdc(4, 6, deleted=True),
             cdc(5, 9, deleted=True), cdc(5, 8, "late"), cdc(6, 10, deleted=True), cdc(6, 11, "again"),
             stream_state("s", {})]
    for _ in range(2):  # idempotent
        sqlite.write(whole, batch)
        assert values(sqlite) == [(2, "b"), (3, "c"), (6, "again")]


def test_D15_updates_out_of_order_end_with_the_newest_lsn(sqlite):
    whole = dedup(schema=CDC, primary_key=[["id"]], cursor_field=["_ab_cdc_lsn"])
    sqlite.write(whole, [cdc(1, lsn, str(lsn)) for lsn in (5, 3, 9, 1, 7)] + [stream_state("s", {})])
    sqlite.write(whole, [cdc(1, 8, "8")])
    assert values(sqlite) == [(1, "9")]


def test_D12_a_new_cursor_beats_rows_that_lack_it(sqlite):
    sqlite.write(dedup(cursor_field=["c"]), [rec(1, id2="a", c=100, v="old")])
    wider = schema(id="integer", id2="string", c="integer", c2="integer", v="string")
    sqlite.write(dedup(schema=wider, cursor_field=["c2"]), [rec(1, id2="a", c=1, c2=1, v="new"),
                                                            rec(1, id2="a", c=1, c2=None, v="null loses")])
    assert values(sqlite) == [(1, "new")]


def test_D13_without_cursor_the_last_extracted_wins(sqlite):
    whole = dedup()
    sqlite.write(whole, [rec(1, id2="a", v="late", emitted_at=T0 + 5), rec(1, id2="a", v="early", emitted_at=T0),
                         rec(2, id2="a", v="first"), rec(2, id2="a", v="second")])
    assert values(sqlite) == [(1, "late"), (2, "second")]


def test_D13_null_in_a_key_is_a_value(sqlite):
    whole = dedup()
    for v in ("x", "y"):
        sqlite.write(whole, [rec(1, id2=None, v=v), rec(1, id2="", v="empty"), rec(None, id2=None, v=v)])
    assert sorted((r["id"] is None, r["v"]) for r in sqlite.rows("s")) == [(False, "empty"), (False, "y"), (True, "y")]


def test_D14_the_same_messages_many_times(sqlite):
    wide = schema(id="integer", **{f"f{i}": "string" for i in range(60)})
    messages = [rec(i, **{f"f{k}": f"{i}-{k}" for k in range(60)}) for i in range(5)] + [stream_state("s", {})]
    result = sqlite.write(dedup(schema=wide, primary_key=[["id"]]), messages * 400)
    assert len(result.states) == 400 and sqlite.ids("s") == [0, 1, 2, 3, 4]
    assert [r["f59"] for r in sqlite.rows("s")] == [f"{i}-59" for i in range(5)]


def test_D30_keys_of_every_kind(sqlite):
    # Nested, and as JSON.
    nested = {"type": "object", "properties": {"k": {"type": "object"}, "v": {"type": "string"}}}
    whole = catalog(stream("n", nested, mode="append_dedup", primary_key=[["k", "a", "b"]]))
    sqlite.write(whole, [record("n", {"k": {"a": {"b": b}, "x": i}, "v": str(i)})
                         for i, b in enumerate([1, 2, 1, 18446744073709551616, 18446744073709551617, None, None])])
    assert sorted(r["v"] for r in sqlite.rows("n")) == ["1", "2", "3", "4", "6"]
    whole = catalog(stream("j", nested, mode="append_dedup", primary_key=[["k"]]))
    sqlite.write(whole, [record("j", {"k": {"a": a}, "v": "x"}) for a in (1, 1, 2)])
    assert len(sqlite.rows("j")) == 2


def test_D30_a_key_that_changes_between_syncs(sqlite):
    sqlite.write(catalog(stream("s", DEDUP)), [rec(i % 3, id2=str(i % 2), c=i, v=str(i)) for i in range(12)])
    assert len(sqlite.rows("s")) == 12
    sqlite.write(dedup(cursor_field=["c"]), [])
    assert len(sqlite.rows("s")) == 6
    sqlite.write(dedup(cursor_field=["c"], primary_key=[["id"]]), [])
    assert values(sqlite) == [(0, "9"), (1, "10"), (2, "11")]
    sqlite.write(catalog(stream("s", DEDUP)), [rec(0, id2="0", c=0, v="appended")])
    assert len(sqlite.rows("s")) == 4


def test_D24_a_record_without_its_key_is_fatal(sqlite):
    result = sqlite.write(dedup(), [rec(1, v="no id2")], code=1)
    assert "'s'" in trace_error(result)["message"] and "id2" in trace_error(result)["message"]


def test_a_key_outside_the_schema_is_a_config_error(sqlite):
    result = sqlite.write(dedup(primary_key=[["nope"]]), [], code=1)
    assert "nope" in trace_error(result)["message"] and trace_error(result)["failure_type"] == "config_error"


def test_file_destinations_refuse_dedup(files):
    result = files.write(catalog(stream("s", mode="append_dedup")), [], code=1)
    assert "append_dedup" in trace_error(result)["message"]


def test_overwrite_dedup_replaces_and_deduplicates(sqlite):
    for generation in (1, 2):
        whole = catalog(stream("s", DEDUP, mode="overwrite_dedup", generation=generation, minimum=generation,
                               cursor_field=["c"]))
        sqlite.write(whole, [rec(generation, c=1, v="a"), rec(generation, c=2, v="b")])
    assert values(sqlite) == [(2, "b")]


def test_D16_a_thousand_streams(dest):
    names = [f"stream_{i}" for i in range(1000)]
    whole = catalog(*[stream(n) for n in names])
    result = dest.write(whole, [rec(k, n) for k in range(2) for n in names] + [stream_state(n, {}) for n in names])
    assert len(result.states) == 1000
    assert all(dest.ids(n) == [0, 1] for n in names[::97])


# --- values -------------------------------------------------------------------------------------------------------

TYPES = schema(id="integer", i="integer", n="number", b="boolean", s="string", o="object", a="array",
               d={"type": ["null", "string"], "format": "date"}, t={"type": ["null", "string"], "format": "time"},
               ts={"type": ["null", "string"], "format": "date-time"}, u={"type": ["null", "string", "integer"]},
               j={}, oo={"oneOf": [{"type": "string"}, {"type": "object"}]})


def sqlite_row(sqlite, data):
    """The columns of one record, with their storage classes, and the fields that were nulled."""
    sqlite.write(catalog(stream("s", TYPES, mode="overwrite")), [record("s", data)])
    row, = sqlite.rows("s")
    changes = json.loads(row["_airbyte_meta"])["changes"]
    assert all((c["change"], c["reason"]) == ("NULLED", "DESTINATION_TYPECAST_ERROR") for c in changes)
    return row, sorted(c["field"] for c in changes)


def test_D17_valid_values_keep_their_types(sqlite):
    row, nulled = sqlite_row(sqlite, {
        "id": 1, "i": 9223372036854775807, "n": 0.1, "b": True, "s": "x", "o": {"k": [1]}, "a": [1, {}],
        "d": "2024-02-29", "t": "12:34:56.123456789", "ts": "2024-02-29T12:34:56.123+02:00", "u": 5, "j": "x",
        "oo": {"a": 1}})
    assert nulled == []
    assert (row["i"], row["n"], row["b"], row["s"]) == (9223372036854775807, 0.1, 1, "x")
    assert (row["o"], row["a"], row["j"], row["oo"]) == ('{"k":[1]}', "[1,{}]", '"x"', '{"a":1}')
    assert (row["d"], row["t"], row["ts"]) == ("2024-02-29", "12:34:56.123456789", "2024-02-29T12:34:56.123+02:00")
    assert row["u"] == 5 and sqlite_row(sqlite, {"u": "5"})[0]["u"] == "5"


@pytest.mark.parametrize("data", [{}, {k: None for k in TYPES["properties"]}], ids=["absent", "null"])
def test_D17_null_and_absent_values_are_null(sqlite, data):
    row, nulled = sqlite_row(sqlite, data)
    assert nulled == [] and all(row[k] is None for k in TYPES["properties"])


def test_D17_values_of_a_wrong_type_are_nulled_and_told(sqlite):
    row, nulled = sqlite_row(sqlite, {k: "foo" for k in TYPES["properties"]})
    assert nulled == ["a", "b", "d", "i", "id", "n", "o", "t", "ts"]
    assert row["s"] == "foo" and row["u"] == "foo" and row["j"] == '"foo"' and row["oo"] == '"foo"'
    row, nulled = sqlite_row(sqlite, {k: {"x": 1} for k in TYPES["properties"]})
    assert nulled == ["a", "b", "d", "i", "id", "n", "t", "ts"] and row["s"] == '{"x":1}'


@pytest.mark.parametrize("column, token, stored", [
    ("i", "12345678901234567890123456789012", "12345678901234567890123456789012"),
    ("i", "9223372036854775808", "9223372036854775808"), ("i", "-9223372036854775808", -9223372036854775808),
    ("i", "5.0", 5), ("i", "5e2", 500), ("i", "50000.0000000000000001", None), ("i", '"17"', 17), ("i", "-0", 0),
    ("n", "50000.0000000000000001", "50000.0000000000000001"), ("n", "0.1", 0.1), ("n", "1e300", 1e300),
    ("n", "1e400", "1e400"), ("n", "1E-2", 0.01), ("n", "123456789.12345679", 123456789.12345679), ("n", "123456789.123456789", "123456789.123456789"),
    ("n", "0.30000000000000004", 0.30000000000000004), ("n", "0.10000000000000000555", "0.10000000000000000555"),
    ("n", "3.141592653589793238", "3.141592653589793238"), ("n", "1", 1), ("n", "-1.5", -1.5), ("n", "0.0", 0.0),
    ("n", "18446744073709551616", "18446744073709551616"), ("n", '"2.5"', 2.5), ("n", "5e-324", "5e-324"),
    ("b", '"true"', 1), ("b", "1", None), ("b", "false", 0)])
def test_D17_numbers_are_exact(sqlite, column, token, stored):
    data = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"%s":%s}}}\n' % (column.encode(), token.encode())
    assert sqlite.raw(catalog(stream("s", TYPES)), data).code == 0
    row, = sqlite.rows("s")
    assert row[column] == stored and type(row[column]) is type(stored)


@pytest.mark.parametrize("token", ["12345678901234567890123456789012", "50000.0000000000000001", "1e400", "1E-2", "-0.0"])
def test_numbers_are_kept_as_text_in_files(files, token):
    data = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":1,"n":%s}}}\n' % token.encode()
    assert files.raw(catalog(stream("s", schema(id="integer", n="number"))), data).code == 0
    assert token in files.file("s").read_text()


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_D18_numbers_that_json_has_not(sqlite, word):
    row, nulled = sqlite_row(sqlite, {"i": word, "n": word})
    assert nulled == [] and row["i"] == row["n"] == word


@pytest.mark.parametrize("column, text, good", [
    ("ts", "2024-01-01T00:00:00Z", True), ("ts", "2024-01-01 00:00:00", True), ("ts", "2024-01-01T00:00:00.123456789Z", True),
    ("ts", "0001-01-01T00:00:00+14:00", True), ("ts", "9999-12-31T23:59:59-0930", True), ("ts", "12345-01-01T00:00:00Z", True),
    ("ts", "2024-01-01T24:00:00Z", True), ("ts", "2016-12-31T23:59:60Z", True), ("ts", "0044-03-15T00:00:00Z BC", True),
    ("ts", "2024-13-01T00:00:00Z", False), ("ts", "2024-01-32T00:00:00Z", False), ("ts", "2024-01-01T25:00:00Z", False),
    ("ts", "yesterday", False), ("ts", "", False), ("ts", "2024-01-01T00:00:00Zjunk", False),
    ("d", "2024-02-29", True), ("d", "-0044-03-15", True), ("d", "0044-03-15 BC", True), ("d", "24-02-29", False),
    ("t", "00:00", True), ("t", "23:59:60.5+01:00", True), ("t", "24:00:00", True), ("t", "7:00", False)])
def test_D19_dates_and_times(sqlite, column, text, good):
    row, nulled = sqlite_row(sqlite, {column: text})
    assert (row[column], nulled) == ((text, []) if good else (None, [column]))


def test_D20_containers_and_unions_are_stable(dest):
    for _ in range(2):
        dest.write(catalog(stream("s", TYPES)), [record("s", {"id": 1, "oo": "text", "j": [1, "x", None]})])
    first, second = dest.rows("s")
    assert (first["oo"], first["j"]) == (second["oo"], second["j"])


STRINGS = ["", " ", "\u2028\u2029", "a\nb", "a\r\nb", "\r", "\t", "nul\0nul", "😀", "é", "quote\"s", "comma,", "\\", "=1+1",
           "'", "\u200b", "\x7f", "</script>", "%s%n", "NULL", "null", "\ufeff"]


@pytest.mark.parametrize("text", STRINGS, ids=repr)
def test_D22_texts_survive(dest, text):
    dest.write(catalog(stream("s")), [rec(1, name=text), rec(2, name="after")])
    rows = sorted(dest.rows("s"), key=lambda r: int(r["id"]))
    assert [r["name"] for r in rows] == [text, "after"]
    if dest.kind == "jsonl":
        assert dest.file("s").read_bytes().count(b"\n") == 2
    if dest.kind == "csv" and "\0" not in text:
        header, *again = csv.reader(io.StringIO(dest.file("s").read_bytes().decode(), newline=""))
        assert [r[header.index("name")] for r in again] == [text, "after"]


def test_D22_lone_surrogates_are_replaced_or_kept_escaped(dest):
    data = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":1,"name":"a\\ud800b"}}}\n'
    assert dest.raw(catalog(stream("s")), data).code == 0
    assert dest.rows("s")[0]["name"] == ("a\ud800b" if dest.kind == "jsonl" else "a\ufffdb")


def test_duplicate_keys_last_wins(dest):
    data = b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":1,"name":"a","n\\u0061me":"b"}}}\n'
    assert dest.raw(catalog(stream("s")), data).code == 0
    assert dest.rows("s")[0]["name"] == "b"


def test_deep_nesting_is_kept_and_deeper_is_rejected(dest):
    nested = {"type": "object", "properties": {"id": {"type": "integer"}, "x": {}}}
    def line(depth):
        return (b'{"type":"RECORD","record":{"stream":"s","emitted_at":1,"data":{"id":%d,"x":' % depth + b"[" * depth +
                b"]" * depth + b"}}}\n")
    result = dest.raw(catalog(stream("s", nested)), line(500) + line(1000) + line(100000) + lines([stream_state("s", {})]))
    assert result.code == 0 and dest.ids("s") == [500]


def test_a_record_of_18_megabytes(dest):
    big = "x" * (18 << 20)
    dest.write(catalog(stream("s")), [rec(1), rec(2, name=big), rec(3), stream_state("s", {})])
    rows = sorted(dest.rows("s"), key=lambda r: int(r["id"]))
    assert len(rows) == 3 and rows[1]["name"] == big


def test_a_line_of_25_megabytes_is_a_clear_error(dest):
    result = dest.raw(catalog(stream("s")), lines([rec(1), stream_state("s", {}), rec(2, name="x" * (25 << 20)), rec(3)]))
    assert result.code == 1 and "20971520" in trace_error(result)["message"]


def test_T36_formulas_are_neutralized_on_request(make):
    dest = make("csv")
    cells = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "x=1"]
    dest.write(catalog(stream("s")), [rec(i, name=c) for i, c in enumerate(cells)])
    assert [r["name"] for r in dest.rows("s")] == cells
    dest.options = {"neutralize_formulas": True}
    dest.write(catalog(stream("t", schema(id="integer", name="string", n="number"))),
               [rec(-i, "t", name=c, n=-1.5) for i, c in enumerate(cells)])
    assert [r["name"] for r in dest.rows("t")] == ["'" + c for c in cells[:-1]] + ["x=1"]
    assert [r["id"] for r in dest.rows("t")] == [str(-i) for i in range(7)] and dest.rows("t")[0]["n"] == "-1.5"


def test_T34_a_link_in_the_way_is_not_followed(files, workspace):
    (workspace / "victim").write_text("precious")
    files.path.mkdir()
    files.file("s").symlink_to(workspace / "victim")
    assert files.write(catalog(stream("s")), [rec(1)], code=1)
    assert (workspace / "victim").read_text() == "precious"


def test_one_file_for_one_stream(files, workspace):
    files.path = workspace / f"single.{files.kind}"
    files.write(catalog(stream("s", mode="overwrite")), [rec(1)])
    assert files.path.is_file() and b"_airbyte_raw_id" in files.path.read_bytes()
    result = files.write(catalog(stream("s"), stream("t")), [], code=1)
    assert "2 streams" in trace_error(result)["message"]


def test_csv_null_and_empty_are_told_apart(make):
    dest = make("csv")
    dest.write(catalog(stream("s")), [rec(1, name=None), rec(2, name="")])
    assert dest.file("s").read_text().splitlines()[1].endswith(",1,")
    assert dest.file("s").read_text().splitlines()[2].endswith(',2,""')


def test_records_without_a_declared_schema_are_kept_whole(dest):
    free = {"type": "object"}
    dest.write(catalog(stream("s", free)), [record("s", {"id": 1, "any": [1, 2]})])
    row, = dest.rows("s")
    assert row["any"] == [1, 2] if dest.kind == "jsonl" else json.loads(row["_airbyte_data"]) == {"id": 1, "any": [1, 2]}


# --- the Singer target files, as Airbyte messages -----------------------------------------------------------------


def test_singer_array_data(dest):
    s = schema(id="integer", fruits={"type": "array", "items": {"type": "string"}})
    dest.write(catalog(stream("fruits", s)), [rec(1, "fruits", fruits=["apple", "orange"]), rec(2, "fruits", fruits=[])])
    rows = sorted(dest.rows("fruits"), key=lambda r: int(r["id"]))
    parsed = [r["fruits"] if dest.kind == "jsonl" else json.loads(r["fruits"]) for r in rows]
    assert parsed == [["apple", "orange"], []]


def test_singer_camelcase(dest):
    s = schema(id="integer", clientName="string", **{"customer-ID": "string"})
    dest.write(catalog(stream("TestCamelcase", s)), [rec(1, "TestCamelcase", clientName="Gitter", **{"customer-ID": "x"})])
    row, = dest.rows("TestCamelcase")
    assert (row["clientName"], row["customer-ID"]) == ("Gitter", "x")


def test_singer_duplicate_records_last_wins(sqlite):
    whole = catalog(stream("d", schema(id="integer", metric="integer"), mode="append_dedup"))
    sqlite.write(whole, [rec(1, "d", metric=1), rec(2, "d", metric=2), rec(1, "d", metric=10), rec(2, "d", metric=20),
                         rec(1, "d", metric=100)])
    assert sorted((r["id"], r["metric"]) for r in sqlite.rows("d")) == [(1, 100), (2, 20)]


def test_singer_encoded_string_data(dest):
    texts = ["Καλημέρα", "中文", "\"quoted\" 'and'", "back\\slash/", "\u006D", "\n\t\b\f"]
    dest.write(catalog(stream("s")), [rec(i, name=t) for i, t in enumerate(texts)])
    assert [r["name"] for r in sorted(dest.rows("s"), key=lambda r: int(r["id"]))] == texts


def test_singer_no_primary_keys_append(dest):
    for ids in (range(3), range(3, 8)):
        dest.write(catalog(stream("s")), [rec(i) for i in ids])
    assert dest.ids("s") == list(range(8))


def test_singer_optional_attributes_and_missing_fields(dest):
    dest.write(catalog(stream("s")), [rec(1, name="a"), rec(2), rec(3, name=None)])
    assert [r.get("name") for r in sorted(dest.rows("s"), key=lambda r: int(r["id"]))] == ["a", None, None]


def test_singer_pk_updates_in_mid_stream(sqlite):
    s = schema(id="integer", id2="string", v="string")
    sqlite.write(catalog(stream("s", s, mode="append_dedup")), [rec(1, id2="a", v="1"), rec(1, id2="b", v="2")])
    assert values(sqlite) == [(1, "2")]
    sqlite.write(catalog(stream("s", s, mode="append_dedup", primary_key=[["id"], ["id2"]])),
                 [rec(1, id2="a", v="3"), rec(1, id2="b", v="4")])
    assert values(sqlite) == [(1, "3"), (1, "4")]


def test_singer_record_before_schema(dest):
    result = dest.raw(catalog(), lines([rec(1)]))
    assert result.code == 1 and "'s'" in trace_error(result)["message"]


def test_singer_schema_updates(dest):
    dest.write(catalog(stream("s", schema(id="integer", a1="number", a2="string"))), [rec(1, a1=1.5, a2="x")])
    s = schema(id="integer", a1="number", a2="string", a3="boolean", a4="object", a5="array", a6="integer")
    dest.write(catalog(stream("s", s)), [rec(2, a1=2, a3=True, a4={"k": 1}, a5=[1], a6=6)])
    rows = sorted(dest.rows("s"), key=lambda r: int(r["id"]))
    assert rows[0].get("a6") is None and int(rows[1]["a6"]) == 6 and float(rows[0]["a1"]) == 1.5


def test_singer_special_characters_in_attributes(dest):
    s = schema(id="integer", **{"test:SpecialChars!in?attributes": "string", "agent:os:version": "string"})
    dest.write(catalog(stream("s", s)), [rec(1, **{"test:SpecialChars!in?attributes": "a", "agent:os:version": "b"})])
    row, = dest.rows("s")
    assert (row["test:SpecialChars!in?attributes"], row["agent:os:version"]) == ("a", "b")


def test_singer_user_location_data_then_upsert(sqlite):
    users = catalog(stream("users", mode="append_dedup"), stream("locations", mode="append_dedup"),
                    stream("user_in_location", schema(id="integer", user_id="integer"), mode="append_dedup"))
    first = [rec(i, n, name=f"{n}{i}") for n in ("users", "locations") for i in range(1, 6)]
    sqlite.write(users, first + [rec(i, "user_in_location", user_id=i) for i in range(1, 6)])
    sqlite.write(users, [rec(1, "users", name="Johny"), rec(6, "users", name="new"), rec(14, "user_in_location", user_id=4)])
    assert sqlite.ids("users") == [1, 2, 3, 4, 5, 6] and sqlite.ids("user_in_location") == [1, 2, 3, 4, 5, 14]
    assert {r["id"]: r["name"] for r in sqlite.rows("users")}[1] == "Johny"


# --- devnull ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault, code", [("none", 0), ("error", 1), ("exit", 17), ("crash", -9), ("commit_error", 1),
                                         ("miscount", 0), ("reject", 0)])
def test_devnull_counts_and_fails_on_request(put, fault, code):
    config = put("c.json", {"fault": fault, "after_records": 2, "exit_code": 17})
    result = run([program("connectors/destination-devnull"), "write", "--config", config, "--catalog",
                  put("cat.json", catalog(stream("s")))],
                 input=lines([rec(i) for i in range(4)] + [stream_state("s", {}), stream_status("s", "COMPLETE")]))
    assert result.code == code
    expected = {"none": [(4.0, 0.0)], "miscount": [(5.0, 0.0)], "reject": [(3.0, 1.0)]}.get(fault, [])
    assert counts(result) == expected


@pytest.mark.parametrize("test, code", [({"test_destination_type": "SILENT"}, 0), ({"test_destination_type": "LOGGING"}, 0),
                                        ({"test_destination_type": "THROTTLED", "millis_per_record": 1}, 0),
                                        ({"test_destination_type": "FAILING", "num_messages": 2}, 1)])
def test_devnull_takes_what_airbytes_takes(put, test, code):
    result = run([program("connectors/destination-devnull"), "write", "--config", put("c.json", {"test_destination": test}),
                  "--catalog", put("cat.json", catalog(stream("s")))],
                 input=lines([rec(i) for i in range(4)] + [stream_state("s", {}), stream_status("s", "COMPLETE")]))
    assert (result.code, counts(result)) == (code, [] if code else [(4.0, 0.0)])


def test_memory_stays_flat(dest):
    """A hundred times the rows, the same memory."""
    peaks = []
    for n in (2000, 200000):
        process = dest.start(catalog(stream("s", mode="overwrite")))
        process.stdin.write(lines([rec(1, name="x" * 200)]) * n + lines([stream_state("s", {})]))
        process.stdin.flush()
        await_state(process)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as f:
            peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)))
        assert finish(process)[0] == 0
    if "asan" not in str(BUILD):
        assert peaks[1] < 32 * 1024 and peaks[1] < peaks[0] + 24 * 1024, peaks


# --- faults at every step -----------------------------------------------------------------------------------------

STEPS = ["write", "pwrite64", "fsync", "fdatasync", "renameat", "unlinkat", "unlink", "openat", "ftruncate"]


def faulty(dest, fault, call, number, whole, messages):
    """Runs a sync whose `number`th call of that name kills it or fails; the last acknowledged state and whether the sync
    failed."""
    argv = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e",
            f"inject={call}:{fault}:when={number}"] + [str(a) for a in dest.argv(catalog=whole)]
    process = subprocess.run(argv, input=lines(messages), capture_output=True, timeout=TIMEOUT, check=False)
    states = [json.loads(line)["state"]["stream"]["stream_state"]["n"] for line in process.stdout.split(b"\n")
              if line.startswith(b'{"type":"STATE"')]
    return max(states, default=0), process.returncode != 0


def strace_works():
    try:
        argv = ["strace", "-qq", "-o", os.devnull, "-e", "inject=fsync:signal=KILL:when=1", "true"]
        return subprocess.run(argv, capture_output=True, timeout=TIMEOUT, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.parametrize("call, fault", [(c, "signal=KILL") for c in STEPS] +
                         [(c, "error=ENOSPC") for c in STEPS if c not in ("openat", "unlink", "unlinkat")])
@pytest.mark.parametrize("kind", ALL)
def test_D07_D09_D27_D29_faults_at_any_step(kind, call, fault, workspace, put):
    """A truncate refresh that dies or fails at each system call in turn, and is then continued or merged."""
    if not strace_works():
        pytest.skip("strace is not installed or may not trace")
    old, new = [rec(1), rec(2), stream_state("s", {"n": 0})], []
    for n in (1, 2, 3):
        new += [rec(10 + n), stream_state("s", {"n": n})]
    died = lived = 0
    # SQLite writes many pages, each like the other: every ninth will do.
    for number in range(1, 500, 9 if (kind, call) == ("sqlite", "pwrite64") else 1):
        after = ("continue", "merge")[number % 2]
        dest = Destination(kind, workspace / str(number), put)
        dest.path.parent.mkdir()
        dest.write(catalog(stream("s", generation=1)), old)
        truncate = catalog(stream("s", generation=2, minimum=2))
        acked, dead = faulty(dest, fault, call, number, truncate, new + [stream_status("s", "COMPLETE")])
        died, lived = died + dead, lived + (not dead)
        # Old rows, or all new ones: nothing between.
        assert set(dest.ids("s")) in ({1, 2}, {11, 12, 13}), (number, after)
        rest = [m for m in new if m["type"] == "STATE" or m["record"]["data"]["id"] > 10 + acked]
        swapped = set(dest.ids("s")) == {11, 12, 13}
        # A sync that says it went well did.
        assert dead or (swapped and acked == 3)
        if after == "continue":
            dest.write(truncate, rest)
            expected = {11, 12, 13}
        else:
            dest.write(catalog(stream("s", generation=3)), rest)
            expected = {11, 12, 13} if swapped else {1, 2, 11, 12, 13}
        ids = dest.ids("s")
        assert set(ids) == expected, (number, after, acked, ids)
        # What was acknowledged is there once; only what was sent again may be there twice.
        assert all(ids.count(i) == 1 for i in ids if i <= 10 + acked), (number, after, acked, ids)
        dest.write(catalog(stream("s", generation=3)), [rec(99)])
        assert set(dest.ids("s")) == expected | {99}
        if lived == 2:
            break
    else:
        pytest.fail("more steps than this test looks at")
    # Not every destination makes each of the calls.
    never = {"sqlite": ("write", "renameat", "unlinkat", "ftruncate", "fsync"), "jsonl": ("unlink", "ftruncate", "unlinkat"),
             "csv": ("unlink", "ftruncate", "unlinkat")}
    assert died or call in never[kind]
