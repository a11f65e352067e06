# SPDX-License-Identifier: LGPL-2.1-or-later
"""source-sqlite: names, types, cursors (S25 to S30), snapshots, broken and locked databases."""

import json
import os
import shutil
import sqlite3
import subprocess

import pytest


class Database:
    """Runs source-sqlite against one database."""

    def __init__(self, workspace, native):
        self.dir, self.native, self.n = workspace, native, 0
        self.path = workspace / "data.db"

    def sql(self, *statements):
        with sqlite3.connect(self.path) as db:
            for s in statements:
                db.execute(*s) if isinstance(s, tuple) else db.executescript(s)
        db.close()

    def put(self, content):
        self.n += 1
        path = self.dir / f"in-{self.n}.conf"
        path.write_text(json.dumps(content))
        return path

    def config(self, config):
        return self.put({"path": str(self.path), **config})

    def discover(self, **config):
        result = self.native("source-sqlite", "discover", "--config", self.config(config))
        assert result.code == 0, result
        return {s["name"]: s for s in result.of("CATALOG")[0]["catalog"]["streams"]}

    def run(self, streams=None, state=None, cursor=None, mode=None, catalog=None, **config):
        mode = mode or ("incremental" if cursor else "full_refresh")
        if catalog is None:
            found = self.discover(**config)
            catalog = {"streams": [{"stream": found[s], "sync_mode": mode, "destination_sync_mode": "append",
                                    "cursor_field": [cursor] if cursor else []} for s in streams or found]}
        flags = ["--config", self.config(config), "--catalog", self.put(catalog)]
        if state is not None:
            flags += ["--state", self.put(state)]
        return self.native("source-sqlite", "read", *flags)

    def read(self, *args, **config):
        result = self.run(*args, **config)
        assert result.code == 0, result
        return result


@pytest.fixture
def db(workspace, native):
    return Database(workspace, native)


def data(result):
    return [r["data"] for r in result.records]


def error(result):
    assert result.code != 0, result
    return next(m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR")


NAMES = ['two words', 'quo"te', "apo'strophe", "back\\slash", "select", "semi;--", "$1 %s", "ünïcödé", "[bracket]", "`tick`",
         "dot.ted", "a" * 200]


def test_S25_T32_any_name_is_read(db):
    def quote(name):
        return '"' + name.replace('"', '""') + '"'

    for name in NAMES:
        db.sql(f"CREATE TABLE {quote(name)}({quote(name)} INTEGER, {quote('k ' + name)} TEXT)",
               (f"INSERT INTO {quote(name)} VALUES (1, 'x')",))
    result = db.read()
    assert {r["stream"] for r in result.records} == set(NAMES)
    for r in result.records:
        assert r["data"] == {r["stream"]: 1, "k " + r["stream"]: "x", "_rowid_": 1}
        rest = db.read([r["stream"]], cursor="k " + r["stream"])
        again = db.read([r["stream"]], cursor="k " + r["stream"], state=[rest.states[-1]])
        assert len(rest.records) == 1 and again.records == []


def test_S25_columns_that_shadow_the_rowid(db):
    db.sql("CREATE TABLE a(_rowid_ TEXT, x INT)", "CREATE TABLE b(_rowid_ TEXT, rowid TEXT, oid TEXT)",
           ("INSERT INTO a VALUES ('mine', 5)",), ("INSERT INTO b VALUES ('r', 's', 't')",))
    found = db.discover()
    assert found["a"]["default_cursor_field"] == ["rowid"] and "default_cursor_field" not in found["b"]
    assert data(db.read(["a"])) == [{"_rowid_": "mine", "x": 5, "rowid": 1}]
    assert data(db.read(["b"])) == [{"_rowid_": "r", "rowid": "s", "oid": "t"}]


def test_S25_keys_and_flags(db):
    db.sql("CREATE TABLE pk(id INTEGER PRIMARY KEY, x)", "CREATE TABLE two(b, a, PRIMARY KEY (a, b)) WITHOUT ROWID",
           "CREATE TABLE none(x)", "CREATE VIEW v AS SELECT * FROM pk", "CREATE VIRTUAL TABLE f USING fts5(t)")
    found = db.discover()
    assert "v" not in found and found["pk"]["source_defined_primary_key"] == [["id"]]
    assert found["two"]["source_defined_primary_key"] == [["a"], ["b"]]
    assert found["pk"]["default_cursor_field"] == ["id"] and found["none"]["default_cursor_field"] == ["_rowid_"]
    assert not any(name.startswith("f_") for name in found)  # a virtual table's own storage
    assert db.discover(include_views=True)["v"]["supported_sync_modes"] == ["full_refresh"]
    assert list(db.discover(tables=["two", "v"])) == ["two", "v"]
    result = db.native("source-sqlite", "check", "--config", db.config({"tables": ["nope"]}))
    assert "no table 'nope'" in result.of("CONNECTION_STATUS")[0]["connectionStatus"]["message"]


def test_values_keep_their_storage_class(db):
    db.sql("CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, ok BOOLEAN, n NUMERIC, mixed INTEGER, inf REAL)")
    rows = [(2**63 - 1, 0.1, "é\0x", b"\x00\xff", 1, 1, 1, 1.5), (-2**63, 1e-300, "", b"", 0, 2.5, "text", float("inf")),
            (None,) * 8, (0, 3.0, "😀", b"x" * 100, None, 0, b"\x01", float("-inf"))]
    for row in rows:
        db.sql(("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row))
    p = db.discover()["t"]["json_schema"]["properties"]
    assert [p[c]["type"][1] for c in p] == ["integer", "number", "string", "string", "boolean", "number", "string", "string",
                                            "integer"]
    assert p["b"]["contentEncoding"] == "base64"
    found = data(db.read())
    assert found[0] == {"i": 2**63 - 1, "r": 0.1, "s": "é\0x", "b": "AP8=", "ok": True, "n": 1, "mixed": "1",
                        "inf": "1.5", "_rowid_": 1}
    assert found[1]["i"] == -2**63 and found[1]["r"] == 1e-300 and found[1]["mixed"] == "text"
    assert found[1]["inf"] == "Infinity" and found[3]["inf"] == "-Infinity" and found[3]["mixed"] == "AQ=="


def test_values_outside_the_catalog_are_not_lost(db):
    db.sql("CREATE TABLE t(i INTEGER)", ("INSERT INTO t VALUES (1)",))
    catalog = {"streams": [{"stream": db.discover()["t"], "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    db.sql(("INSERT INTO t VALUES ('text')",))
    result = db.read(catalog=catalog)
    assert [r["i"] for r in data(result)] == [1, "text"]
    assert any("not of the type" in m["log"]["message"] for m in result.of("LOG"))


def test_S26_only_the_selected(db):
    db.sql("CREATE TABLE a(x INT, y INT, z INT)", "CREATE TABLE b(x INT)", ("INSERT INTO a VALUES (1, 2, 3)",),
           ("INSERT INTO b VALUES (4)",))
    found = db.discover()
    found["a"]["json_schema"]["properties"] = {"y": {"type": ["null", "integer"]}}
    catalog = {"streams": [{"stream": found["a"], "sync_mode": "full_refresh", "destination_sync_mode": "append"},
                           {"stream": found["b"], "sync_mode": "incremental", "destination_sync_mode": "append",
                            "cursor_field": ["x"]}]}
    result = db.read(catalog=catalog)
    assert [(r["stream"], r["data"]) for r in result.records] == [("a", {"y": 2}), ("b", {"x": 4, "_rowid_": 1})]
    assert {s["stream"]["stream_descriptor"]["name"] for s in result.states} == {"a", "b"}


@pytest.mark.parametrize("kind,values", [
    ("INTEGER", [1, 2, 2**62]), ("TEXT", ["a", "b", "ü"]), ("DATE", ["2024-01-01", "2024-01-02", "2024-02-01"]),
    ("TIMESTAMP", ["2024-01-01 10:00:00.000001", "2024-01-01 10:00:00.000002", "2024-01-01 10:00:01"]),
    ("REAL", [0.1, 0.30000000000000004, 1e300]), ("BLOB", [b"\0", b"\0\1", b"\xff"]), ("TEXT COLLATE NOCASE", ["a", "B", "c"])])
def test_S27_cursors_of_every_kind(db, kind, values):
    db.sql(f'CREATE TABLE t(n INT, "the cursor" {kind})')
    for n, value in enumerate(values[:2]):
        db.sql(("INSERT INTO t VALUES (?, ?)", (n, value)))
    first = db.read(cursor="the cursor")
    assert [r["n"] for r in data(first)] == [0, 1]
    db.sql(("INSERT INTO t VALUES (?, ?)", (2, values[2])))
    second = db.read(cursor="the cursor", state=[first.states[-1]])
    assert [r["n"] for r in data(second)] == [2]
    # Another cursor is another story: everything is read.
    third = db.read(cursor="n", state=[second.states[-1]])
    assert len(third.records) == 3


def test_S28_rows_of_the_same_cursor_value_are_never_lost(db):
    db.sql("CREATE TABLE t(v TEXT, day INT)")
    for v, day in (("a", 1), ("b", 2), ("c", 2)):
        db.sql(("INSERT INTO t VALUES (?, ?)", (v, day)))
    first = db.read(cursor="day")
    state = [first.states[-1]]
    assert data(db.read(cursor="day", state=state)) == []  # nothing new: nothing comes again
    db.sql(("INSERT INTO t VALUES ('late', 2)",))
    second = db.read(cursor="day", state=state)
    assert {r["v"] for r in data(second)} == {"b", "c", "late"}
    # One gone and one new: the count is the same, the rows are not.
    state = [second.states[-1]]
    db.sql("DELETE FROM t WHERE v = 'b'", ("INSERT INTO t VALUES ('later', 2)",))
    third = db.read(cursor="day", state=state)
    assert {r["v"] for r in data(third)} == {"c", "late", "later"}
    assert data(db.read(cursor="day", state=[third.states[-1]])) == []


def test_S28_cursors_that_differ_by_case_only_come_once(db):
    db.sql("CREATE TABLE t(v INT, day TEXT COLLATE NOCASE)")
    for v, day in enumerate(("a", "b", "B", "b")):
        db.sql(("INSERT INTO t VALUES (?, ?)", (v, day)))
    first = db.read(cursor="day")
    assert len(first.records) == 4
    state = [first.states[-1]]
    assert data(db.read(cursor="day", state=state)) == []
    db.sql(("INSERT INTO t VALUES (4, 'B')",), ("INSERT INTO t VALUES (5, 'C')",))
    assert {r["v"] for r in data(db.read(cursor="day", state=state))} == {1, 2, 3, 4, 5}


def test_S28_rows_without_a_cursor_value(db):
    db.sql("CREATE TABLE t(v TEXT, day INT)", ("INSERT INTO t VALUES ('n', NULL)",), ("INSERT INTO t VALUES ('a', 1)",))
    first = db.read(cursor="day")
    assert len(first.records) == 2
    assert data(db.read(cursor="day", state=[first.states[-1]])) == []
    db.sql(("INSERT INTO t VALUES ('m', NULL)",))
    second = db.read(cursor="day", state=[first.states[-1]])
    assert {r["v"] for r in data(second)} == {"n", "m"}
    assert data(db.read(cursor="day", state=[second.states[-1]])) == []


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_S29_one_snapshot_for_the_whole_sync(db, journal):
    rows = 200000 if journal == "WAL" else 20000
    db.sql(f"PRAGMA journal_mode = {journal}", "CREATE TABLE a(id INTEGER PRIMARY KEY, v TEXT)",
           "CREATE TABLE b(id INTEGER PRIMARY KEY, v TEXT)",
           f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
           f"INSERT INTO a SELECT i, printf('value %d', i) FROM n")
    keep = sqlite3.connect(db.path, isolation_level=None, timeout=0.05)  # keeps the log there
    keep.execute("SELECT 1 FROM a").fetchone()
    found = db.discover()
    catalog = db.put({"streams": [{"stream": found[s], "sync_mode": "full_refresh", "destination_sync_mode": "append"}
                                  for s in ("a", "b")]})
    argv = [os.fspath(reader_program()), "read", "--config", os.fspath(db.config({})), "--catalog", os.fspath(catalog)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as reader:
        line = reader.stdout.readline()
        while b'"RECORD"' not in line:
            line = reader.stdout.readline()
        # The reader is in the middle of `a` (the pipe is full); these must not be seen.
        try:
            keep.execute("INSERT INTO b VALUES (1, 'too late')")
            keep.execute("INSERT INTO a VALUES (-5, 'too late')")
            written = True
        except sqlite3.OperationalError:
            written = False  # without a log the writer has to wait
        rest = line + reader.stdout.read()
    assert reader.returncode == 0 and rest.count(b'"RECORD"') == rows and b"too late" not in rest
    assert written == (journal == "WAL")
    keep.close()


def reader_program():
    import conftest
    return conftest.program("connectors/source-sqlite")


def test_S30_a_full_refresh_resumes_by_key(db):
    db.sql("CREATE TABLE r(v TEXT)", "CREATE TABLE k(a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID")
    for i in range(10):
        db.sql(("INSERT INTO r VALUES (?)", (f"v{i}",)), ("INSERT INTO k VALUES (?, ?)", (f"k{i // 4}", i)))
    for table in ("r", "k"):
        whole = db.read([table], checkpoint_rows=3)
        seen, states = 0, 0
        for m in whole.messages:
            seen += m["type"] == "RECORD"
            if m["type"] == "STATE":
                states += 1
                rest = db.read([table], state=[m["state"]], checkpoint_rows=3)
                assert data(rest) == data(whole)[seen:], (table, m)
        assert states == 4
    # A row that came in before the place is not missed by accident, one behind it is read.
    state = [db.read(["r"], checkpoint_rows=3).states[0]]
    db.sql(("INSERT INTO r VALUES ('new')",))
    assert data(db.read(["r"], state=state))[-1]["v"] == "new"


@pytest.mark.parametrize("state", [[], "x", {"resume_after": [1, 2]}, {"resume_after": [[1]]}, {"resume_after": 5},
                                   {"cursor_field": ["i"], "cursor": [1]}, {"cursor_field": ["i"], "cursor": {"real": "x"}},
                                   {"cursor_field": ["i"], "cursor": 1, "at_cursor": {"rows": -1, "hash": "0"}}])
def test_broken_states_are_configuration_errors(db, state):
    db.sql("CREATE TABLE t(i INT)")
    message = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "t"}, "stream_state": state}}
    cursor = "i" if "cursor" in state else None
    assert error(db.run(cursor=cursor, state=[message]))["failure_type"] == "config_error"


def test_T33_a_cursor_is_a_value_never_sql(db):
    db.sql("CREATE TABLE t(i TEXT)", ("INSERT INTO t VALUES ('x')",))
    evil = "'); DROP TABLE t; --"
    message = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "t"},
                                            "stream_state": {"cursor_field": ["i"], "cursor": evil}}}
    result = db.read(cursor="i", state=[message])
    assert data(result) == [{"i": "x", "_rowid_": 1}]
    db.sql("SELECT * FROM t")


def test_broken_and_strange_files(db):
    for name, content, words in (("none.db", None, "cannot be read"), ("text.db", b"hello, not a database at all\n" * 99,
                                                                        "not a database"), (".", None, "regular file")):
        path = db.dir / name
        if content:
            path.write_bytes(content)
        result = db.native("source-sqlite", "check", "--config", db.put({"path": str(path)}))
        status = result.of("CONNECTION_STATUS")[0]["connectionStatus"]
        assert status["status"] == "FAILED" and words in status["message"], status
    db.sql("CREATE TABLE t(i INT)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
                                    "INSERT INTO t SELECT i FROM n")
    catalog = {"streams": [{"stream": db.discover()["t"], "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    content = bytearray(db.path.read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096:page * 4096 + 100] = os.urandom(100)
    db.path.write_bytes(content)
    result = db.run(catalog=catalog)
    assert "malformed" in error(result)["message"] and b"INCOMPLETE" in result.stdout


def test_a_database_is_never_changed(db):
    db.sql("CREATE TABLE t(i INT)", ("INSERT INTO t VALUES (1)",))
    before = db.path.read_bytes(), db.path.stat().st_mtime_ns, sorted(os.listdir(db.dir / "."))
    db.native("source-sqlite", "check", "--config", "/dev/stdin", input=json.dumps({"path": str(db.path)}).encode())
    assert before == (db.path.read_bytes(), db.path.stat().st_mtime_ns, sorted(os.listdir(db.dir / ".")))


def test_a_log_that_is_not_yet_in_the_database_is_read_through_the_sandbox(db, gantry):
    keep = sqlite3.connect(db.path)
    keep.execute("PRAGMA journal_mode = WAL")
    keep.execute("CREATE TABLE t(i INT)")
    keep.execute("INSERT INTO t VALUES (5)")
    keep.commit()
    assert (db.dir / "data.db-wal").stat().st_size > 0
    result = gantry("sync", f"sqlite:{db.path}", "jsonl:out", "--json")
    assert result.code == 0 and b'"i":5' in (db.dir / "out/t.jsonl").read_bytes(), result
    keep.close()


def test_wal_in_a_directory_that_cannot_be_written(db):
    db.sql("PRAGMA journal_mode = WAL", "CREATE TABLE t(i INT)", ("INSERT INTO t VALUES (1)",))
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("root can write everywhere")
    argv = [os.fspath(reader_program()), "discover", "--config", os.fspath(db.config({}))]
    if os.geteuid() == 0:
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", *argv]
    for path in [db.dir, *db.dir.parents]:
        if path.stat().st_mode & 5 != 5 and os.geteuid() == 0 and str(path).startswith("/tmp/"):
            path.chmod(path.stat().st_mode | 0o055)
    shutil.rmtree(db.dir / "ro", ignore_errors=True)
    db.dir.chmod(0o555)
    try:
        done = subprocess.run(argv, capture_output=True, check=False, timeout=300)
    finally:
        db.dir.chmod(0o755)
    if done.returncode == 126 or done.returncode == 127 or b"ermission denied" in done.stderr:
        pytest.skip(f"another user cannot reach the build tree: {done.stderr!r}")
    assert done.returncode == 0 and b'"name":"t"' in done.stdout and b"WAL mode" in done.stdout, done
