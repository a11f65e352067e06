# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what, for each operation that there is (T41), what becomes of ids of others (T42), of members that are not one's
own to set (T43), and of tokens (T47 to T49)."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
import uuid

import pytest
from api_world import NAME, Forge, World, config_operations, operations, own_suite  # noqa: F401
from conftest import BUILD, V1, Suite, basic

UNKNOWN = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def world(suite):
    return World(suite)


@pytest.fixture(scope="module")
def everything(suite):
    return operations(suite) + config_operations() + [("GET", "/metrics"), ("GET", "/api/v1/events")]


@pytest.fixture(scope="module")
def outsider(suite):
    """Admin of another workspace."""
    other = suite.post("/workspaces", {"name": "elsewhere"}).json["workspaceId"]
    return other, suite.limited_token("admin", other)


@pytest.mark.parametrize("who", ["nobody", "expired", "garbage", "another installation", "a deleted application"])
def test_T41_no_operation_answers_without_good_credentials(suite, world, everything, who):
    forge, elsewhere = Forge(suite), Forge(suite, key=b"x" * 32)
    assert suite.get("/workspaces", token=forge.token()).status == 200  # the forge does make what is accepted
    token = {"nobody": None, "expired": forge.token(exp=int(time.time()) - 1), "garbage": "a.b.c",
             "another installation": elsewhere.token(), "a deleted application": forge.token(sub=UNKNOWN)}[who]
    before = world.rows()
    for method, path in everything:
        answer = world.ask(method, path, token)
        assert answer.status == 401, (method, path, answer)
        assert NAME not in answer.body.decode()
        document = answer.json
        if path.startswith("/api/v1/") and path != "/api/v1/events":
            assert document["message"], (path, answer)
        else:
            assert document["title"] == "invalid-api-key", (path, answer)
    assert world.rows() == before


def test_T41_another_workspaces_admin_learns_and_changes_nothing(suite, world, everything, outsider):
    before = world.rows()
    refused = 0
    for method, path in everything:
        if path == "/api/v1/events":
            continue  # a stream; test_server_events.py
        answer = world.ask(method, path, outsider[1])
        text = answer.body.decode()
        assert NAME not in text.replace("taken over", ""), (method, path, answer)
        assert answer.status < 500 or answer.status == 501, (method, path, answer)
        if answer.status in (403, 404):
            refused += 1
        else:
            # Lists without what is not the outsider's, what belongs to all, and bodies that were bad before anybody was asked.
            assert answer.status == 400 or (method, path.split("/")[-1]) in {
                ("GET", "workspaces"), ("GET", "sources"), ("GET", "destinations"), ("GET", "connections"), ("GET", "jobs"),
                ("GET", "tags"),
                ("GET", "organizations"), ("GET", "permissions"), ("POST", "list"), ("POST", "list_by_organization_id"),
                ("POST", "get_organization_info"), ("POST", "list_latest")}, (method, path, answer)
    assert refused > 70
    assert world.rows() == before
    # The same calls, by the one who may: reads succeed, so the refusals above were about who asked.
    for method, path in everything:
        if method == "GET" and path != "/api/v1/events":
            assert world.ask(method, path, suite.token).status == 200, path


def test_T41_a_reader_changes_nothing(suite, world, everything):
    token = suite.limited_token("reader", world.workspace)
    before = world.rows()
    for method, path in everything:
        if path == "/api/v1/events":
            continue
        answer = world.ask(method, path, token)
        if method != "GET" and not path.startswith("/api/v1/"):
            assert answer.status in (400, 403, 404), (method, path, answer)
        assert answer.status < 500, (method, path, answer)
    assert world.rows() == before


def test_T42_ids_of_others_in_a_body_whose_path_is_ones_own(suite, world, outsider):
    other, token = outsider
    mine = suite.new_source(workspaceId=other)["sourceId"], suite.new_destination(workspaceId=other)["destinationId"]
    connection = suite.post("/connections", {"sourceId": mine[0], "destinationId": mine[1]}, token=token).json["connectionId"]
    before = world.rows()
    ids = world.ids
    tries = [
        ("POST", "/connections", {"sourceId": ids["sourceId"], "destinationId": mine[1]}),
        ("POST", "/connections", {"sourceId": mine[0], "destinationId": ids["destinationId"]}),
        ("PATCH", f"/connections/{connection}", {"tags": [{"tagId": ids["tagId"]}]}),
        ("POST", "/sources", {"name": "x", "workspaceId": other, "definitionId": ids["sourceDefinitionId"], "configuration": {}}),
        ("POST", "/sources", {"name": "x", "workspaceId": ids["workspaceId"], "configuration": {"sourceType": "faker"}}),
        ("POST", "/tags", {"name": "x", "color": "000000", "workspaceId": ids["workspaceId"]}),
        ("POST", "/permissions", {"permissionType": "workspace_reader", "userId": "uid:1000", "workspaceId": ids["workspaceId"]}),
        ("POST", "/jobs", {"connectionId": ids["connectionId"], "jobType": "sync"}),
        ("GET", f"/streams?sourceId={ids['sourceId']}", None),
        ("GET", f"/workspaces/{other}/definitions/sources/{ids['sourceDefinitionId']}", None)]
    for method, path, body in tries:
        answer = suite.request(method, V1 + path, body, token=token)
        assert answer.status in (400, 404), (method, path, body, answer)
        assert NAME not in answer.body.decode()
    assert world.rows() == before
    # Positive control: with one's own ids each kind of call is good.
    tag = suite.post("/tags", {"name": "own", "color": "000000", "workspaceId": other}, token=token).json["tagId"]
    assert suite.patch(f"/connections/{connection}", {"tags": [{"tagId": tag}]}, token=token).status == 200


def test_T42_what_exists_elsewhere_and_what_does_not_exist_are_told_alike(suite, world, outsider):
    _, token = outsider
    for kind in ("sources", "destinations", "connections", "tags", "permissions", "workspaces"):
        there = suite.get(f"/{kind}/{world.ids[kind[:-1] + 'Id']}", token=token)
        nowhere = suite.get(f"/{kind}/{UNKNOWN}", token=token)
        assert (there.status, there.body) == (nowhere.status, nowhere.body), (kind, there, nowhere)
    there, nowhere = suite.get(f"/jobs/{world.ids['jobId']}", token=token), suite.get("/jobs/999999", token=token)
    assert (there.status, there.body) == (nowhere.status, nowhere.body) and there.status == 404
    for path in ("connections/get", "sources/get", "state/get"):
        key = "sourceId" if "source" in path else "connectionId"
        there = suite.request("POST", f"/api/v1/{path}", {key: world.ids[key]}, token=token)
        nowhere = suite.request("POST", f"/api/v1/{path}", {key: UNKNOWN}, token=token)
        assert (there.status, there.json["message"]) == (404, nowhere.json["message"]), path


def test_T42_filters_of_lists_show_and_count_nothing_of_others(suite, world, outsider):
    _, token = outsider
    for path, query in (("/jobs", {"connectionId": world.ids["connectionId"]}), ("/connections", {"tagIds": world.ids["tagId"]})):
        answer = suite.get(path, token=token, query=query)
        assert answer.status == 404 or answer.json == {"data": [], "previous": "", "next": ""}, (path, answer)
        assert suite.get(path, query=query).json["data"], path
    answer = suite.request("POST", "/api/v1/jobs/list", {"configId": world.ids["connectionId"], "configTypes": ["sync"]}, token=token)
    assert answer.status == 404 or (answer.json["jobs"], answer.json["totalJobCount"]) == ([], 0), answer


FOREIGN = {"sourceId": UNKNOWN, "destinationId": UNKNOWN, "connectionId": UNKNOWN, "workspaceId": UNKNOWN, "definitionId": UNKNOWN,
           "tagId": UNKNOWN, "id": UNKNOWN, "jobId": 1, "createdAt": 1, "createdBy": "root", "tombstone": True, "deleted": True,
           "executor": "service", "network": "any", "limits": {"memoryMax": 1}, "reference": "exec:/bin/sh", "dockerImage": "evil",
           "dockerRepository": "evil/evil", "custom": False, "sandbox": "none", "allowedHosts": ["*"], "principal": "root",
           "statusReason": "x", "breakingChange": True, "generation": 9, "data_residency": "x", "organizationId": UNKNOWN}


@pytest.mark.parametrize("kind,change", [("sources", "name"), ("destinations", "name"), ("connections", "name"), ("tags", "name"),
                                         ("workspaces", "name")])
def test_T43_a_patch_sets_what_it_may_and_nothing_else(suite, kind, change):
    made = {"sources": suite.new_source, "destinations": suite.new_destination, "connections": suite.new_connection,
            "tags": lambda: suite.post("/tags", {"name": str(uuid.uuid4()), "color": "000000", "workspaceId": suite.workspace}).json,
            "workspaces": lambda: suite.post("/workspaces", {"name": "mass"}).json}[kind]()
    path = f"/{kind}/{made[kind[:-1] + 'Id']}"
    table = {"sources": "actor", "destinations": "actor"}.get(kind, kind[:-1])
    world = World(suite)

    def row():
        return next(r for r in world.rows()[table] if r[0] == made[kind[:-1] + "Id"])
    before = row()
    for key, value in FOREIGN.items():
        answer = suite.patch(path, {key: value})
        assert answer.status in (200, 400), (key, answer)
        assert [a for a, b in zip(row(), before) if a != b and not isinstance(a, int)] == [], key
    new = str(uuid.uuid4())
    assert suite.patch(path, {change: new} | FOREIGN).status in (200, 400)
    assert suite.patch(path, {change: new}).json[change] == new
    # But for the name, and times, the row is what it was.
    assert [a for a, b in zip(row(), before) if a != b and not isinstance(a, int)] == [new]
    assert suite.get(path).json | {change: made[change]} == made


def test_T43_members_of_definitions_say_nothing_about_sandboxes(suite):
    base = f"/workspaces/{suite.workspace}/definitions/sources"
    made = suite.post(base, FOREIGN | {"name": "d", "dockerRepository": "a/b", "dockerImageTag": "1"}).json
    rows = {r[0]: r for r in World(suite).rows()["definition"]}
    plain = suite.post(base, {"name": "d", "dockerRepository": "a/b", "dockerImageTag": "1"}).json
    rows |= {r[0]: r for r in World(suite).rows()["definition"]}
    differ = {a for a, b in zip(rows[made["id"]], rows[plain["id"]]) if a != b}
    assert made["id"] in differ and all(isinstance(d, int) or d == made["id"] for d in differ), differ


def ask_token(suite, client_id, secret):
    return suite.post("/applications/token", {"client_id": client_id, "client_secret": secret}, token=None)


def test_T47_unknown_and_wrong_are_told_alike(suite):
    client_id, secret = suite.credentials
    answers = [ask_token(suite, client_id, "wrong"), ask_token(suite, UNKNOWN, secret), ask_token(suite, UNKNOWN, "wrong"),
               ask_token(suite, "' OR 1=1 --", "x"), ask_token(suite, client_id, secret + "x"),
               ask_token(suite, client_id, secret[:-1]),
               ask_token(suite, client_id, "x" * 500000)]
    assert {a.status for a in answers} == {401}
    assert len({a.body for a in answers}) == 1, answers
    assert ask_token(suite, client_id, secret).status == 200
    for pair in ((client_id, "wrong"), (UNKNOWN, secret)):
        answer = suite.get("/workspaces", token=None, headers={"Authorization": basic(*pair)})
        assert (answer.status, answer.body) == (401, answers[0].body)


def test_T47_many_wrong_secrets_are_slowed_down_and_lock_nobody_out(tmp_path):
    suite = Suite(tmp_path)
    try:
        suite.start()
        client_id, secret = suite.credentials
        answers = [ask_token(suite, client_id if i % 2 else str(uuid.uuid4()), "wrong") for i in range(120)]
        assert [a.status for a in answers] == [401] * 100 + [429] * 20
        assert answers[-1].headers["Retry-After"] == "60" and answers[-1].json["title"] == "too-many-requests"
        assert len({a.body for a in answers[100:]}) == 1  # known and unknown ids, alike
        wrong = suite.get("/workspaces", token=None, headers={"Authorization": basic(client_id, "wrong")})
        assert (wrong.status, wrong.body) == (429, answers[-1].body)
        assert ask_token(suite, client_id, secret).status == 200
        assert suite.get("/workspaces", token=None, headers={"Authorization": basic(client_id, secret)}).status == 200
        log = (tmp_path / "gantry-server.log").read_text()
        assert log.count("wrong client ids or secrets") == 1 and secret not in log and client_id not in log
    finally:
        suite.stop()


def test_T48_secrets_are_stored_as_hashes_that_are_compared_in_constant_time(suite):
    _, secret = suite.credentials
    stored = b"".join(p.read_bytes() for p in suite.directory.glob("gantry.db*"))
    assert secret.encode() not in stored
    assert hashlib.blake2b(secret.encode(), digest_size=32).digest() in stored
    # What compares a secret of an application is token_matches(), and that is libsodium's comparison, not memcmp().
    (token,) = [p for p in BUILD.glob("src/secrets/*token.o")]
    undefined = set(re.findall(r" U (\w+)", subprocess.run(["nm", token], stdout=subprocess.PIPE, text=True, check=True).stdout))
    assert "sodium_memcmp" in undefined and not undefined & {"memcmp", "strcmp", "bcmp"}, undefined
    (auth,) = [p for p in BUILD.glob("src/server/*server_auth.o")] or [p for p in BUILD.glob("src/server/*auth.o")]
    undefined = set(re.findall(r" U (\w+)", subprocess.run(["nm", auth], stdout=subprocess.PIPE, text=True, check=True).stdout))
    assert "token_matches" in undefined and not undefined & {"memcmp", "strcmp", "bcmp"}, undefined


def test_T49_tokens_are_refused_for_each_wrong_part_alone(suite):
    forge = Forge(suite)
    assert suite.get("/workspaces", token=forge.token()).status == 200

    def nothing(_text):
        return b""
    wrong = {
        "alg none": forge.token(header={"alg": "none", "typ": "JWT"}, sign=nothing),
        "alg None": forge.token(header={"alg": "None", "typ": "JWT"}, sign=nothing),
        "no signature": forge.token(sign=nothing),
        "RS256 in the header, HS256 in the signature": forge.token(header={"alg": "RS256", "typ": "JWT"}),
        "HS512": forge.token(header={"alg": "HS512", "typ": "JWT"}, sign=lambda t: hmac.new(forge.key, t, hashlib.sha512).digest()),
        "key by path": forge.token(header={"alg": "HS256", "typ": "JWT", "kid": "../../../../dev/null"},
                                   sign=lambda t: hmac.new(b"", t, hashlib.sha256).digest()),
        "key in the header": forge.token(header={"alg": "HS256", "typ": "JWT", "jwk": {"kty": "oct", "k": ""}},
                                         sign=lambda t: hmac.new(b"", t, hashlib.sha256).digest()),
        "empty key": forge.token(sign=lambda t: hmac.new(b"", t, hashlib.sha256).digest()),
        "no exp": forge.token(drop=["exp"]), "no iat": forge.token(drop=["iat"]), "no sub": forge.token(drop=["sub"]),
        "no aud": forge.token(drop=["aud"]), "no iss": forge.token(drop=["iss"]),
        "exp is a text": forge.token(exp="9999999999"), "exp is a fraction": forge.token(exp=9999999999.5),
        "exp overflows": forge.token(exp=2**63 - 1), "exp is negative": forge.token(exp=-1), "exp is past": forge.token(exp=1),
        "for runners": forge.token(aud="workload"), "for a data plane": forge.token(aud="dataplane"),
        "audiences": forge.token(aud=["api"]),
        "another issuer": forge.token(iss=UNKNOWN), "another instance's key": Forge(suite, key=bytes(32)).token(),
        "nobody": forge.token(sub=UNKNOWN), "a number": forge.token(sub=1), "a part more": forge.token() + ".x",
        "padding": forge.token() + "==", "spaces": forge.token().replace(".", " .")}
    for what, token in wrong.items():
        answer = suite.get("/workspaces", token=token)
        assert answer.status == 401, (what, answer)
    head, claims, signature = forge.token().split(".")
    for i in range(0, len(signature), 7):
        changed = signature[:i] + ("A" if signature[i] != "A" else "B") + signature[i + 1:]
        assert suite.get("/workspaces", token=f"{head}.{claims}.{changed}").status == 401, i


def test_T49_a_token_ends_when_it_says(suite):
    answer = ask_token(suite, *suite.credentials)
    claims = json.loads(base64.urlsafe_b64decode(answer.json["access_token"].split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == answer.json["expires_in"] == 900
    forge = Forge(suite)
    while True:
        end = int(time.time()) + 2
        token = forge.token(exp=end)
        answer = suite.get("/workspaces", token=token)
        if time.time() < end:  # else it came too late to be judged
            break
    assert answer.status == 200
    while time.time() < end:
        time.sleep(0.05)
    assert suite.get("/workspaces", token=token).status == 401
