# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a browser could be made to do (T50-T52), with the proxy before the server as they are installed: there is no cookie, no page of
another site changes or reads anything, no name but ours leads to the API. Each with its control."""

import http.client
import json
import re
import subprocess
import uuid

import pytest
from api_world import World, config_operations, operations, own_suite  # noqa: F401
from conftest import BUILD, TIMEOUT, V1, Answer, basic

EVIL = "http://evil.example"
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers",
        "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Access-Control-Allow-Private-Network")


class Proxy:
    """gantry-proxy before the suite's server."""

    def __init__(self, suite):
        self.suite = suite
        self.process = subprocess.Popen([BUILD / "gantry-proxy", "--listen=0", f"--server={suite.socket}", f"--web={suite.directory}/none",
                                         f"--config={suite.directory}/gantry.conf"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])

    def request(self, method, path, body=None, token="own", **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers.setdefault("Authorization", f"Bearer {self.suite.token if token == 'own' else token}")
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def proxy(suite):
    p = Proxy(suite)
    yield p
    p.process.terminate()
    assert p.process.wait(TIMEOUT) == 0


@pytest.fixture(scope="module")
def world(suite):
    return World(suite)


def tag(suite):
    return {"name": f"t{uuid.uuid4()}", "color": "000000", "workspaceId": suite.workspace}


def tags(suite):
    return len(suite.get("/tags").json["data"])


def everything(suite):
    """Each operation with ids that are none, so that nothing is changed."""
    for method, path in operations(suite) + config_operations() + [("GET", f"{V1}/health"), ("POST", f"{V1}/applications/token"),
                                                                  ("GET", "/metrics"), ("GET", "/"), ("GET", "/nothing")]:
        url = re.sub(r"\{\w+\}", "7", path)
        yield method, url


def test_T50_no_answer_sets_a_cookie(suite, proxy, world):
    seen = set()
    for method, path in everything(suite):
        for token in ("own", None):
            answer = proxy.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None, token=token,
                                   Cookie="session=x; __Host-session=y")
            assert answer.headers["Set-Cookie"] is None and answer.headers["Set-Cookie2"] is None, (method, path, answer.headers)
            seen.add(answer.status)
    assert {200, 400, 401, 404} <= seen, seen
    # Those that give out a token, when they do.
    client, secret = suite.credentials
    answer = proxy.request("POST", f"{V1}/applications/token", {"client_id": client, "client_secret": secret}, token=None)
    assert answer.status == 200 and answer.headers["Set-Cookie"] is None


def test_T50_no_cookie_is_taken_for_credentials(suite, proxy):
    client, secret = suite.credentials
    names = ("session", "__Host-session", "__Host-gantry", "gantry", "token", "access_token", "Authorization", "jwt", "auth")
    for value in (suite.token, f"Bearer {suite.token}", basic(client, secret), secret):
        for name in names:
            assert proxy.request("GET", f"{V1}/workspaces", token=None, Cookie=f"{name}={value}").status == 401, name
    # Nor in the address, which is stored and passed on everywhere.
    for name in ("token", "access_token", "api_key", "Authorization"):
        assert proxy.request("GET", f"{V1}/workspaces?{name}={suite.token}", token=None).status in (400, 401), name
    # The control: as they should be sent they are taken, with a cookie beside them as without.
    assert proxy.request("GET", f"{V1}/workspaces", Cookie="session=wrong").status == 200
    assert proxy.request("GET", f"{V1}/workspaces", token=None, Authorization=basic(client, secret)).status == 200


def test_T51_browsers_are_not_asked_for_basic_credentials(suite, proxy):
    """Those that they were once given they would send along with any page's request."""
    answer = proxy.request("GET", f"{V1}/workspaces", token=None)
    assert answer.status == 401 and answer.headers.get_all("WWW-Authenticate") == ["Bearer"]


@pytest.mark.parametrize("headers", [{"Origin": EVIL}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}, {"Origin": "http://localhost:1"},
                                     {"Origin": "https://127.0.0.1"}, {"Origin": "file://"}, {"Sec_Fetch_Site": "cross-site"},
                                     {"Sec_Fetch_Site": "same-site"}, {"Sec_Fetch_Site": "cross-site", "Origin": "OWN"},
                                     {"Origin": EVIL, "Sec_Fetch_Site": "same-origin"}], ids=str)
def test_T51_a_page_of_another_site_changes_nothing(suite, proxy, headers):
    headers = {name: proxy.origin if value == "OWN" else value for name, value in headers.items()}
    before = tags(suite)
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = proxy.request("POST", f"{V1}/tags", json.dumps(tag(suite)), Content_Type=content_type, **headers)
        assert answer.status == 403, answer
    for method in ("PUT", "PATCH", "DELETE", "OPTIONS"):
        assert proxy.request(method, f"{V1}/tags/7", **headers).status == 403
    assert tags(suite) == before
    # The control: our own page, and who is no page at all.
    for own in ({"Origin": proxy.origin, "Sec_Fetch_Site": "same-origin"}, {"Origin": proxy.origin}, {"Sec_Fetch_Site": "none"}, {}):
        assert proxy.request("POST", f"{V1}/tags", tag(suite), **own).status == 200, own
    assert tags(suite) == before + 4


def test_T51_a_form_is_no_JSON_wherever_it_comes_from(suite, proxy):
    """What a form can send without asking: three types of content, and none of them is read."""
    before, body = tags(suite), tag(suite)
    for content_type in ("text/plain", "text/plain; charset=utf-8", "text/plain;application/json", "application/x-www-form-urlencoded",
                         "multipart/form-data; boundary=x"):
        for path in (f"{V1}/tags", "/api/v1/jobs/list"):
            assert proxy.request("POST", path, json.dumps(body), Content_Type=content_type).status == 415, content_type
    assert tags(suite) == before
    assert proxy.request("POST", f"{V1}/tags", body).status == 200 and tags(suite) == before + 1


def test_T51_no_page_of_another_site_may_read_an_answer(suite, proxy, world):
    """By default there are no CORS headers, whoever asks, nor for the question that a browser asks beforehand."""
    origins, read = (EVIL, "null", proxy.origin), 0
    for method, path in everything(suite):
        for origin in origins if method == "GET" else origins[2:]:
            answer = proxy.request(method, path, {} if method in ("POST", "PUT", "PATCH") else None, Origin=origin)
            assert not [name for name in CORS if answer.headers[name] is not None], (method, path, answer.headers)
            read += answer.status == 200
        answer = proxy.request("OPTIONS", path, token=None, Origin=EVIL, Access_Control_Request_Method=method,
                               Access_Control_Request_Headers="authorization,content-type", Access_Control_Request_Private_Network="true")
        assert answer.status == 403 and not [name for name in CORS if answer.headers[name] is not None], (path, answer.headers)
        # Nor by the server itself, which another proxy may stand before.
        answer = suite.request("OPTIONS", path, token=None, headers={"Origin": EVIL, "Access-Control-Request-Method": method})
        assert answer.status >= 400 and not [name for name in CORS if answer.headers[name] is not None], (path, answer.headers)
    assert read > 10


def test_T51_an_event_stream_is_no_page_of_another_sites_either(suite, proxy):
    """EventSource sends no header of a page's choice: without credentials there is no stream, and no other way for them to come."""
    answer = proxy.request("GET", "/api/v1/events", token=None, Origin=EVIL, Accept="text/event-stream", Cookie=f"token={suite.token}")
    assert answer.status == 401 and not [name for name in CORS if answer.headers[name] is not None]
    # No connection becomes another protocol's (WebSocket), which no Origin check of a browser would guard.
    answer = proxy.request("GET", f"{V1}/workspaces", Upgrade="websocket", Connection="Upgrade", Sec_WebSocket_Version="13",
                           Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Origin=EVIL)
    assert answer.status == 200 and answer.headers["Upgrade"] is None and "data" in answer.json


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2",
                                  "0.0.0.0:{port}", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "localhost.", "localhost:{port}@evil",
                                  "evil@localhost", "localhost/evil", "localhost,evil.example"])
def test_T52_a_name_of_others_that_leads_here_reads_and_changes_nothing(suite, proxy, host):
    """Even with good credentials: a rebound name's page would be of one origin with us."""
    host, before = host.format(port=proxy.port), tags(suite)
    for method, path, body in (("GET", f"{V1}/workspaces", None), ("GET", "/", None), ("GET", "/metrics", None), ("POST", f"{V1}/tags", tag(suite)),
                               ("GET", f"{V1}/health", None)):
        answer = proxy.request(method, path, body, Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin")
        assert answer.status in (400, 403) and b"workspaceId" not in answer.body, (host, answer)
        # What another proxy would say of the name is no name of ours.
        answer = proxy.request(method, path, body, Host=host, X_Forwarded_Host=f"localhost:{proxy.port}", Forwarded="host=localhost")
        assert answer.status in (400, 403), (host, answer)
    assert tags(suite) == before
    for good in (f"127.0.0.1:{proxy.port}", f"localhost:{proxy.port}", f"LOCALHOST:{proxy.port}", f"[::1]:{proxy.port}"):
        assert proxy.request("GET", f"{V1}/workspaces", Host=good).status == 200, good
    assert proxy.request("POST", f"{V1}/tags", tag(suite), Host=f"localhost:{proxy.port}", Origin=f"http://localhost:{proxy.port}",
                         Sec_Fetch_Site="same-origin").status == 200
