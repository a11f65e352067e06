# SPDX-License-Identifier: LGPL-2.1-or-later
"""What every native source must do, whatever it reads: scenarios S01 to S24, each once for each source."""

import copy
import json
import os
import sqlite3

import jsonschema
import pytest

SECRET = "s3cr3t-Value-9000"


class Source:
    """A connector with data of its own, small enough to be read many times."""

    name = None
    ignored = ()  # fields that differ from run to run
    future = None  # stream → a state whose cursor lies far ahead

    def __init__(self, workspace, native):
        self.dir, self.native, self.n = workspace, native, 0
        self.config = self.make()

    def put(self, content):
        self.n += 1
        path = self.dir / f"in-{self.n}.json"
        path.write_text(json.dumps(content))
        return path

    def run(self, verb, config=None, catalog=None, state=None):
        flags = [] if verb == "spec" else ["--config", self.put(self.config if config is None else config)]
        if catalog is not None:
            flags += ["--catalog", self.put(catalog)]
        if state is not None:
            flags += ["--state", self.put(state)]
        return self.native(self.name, verb, *flags)

    def spec(self):
        (message,) = self.run("spec").messages
        return message["spec"]["connectionSpecification"]

    def discover(self):
        (message,) = self.run("discover").of("CATALOG")
        return message["catalog"]["streams"]

    def catalog(self, mode, streams=None):
        found = [s for s in self.discover() if mode in s["supported_sync_modes"]]
        return {"streams": [{"stream": s, "sync_mode": mode, "destination_sync_mode": "append",
                             "cursor_field": s.get("default_cursor_field") or self.cursor(s["name"])}
                            for s in found if streams is None or s["name"] in streams]}

    def read(self, mode="full_refresh", state=None, streams=None):
        result = self.run("read", catalog=self.catalog(mode, streams), state=state)
        assert result.code == 0, result
        return result

    def cursor(self, stream):
        return []

    def rows(self, messages):
        """Records as comparable text, by stream, in order."""
        return [(m["record"]["stream"], json.dumps({k: v for k, v in m["record"]["data"].items()
                                                    if k not in self.ignored}, sort_keys=True))
                for m in messages if m["type"] == "RECORD"]


class FileSource(Source):
    name = "source-file"
    bad_config = {"path": "no-such-file.csv"}
    secret_config = {"http_headers": [{"name": "Authorization", "value": SECRET}]}

    def make(self):
        for number in range(3):
            path = self.dir / f"orders-{number}.csv"
            path.write_text("id,name,price,day,at,ok\n" + "".join(
                f"{number * 10 + i},name {i},{i}.5,2024-01-0{i},2024-01-0{i} 10:00:00+01:00,true\n" for i in range(1, 6)))
            os.utime(path, (1700000000 + number, 1700000000 + number))
        return {"path": str(self.dir / "orders-*.csv")}

    def break_it(self):
        (self.dir / "orders-2.csv").write_bytes(b"\x1f\x8b\x08 not really gzip")

    def empty_it(self):
        for path in self.dir.glob("orders-*.csv"):
            path.write_text("id,name\n")
        self.config = {"path": str(self.dir / "orders-*.csv")}

    future = {"_ab_source_file_last_modified": "9999-12-31T23:59:59Z"}


class SqliteSource(Source):
    name = "source-sqlite"
    bad_config = {"path": "no-such-database.db"}
    secret_config = None

    def make(self):
        path = self.dir / "shop.db"
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY, name TEXT, price REAL, raw BLOB, ok BOOLEAN)")
            db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)",
                           [(i, f"name {i}", i / 3, bytes([i]), i % 2) for i in range(1, 21)])
            db.execute("CREATE TABLE parts(a TEXT, b INT, c, PRIMARY KEY (a, b)) WITHOUT ROWID")
            db.executemany("INSERT INTO parts VALUES (?, ?, ?)", [(f"k{i % 3}", i, i * 1.5) for i in range(9)])
            db.execute("CREATE TABLE log(line TEXT)")
            db.executemany("INSERT INTO log VALUES (?)", [(f"line {i}",) for i in range(7)])
        return {"path": str(path), "checkpoint_rows": 4}

    def cursor(self, stream):
        return ["b"]

    def break_it(self):
        path = self.dir / "shop.db"
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        path.write_bytes(content)

    def empty_it(self):
        with sqlite3.connect(self.dir / "shop.db") as db:
            for table in ("orders", "parts", "log"):
                db.execute(f"DELETE FROM {table}")

    future = {"cursor_field": ["id"], "cursor": 9223372036854775807}


class FakerSource(Source):
    name = "source-faker"
    bad_config = {"count": 0}
    secret_config = None
    ignored = ("updated_at",)
    break_it = empty_it = None
    future = {"seed": 7, "updated_at": "9999-12-31T23:59:59+00:00", "loop_offset": 1000000000}

    def make(self):
        return {"count": 12, "seed": 7, "records_per_slice": 5, "always_updated": False}


@pytest.fixture(params=[FileSource, SqliteSource, FakerSource], ids=lambda c: c.name)
def source(request, workspace, native):
    return request.param(workspace, native)


def walk(node, path=""):
    """Every schema inside a schema, with where it is."""
    yield path, node
    for key, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}/{key}")
    if isinstance(node.get("items"), dict):
        yield from walk(node["items"], f"{path}/*")
    for number, child in enumerate(node.get("oneOf", [])):
        yield from walk(child, f"{path}/oneOf{number}")


# ---- the specification ----

def test_S01_spec_is_one_message(source):
    result = source.run("spec")
    assert result.code == 0 and [m["type"] for m in result.messages] == ["SPEC"], result
    jsonschema.Draft7Validator.check_schema(source.spec())


def test_S02_configurations_fit_or_are_refused_by_field(source):
    spec = source.spec()
    jsonschema.validate(source.config, spec)
    for field in spec.get("required", []):
        config = {k: v for k, v in source.config.items() if k != field}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(config, spec)
        result = source.run("check", config=config)
        (status,) = result.of("CONNECTION_STATUS")
        assert status["connectionStatus"]["status"] == "FAILED" and field in status["connectionStatus"]["message"]


def test_S03_to_S10_spec_can_be_a_form(source):
    secret_words = ("password", "token", "secret", "api_key", "credential")
    for path, node in walk(source.spec()):
        name = path.rsplit("/", 1)[-1]
        if "enum" in node:  # S03
            assert len(set(node["enum"])) == len(node["enum"]), path
        if "oneOf" in node:  # S04
            consts = [{k: v["const"] for k, v in b["properties"].items() if "const" in v} for b in node["oneOf"]]
            assert set.intersection(*(set(c) for c in consts)), path
        if any(word in name for word in secret_words) and node.get("type") == "string":  # S05
            assert node.get("airbyte_secret") is True, path
        if node.get("type") == "array":  # S06
            assert isinstance(node.get("items"), dict) and node["items"].get("type"), path
        assert not isinstance(node.get("type"), list), path
        if node.get("type") == "object":
            assert node.get("properties"), path
        for word in ("not", "anyOf", "allOf", "patternProperties", "prefixItems", "if", "then", "else",
                     "dependentSchemas", "dependentRequired", "$ref"):  # S07, S10
            assert word not in node, path
        if node.get("format") in ("date", "date-time"):  # S08
            assert node.get("pattern"), path
        orders = [p["order"] for p in node.get("properties", {}).values() if "order" in p]  # S09
        assert len(set(orders)) == len(orders), path
        assert node.get("additionalProperties", True) is True, path  # S10


def test_S12_check_answers_once(source):
    for config, expected in ((source.config, "SUCCEEDED"), (source.bad_config, "FAILED")):
        result = source.run("check", config=config)
        (status,) = result.of("CONNECTION_STATUS")
        assert result.code == 0 and status["connectionStatus"]["status"] == expected, result
        assert expected == "SUCCEEDED" or status["connectionStatus"]["message"]


# ---- the catalog ----

def test_S13_catalog_is_whole(source):
    streams = source.discover()
    assert streams and len({(s.get("namespace"), s["name"]) for s in streams}) == len(streams)
    known = {(None, None), ("date", None), ("date-time", None), ("date-time", "timestamp_with_timezone"),
             ("date-time", "timestamp_without_timezone"), (None, "big_integer"), (None, "big_number"),
             (None, "integer"), ("uri", None), ("email", None)}
    for s in streams:
        schema = s["json_schema"]
        jsonschema.Draft7Validator.check_schema(schema)
        properties = schema["properties"]
        assert schema.get("additionalProperties", True) is True and s["supported_sync_modes"]
        for path in [s.get("default_cursor_field") or []] + (s.get("source_defined_primary_key") or []):
            assert not path or path[0] in properties, (s["name"], path)
        for key in s.get("source_defined_primary_key") or []:
            assert set(properties[key[0]]["type"]) & {"object", "array"} == set()
        for name, p in properties.items():
            assert (p.get("format"), p.get("airbyte_type")) in known, (name, p)


# ---- reading ----

def test_S14_two_full_refreshes_are_the_same(source):
    first, second = source.rows(source.read().messages), source.rows(source.read().messages)
    assert first and first == second


def test_S15_records_fit_their_schema(source):
    schemas = {s["name"]: s["json_schema"] for s in source.discover()}
    filled = {name: set() for name in schemas}
    for r in source.read().records:
        jsonschema.Draft7Validator(schemas[r["stream"]]).validate(r["data"])
        filled[r["stream"]] |= {k for k, v in r["data"].items() if v is not None}
    for name, schema in schemas.items():
        assert filled[name] == set(schema["properties"]), name


def statuses(result):
    found = {}
    for m in result.of("TRACE"):
        if m["trace"]["type"] == "STREAM_STATUS":
            status = m["trace"]["stream_status"]
            found.setdefault(status["stream_descriptor"]["name"], []).append(status["status"])
    return found


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
def test_S16_statuses_come_in_order(source, mode):
    found = statuses(source.read(mode))
    assert found and all(s == ["STARTED", "RUNNING", "COMPLETE"] for s in found.values()), found


def errors(result):
    return [m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR"]


def test_S17_wrong_catalogs_are_errors(source):
    good = source.catalog("full_refresh")
    unknown, mode = copy.deepcopy(good), copy.deepcopy(good)
    unknown["streams"][0]["stream"]["name"] = "no_such_stream"
    mode["streams"][0]["sync_mode"] = "sideways"
    for catalog in (unknown, mode):
        result = source.run("read", catalog=catalog)
        assert result.code != 0 and errors(result) and not result.records, result
        assert errors(result)[-1]["failure_type"] == "config_error"


def test_S18_a_failing_read_says_why(source):
    if not source.break_it:
        pytest.skip("nothing that this source reads can break")
    catalog = source.catalog("full_refresh")
    source.break_it()
    result = source.run("read", catalog=catalog)
    assert result.code != 0
    (error,) = errors(result)
    assert error["message"] and error["failure_type"] in ("system_error", "config_error", "transient_error")
    assert all("COMPLETE" not in s for s in statuses(result).values() if "INCOMPLETE" in s)
    assert any("INCOMPLETE" in s for s in statuses(result).values()) or "STARTED" not in str(statuses(result))


def last_states(messages):
    last = {}
    for m in messages:
        if m["type"] == "STATE":
            last[m["state"]["stream"]["stream_descriptor"]["name"]] = m["state"]
    return list(last.values())


def test_S19_a_second_incremental_read_brings_nothing_old(source):
    first = source.read("incremental")
    second = source.read("incremental", state=last_states(first.messages))
    assert first.records and second.records == []


def test_S20_every_state_resumes_without_a_gap(source):
    for mode in ("incremental", "full_refresh"):
        for stream in [s["stream"]["name"] for s in source.catalog(mode)["streams"]]:
            if mode == "full_refresh" and not any(s.get("is_resumable") for s in source.discover() if s["name"] == stream):
                continue
            messages = source.read(mode, streams=[stream]).messages
            whole = sorted(source.rows(messages))
            assert whole
            for i, m in enumerate(messages):
                if m["type"] != "STATE":
                    continue
                rest = source.rows(source.read(mode, state=[m["state"]], streams=[stream]).messages)
                prefix = source.rows(messages[:i])
                assert sorted(set(prefix + rest)) == sorted(set(whole)), (mode, stream, m)
                # Rows at the boundary may come again, no others.
                assert len(prefix) + len(rest) <= len(whole) + 5, (mode, stream, m)


def test_S21_a_cursor_far_ahead_reads_nothing_and_is_kept(source):
    stream = {"source-file": "orders", "source-sqlite": "orders", "source-faker": "users"}[source.name]
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": stream}, "stream_state": source.future}}]
    result = source.read("incremental", state=state, streams=[stream])
    assert result.records == [] and statuses(result)[stream][-1] == "COMPLETE"
    again = source.read("incremental", state=last_states(result.messages), streams=[stream])
    assert again.records == []
    key = next(k for k in source.future if k in ("cursor", "updated_at", "_ab_source_file_last_modified"))
    kept = last_states(again.messages)[0]["stream"]["stream_state"]
    assert str(kept[key])[:10] == str(source.future[key])[:10]


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
def test_S22_an_empty_stream_has_a_state(source, mode):
    if not source.empty_it:
        pytest.skip("this source always makes records")
    source.empty_it()
    result = source.read(mode)
    named = {s["stream"]["stream_descriptor"]["name"] for s in result.states}
    assert result.records == [] and named == {s["stream"]["name"] for s in source.catalog(mode)["streams"]}


@pytest.mark.parametrize("mode", ["full_refresh", "incremental"])
def test_S23_states_count_the_records_since_the_last(source, mode):
    counts = {}
    result = source.read(mode)
    for m in result.messages:
        if m["type"] == "RECORD":
            counts[m["record"]["stream"]] = counts.get(m["record"]["stream"], 0) + 1
        elif m["type"] == "STATE":
            name = m["state"]["stream"]["stream_descriptor"]["name"]
            assert m["state"]["sourceStats"]["recordCount"] == counts.pop(name, 0), m
    assert counts == {}
    # The protocol's counts are doubles: written with a point.
    assert all(b".0}" in line for line in result.stdout.splitlines() if b'"type":"STATE"' in line)


def test_S24_secrets_are_never_said(source):
    if not source.secret_config:
        pytest.skip("this source has no secrets")
    config = dict(source.config, **source.secret_config)
    results = [source.run("check", config=config), source.run("discover", config=config)]
    results.append(source.run("read", config=config, catalog=source.catalog("full_refresh")))
    results.append(source.run("check", config=dict(config, path=f"/no/such/{SECRET}.csv")))
    results.append(source.run("discover", config=dict(config, path=f"/no/such/{SECRET}.csv")))
    for result in results:
        assert SECRET.encode() not in result.stdout + result.stderr, result
    assert b"**********" in results[-1].stdout  # the control: it would have been there
