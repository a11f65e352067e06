# SPDX-License-Identifier: LGPL-2.1-or-later
"""Requests that are wrong: as bytes (T45), as types of content (T44), as JSON, as values. The answer is a problem document that
says what is wrong, never a 5xx, and the server goes on answering."""

import concurrent.futures
import json
import random
import re
import socket
import time
import uuid

import pytest
from api_world import World, config_operations, operations, own_suite  # noqa: F401
from conftest import TIMEOUT, V1

UNKNOWN = str(uuid.UUID(int=7))
HEALTH = b"GET /api/public/v1/health HTTP/1.1\r\nHost: a\r\n"
# Health with a body is as good a target as any: whoever is asked first decides about the framing.
JOBS = b"POST /api/public/v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def world(suite):
    return World(suite)


@pytest.fixture(scope="module")
def document(suite):
    return suite.get("/openapi.json", token=None).json


@pytest.fixture(autouse=True)
def goes_on(suite):
    """After each test: the server that began is the one that answers, and has not complained of itself."""
    before = (suite.directory / "gantry-server.log").stat().st_size
    yield
    assert suite.server.poll() is None and suite.get("/health", token=None).status == 200
    with (suite.directory / "gantry-server.log").open("rb") as log:
        log.seek(before)
        assert b"Something went wrong" not in (said := log.read()) and b"Assertion" not in said, said


def check_problem(answer, *statuses):
    assert answer.status in statuses, answer
    assert answer.headers["Content-Type"] == "application/problem+json", answer.headers
    assert answer.json["status"] == answer.status and answer.json["type"] and answer.json["title"], answer
    return answer.json


# --- T44: content types ----------------------------------------------------------------------------------------------

TYPES = ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
         "application/jsonp", "application/json; charset=utf-7", "application/json; charset=utf-16", "text/json", "*/*",
         "application/xml"]


@pytest.mark.parametrize("content_type", TYPES)
def test_T44_a_body_of_another_type_is_415_everywhere(suite, world, content_type):
    before = world.rows()
    for method, path in operations(suite):
        if method in ("POST", "PUT", "PATCH"):
            answer = suite.request(method, world.url(path), json.dumps(world.body(path)), headers={"Content-Type": content_type})
            check_problem(answer, 415)
    for method, path in config_operations():
        answer = suite.request(method, path, json.dumps(world.body(path)), headers={"Content-Type": content_type})
        assert answer.status == 415, (path, answer)
    assert world.rows() == before


def test_T44_a_form_with_files_in_it_opens_none(suite):
    secret = suite.directory / "gantry.conf"
    form = ("--x\r\nContent-Disposition: form-data; name=\"name\"; filename=\"/etc/passwd\"\r\n\r\n"
            f"{secret}\r\n--x--\r\n")
    for path in ("/sources", "/applications/token", "/workspaces"):
        answer = suite.request("POST", V1 + path, form, headers={"Content-Type": "multipart/form-data; boundary=x"})
        check_problem(answer, 415)
    # A JSON body that looks like what a form's parser would have made.
    answer = suite.post("/sources", {"files": {"f": {"filepath": str(secret)}}, "name": {"filepath": str(secret)}})
    assert check_problem(answer, 400) and b"ReadRoots" not in answer.body


def test_T44_a_body_where_none_belongs_changes_nothing(suite, world):
    plain = suite.get(f"/sources/{world.ids['sourceId']}")
    answer = suite.request("GET", f"{V1}/sources/{world.ids['sourceId']}", {"name": "x", "configuration": {}})
    assert (answer.status, answer.json) == (200, plain.json)
    override = suite.request("GET", f"{V1}/sources/{world.ids['sourceId']}", headers={"X-HTTP-Method-Override": "DELETE"})
    assert override.json == plain.json and suite.get(f"/sources/{world.ids['sourceId']}").json == plain.json


# --- T45: bytes -------------------------------------------------------------------------------------------------------

def smuggled(framing, body):
    """A request with an ambiguous frame, and what would be a second one to a reader who sees another end."""
    return JOBS + framing + b"\r\n\r\n" + body + b"GET /api/public/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n"


BYTES = {
    "both lengths": smuggled(b"Content-Length: 2\r\nTransfer-Encoding: chunked", b"0\r\n\r\n"),
    "both lengths, the other way": smuggled(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n"),
    "two lengths": smuggled(b"Content-Length: 2\r\nContent-Length: 0", b"{}"),
    "two equal lengths": smuggled(b"Content-Length: 2\r\nContent-Length: 2", b"{}"),
    "a list of lengths": smuggled(b"Content-Length: 2, 2", b"{}"),
    "a length with a sign": smuggled(b"Content-Length: +2", b"{}"), "a negative length": smuggled(b"Content-Length: -2", b"{}"),
    "a length in hex": smuggled(b"Content-Length: 0x2", b"{}"),
    "a length that overflows": smuggled(b"Content-Length: 18446744073709551618", b"{}"),
    "an empty length": smuggled(b"Content-Length: ", b"{}"), "a length with a space within": smuggled(b"Content-Length: 1 0", b"{}"),
    "another coding": smuggled(b"Transfer-Encoding: gzip, chunked", b"0\r\n\r\n"),
    "a coding in disguise": smuggled(b"Transfer-Encoding: xchunked", b"0\r\n\r\n"),
    "codings twice": smuggled(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"0\r\n\r\n"),
    "a vertical tab before the coding": smuggled(b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n"),
    "space before the colon": smuggled(b"Content-Length : 2", b"{}"),
    "a folded header": smuggled(b"X: a\r\n b\r\nContent-Length: 2", b"{}"),
    "a header without a name": smuggled(b": x\r\nContent-Length: 2", b"{}"), "a bare CR": smuggled(b"X: a\rContent-Length: 2", b"{}"),
    "a NUL": HEALTH + b"X: a\0b\r\n\r\n", "bare LFs": HEALTH.replace(b"\r", b"") + b"\n",
    "one bare LF": HEALTH + b"X: a\nY: b\r\n\r\n",
    "no host": b"GET /api/public/v1/health HTTP/1.1\r\n\r\n", "two hosts": HEALTH + b"Host: b\r\n\r\n",
    "two content types": JOBS + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    "two credentials": HEALTH + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    "a whole URL": b"GET http://a/api/public/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /api/public/v1/health\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.2": HEALTH.replace(b"1.1", b"1.2") + b"\r\n", "no version": HEALTH.replace(b"HTTP/1.1", b"") + b"\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "dots": b"GET /api/public/../public/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    "encoded dots": b"GET /api/public/v1/%2e%2e/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    "an encoded slash": b"GET /api/public/v1%2fhealth HTTP/1.1\r\nHost: a\r\n\r\n",
    "a backslash": b"GET /api/public/v1\\health HTTP/1.1\r\nHost: a\r\n\r\n",
    "an encoded NUL": b"GET /api/public/v1/health%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "a broken escape": b"GET /api/public/v1/health%2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "not UTF-8": b"GET /api/public/v1/%ff%fe HTTP/1.1\r\nHost: a\r\n\r\n",
    "100 headers and one": HEALTH + b"".join(b"X%d: a\r\n" % i for i in range(101)) + b"\r\n"}


@pytest.mark.parametrize("what", BYTES)
def test_T45_what_can_be_read_in_two_ways_is_refused_and_closed(suite, what):
    received = suite.raw(BYTES[what])
    assert received.startswith(b"HTTP/1.1 400 "), (what, received[:200])
    assert len(re.findall(rb"HTTP/1\.1 \d\d\d ", received)) == 1 and b"openapi" not in received, (what, received)


@pytest.mark.parametrize("path", ["/api/public/v1//workspaces", "//api/public/v1/workspaces", "/api/public/v1/workspaces/",
                                  "/api/public/v1/workspaces/..;/sources", "/api/public/v1/workspaces;x=1",
                                  "/API/public/v1/workspaces",
                                  "/api/public/v1/workspaces%20", "/api/public/v1/workspaces.json"])
def test_T45_other_spellings_of_a_path_are_other_paths(suite, path):
    check_problem(suite.request("GET", path), 400, 404)


def test_T45_one_connection_carries_one_request(suite):
    token = suite.token.encode()
    body = b'{"connectionId": "%s", "jobType": "sync"}' % UNKNOWN.encode()
    second = b"GET /api/public/v1/openapi.json HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    head = JOBS + b"Authorization: Bearer " + token + b"\r\n"
    chunks = b"%x;ext=\"x\"\r\n%s\r\n0\r\nX-Trailer: y\r\n\r\n" % (len(body), body)
    for request in (HEALTH + b"\r\n" + second, HEALTH + b"Content-Length: 5\r\n\r\nhello" + second,
                    head + b"Content-Length: %d\r\n\r\n" % len(body) + body + second,
                    head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + second):
        received = suite.raw(request)
        assert received.count(b"HTTP/1.1 ") == 1 and b'"openapi"' not in received, received


@pytest.mark.parametrize("head,status", [(b"X: " + b"a" * 17000, 431), (b"Cookie: " + b"a=b; " * 4000, 431),
                                         (b"X: " + b"a" * 12000, 200)])
def test_T45_heads_have_a_limit(suite, head, status):
    assert suite.raw(HEALTH + head + b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)


def test_T45_a_range_is_not_read(suite):
    whole = suite.raw(b"GET /api/public/v1/openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
    some = suite.raw(b"GET /api/public/v1/openapi.json HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1,0-1,0-1\r\n\r\n")
    assert whole.startswith(b"HTTP/1.1 200") and some.split(b"\r\n\r\n")[1] == whole.split(b"\r\n\r\n")[1]


def connect(suite, data=b""):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(TIMEOUT)
    s.connect(suite.socket)
    s.sendall(data)
    return s


def drip(s, piece):
    """Sends a byte a second until the server has had enough; what it said, and after how long."""
    start = time.monotonic()
    s.settimeout(1)
    received = b""
    while time.monotonic() - start < TIMEOUT:
        try:
            s.sendall(piece)
            chunk = s.recv(4096)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            break
        if not chunk:
            break
        received += chunk
    return received, time.monotonic() - start


def test_T45_slow_requests_are_closed_and_keep_nobody_out(suite):
    """A head a byte a second; a body that stops; a head that never comes."""
    length = b"Authorization: Bearer " + suite.token.encode() + b"\r\nContent-Length: 1000\r\n\r\n"
    with concurrent.futures.ThreadPoolExecutor(max_workers=70) as pool:
        slow = [pool.submit(drip, connect(suite, HEALTH + b"X: "), b"a") for _ in range(50)]
        slow += [pool.submit(lambda s: (s.recv(4096), s.close())[0], connect(suite, b"")) for _ in range(10)]
        slow += [pool.submit(lambda s: (s.recv(4096), s.close())[0], connect(suite, JOBS + length + b"{")) for _ in range(10)]
        worst = 0
        while not all(f.done() for f in slow):
            start = time.monotonic()
            assert suite.get("/health", token=None).status == 200
            worst = max(worst, time.monotonic() - start)
            time.sleep(0.5)
        for future in slow:
            future.result()
    print(f"slowest answer meanwhile: {1000 * worst:.0f} ms")


def test_T45_ten_thousand_idle_connections_keep_nobody_out(suite):
    idle = []
    try:
        for _ in range(10000):
            try:
                s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                idle.append(s)
                s.settimeout(TIMEOUT)
                s.connect(suite.socket)
            except OSError:  # this process has no more of them: half of it closes again
                for s in idle[::2]:
                    s.close()
                idle = idle[1::2]
        assert suite.get("/health", token=None).status == 200
    finally:
        for s in idle:
            s.close()


# --- JSON and values --------------------------------------------------------------------------------------------------

BROKEN = ["", " ", "{", "}", "[]", "null", "5", "true", '"x"', '{"name": }', "{'name': 'x'}", '{"name": "x",}',
          '{"name": "x"} {}', "{\"name\": \"\x01\"}",
          '{"name": "\\u0000"}', '{"name": NaN}', '{"name": 1e999}', "[" * 100000, '{"a":' * 5000 + "1" + "}" * 5000,
          b'\xff\xfe{\x00}\x00', b'{"name": "\xff"}', b'\xef\xbb\xbf{"name": "x"}']


def test_malformed_json_is_400_everywhere(suite, world):
    before = world.rows()
    for method, path in operations(suite):
        if method not in ("POST", "PUT", "PATCH"):
            continue
        for text in BROKEN:
            data = text if isinstance(text, bytes) else text.encode()
            answer = suite.request(method, world.url(path), data, headers={"Content-Type": "application/json"})
            check_problem(answer, 400)
    for method, path in config_operations():
        # An empty body is an empty object there, and members that a call does not know are not looked at.
        for text in [t for t in BROKEN[1:] if t not in ('{"name": "\\u0000"}', '{"name": 1e999}')]:
            data = text if isinstance(text, bytes) else text.encode()
            answer = suite.request(method, path, data, headers={"Content-Type": "application/json"})
            assert answer.status == 400 and answer.json["message"], (path, text[:20], answer)
    assert world.rows() == before


def test_large_bodies_are_413_everywhere(suite, world):
    large = json.dumps({"name": "x" * (1024 * 1024)})
    for method, path in operations(suite):
        if method in ("POST", "PUT", "PATCH"):
            answer = suite.request(method, world.url(path), large, headers={"Content-Type": "application/json"})
            check_problem(answer, 413)


VALUES = [None, True, 0, -1, 1.5, 2**63, -2**63, 10**400, "", "x" * 70000, "\x7f\u202e\u0301", "'; DROP TABLE actor; --",
          "../../etc/passwd", [], [None],
          [[[]]], {}, {"": ""}, {"a": {"b": {"c": None}}}, [{}] * 1000]


def resolve(document, schema):
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def fits(value, schema):
    kinds = {"string": str, "object": dict, "array": list, "boolean": bool}
    kind = schema.get("type")
    if value is None or kind is None:
        return True  # null stands for nothing in this API
    if kind in ("integer", "number"):
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kinds[kind])


def test_values_of_the_wrong_type_are_refused_and_named(suite, world, document):
    tried, silent = 0, []
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "requestBody" not in operation or path == "/applications/token":
                continue
            schema = resolve(document, operation["requestBody"]["content"]["application/json"]["schema"])
            good = {k: v for k, v in world.body(path).items() if k in schema["properties"]}
            if "configuration" in good:
                good["configuration"] = {"sourceType": "faker"} if "source" in path else {"destinationType": "dev-null"}
                good.pop("definitionId", None)
            for name, member in schema["properties"].items():
                for value in VALUES:
                    answer = suite.request(method.upper(), world.url(V1 + path), good | {name: value})
                    assert answer.status < 500, (method, path, name, value, answer)
                    if not fits(value, resolve(document, member)):
                        tried += 1
                        if answer.status not in (404, 409):
                            problem = check_problem(answer, 400, 422) if answer.status != 200 else {}
                            if name not in json.dumps(problem):
                                silent.append((method, path, name, str(value)[:40], answer))
    assert silent == [], sorted({s[:3] + (s[4].status, s[4].json.get('detail', '')[:80]) for s in silent})
    assert tried > 300, tried


def test_config_calls_answer_any_value_without_a_5xx(suite, world):
    chance = random.Random(1)
    for _, path in config_operations():
        good = world.body(path)
        for name, value in chance.sample([(name, value) for name in good for value in VALUES], 25):
            if path.endswith("/delete"):
                good["sourceId"] = good["destinationId"] = good["connectionId"] = UNKNOWN
            answer = suite.request("POST", path, good | {name: value})
            assert answer.status < 500, (path, name, value, answer)


@pytest.mark.parametrize("identifier", [UNKNOWN, "x", "0", "-1", "9" * 40, "a" * 4000, "%20", "%C3%A9", "'%20OR%201=1", "%7B%7D",
                                        "null", "undefined"])
def test_P01_ids_that_are_none_are_404_or_400_everywhere(suite, world, identifier):
    before = world.rows()
    for method, path in operations(suite):
        if "{" not in path:
            continue
        for name in [n.split("}")[0] for n in path.split("{")[1:]]:
            url = world.url(path.replace(f"{{{name}}}", identifier))
            answer = suite.request(method, url, world.body(path) if method in ("POST", "PUT", "PATCH") else None)
            if name == "workspaceId" and "/definitions/" in path and method == "GET" and answer.status == 200:
                raise AssertionError((path, answer))
            check_problem(answer, 404, 400)
    assert world.rows() == before


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"limit": "1e3"}, {"limit": "-1"},
                                   {"limit": ""}, {"offset": "-1"},
                                   {"offset": "x"}, {"offset": "99999999999999999999"},
                                   {"includeDeleted": "maybe"}, {"limit": ["1", "2"]}])
def test_queries_that_cannot_be_are_refused(suite, query):
    for path in ("/sources", "/connections", "/jobs", "/workspaces"):
        if path != "/sources" and "includeDeleted" in query and path == "/jobs":
            continue
        answer = suite.get(path, query=query)
        if query == {"limit": ["1", "2"]}:
            assert answer.status in (200, 400), answer
        else:
            check_problem(answer, 400, 404)


# --- configurations and concurrency -------------------------------------------------------------------------------------

def test_a_configuration_that_fails_its_spec_is_422_and_names_each_field(suite):
    for kind, body, fields in (
            ("sources", {"sourceType": "faker", "count": "many", "seed": []}, {"/count", "/seed"}),
            ("sources", {"sourceType": "faker", "count": 0}, {"/count"}),
            ("sources", {"sourceType": "sqlite"}, {"/path"}),
            ("destinations", {"destinationType": "jsonl"}, {"/path"}),
            ("destinations", {"destinationType": "dev-null", "fault": "odd"}, {"/fault"}),
            ("destinations", {"destinationType": "dev-null", "test_destination": {"test_destination_type": "ODD"}},
             {"/test_destination/test_destination_type"})):
        answer = suite.post(f"/{kind}", {"name": "bad", "workspaceId": suite.workspace, "configuration": body})
        problem = check_problem(answer, 422)
        assert fields <= {e["field"] for e in problem["data"]["errors"]}, (body, problem)
        assert all(e["message"] for e in problem["data"]["errors"])


def all_at_once(n, call):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(call, range(n)))


def test_of_many_who_start_a_job_at_once_one_does(suite):
    connection = suite.new_connection()["connectionId"]
    answers = all_at_once(16, lambda _: suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}))
    assert sorted(a.status for a in answers) == [200] + [409] * 15
    for answer in answers:
        if answer.status == 409:
            assert check_problem(answer, 409)["title"] in ("try-again-later", "state-conflict")


def test_of_many_who_make_the_same_tag_one_does(suite):
    body = {"name": str(uuid.uuid4()), "color": "00FF00", "workspaceId": suite.workspace}
    answers = all_at_once(16, lambda _: suite.post("/tags", body))
    assert sorted(a.status for a in answers) == [200] + [409] * 15


def test_edits_at_once_leave_one_of_them_whole(suite):
    source = suite.new_source()["sourceId"]
    answers = all_at_once(16, lambda i: suite.put(f"/sources/{source}", {"name": f"n{i}", "configuration": {"count": i + 1,
                                                                                                            "seed": i + 1}}))
    assert {a.status for a in answers} <= {200, 409} and any(a.status == 200 for a in answers)
    left = suite.get(f"/sources/{source}").json
    i = int(left["name"][1:])
    assert left["configuration"] == {"count": i + 1, "seed": i + 1}


def test_P07_of_many_who_delete_at_once_all_are_told_the_truth(suite):
    connection = suite.new_connection()
    answers = all_at_once(8, lambda _: suite.delete(f"/connections/{connection['connectionId']}"))
    assert {a.status for a in answers} == {204}
    answers = all_at_once(8, lambda _: suite.delete(f"/sources/{connection['sourceId']}"))
    assert sorted(a.status for a in answers) == [204] + [404] * 7
