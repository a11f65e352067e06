# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what (T41, T42, T49): every operation of the document against every kind of caller, and what the HTTP layer
refuses before anybody is asked (T44, T45)."""

import base64
import json
import re
import socket
import uuid

import pytest

from conftest import V1, basic

OPEN = {"/health", "/applications/token"}


@pytest.fixture(scope="module")
def operations(suite):
    document = suite.get("/openapi.json", token=None).json
    return [(method.upper(), path, o) for path, item in document["paths"].items() for method, o in item.items()]


@pytest.fixture(scope="module")
def things(suite):
    """Objects of the first workspace, by the names that paths have for them."""
    connection = suite.new_connection()
    base = f"/workspaces/{suite.workspace}/definitions"
    definition = suite.post(f"{base}/sources", {"name": "d", "dockerRepository": "a/b", "dockerImageTag": "1"}).json["id"]
    job = suite.post("/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"}).json["jobId"]
    tag = suite.post("/tags", {"name": str(uuid.uuid4()), "color": "000000", "workspaceId": suite.workspace}).json["tagId"]
    application = suite.post("/applications", {"name": "thing"}).json["id"]
    permission = next(p for p in suite.get("/permissions").json["data"] if p["userId"] == application)["permissionId"]
    return {"workspaceId": suite.workspace, "sourceId": connection["sourceId"], "destinationId": connection["destinationId"],
            "connectionId": connection["connectionId"], "definitionId": definition, "jobId": str(job), "tagId": tag,
            "applicationId": application, "permissionId": permission}


def tampered(token):
    """The same token with a later end, and one that says it needs no signature."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    claims["exp"] += 1000
    later = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return [f"{head}.{later}.{signature}", f"{none}.{payload}.", f"{head}.{payload}.", "a.b.c", "nonsense", "x" * 5000]


def test_T41_nothing_is_told_without_good_credentials(suite, operations):
    for method, path, _ in operations:
        if path in OPEN:
            continue
        url = V1 + re.sub(r"\{\w+\}", "7", path)
        body = {} if method in ("POST", "PUT", "PATCH") else None
        answer = suite.request(method, url, body, token=None)
        assert answer.status == 401 and answer.json["title"] == "invalid-api-key", (method, path, answer)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    for token in tampered(suite.token):
        assert suite.get("/workspaces", token=token).status == 401, token
    for header in (basic("x", "y"), basic(suite.credentials[0], "wrong"), "Basic !", "Basic", "Digest x", ""):
        assert suite.get("/workspaces", token=None, headers={"Authorization": header}).status == 401, header
    wrong = {"client_id": suite.credentials[0], "client_secret": "wrong"}
    assert suite.post("/applications/token", wrong, token=None).status == 401
    assert suite.post("/applications/token", {}, token=None).status == 400


def test_T42_another_workspaces_objects_do_not_exist(suite, operations, things):
    other = suite.post("/workspaces", {"name": "other"}).json["workspaceId"]
    token = suite.limited_token("admin", other)
    for method, path, _ in operations:
        if "{" not in path:
            continue
        url = V1 + re.sub(r"\{(\w+)\}", lambda m: things[m.group(1)], path)
        answer = suite.request(method, url, {} if method in ("POST", "PUT", "PATCH") else None, token=token)
        # Applications are the instance's, and known to be.
        assert answer.status in ((403,) if "applications" in path else (400, 404)), (method, path, answer)
        if answer.status == 400:
            assert method == "PUT", (method, path, answer)
    for path in ("/sources", "/destinations", "/connections", "/jobs", "/tags"):
        assert suite.get(path, token=token).json["data"] == [], path
        assert suite.get(path, token=token, query={"workspaceIds": suite.workspace}).status == 404, path
    assert [w["workspaceId"] for w in suite.get("/workspaces", token=token).json["data"]] == [other]
    assert suite.post("/jobs", {"connectionId": things["connectionId"], "jobType": "sync"}, token=token).status == 404
    body = {"name": "x", "workspaceId": suite.workspace, "configuration": {"sourceType": "faker"}}
    assert suite.post("/sources", body, token=token).status == 404
    mine = suite.new_destination(workspaceId=other)["destinationId"]
    answer = suite.post("/connections", {"sourceId": things["sourceId"], "destinationId": mine}, token=token)
    assert answer.status == 404
    assert suite.post("/connections", {"sourceId": things["sourceId"], "destinationId": mine}).status == 400


@pytest.mark.parametrize("role,may", [("reader", set()), ("runner", {"run"}), ("editor", {"run", "edit"}),
                                      ("admin", {"run", "edit", "admin"})])
def test_T41_roles(suite, role, may):
    workspace = suite.post("/workspaces", {"name": role}).json["workspaceId"]
    source, destination = suite.new_source(workspaceId=workspace), suite.new_destination(workspaceId=workspace)
    connection = suite.post("/connections", {"sourceId": source["sourceId"],
                                             "destinationId": destination["destinationId"]}).json["connectionId"]
    token = suite.limited_token(role, workspace)
    answers = {
        "read": suite.get(f"/connections/{connection}", token=token),
        "run": suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}, token=token),
        "edit": suite.patch(f"/sources/{source['sourceId']}", {"name": "changed"}, token=token),
        "admin": suite.patch(f"/workspaces/{workspace}", {"name": "changed"}, token=token)}
    for action, answer in answers.items():
        expected = 200 if action == "read" or action in may else 403
        assert answer.status == expected, (role, action, answer)
    # What clears data needs more than what runs.
    if "run" in may:
        suite.delete(f"/jobs/{answers['run'].json['jobId']}")
    clear = suite.post("/jobs", {"connectionId": connection, "jobType": "clear"}, token=token)
    assert clear.status == (200 if "edit" in may else 403), clear
    for path in ("/applications", "/users"):
        assert suite.get(path, token=token).status == 403
    assert suite.post("/permissions", {"permissionType": "instance_admin", "userId": "uid:1000"}, token=token).status == 403
    assert suite.post("/workspaces", {"name": "more"}, token=token).status == 403


def test_a_deleted_applications_token_is_void(suite):
    application, token = suite.new_token()
    assert suite.get("/workspaces", token=token).status == 200
    suite.delete(f"/applications/{application}")
    assert suite.get("/workspaces", token=token).status == 401


def test_T44_types_of_bodies(suite):
    body = json.dumps({"name": "x"})
    for content_type, status in (("text/plain", 415), ("application/x-www-form-urlencoded", 415), ("multipart/form-data", 415),
                                 ("application/json; charset=utf-7", 415), ("application/json; charset=utf-8", 200)):
        answer = suite.request("POST", V1 + "/workspaces", body, headers={"Content-Type": content_type})
        assert answer.status == status, (content_type, answer)
    for broken in ("", "{", "[]", "null", "5", '{"name": "x"} more', '{"name": "\\ud800\\u0000"}', "[" * 100000, '"x"',
                   '{"name": "a\\u0000b"}'):
        answer = suite.request("POST", V1 + "/workspaces", broken.encode(), headers={"Content-Type": "application/json"})
        assert answer.status == 400, (broken[:40], answer)


def test_bodies_that_are_too_large_are_413(suite):
    answer = suite.request("POST", V1 + "/workspaces", json.dumps({"name": "x" * (1024 * 1024)}),
                           headers={"Content-Type": "application/json"})
    assert answer.status == 413
    # Where states are set, 32 MiB may come.
    answer = suite.request("POST", "/api/v1/state/create_or_update_safe", json.dumps({"connectionId": "x" * (2 * 1024 * 1024)}),
                           headers={"Content-Type": "application/json"})
    assert answer.status == 400


@pytest.mark.parametrize("request_bytes", [
    b"GET /api/public/v1/health HTTP/1.1\nHost: a\n\n",
    b"GET http://a/api/public/v1/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/public/v1/health HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    b"GET /api/public/v1/health HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
    b"GET /api/public/v1/health\r\n\r\n",
    b"POST /api/public/v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    b"POST /api/public/v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"GET /api/public/v1/%2e%2e/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /api/public/v1/health%2f HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_T45_ambiguous_requests_are_400(suite, request_bytes):
    assert suite.raw(request_bytes).startswith(b"HTTP/1.1 400 ")


def test_T45_idle_connections_do_not_keep_others_out(suite):
    idle = []
    for _ in range(600):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(suite.socket)
        s.sendall(b"GET /api")
        idle.append(s)
    try:
        assert suite.get("/health", token=None).status == 200
    finally:
        for s in idle:
            s.close()


def test_methods_and_paths(suite):
    answer = suite.request("PUT", V1 + "/workspaces", {})
    assert answer.status == 405 and set(answer.headers["Allow"].split(", ")) == {"GET", "POST"}
    for path in ("/nothing", "//workspaces", "/workspaces/", "/workspaces//"):
        assert suite.get(path).status == 404, path
    assert suite.request("OPTIONS", V1 + "/workspaces").headers["Access-Control-Allow-Origin"] is None
