# SPDX-License-Identifier: LGPL-2.1-or-later
"""source-faker by itself: what it says, its records against its own schema, states, resuming. Beside Airbyte's own it is
put in tests/compat/test_faker_oracle.py."""

import collections
import datetime

import pytest

STREAMS = ("products", "users", "purchases")
NEW_EACH_TIME = "updated_at"


class Faker:
    def __init__(self, native, put):
        self.native, self.put, self.n = native, put, 0
        self.catalog = None

    def run(self, verb, config, *flags):
        self.n += 1
        return self.native("source-faker", verb, "--config", self.put(f"config{self.n}.json", config), *flags)

    def discover(self):
        if self.catalog is None:
            result = self.run("discover", {})
            assert result.code == 0, result
            (message,) = result.of("CATALOG")
            self.catalog = {s["name"]: s for s in message["catalog"]["streams"]}
        return self.catalog

    def read(self, config, streams=STREAMS, state=None, sync_mode="incremental"):
        found = self.discover()
        catalog = {"streams": [{"stream": found[s], "sync_mode": sync_mode, "destination_sync_mode": "append",
                                "cursor_field": ["updated_at"], "primary_key": [["id"]]} for s in streams]}
        flags = ["--catalog", self.put(f"catalog{self.n}.json", catalog)]
        if state is not None:
            flags += ["--state", self.put(f"state{self.n}.json", state)]
        result = self.run("read", config, *flags)
        assert result.code == 0, result
        return result


@pytest.fixture
def faker(native, put):
    return Faker(native, put)


def rows(result, stream=None):
    """Records without the one field that says when they were made."""
    return [{k: v for k, v in r["data"].items() if k != NEW_EACH_TIME} for r in result.records
            if stream in (None, r["stream"])]


def last_states(result):
    last = {s["stream"]["stream_descriptor"]["name"]: s for s in result.states}
    return list(last.values())


def check_type(value, schema, where):
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {"integer": int, "number": (int, float), "string": str, "object": dict, "null": type(None)}
    assert any(isinstance(value, python[t]) for t in types), f"{where}: {value!r} is no {types}"
    if schema.get("format") == "date-time" and value is not None:
        assert datetime.datetime.fromisoformat(value).tzinfo, f"{where}: {value!r} has no zone"
    if isinstance(value, dict):
        assert value.keys() <= schema["properties"].keys()
        for key in value:
            check_type(value[key], schema["properties"][key], f"{where}.{key}")


def test_S01_spec_is_one_message(native):
    result = native("source-faker", "spec")
    assert result.code == 0
    assert [m["type"] for m in result.messages] == ["SPEC"]
    properties = result.messages[0]["spec"]["connectionSpecification"]["properties"]
    assert set(properties) == {"count", "seed", "records_per_slice", "always_updated", "parallelism"}


@pytest.mark.parametrize("config,good", [
    ({}, True), ({"count": 1}, True), ({"count": 5, "seed": 1, "parallelism": 4, "more": "is kept"}, True),
    ({"count": 0}, False), ({"count": "many"}, False), ({"records_per_slice": 0}, False),
    ({"always_updated": "yes"}, False), ({"seed": 1.5}, False)])
def test_S02_check_tells_good_from_bad_configurations(faker, config, good):
    result = faker.run("check", config)
    (message,) = result.of("CONNECTION_STATUS")
    assert result.code == 0
    assert message["connectionStatus"]["status"] == ("SUCCEEDED" if good else "FAILED"), result
    if not good:
        assert next(iter(config)) in message["connectionStatus"]["message"]


def test_S13_discover_names_three_streams(faker):
    catalog = faker.discover()
    assert tuple(catalog) == STREAMS
    for stream in catalog.values():
        assert stream["supported_sync_modes"] == ["full_refresh", "incremental"]
        assert stream["default_cursor_field"] == ["updated_at"] and stream["source_defined_cursor"] is True
        assert stream["source_defined_primary_key"] == [["id"]]
        assert stream["is_resumable"] is True
        assert {"id", "created_at", "updated_at"} <= stream["json_schema"]["properties"].keys()


def test_S14_a_seed_gives_the_same_records(faker):
    one = faker.read({"count": 300, "seed": 7})
    two = faker.read({"count": 300, "seed": 7, "records_per_slice": 7, "parallelism": 1})
    other = faker.read({"count": 300, "seed": 8})
    assert rows(one) == rows(two)
    assert rows(one, "users") != rows(other, "users")
    assert rows(one, "products") == rows(other, "products")
    assert {k: len(rows(one, k)) for k in STREAMS} == {"products": 100, "users": 300, "purchases": 300}


def test_S14_without_a_seed_every_run_differs(faker):
    assert rows(faker.read({"count": 10}), "users") != rows(faker.read({"count": 10}), "users")
    assert rows(faker.read({"count": 10, "seed": -1}), "users") != rows(faker.read({"count": 10, "seed": -1}), "users")


def test_S15_records_fit_their_schema_and_each_other(faker):
    result = faker.read({"count": 1000, "seed": 3})
    catalog = faker.discover()
    seen = collections.defaultdict(set)
    for r in result.records:
        check_type(r["data"], catalog[r["stream"]]["json_schema"], r["stream"])
        seen[r["stream"]] |= r["data"].keys()
    for stream in STREAMS:
        assert seen[stream] == catalog[stream]["json_schema"]["properties"].keys()
    users, purchases, products = (rows(result, s) for s in ("users", "purchases", "products"))
    assert [u["id"] for u in users] == list(range(1, 1001))
    assert [p["id"] for p in products] == list(range(1, 101)) and {p["year"] for p in products} == {2023}
    assert len({u["email"] for u in users}) == 1000
    assert all(u["email"].split("@")[1].split(".", 1)[-1] in ("com", "net", "org", "example.com", "example.net",
                                                             "example.org") for u in users)
    # Of ten users in a row the seventh buys nothing and the ninth twice.
    assert sorted(p["id"] for p in purchases) == list(range(1, 1001))
    per_user = collections.Counter(p["user_id"] for p in purchases)
    assert [per_user[i] for i in range(1, 11)] == [1, 1, 1, 1, 1, 1, 0, 1, 2, 1]
    for p in purchases:
        times = [p[k] for k in ("created_at", "added_to_cart_at", "purchased_at", "returned_at") if k in p]
        assert times == sorted(times)
        assert 1 <= p["product_id"] <= 100


def test_S15_products_stop_at_count(faker):
    assert len(rows(faker.read({"count": 12}), "products")) == 12


def test_S16_statuses_and_estimates_come_in_order(faker):
    result = faker.read({"count": 20, "seed": 1})
    said = collections.defaultdict(list)
    for m in result.messages:
        if m["type"] == "RECORD":
            if said[m["record"]["stream"]][-1] != "RECORD":
                said[m["record"]["stream"]].append("RECORD")
        elif m["type"] == "TRACE" and m["trace"]["type"] == "ESTIMATE":
            said[m["trace"]["estimate"]["name"]].append(("ESTIMATE", m["trace"]["estimate"]["row_estimate"]))
        elif m["type"] == "TRACE":
            status = m["trace"]["stream_status"]
            said[status["stream_descriptor"]["name"]].append(status["status"])
    for stream, estimate in (("products", 100), ("users", 20), ("purchases", 26)):
        assert said[stream] == ["STARTED", ("ESTIMATE", estimate), "RUNNING", "RECORD", "COMPLETE"]


def test_S17_an_unknown_stream_is_a_configuration_error(faker, put):
    catalog = {"streams": [{"stream": {"name": "nobody", "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
                            "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
    result = faker.run("read", {}, "--catalog", put("c.json", catalog))
    (trace,) = [m["trace"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR"]
    assert result.code == 1
    assert trace["error"]["failure_type"] == "config_error" and "nobody" in trace["error"]["message"]


def test_S19_nothing_is_new_unless_always_updated(faker):
    config = {"count": 25, "seed": 5, "always_updated": False}
    first = faker.read(config)
    second = faker.read(config, state=first.states)
    assert len(first.records) == 75
    assert second.records == []
    # The states stay, byte for byte in meaning, with no records behind them.
    want = [dict(s, sourceStats={"recordCount": 0.0}) for s in last_states(first)]
    assert second.states == want
    again = faker.read(dict(config, always_updated=True), state=last_states(first))
    assert rows(again) == rows(first)


def test_S19_a_larger_count_brings_the_rest_only(faker):
    first = faker.read({"count": 20, "seed": 5, "always_updated": False})
    more = faker.read({"count": 50, "seed": 5, "always_updated": False}, state=last_states(first))
    whole = faker.read({"count": 50, "seed": 5})
    for stream in ("users", "purchases"):
        assert rows(first, stream) + rows(more, stream) == rows(whole, stream)


@pytest.mark.parametrize("stream", ("users", "purchases"))
def test_S20_any_state_resumes_without_a_gap(faker, stream):
    config = {"count": 60, "seed": 11, "records_per_slice": 7, "always_updated": False}
    result = faker.read(config, streams=[stream])
    prefix = 0
    states = 0
    for m in result.messages:
        if m["type"] == "RECORD":
            prefix += 1
        elif m["type"] == "STATE":
            rest = faker.read(config, streams=[stream], state=[m["state"]])
            assert rows(result)[:prefix] + rows(rest) == rows(result)
            states += 1
    assert states == 9 and prefix == 60


def test_S21_a_cursor_in_the_future_reads_nothing(faker):
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"},
                                           "stream_state": {"seed": 1, "updated_at": "9999-12-31T23:59:59+00:00",
                                                            "loop_offset": 9223372036854775807}}}]
    for always in (False, True):
        result = faker.read({"count": 10, "always_updated": always}, streams=["users"], state=state)
        assert result.records == []
        assert [s["stream"] for s in result.states] == [state[0]["stream"]]


@pytest.mark.parametrize("stream_state", ([], "x", {"updated_at": 5}, {"updated_at": "x", "loop_offset": -1},
                                          {"updated_at": "x", "loop_offset": "y"}))
def test_S21_a_broken_state_is_a_configuration_error(faker, put, stream_state):
    state = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "users"}, "stream_state": stream_state}}]
    catalog = {"streams": [{"stream": faker.discover()["users"], "sync_mode": "incremental",
                            "destination_sync_mode": "append", "cursor_field": ["updated_at"]}]}
    result = faker.run("read", {"count": 5}, "--catalog", put("c.json", catalog), "--state", put("s.json", state))
    errors = [m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR"]
    assert result.code == 1 and len(errors) == 1, result
    assert errors[0]["failure_type"] == "config_error"
    statuses = [m["trace"]["stream_status"]["status"] for m in result.of("TRACE") if "stream_status" in m["trace"]]
    assert statuses[-1] == "INCOMPLETE"


def test_S22_S23_every_slice_has_a_state_with_its_count(faker):
    result = faker.read({"count": 25, "seed": 1, "records_per_slice": 10})
    counts = collections.defaultdict(list)
    open_records = collections.Counter()
    for m in result.messages:
        if m["type"] == "RECORD":
            open_records[m["record"]["stream"]] += 1
        elif m["type"] == "STATE":
            name = m["state"]["stream"]["stream_descriptor"]["name"]
            assert m["state"]["sourceStats"] == {"recordCount": float(open_records.pop(name, 0))}
            counts[name].append(m["state"]["stream"]["stream_state"].get("loop_offset"))
    assert counts == {"products": [None], "users": [10, 20, 25], "purchases": [10, 20, 25]}
    assert not open_records


def test_a_source_is_not_asked_about_primary_keys(faker, put):
    """Deduplication is the destination's; the CDK's standard tests read like this."""
    stream = dict(faker.discover()["users"])
    del stream["source_defined_primary_key"]
    catalog = {"streams": [{"stream": stream, "sync_mode": "full_refresh", "destination_sync_mode": "append_dedup"}]}
    result = faker.run("read", {"count": 3}, "--catalog", put("c.json", catalog))
    assert result.code == 0 and len(result.records) == 3, result
