# SPDX-License-Identifier: LGPL-2.1-or-later
"""S11: today's specifications and catalogs of the native connectors against those that tests/snapshots holds.

A change that breaks stored configurations or connections fails. Other changes pass with a warning: they are taken over
(as a reviewed breaking change is) by `pytest tests/scenario/test_compatibility.py --update`, which rewrites the snapshots."""

import copy
import json
import sqlite3
import warnings

import pytest

from compatibility import compare_catalogs, compare_specs
from conftest import ROOT

SNAPSHOTS = ROOT / "tests/snapshots"
CONNECTORS = sorted(p.parent.name for p in (ROOT / "src/connectors").glob("*/*-spec.json"))
SOURCES = [n for n in CONNECTORS if n.startswith("source-")]
HOW = "update the snapshot: pytest tests/scenario/test_compatibility.py --update"


def hold_against(kind, name, today, compare, request):
    path = SNAPSHOTS / kind / f"{name}.json"
    if request.config.getoption("--update"):
        path.write_text(json.dumps(today, indent=2, ensure_ascii=False) + "\n")
        return
    assert path.exists(), f"{name} has no snapshot in tests/snapshots/{kind}; {HOW}"
    snapshot = json.loads(path.read_text())
    breaking, harmless = compare(snapshot, today)
    assert not breaking, f"{name} breaks what relied on it:\n" + "\n".join(breaking)
    if harmless or snapshot != today:
        warnings.warn(f"{name} has changed, {HOW}\n" + "\n".join(harmless))


@pytest.mark.parametrize("name", CONNECTORS)
def test_S11_specs_take_what_they_took(name, native, request):
    (message,) = native(name, "spec").of("SPEC")
    hold_against("specs", name, message["spec"], compare_specs, request)


def test_S11_no_connector_has_gone():
    snapshots = sorted(p.stem for p in (SNAPSHOTS / "specs").glob("*.json"))
    assert snapshots == CONNECTORS


# Each column of another type, in both ways that a type is known: declared (SQLite) and inferred (files).

SQL = """
CREATE TABLE orders(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, paid BOOLEAN, day DATE, at DATETIME,
                    amount DECIMAL(10, 2), picture BLOB, anything);
INSERT INTO orders VALUES (1, 'one', 1.5, 1, '2024-01-01', '2024-01-01 10:00:00', 2.25, x'00ff', NULL);
CREATE TABLE parts(a TEXT, b INT, c VARCHAR(10), PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE log(line TEXT);
CREATE VIEW big_orders AS SELECT id, price FROM orders WHERE price > 1;
"""
CSV = """id,name,price,paid,day,at,local,big,huge
1,one,1.5,true,2024-01-01,2024-01-01T10:00:00Z,2024-01-01T10:00:00,12345678901234567890,1234567890123456789012345.5
2,,2.5,false,2024-01-02,2024-01-02T10:00:00+01:00,2024-01-02T10:00:00,2,2.5
"""
JSONL = '{"id":1,"tags":["a"],"owner":{"name":"x","age":3},"mixed":1}\n{"id":2,"tags":[],"owner":{"name":"y"},"mixed":"m"}\n'


def example_configs(place):
    """A small fixed input of each source."""
    (place / "orders.csv").write_text(CSV)
    (place / "events.jsonl").write_text(JSONL)
    with sqlite3.connect(place / "shop.db") as db:
        db.executescript(SQL)
    return {"source-faker": {"count": 3, "seed": 1},
            "source-file": {"path": str(place / "orders.csv"), "more_paths": [str(place / "events.jsonl")],
                            "stream_per_file": True},
            "source-sqlite": {"path": str(place / "shop.db"), "include_views": True}}


@pytest.mark.parametrize("name", SOURCES)
def test_S11_catalogs_give_what_they_gave(name, workspace, native, put, request):
    configs = example_configs(workspace)
    assert sorted(configs) == SOURCES, "each source needs an example here"
    (message,) = native(name, "discover", "--config", put("config.json", configs[name])).of("CATALOG")
    hold_against("catalogs", name, message["catalog"], compare_catalogs, request)


# ---- the comparer can fail ----

SPEC = {
    "protocol_version": "0.2.0", "supportsIncremental": True, "supported_destination_sync_modes": ["append", "overwrite"],
    "connectionSpecification": {
        "type": "object", "required": ["path"], "additionalProperties": True, "properties": {
            "path": {"type": "string", "minLength": 1, "gantry_path": "read", "description": "where"},
            "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "rows": {"type": "integer", "minimum": 1, "maximum": 10},
            "ratio": {"type": "number"},
            "loose": {"type": ["string", "null"]},
            "open": {},
            "key": {"type": "string", "airbyte_secret": True, "pattern": "^k"},
            "list": {"type": "array", "items": {"type": "object", "required": ["x"], "properties": {
                "x": {"type": "string"}, "y": {"type": "integer"}}}},
            "login": {"type": "object", "oneOf": [
                {"properties": {"kind": {"type": "string", "const": "none"}}},
                {"properties": {"kind": {"type": "string", "const": "user"}, "name": {"type": "string"}}}]},
        }}}


def properties(spec):
    return spec["connectionSpecification"]["properties"]


def rename(spec, old, new):
    properties(spec)[new] = properties(spec).pop(old)


# What is done to the specification, and the path and the words that must be said of it.
BREAKING_SPECS = {
    "new required": (lambda s: s["connectionSpecification"]["required"].append("mode"), "/mode: the property is required"),
    "new required property": (lambda s: (s["connectionSpecification"]["required"].append("new"),
                                         properties(s).update(new={"type": "string"})), "/new: the property is required"),
    "required inside": (lambda s: properties(s)["list"]["items"]["required"].append("y"), "/list/*/y: the property is req"),
    "other type": (lambda s: properties(s)["rows"].update(type="string"), "/rows: the type is narrower"),
    "number to integer": (lambda s: properties(s)["ratio"].update(type="integer"), "/ratio: the type is narrower"),
    "null no more": (lambda s: properties(s)["loose"].update(type="string"), "/loose: the type is narrower"),
    "type in a branch": (lambda s: properties(s)["login"]["oneOf"][1]["properties"].update(name={"type": "integer"}),
                         "/login/oneOf[kind='user']/name: the type is narrower"),
    "type where none was": (lambda s: properties(s)["open"].update(type="string"), "/open: the type is narrower: any type"),
    "items' type": (lambda s: properties(s)["list"]["items"]["properties"]["y"].update(type="boolean"), "/list/*/y: the"),
    "enum value gone": (lambda s: properties(s)["mode"]["enum"].remove("b"), "/mode: the enum's value 'b' is gone"),
    "enum value of another type": (lambda s: properties(s)["mode"].update(enum=["a", "B"]), "/mode: the enum's value 'b'"),
    "enum where none was": (lambda s: properties(s)["path"].update(enum=["x"]), "/path: an enum now says"),
    "property gone": (lambda s: properties(s).pop("rows"), "/rows: the property is gone"),
    "property inside gone": (lambda s: properties(s)["list"]["items"]["properties"].pop("y"), "/list/*/y: the property is"),
    "renamed": (lambda s: rename(s, "rows", "lines"), "/rows: the property was renamed to 'lines'"),
    "const changed": (lambda s: properties(s)["login"]["oneOf"][1]["properties"]["kind"].update(const="person"),
                      "/login/oneOf[kind='user']: the branch is gone"),
    "branch gone": (lambda s: properties(s)["login"]["oneOf"].pop(0), "/login/oneOf[kind='none']: the branch is gone"),
    "default changed": (lambda s: properties(s)["mode"].update(default="b"), "/mode: default was 'a' and is 'b'"),
    "default of another type": (lambda s: properties(s)["mode"].update(default=True), "/mode: default was"),
    "minimum up": (lambda s: properties(s)["rows"].update(minimum=2), "/rows: minimum was 1 and is 2"),
    "maximum down": (lambda s: properties(s)["rows"].update(maximum=9), "/rows: maximum was 10 and is 9"),
    "maximum where none was": (lambda s: properties(s)["ratio"].update(maximum=9), "/ratio: maximum was nothing"),
    "longer": (lambda s: properties(s)["path"].update(minLength=3), "/path: minLength was 1"),
    "pattern changed": (lambda s: properties(s)["key"].update(pattern="^l"), "/key: the pattern was '^k'"),
    "pattern where none was": (lambda s: properties(s)["path"].update(pattern="^/"), "/path: the pattern was nothing"),
    "format where none was": (lambda s: properties(s)["path"].update(format="uri"), "/path: format was nothing"),
    "closed": (lambda s: s["connectionSpecification"].update(additionalProperties=False), "/: unknown properties"),
    "secret no more": (lambda s: properties(s)["key"].pop("airbyte_secret"), "/key: airbyte_secret was True"),
    "path no more": (lambda s: properties(s)["path"].pop("gantry_path"), "/path: gantry_path was 'read'"),
    "mode gone": (lambda s: s["supported_destination_sync_modes"].remove("append"), "sync_modes: append is gone"),
    "incremental no more": (lambda s: s.update(supportsIncremental=False), "supportsIncremental: is not supported"),
    "protocol's major": (lambda s: s.update(protocol_version="1.0.0"), "protocol_version: is '1.0.0'"),
}
HARMLESS_SPECS = {
    "new property": (lambda s: properties(s).update(new={"type": "string"}), "/new: the property is new"),
    "new enum value": (lambda s: properties(s)["mode"]["enum"].append("c"), "/mode: the enum has a new value 'c'"),
    "wider type": (lambda s: properties(s)["rows"].update(type="number"), "/rows: the type is wider"),
    "wider bounds": (lambda s: properties(s)["rows"].update(minimum=0), "/rows: minimum was 1 and is 0"),
    "no pattern": (lambda s: properties(s)["key"].pop("pattern"), "/key: the pattern is gone"),
    "required no more": (lambda s: s["connectionSpecification"]["required"].clear(), "/path: the property is not required"),
    "new branch": (lambda s: properties(s)["login"]["oneOf"].append({"properties": {"kind": {"const": "token"}}}),
                   "/login: the oneOf has a new branch"),
    "new mode": (lambda s: s["supported_destination_sync_modes"].append("append_dedup"), "sync_modes: append_dedup is new"),
    "other words": (lambda s: properties(s)["path"].update(description="there"), "/path: the description reads differently"),
    "protocol's minor": (lambda s: s.update(protocol_version="0.3.0"), "protocol_version: is '0.3.0'"),
}

CATALOG = {"streams": [
    {"name": "a", "namespace": "n", "supported_sync_modes": ["full_refresh", "incremental"], "is_resumable": True,
     "source_defined_cursor": True, "default_cursor_field": ["at"], "source_defined_primary_key": [["id"]],
     "json_schema": {"type": "object", "properties": {
         "id": {"type": "integer"}, "at": {"type": ["null", "string"], "format": "date-time"},
         "tags": {"type": "array", "items": {"type": "string"}}, "in": {"type": "object", "properties": {
             "x": {"type": "number"}}}}}},
    {"name": "b", "supported_sync_modes": ["full_refresh"], "json_schema": {"type": "object", "properties": {}}}]}


def columns(catalog):
    return catalog["streams"][0]["json_schema"]["properties"]


BREAKING_CATALOGS = {
    "stream gone": (lambda c: c["streams"].pop(), "b: the stream is gone"),
    "namespace changed": (lambda c: c["streams"][0].update(namespace="m"), "n.a: the stream is gone"),
    "column gone": (lambda c: columns(c).pop("tags"), "n.a/tags: the column is gone"),
    "column renamed": (lambda c: columns(c).update(key=columns(c).pop("id")), "n.a/id: the column was renamed to 'key'"),
    "narrower": (lambda c: columns(c)["in"]["properties"]["x"].update(type="integer"), "n.a/in/x: the type was"),
    "wider": (lambda c: columns(c)["id"].update(type="number"), "n.a/id: the type was integer and is integer/number"),
    "format": (lambda c: columns(c)["at"].pop("format"), "n.a/at: the type was string date-time and is string"),
    "zone": (lambda c: columns(c)["at"].update(airbyte_type="timestamp_without_timezone"), "n.a/at: the type was"),
    "encoding": (lambda c: columns(c)["at"].update(contentEncoding="base64"), "n.a/at: the type was string date-time and is"),
    "items": (lambda c: columns(c)["tags"]["items"].update(type="integer"), "n.a/tags/*: the type was string"),
    "mode gone": (lambda c: c["streams"][0]["supported_sync_modes"].remove("incremental"), "n.a: the sync mode incremental"),
    "cursor": (lambda c: c["streams"][0].update(default_cursor_field=["id"]), "n.a: the cursor was ['at'] and is ['id']"),
    "cursor gone": (lambda c: c["streams"][0].pop("default_cursor_field"), "n.a: the cursor was ['at'] and is nothing"),
    "key": (lambda c: c["streams"][0].update(source_defined_primary_key=[["id"], ["at"]]), "n.a: the primary key was"),
    "key where none was": (lambda c: c["streams"][1].update(source_defined_primary_key=[["id"]]), "b: the primary key was n"),
    "own cursor": (lambda c: c["streams"][0].update(source_defined_cursor=False), "n.a: source_defined_cursor is not true"),
    "not resumable": (lambda c: c["streams"][0].update(is_resumable=False), "n.a: is_resumable is not true"),
}
HARMLESS_CATALOGS = {
    "new stream": (lambda c: c["streams"].append(dict(c["streams"][1], name="c")), "c: the stream is new"),
    "new column": (lambda c: columns(c).update(z={"type": "string"}), "n.a/z: the column is new"),
    "may be null": (lambda c: columns(c)["id"].update(type=["integer", "null"]), "n.a/id: whether it may be null"),
    "new mode": (lambda c: c["streams"][1]["supported_sync_modes"].append("incremental"), "b: the sync mode incremental is new"),
}


def mutations():
    for original, compare, breaking, table in ((SPEC, compare_specs, True, BREAKING_SPECS),
                                               (SPEC, compare_specs, False, HARMLESS_SPECS),
                                               (CATALOG, compare_catalogs, True, BREAKING_CATALOGS),
                                               (CATALOG, compare_catalogs, False, HARMLESS_CATALOGS)):
        kind = "spec" if original is SPEC else "catalog"
        for name, (mutate, sentence) in table.items():
            yield pytest.param(original, compare, breaking, mutate, sentence, id=f"{kind}: {name}")


@pytest.mark.parametrize("original,compare,is_breaking,mutate,sentence", mutations())
def test_S11_each_change_is_told(original, compare, is_breaking, mutate, sentence):
    changed = copy.deepcopy(original)
    mutate(changed)
    assert changed != original
    breaking, harmless = compare(original, changed)
    assert any(sentence in s for s in (breaking if is_breaking else harmless)), (breaking, harmless)
    assert is_breaking or breaking == []


@pytest.mark.parametrize("original,compare", [(SPEC, compare_specs), (CATALOG, compare_catalogs)], ids=["spec", "catalog"])
def test_S11_no_change_is_told_of_the_same(original, compare):
    assert compare(original, copy.deepcopy(original)) == ([], [])


def test_S11_a_changed_connector_fails_against_its_snapshot(request, native):
    """The whole way: a specification that lost a property, held against the real snapshot."""
    (message,) = native("source-file", "spec").of("SPEC")
    spec = message["spec"]
    del spec["connectionSpecification"]["properties"]["format"]
    if request.config.getoption("--update"):
        pytest.skip("snapshots are being written")
    with pytest.raises(AssertionError, match=r"source-file breaks [^\n]*\n\s*/format: the property is gone"):
        hold_against("specs", "source-file", spec, compare_specs, request)
