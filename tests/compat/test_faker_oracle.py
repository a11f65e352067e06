# SPDX-License-Identifier: LGPL-2.1-or-later
"""source-faker beside Airbyte's own: spec, catalog, records, estimates, statuses, states of both programs."""

import collections
import datetime
import json

import pytest

from conftest import TIMEOUT, scenario

STREAMS = ("products", "users", "purchases")
# Where they differ on purpose; docs/CONNECTORS.md says why.
NAIVE_TIMES = {"purchases": {"created_at"}}


class Pair:
    """Both connectors with the same arguments."""

    def __init__(self, marker, put):
        self.commands = {"oracle": marker["command"], "ours": [str(scenario.program("connectors/source-faker"))]}
        self.put, self.n = put, 0

    def run(self, who, verb, *flags, **files):
        argv = [*self.commands[who], verb, *flags]
        for name, content in files.items():
            self.n += 1
            argv += [f"--{name}", self.put(f"{name}{self.n}.json", content)]
        return scenario.run(argv, timeout=TIMEOUT)

    def both(self, verb, **files):
        return self.run("oracle", verb, **files), self.run("ours", verb, **files)


@pytest.fixture
def pair(installed, put):
    return Pair(installed("airbyte-source-faker"), put)


def catalog_of(result):
    (message,) = result.of("CATALOG")
    return {s["name"]: s for s in message["catalog"]["streams"]}


def configured(catalog, sync_mode="incremental"):
    return {"streams": [{"stream": catalog[s], "sync_mode": sync_mode, "destination_sync_mode": "append",
                         "cursor_field": ["updated_at"], "primary_key": [["id"]]} for s in STREAMS]}


def by_stream(result):
    found = collections.defaultdict(list)
    for r in result.records:
        found[r["stream"]].append(r["data"])
    return found


def said(result):
    """What was said beside records, in order, without times: statuses, estimates, states' positions."""
    out = []
    for m in result.messages:
        if m["type"] == "TRACE" and m["trace"]["type"] == "STREAM_STATUS":
            status = m["trace"]["stream_status"]
            out.append((status["stream_descriptor"]["name"], status["status"]))
        elif m["type"] == "TRACE" and m["trace"]["type"] == "ESTIMATE":
            e = m["trace"]["estimate"]
            out.append((e["name"], e["type"], e["row_estimate"], e["byte_estimate"]))
    return out


def test_the_specs_take_the_same_configurations(pair):
    oracle, ours = (r.of("SPEC")[0]["spec"]["connectionSpecification"] for r in
                    (pair.run("oracle", "spec"), pair.run("ours", "spec")))
    assert ours["properties"].keys() == oracle["properties"].keys()
    for name, want in oracle["properties"].items():
        have = ours["properties"][name]
        for key in ("type", "minimum", "maximum", "default", "title"):
            assert have.get(key) == want.get(key), (name, key)
    assert ours["required"] == oracle["required"] and ours["additionalProperties"] == oracle["additionalProperties"]


def test_the_catalogs_are_equal(pair):
    oracle, ours = pair.both("discover", config={"count": 5})
    assert catalog_of(ours) == catalog_of(oracle)
    assert list(catalog_of(ours)) == list(catalog_of(oracle))


def shape(value):
    return {k: shape(v) for k, v in value.items()} if isinstance(value, dict) else type(value).__name__


@pytest.mark.parametrize("count", [1, 7, 9, 12, 1000])
def test_the_records_have_the_same_ids_fields_and_ranges(pair, count):
    config = {"count": count, "seed": 3, "parallelism": 1, "records_per_slice": 100}
    catalog = configured(catalog_of(pair.run("ours", "discover", config=config)))
    oracle, ours = (by_stream(r) for r in pair.both("read", config=config, catalog=catalog))
    for stream in STREAMS:
        assert [r["id"] for r in ours[stream]] == [r["id"] for r in oracle[stream]], stream
        required = lambda rows: {k for k in rows[0] if all(k in r for r in rows)} if rows else set()
        if count >= 1000:
            assert required(ours[stream]) == required(oracle[stream])
            assert {k for r in ours[stream] for k in r} == {k for r in oracle[stream] for k in r}
    assert [p["user_id"] for p in ours["purchases"]] == [p["user_id"] for p in oracle["purchases"]]
    assert {json.dumps(shape(u)) for u in ours["users"]} == {json.dumps(shape(u)) for u in oracle["users"]}
    assert {p["year"] for p in ours["products"]} == {p["year"] for p in oracle["products"]}
    if count < 1000:
        return
    near = lambda get, ratio: abs(get(ours) - get(oracle)) <= ratio * get(oracle)
    for field in ("age", "weight"):
        for bound in (min, max):
            assert bound(u[field] for u in ours["users"]) == bound(u[field] for u in oracle["users"]), field
    for field in ("gender", "academic_degree", "blood_type"):
        assert {u[field] for u in ours["users"]} == {u[field] for u in oracle["users"]}, field
    assert near(lambda w: sum("purchased_at" in p for p in w["purchases"]), 0.15)
    assert near(lambda w: sum("returned_at" in p for p in w["purchases"]), 0.5)
    assert near(lambda w: sum(len(json.dumps(u)) for u in w["users"]), 0.1)
    for stream in STREAMS:
        for field in ("created_at", "updated_at"):
            for who, rows in (("ours", ours), ("oracle", oracle)):
                zoned = {datetime.datetime.fromisoformat(r[field]).tzinfo is not None for r in rows[stream]}
                naive = who == "oracle" and field in NAIVE_TIMES.get(stream, ())
                assert zoned == {not naive}, (who, stream, field)


def test_statuses_and_estimates_are_those_of_the_oracle(pair):
    config = {"count": 25, "seed": 3, "records_per_slice": 10}
    catalog = configured(catalog_of(pair.run("ours", "discover", config=config)))
    oracle, ours = pair.both("read", config=config, catalog=catalog)
    assert said(ours) == said(oracle)


def last_states(result):
    return list({s["stream"]["stream_descriptor"]["name"]: s for s in result.states}.values())


def without_time(state):
    return {**state, "stream": {**state["stream"], "stream_state": {
        k: v for k, v in state["stream"]["stream_state"].items() if k != "updated_at"}}, "sourceStats": None}


def test_each_reads_the_others_state(pair):
    config = {"count": 25, "seed": 3, "records_per_slice": 10, "always_updated": False}
    catalog = configured(catalog_of(pair.run("ours", "discover", config=config)))
    first = dict(zip(("oracle", "ours"), pair.both("read", config=config, catalog=catalog)))
    assert [without_time(s) for s in last_states(first["ours"])] == [
        without_time(s) for s in last_states(first["oracle"])]
    for reader in ("oracle", "ours"):
        for writer in ("oracle", "ours"):
            second = pair.run(reader, "read", config=config, catalog=catalog, state=last_states(first[writer]))
            assert second.code == 0 and second.records == [], (reader, writer)
            want = [dict(s, sourceStats={"recordCount": 0.0}) for s in last_states(first[writer])]
            assert second.states == want, (reader, writer)
            assert said(second) == [(s, status) for s in STREAMS for status in ("STARTED", "COMPLETE")]


def test_the_sums_of_the_state_counts_are_the_records(pair):
    config = {"count": 250, "seed": 3, "records_per_slice": 10}
    catalog = configured(catalog_of(pair.run("ours", "discover", config=config)))
    for result in pair.both("read", config=config, catalog=catalog):
        assert sum(s["sourceStats"]["recordCount"] for s in result.states) == len(result.records) == 600
