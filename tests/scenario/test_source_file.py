# SPDX-License-Identifier: LGPL-2.1-or-later
"""source-file: formats, types, encodings, compression, bad input, incremental reading, files fetched over HTTP."""

import gzip
import http.server
import json
import os
import pathlib
import resource
import subprocess
import sys
import threading

import pytest

ISO_CODES = pathlib.Path("/usr/share/iso-codes/json")


class File:
    """Runs source-file for one configuration."""

    def __init__(self, workspace, native):
        self.dir, self.native, self.n = workspace, native, 0

    def write(self, name, content):
        path = self.dir / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def put(self, content):
        self.n += 1
        return pathlib.Path(self.write(f"in-{self.n}.conf", json.dumps(content)))

    def discover(self, **config):
        result = self.native("source-file", "discover", "--config", self.put(config))
        assert result.code == 0, result
        return {s["name"]: s for s in result.of("CATALOG")[0]["catalog"]["streams"]}

    def run(self, mode="full_refresh", state=None, streams=None, **config):
        streams = self.discover(**config) if streams is None else streams
        catalog = {"streams": [{"stream": s, "sync_mode": mode, "destination_sync_mode": "append"}
                               for s in streams.values()]}
        flags = ["--config", self.put(config), "--catalog", self.put(catalog)]
        if state is not None:
            flags += ["--state", self.put(state)]
        return self.native("source-file", "read", *flags)

    def read(self, *args, **config):
        result = self.run(*args, **config)
        assert result.code == 0, result
        return result

    def rows(self, *args, **config):
        config.setdefault("add_file_columns", False)
        return [r["data"] for r in self.read(*args, **config).records]

    def types(self, **config):
        (stream,) = self.discover(add_file_columns=False, **config).values()
        found = {}
        for name, p in stream["json_schema"]["properties"].items():
            assert p["type"][0] == "null" and len(p["type"]) == 2
            found[name] = "/".join(filter(None, (p["type"][1], p.get("format"), p.get("airbyte_type"))))
        return found


@pytest.fixture
def file(workspace, native):
    return File(workspace, native)


def warnings(result):
    return [m["log"]["message"] for m in result.of("LOG") if m["log"]["level"] == "WARN"]


def error(result):
    assert result.code != 0, result
    return next(m["trace"]["error"] for m in result.of("TRACE") if m["trace"]["type"] == "ERROR")


# ---- formats ----

def test_csv_types_are_inferred_over_all_rows(file):
    path = file.write("t.csv", "i,n,b,d,t,z,s,lead,empty,late\n"
                      "1,1,true,2024-01-01,2024-01-01 10:00,2024-01-01T10:00:00Z,x,007,,1\n"
                      "-2,2.5,FALSE,2024-02-29,2024-01-01 10:00:01.5,2024-01-01 10:00+02,,08,,1\n" + "3,3,,,,,,,,1\n" * 500
                      + "4,1e3,,,,,5,,,one\n")
    assert file.types(path=path) == {
        "i": "integer", "n": "number", "b": "boolean", "d": "string/date",
        "t": "string/date-time/timestamp_without_timezone", "z": "string/date-time/timestamp_with_timezone",
        "s": "string", "lead": "string", "empty": "string", "late": "string"}
    rows = file.rows(path=path)
    assert rows[0] == {"i": 1, "n": 1, "b": True, "d": "2024-01-01", "t": "2024-01-01T10:00:00",
                       "z": "2024-01-01T10:00:00Z", "s": "x", "lead": "007", "empty": None, "late": "1"}
    assert rows[1]["z"] == "2024-01-01T10:00:00+02:00" and rows[-1]["late"] == "one" and len(rows) == 503


def test_numbers_keep_every_digit(file):
    path = file.write("n.csv", "big,long,plain\n18446744073709551616,0.1234567890123456789,1.10\n5,2,3\n")
    assert file.types(path=path) == {"big": "string/big_integer", "long": "string/big_number", "plain": "number"}
    result = file.read(path=path)
    assert b'"big":"18446744073709551616","long":"0.1234567890123456789","plain":1.10' in result.stdout
    path = file.write("n.json", '[{"big": 18446744073709551616, "e": 1.5e-7}]')
    assert b'"big":"18446744073709551616","e":1.5e-7' in file.read(path=path).stdout


def test_types_can_be_given(file):
    path = file.write("o.csv", "zip,n\n12345,1\n")
    config = {"path": path, "column_types": [{"name": "zip", "type": "string"}, {"name": "n", "type": "number"}]}
    assert file.types(**config) == {"zip": "string", "n": "number"}
    assert file.rows(**config) == [{"zip": "12345", "n": 1}]


def test_header_names_are_made_unique(file):
    path = file.write("h.csv", "a, a ,,\"b\"\"c\",é,_ab_source_file_url\n1,2,3,4,5,6\n")
    (record,) = file.read(path=path).records
    assert list(record["data"])[:6] == ["a", "a_2", "column_3", 'b"c', "é", "_ab_source_file_url_2"]
    assert record["data"]["_ab_source_file_url"] == path


def test_files_without_header(file):
    path = file.write("x.csv", "1,x\n2,y\n")
    assert file.rows(path=path, header=False) == [{"column_1": 1, "column_2": "x"}, {"column_1": 2, "column_2": "y"}]
    assert file.rows(path=path, header=False, column_names=["n", "s"])[1] == {"n": 2, "s": "y"}
    path = file.write("skip.csv", "a title, with commas\n\nid\n1\n")
    assert file.rows(path=path, skip_rows=2) == [{"id": 1}]


@pytest.mark.parametrize("name,text,config", [
    ("a.csv", "id;s\n1;x,y\n", {}), ("a.tsv", "id\ts\n1\tx,y\n", {}), ("a.txt", "id|s\n1|x,y\n", {}),
    ("a.csv", "id,s\r\n1,\"x,y\"\r\n", {}), ("a.csv", "id,s\r1,\"x,y\"\r", {}),
    ("a.csv", "id!s\n1!'x,y'\n", {"delimiter": "!", "quote": "'"}),
    ("a.csv", 'id,s\n1,"x\\,y"\n', {"escape": "\\"}),
    ("a.jsonl", '{"id":1,"s":"x,y"}\n', {}), ("a.ndjson", '\n {"id":1,"s":"x,y"} \r\n', {}),
    ("a.json", '[{"id":1,\n"s":"x,y"}]', {}), ("a.json", '{"id":1,"s":"x,y"}', {}),
    ("a.json", '{"meta":{"n":[1]},"rows":[{"id":1,"s":"x,y"}]}', {}),
    ("a.json", '{"a":[{"no":1}],"b":{"c~/":[{"id":1,"s":"x,y"}]}}', {"json_pointer": "/b/c~0~1"}),
    ("a.dat", ' [{"id":1,"s":"x,y"}]', {}), ("a.dat", "id,s\n1,\"x,y\"\n", {}),
    ("a.json", '\ufeff[{"id":1,"s":"x,y"}]', {}), ("a.csv", "\ufeffid,s\n1,\"x,y\"\n", {}),
])
def test_one_row_in_many_formats(file, name, text, config):
    assert file.rows(path=file.write(name, text), **config) == [{"id": 1, "s": "x,y"}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-bom", "latin-1", "windows-1252", "utf-16le", "utf-16be", "utf-16"])
def test_encodings(file, encoding):
    text = "id,s\n1,Grüße ÿ\n" * 1
    path = file.write("e.csv", text.encode({"utf-8-bom": "utf-8-sig"}.get(encoding, encoding)))
    assert file.rows(path=path, encoding=encoding) == [{"id": 1, "s": "Grüße ÿ"}]


def test_compression_is_found_out(file):
    text = b"id\n" + b"".join(b"%d\n" % i for i in range(1000))
    zstd = subprocess.run(["zstd", "-q", "-c"], input=text, capture_output=True, check=False)
    variants = {"a.csv.gz": gzip.compress(text), "b.csv": gzip.compress(text[:100]) + gzip.compress(text[100:])}
    if zstd.returncode == 0:
        variants["c.csv.zst"] = zstd.stdout
    for name, content in variants.items():
        assert [r["id"] for r in file.rows(path=file.write(name, content))] == list(range(1000)), name


def test_json_values_of_mixed_types_become_text(file):
    path = file.write("m.jsonl", '{"a":1,"o":{"x": 1},"l":[1, 2],"t":"2024-01-01"}\n'
                                 '{"a":"x","o":null,"l":[],"t":"2024-01-02"}\n{"a":{"k": [1, "s p"]}}\n{"a":true}\n')
    assert file.types(path=path) == {"a": "string", "o": "object", "l": "array", "t": "string/date"}
    assert [r["a"] for r in file.rows(path=path)] == ["1", "x", '{"k":[1,"s p"]}', "true"]
    assert b'"o":{"x":1},"l":[1,2]' in file.read(path=path).stdout


@pytest.mark.skipif(not ISO_CODES.is_dir(), reason="Debian's iso-codes is not installed")
def test_iso_codes_as_they_are(file):
    result = file.read(path=str(ISO_CODES / "iso_*.json"), stream_per_file=True)
    for path in ISO_CODES.glob("iso_*.json"):
        ((_, expected),) = json.loads(path.read_text()).items()
        found = [{k: v for k, v in r["data"].items() if not k.startswith("_ab_")} for r in result.records
                 if r["stream"] == path.stem]
        assert found == expected, path


@pytest.mark.parametrize("path,name", [("in/orders-2024.csv.gz", "orders-2024"), ("in/part-*.csv", "part"), ("in/*.csv", "in"),
                                       ("in/a b (1).json", "a_b_1"), ("in/v1.2.jsonl", "v1.2"), ("in/.hidden.csv", "hidden")])
def test_streams_are_named_after_files(file, path, name):
    (file.dir / "in").mkdir()
    real = file.write(path.replace("*", "1"), '{"a":1}\n')
    assert list(file.discover(path=str(file.dir / path), format="jsonl")) == [name], real
    assert list(file.discover(path=real, stream_name="other")) == ["other"]


# ---- bad input ----

def test_malformed_rows_are_counted_with_their_lines(file):
    text = "a,b\n1,2\n3,4,5\n\"x\"y,1\n6\n\"multi\nline\",7\n" + "8,9,10\n" * 100 + "11,12\n"
    path = file.write("bad.csv", text)
    result = file.read(path=path, add_file_columns=False)
    assert [r["data"] for r in result.records] == [
        {"a": "1", "b": 2}, {"a": "6"}, {"a": "multi\nline", "b": 7}, {"a": "11", "b": 12}]
    said = warnings(result)
    assert f"'{path}', line 3: it has 3 cells" in said[0] and "line 4: there is text behind" in said[1]
    assert any("line 8:" in s for s in said) and len(said) < 30
    assert any("102 malformed rows left out of 106" in s for s in said)
    assert any("1 rows have fewer cells" in s and "line 5" in s for s in said)
    failed = file.run(path=path, bad_rows="fail")
    assert "line 3" in error(failed)["message"] and path in error(failed)["message"]


def test_malformed_json_lines_are_counted_with_their_lines(file):
    path = file.write("bad.jsonl", b'{"a":1}\n{"a":\n[1]\n{"a":"\xff"}\n{"a":' + b"[" * 600 + b"]" * 600 + b'}\n{"a":2}')
    result = file.read(path=path, add_file_columns=False)
    assert [r["data"]["a"] for r in result.records] == [1, 2]
    assert [s.split("line ")[1].split(":")[0] for s in warnings(result)[:4]] == ["2", "3", "4", "5"]


def test_a_row_that_grows_too_large_as_json_is_told(file):
    path = file.write("grow.csv", b"id,s\n1,a\n2," + b"\x01" * 4000000 + b"\n3,b\n")
    result = file.read(path=path)
    assert [r["data"]["id"] for r in result.records] == [1, 3]
    assert "line 3" in warnings(result)[0] and "20 MB" in warnings(result)[0]


def test_bytes_that_are_no_text_are_told(file):
    path = file.write("l1.csv", "id,s\n1,a\n2,Gr\xfc\xdfe\n".encode("latin-1"))
    result = file.read(path=path)
    assert result.records[1]["data"]["s"] == "Gr\ufffd\ufffde"
    assert "1 rows hold bytes that are not UTF-8" in warnings(result)[0] and "line 3" in warnings(result)[0]


@pytest.mark.parametrize("name,content,words", [
    ("t.json", b'[{"a":1},{"a":', "ends inside a value"), ("t.json", b'[{"a":1}', "ends too early"),
    ("t.json", b'[{"a":1} {"a":2}]', "comma is missing"),
    ("t.csv.gz", gzip.compress(b"a\n" + b"1\n" * 1000)[:-20], "ends too early"),
    ("t.csv.gz", gzip.compress(b"a\n1\n") + b"trailing", "behind the compressed data"),
])
def test_cut_and_broken_files_are_errors(file, name, content, words):
    path = file.write(name, content)
    result = file.native("source-file", "discover", "--config", file.put({"path": path}))
    assert words in error(result)["message"] and path in error(result)["message"]
    streams = {"t": {"name": "t", "json_schema": {"properties": {"a": {"type": "integer"}}},
                     "supported_sync_modes": ["full_refresh"]}}
    read = file.run(streams=streams, path=path)
    assert words in error(read)["message"] and b"INCOMPLETE" in read.stdout and b"COMPLETE\"" in read.stdout


def test_T35_what_is_no_regular_file_is_refused(file):
    os.mkfifo(file.dir / "fifo.csv")
    (file.dir / "dir.csv").mkdir()
    target = file.write("target.txt", "id\n1\n")
    (file.dir / "link.csv").symlink_to(target)
    for path, word in (("fifo.csv", "regular"), ("dir.csv", "directory"), ("none.csv", "cannot be read"),
                       ("/dev/zero", "regular"), ("ftp://x/y.csv", "URL"), ("file://host/x.csv", "another host")):
        result = file.native("source-file", "check", "--config", file.put({"path": path}))
        (status,) = result.of("CONNECTION_STATUS")
        assert status["connectionStatus"]["status"] == "FAILED" and word in status["connectionStatus"]["message"], path
    # A link that somebody named is followed, one that a pattern finds is not.
    assert file.rows(path=str(file.dir / "link.csv")) == [{"id": 1}]
    file.write("real.csv", "id\n2\n")
    assert file.rows(path=str(file.dir / "*.csv")) == [{"id": 2}]


@pytest.mark.memory
def test_T35_bombs_are_stopped_in_bounded_memory(file):
    gz = file.write("bomb.csv.gz", gzip.compress(b"a\n" + b"0" * 50 + b"\n" * 1 + b"0\n" * (70 << 20), 9))
    quote = file.write("quote.csv", b'id,s\n1,"' + b"x,y\n" * (6 << 20))
    wide = file.write("wide.csv", b",".join(b"c%d" % i for i in range(1000000)) + b"\n")
    limit = 512 << 20

    def run(verb, config):
        argv = [str(file_program()), verb, "--config", str(file.put(config))]
        return subprocess.run(argv, capture_output=True, check=False, timeout=300,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)))

    said = run("discover", {"path": gz})
    assert said.returncode != 0 and b"decompression bomb" in said.stdout
    said = run("discover", {"path": wide})
    assert said.returncode != 0 and b"65,536 cells" in said.stdout
    said = run("discover", {"path": quote})
    assert said.returncode == 0
    assert run("discover", {"path": gz, "max_compression_ratio": 0}).returncode == 0  # the control


def file_program():
    build = os.environ.get("GANTRY_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build")
    return pathlib.Path(build).resolve() / "connectors/source-file"


@pytest.mark.parametrize("name,row", [("m.csv", lambda i: b"%d,some text %d\n" % (i, i)),
                                      ("m.json", lambda i: b' {"id": %d, "s": "some text %d"},\n' % (i, i))])
def test_memory_does_not_grow_with_the_file(file, name, row):
    peaks = []
    for n in (10000, 400000):
        body = b"".join(row(i) for i in range(n))
        path = file.write(name, b"[" + body[:-2] + b"]" if name.endswith("json") else b"id,s\n" + body)
        streams = {"m": {"name": "m", "json_schema": {"properties": {"id": {"type": "integer"}, "s": {"type": "string"}}},
                         "supported_sync_modes": ["full_refresh"]}}
        catalog = {"streams": [{"stream": streams["m"], "sync_mode": "full_refresh", "destination_sync_mode": "append"}]}
        argv = [str(file_program()), "read", "--config", str(file.put({"path": path})),
                "--catalog", str(file.put(catalog))]
        # A small program starts it, so that what this process is made of isn't counted.
        script = ("import os, sys; pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, "
                  "file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)]); "
                  "_, status, usage = os.wait4(pid, 0); print(status, usage.ru_maxrss)")
        done = subprocess.run([sys.executable, "-S", "-c", script, *argv], capture_output=True, check=True)
        status, peak = map(int, done.stdout.split())
        assert status == 0
        peaks.append(peak)
    assert max(peaks) < 32 * 1024 and peaks[1] - peaks[0] < 2048, peaks


# ---- incremental ----

def last_state(result):
    return [result.states[-1]]


def test_incremental_reads_what_is_new_or_changed(file):
    pattern = str(file.dir / "p-*.csv")
    for n in range(3):
        os.utime(file.write(f"p-{n}.csv", f"id\n{n}\n"), (1700000000, 1700000000))
    first = file.read("incremental", path=pattern)
    assert [r["data"]["id"] for r in first.records] == [0, 1, 2]
    assert file.read("incremental", last_state(first), path=pattern).records == []
    # A new file of the same time, and one of an older time: both are new.
    os.utime(file.write("p-3.csv", "id\n3\n"), (1700000000, 1700000000))
    os.utime(file.write("p-4.csv", "id\n4\n"), (1600000000, 1600000000))
    second = file.read("incremental", last_state(first), path=pattern)
    assert [r["data"]["id"] for r in second.records] == [3, 4]
    # Changed: another time, or another size at the same time. The whole file comes again.
    os.utime(file.write("p-0.csv", "id\n0\n7\n"), (1700000000, 1700000000))
    os.utime(file.dir / "p-1.csv", (1700000005, 1700000005))
    third = file.read("incremental", last_state(second), path=pattern)
    assert [r["data"]["id"] for r in third.records] == [0, 7, 1]
    assert file.read("incremental", last_state(third), path=pattern).records == []
    assert third.states[-1]["stream"]["stream_state"]["_ab_source_file_last_modified"] == "2023-11-14T22:13:25.000000Z"


def test_broken_states_are_configuration_errors(file):
    path = file.write("s.csv", "id\n1\n")
    for state in ([], "x", {"history": []}, {"_ab_source_file_last_modified": "yesterday"}, {"history": {"a": 1}}):
        message = {"type": "STREAM", "stream": {"stream_descriptor": {"name": "s"}, "stream_state": state}}
        assert error(file.run("incremental", [message], path=path))["failure_type"] == "config_error", state


def test_values_that_changed_since_discover_are_not_lost(file):
    path = file.write("c.csv", "id\n1\n2\n")
    streams = file.discover(path=path)
    file.write("c.csv", "id,new\n1,5\nx1,6\n")
    result = file.read(streams=streams, path=path)
    assert [r["data"]["id"] for r in result.records] == [1, "x1"] and result.records[0]["data"]["new"] == "5"
    assert "not of their column's type" in warnings(result)[0] and "line 3" in warnings(result)[0]


# ---- HTTP ----

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.seen.append((self.path, dict(self.headers)))
        self.server.answers[self.path](self)

    def answer(self, status, body=b"", cut=None, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.close_connection = True


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.seen, server.answers = [], {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


BODY = b"id,s\n" + b"".join(b"%d,text %d\n" % (i, i) for i in range(2000))
STAMP = "Fri, 02 Jan 2026 03:04:05 GMT"


def in_turn(*handlers):
    """Answers the first request by the first handler, …, all further ones by the last."""
    left = list(handlers)
    return lambda h: (left.pop(0) if len(left) > 1 else left[0])(h)


def plain(h):
    h.answer(200, BODY, ETag='"v1"', Last_Modified=STAMP)


def test_http_file_is_read_once_while_unchanged(file, web):
    def conditional(h):
        if h.headers.get("If-None-Match") == '"v1"':
            h.send_response(304)
            h.end_headers()
        else:
            plain(h)

    web.answers["/in/data.csv?token=x"] = conditional
    url = web.url + "/in/data.csv?token=x"
    first = file.read("incremental", path=url)
    assert len(first.records) == 2000 and first.records[0]["stream"] == "data"
    assert b"token=x" not in first.stdout and first.records[0]["data"]["_ab_source_file_url"].startswith(web.url)
    assert first.records[7]["data"]["id"] == 7
    assert first.records[0]["data"]["_ab_source_file_last_modified"] == "2026-01-02T03:04:05.000000Z"
    assert file.read("incremental", last_state(first), path=url).records == []


def test_http_body_that_breaks_off_is_gone_on_with(file, web):
    def rest(h):
        start = int(h.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        assert h.headers["If-Range"] == '"v1"'
        h.answer(206, BODY[start:], ETag='"v1"', Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")

    web.answers["/a.csv"] = in_turn(lambda h: h.answer(200, BODY, cut=9000, ETag='"v1"'), rest, plain)
    assert len(file.rows(path=web.url + "/a.csv")) == 2000
    # A server without ranges sends all of it again; the part that we have is dropped.
    web.answers["/b.csv"] = in_turn(lambda h: h.answer(200, BODY, cut=9000, ETag='"v1"'), plain)
    assert [r["id"] for r in file.rows(path=web.url + "/b.csv")] == list(range(2000))
    # Another version must never be sewn on.
    web.answers["/c.csv"] = in_turn(lambda h: h.answer(200, BODY, cut=9000, ETag='"v1"'),
                                    lambda h: h.answer(200, BODY, ETag='"v2"'))
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/c.csv"}))
    assert "another version" in error(result)["message"] and error(result)["failure_type"] == "transient_error"


@pytest.mark.parametrize("status,headers", [(500, {}), (503, {}), (429, {"Retry_After": "1"})])
def test_http_passing_failures_are_tried_again(file, web, status, headers):
    web.answers["/a.csv"] = in_turn(lambda h: h.answer(status, b"busy", **headers), plain)
    assert len(file.rows(path=web.url + "/a.csv")) == 2000


@pytest.mark.parametrize("status,words,kind", [(404, "answers 404", "config_error"), (403, "answers 403", "config_error")])
def test_http_refusals_are_final(file, web, status, words, kind):
    web.answers["/a.csv"] = lambda h: h.answer(status, b"no")
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/a.csv"}))
    assert words in error(result)["message"] and error(result)["failure_type"] == kind
    assert len(web.seen) == 1


def test_http_long_retry_after_is_given_up(file, web):
    web.answers["/a.csv"] = lambda h: h.answer(429, b"", Retry_After="86400")
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/a.csv"}))
    assert "86400 seconds" in error(result)["message"] and error(result)["failure_type"] == "transient_error"


def test_http_redirects_keep_secrets_at_home(file, web):
    web.answers["/a.csv"] = lambda h: h.answer(302, Location="/b.csv")
    other = web.url.replace("127.0.0.1", "localhost") + "/c.csv"
    web.answers["/b.csv"] = lambda h: h.answer(307, Location=other)
    web.answers["/c.csv"] = plain
    headers = [{"name": "X-Key", "value": "secret-key"}]
    assert len(file.rows(path=web.url + "/a.csv", http_headers=headers)) == 2000
    sent = {path: seen.get("X-Key") for path, seen in web.seen}
    assert sent == {"/a.csv": "secret-key", "/b.csv": "secret-key", "/c.csv": None}
    web.answers["/loop.csv"] = lambda h: h.answer(302, Location="/loop.csv")
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/loop.csv"}))
    assert "redirects more than" in error(result)["message"]
    web.answers["/file.csv"] = lambda h: h.answer(302, Location="file:///etc/passwd")
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/file.csv"}))
    assert result.code != 0 and b"root:" not in result.stdout


def test_http_gzip_by_name_and_by_coding(file, web):
    packed = gzip.compress(BODY)
    web.answers["/a.csv.gz"] = lambda h: h.answer(200, packed)
    web.answers["/b.csv"] = lambda h: h.answer(200, packed, Content_Encoding="gzip")
    web.answers["/c.csv.gz"] = lambda h: h.answer(200, gzip.compress(packed), Content_Encoding="gzip")
    for path in ("/a.csv.gz", "/b.csv", "/c.csv.gz"):
        assert len(file.rows(path=web.url + path)) == 2000, path


def test_http_size_limit(file, web):
    web.answers["/a.csv"] = plain
    result = file.native("source-file", "discover", "--config", file.put({"path": web.url + "/a.csv",
                                                                          "max_file_bytes": 1000}))
    assert "limit" in error(result)["message"] or "max_file_bytes" in error(result)["message"]
