# SPDX-License-Identifier: LGPL-2.1-or-later
"""Airbyte's own connectors from PyPI through `gantry sync` into sqlite and jsonl: what lands is what the source alone
prints, record for record."""

import datetime
import http.server
import json
import sqlite3
import threading

import pytest

from conftest import PINS, TIMEOUT, scenario

OURS = ("_airbyte_raw_id", "_airbyte_extracted_at", "_airbyte_meta", "_airbyte_generation_id")


def read_alone(marker, put, config, names=None):
    """What the program prints without us: {stream: [data]} of the streams that it discovers (or of `names`)."""
    path = put("alone.json", config)
    found = scenario.run([*marker["command"], "discover", "--config", path], timeout=TIMEOUT)
    streams = found.of("CATALOG")[0]["catalog"]["streams"]
    catalog = {"streams": [{"stream": s, "sync_mode": "full_refresh", "destination_sync_mode": "overwrite"}
                           for s in streams if not names or s["name"] in names]}
    path = put("alone.json", config)
    result = scenario.run([*marker["command"], "read", "--config", path, "--catalog", put("alone-catalog.json", catalog)],
                          timeout=TIMEOUT)
    assert result.code == 0, result
    rows = {s["stream"]["name"]: [] for s in catalog["streams"]}
    for r in result.records:
        rows[r["stream"]].append(r["data"])
    return rows, {s["stream"]["name"]: s["stream"]["json_schema"] for s in catalog["streams"]}


def sync(gantry, store, reference, destination, config, *flags):
    result = gantry("sync", reference, destination, "--source-config", config, "--mode", "full_refresh_overwrite",
                    "--no-state", "--json", "--progress", "none", *flags, env=store, timeout=TIMEOUT)
    assert result.code == 0, result
    told = json.loads(result.stdout)
    assert told["status"] == "completed" and told["failures"] == []
    return told


def canonical(value):
    """One form for values that mean the same: a destination may write times and numbers in its own way."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str):
        try:
            if value[:1] in "[{":
                return json.dumps(json.loads(value), sort_keys=True)
            if len(value) >= 19 and value[4] == "-" and value[10] in "T ":
                return time_of(value)
        except ValueError:
            pass
    return value


def time_of(text):
    when = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.timezone.utc)
    return when.astimezone(datetime.timezone.utc).isoformat()


def same(a, b):
    if isinstance(a, float) and isinstance(b, (int, float)):
        return a == b
    return canonical(a) == canonical(b)


def compare(stream, landed, alone, ignored):
    assert len(landed) == len(alone), stream
    for number, (have, want) in enumerate(zip(landed, alone)):
        have = {k: v for k, v in have.items() if k not in OURS}
        for key in want.keys() | have.keys():
            if key not in ignored:
                assert same(have.get(key), want.get(key)), f"{stream} row {number}, {key}: {have.get(key)!r}, not {want.get(key)!r}"


def rows_of_sqlite(path, stream):
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        return [dict(r) for r in database.execute(f'SELECT * FROM "{stream}" ORDER BY rowid')]


def rows_of_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def check(gantry, store, installed, put, workspace):
    """Syncs a connector into both destinations and holds what landed against what it prints alone."""
    def run(name, config, ignored=(), counts_only=(), streams=None, flags=()):
        reference = f"pypi:{name}=={PINS[name]}"
        alone, schemas = read_alone(installed(name), put, config, streams)
        assert any(alone.values())
        more = [f for s in streams or () for f in ("--stream", s)] + list(flags)
        for destination in ("sqlite:out.db", "jsonl:out"):
            told = sync(gantry, store, reference, destination, put("c.json", config), *more)
            assert {s["name"]: s["records_committed"] for s in told["streams"]} == {s: len(r) for s, r in alone.items()}
            for stream, want in alone.items():
                landed = (rows_of_sqlite("out.db", stream) if destination.startswith("sqlite")
                          else rows_of_jsonl(workspace / "out" / f"{stream}.jsonl"))
                if stream in counts_only:
                    assert sorted(r["id"] for r in landed) == sorted(r["id"] for r in want)
                else:
                    compare(stream, landed, want, ignored)
        return alone
    return run


@pytest.mark.parametrize("landed", [
    [{"id": 1, "x": 0.3, "t": "2024-01-01T00:00:00Z"}], [],
    [{"id": 1, "x": 0.30000000000000004, "t": "2024-01-01T00:00:01Z"}],
    [{"id": "1", "x": 0.30000000000000004, "t": "2024-01-01T00:00:00Z"}],
    [{"id": 1, "x": 0.30000000000000004, "t": "2024-01-01T00:00:00Z", "more": 1}],
    [{"id": 1, "x": 0.30000000000000004}]])
def test_the_comparison_sees_a_difference(landed):
    """The positive control of the tests below."""
    alone = [{"id": 1, "x": 0.30000000000000004, "t": "2024-01-01T00:00:00+00:00"}]
    compare("s", [dict(alone[0], _airbyte_meta="{}")], alone, ())
    with pytest.raises(AssertionError):
        compare("s", landed, alone, ())


def test_source_faker(check):
    # One process, so that a seed means the same; the dates of purchases depend on the time of day all the same.
    alone = check("airbyte-source-faker", {"count": 200, "seed": 5, "parallelism": 1}, ignored={"updated_at"},
                  counts_only={"purchases"})
    assert {k: len(v) for k, v in alone.items()} == {"products": 100, "users": 200, "purchases": 200}


def test_source_hardcoded_records(check):
    alone = check("airbyte-source-hardcoded-records", {"count": 50})
    assert len(alone) >= 3 and all(len(rows) == 50 for rows in alone.values())


def test_source_file(check, workspace):
    (workspace / "in").mkdir()
    rows = "id,name,price,born,note\n" + "".join(
        f'{i},"Name, ""{i}""",{i}.25,2024-01-{i % 28 + 1:02},{"" if i % 3 else "zwölf € 🚀"}\n' for i in range(1, 501))
    path = workspace / "in/rows.csv"
    path.write_text(rows)
    alone = check("airbyte-source-file", {"dataset_name": "rows", "format": "csv", "url": str(path),
                                          "provider": {"storage": "local"}}, flags=["--allow-read", str(path.parent)])
    assert len(alone["rows"]) == 500


class Items(http.server.BaseHTTPRequestHandler):
    """Pages of items, for whoever knows the token."""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        page = int(dict(p.split("=") for p in query.split("&") if p).get("page", 1))
        if self.headers.get("Authorization") != "Bearer t0ken-of-the-test":
            return self.send_error(401)
        if path == "/echo":
            return self.answer(403, {"message": f"no access with {self.headers['Authorization']}, sorry"})
        items = [{"id": i, "name": f"item {i}", "price": i / 4, "tags": ["a", str(i)], "deep": {"n": None}}
                 for i in range((page - 1) * 20 + 1, min(page * 20, 55) + 1)]
        return self.answer(200, {"items": items})

    def answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Items)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def manifest(url):
    return {
        "version": "6.5.2", "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["items"]},
        "spec": {"type": "Spec", "connection_specification": {
            "type": "object", "required": ["token"],
            "properties": {"token": {"type": "string", "airbyte_secret": True}}}},
        "streams": [{
            "type": "DeclarativeStream", "name": "items", "primary_key": ["id"],
            "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {
                "id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "number"},
                "tags": {"type": "array", "items": {"type": "string"}},
                "deep": {"type": "object", "properties": {"n": {"type": ["null", "string"]}}}}}},
            "retriever": {
                "type": "SimpleRetriever",
                "requester": {"type": "HttpRequester", "url_base": url, "path": "/items", "http_method": "GET",
                              "authenticator": {"type": "BearerAuthenticator", "api_token": "{{ config['token'] }}"}},
                "record_selector": {"type": "RecordSelector",
                                    "extractor": {"type": "DpathExtractor", "field_path": ["items"]}},
                "paginator": {"type": "DefaultPaginator",
                              "page_token_option": {"type": "RequestOption", "inject_into": "request_parameter",
                                                    "field_name": "page"},
                              "pagination_strategy": {"type": "PageIncrement", "page_size": 20, "start_from_page": 1}}}}]}


def test_source_declarative_manifest_over_http(check, api):
    alone = check("airbyte-source-declarative-manifest",
                  {"token": "t0ken-of-the-test", "__injected_declarative_manifest": manifest(api)})
    assert [i["id"] for i in alone["items"]] == list(range(1, 56))


def test_a_secret_that_the_api_repeats_is_never_said(gantry, store, installed, put, api, workspace):
    installed("airbyte-source-declarative-manifest")
    broken = manifest(api)
    broken["streams"][0]["retriever"]["requester"].update(path="/echo", error_handler={
        "type": "DefaultErrorHandler", "response_filters": [{
            "type": "HttpResponseFilter", "action": "FAIL", "http_codes": [403],
            "error_message": "{{ response['message'] }}"}]})
    config = put("c.json", {"token": "t0ken-of-the-test", "__injected_declarative_manifest": broken})
    reference = f"pypi:airbyte-source-declarative-manifest=={PINS['airbyte-source-declarative-manifest']}"
    result = gantry("sync", reference, "native:destination-devnull", "--source-config", config, "--no-state", "--verbose",
                    env=store, timeout=TIMEOUT)
    assert result.code == 78, result
    # The API's words are passed on, without the token in them.
    assert b"no access with" in result.stderr and b"sorry" in result.stderr, result
    assert b"t0ken-of-the-test" not in result.stdout + result.stderr
