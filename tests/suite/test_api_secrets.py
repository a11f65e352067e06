# SPDX-License-Identifier: LGPL-2.1-or-later
"""Secrets are planted, then everything that can be read is read and searched for them (T57)."""

import json
import uuid

import dbus
import pytest
from api_world import World, config_operations, operations, own_suite  # noqa: F401
from conftest import V1
from test_server_secrets import MASK, SPEC

PLANTED = {"password": "open-sesame-1", "key": {"inner": "open-sesame-2"}, "tunnel": {"url": "http://t", "token": "open-sesame-3"}}
CONTROL = "not-a-secret-4"  # planted likewise where no secret belongs: the search finds what is there


@pytest.fixture(scope="module")
def planted(suite):
    world = World(suite)
    definition = suite.post(f"/workspaces/{suite.workspace}/definitions/declarative_sources", {"name": str(uuid.uuid4()),
                                                                                               "manifest": SPEC}).json["id"]
    world.ids["sourceId"] = suite.new_source(definitionId=definition, configuration=PLANTED | {"host": "here",
                                                                                               "user": CONTROL})["sourceId"]
    world.declarative = definition
    return world


def check(where, text):
    assert "open-sesame" not in text, (where, text[:4000])
    return CONTROL in text


def test_T57_no_answer_of_the_API_has_a_secret(suite, planted):
    found = 0
    reads = ("/get", "/list", "/get_light", "/get_without_logs", "/get_debug_info", "/check_connection", "/discover_schema",
             "/list_for_workspace",
             "/list_latest", "/list_by_organization_id", "/get_organization_info")
    calls = [(m, p) for m, p in operations(suite) + config_operations() if m == "GET" or p.endswith(reads)]
    assert len(calls) > 40
    for method, path in calls:
        found += check((method, path), planted.ask(method, path, suite.token).body.decode())
        for query in ("includeSecretCoordinates=true", "includeSecrets=true", "unmask=1"):
            if method == "GET":
                check((path, query), suite.request("GET", f"{planted.url(path)}?{query}").body.decode())
    for path in ("/metrics", f"{V1}/openapi.json"):
        check(path, suite.request("GET", path).body.decode())
    assert found >= 4, found
    # The answers to writes show what was written, too.
    path = f"/sources/{planted.ids['sourceId']}"
    for answer in (suite.patch(path, {"name": "other"}), suite.patch(path, {"configuration": PLANTED}),
                   suite.put(path, {"name": "again", "configuration": PLANTED | {"host": "here", "user": CONTROL}})):
        assert answer.status == 200 and answer.json["configuration"]["password"] == MASK and check(path, answer.body.decode()), answer


def test_T57_nothing_on_the_bus_has_a_secret(suite, planted):
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        manager = dbus.Interface(bus.get_object("org.gantry.Server1", "/org/gantry/Server1"), "org.gantry.Server1.Manager")
        texts = [str(manager.get_dbus_method(f"List{kind}")("", dbus.UInt64(0), dbus.UInt32(100)))
                 for kind in ("Sources", "Destinations", "Connections", "Workspaces", "Jobs")]
        path = "/org/gantry/Server1/source/" + planted.ids["sourceId"].replace("-", "_2d")
        source = bus.get_object("org.gantry.Server1", path)
        texts.append(str(source.GetAll("org.gantry.Server1.Source", dbus_interface="org.freedesktop.DBus.Properties")))
        got = source.Get(dbus_interface="org.gantry.Server1.Source")[0]
        got = got if isinstance(got, str) else open(got.take(), encoding="utf-8").read()  # noqa: SIM115
        assert any([check("bus", text) for text in [*texts, got]]), texts
    finally:
        bus.close()


def test_T57_errors_do_not_echo_what_was_sent(suite, planted):
    """A secret of the wrong type, too short, in the wrong place, of a source or connector that does not exist."""
    path = f"/sources/{planted.ids['sourceId']}"
    whole = PLANTED | {"host": "here"}
    bodies = [{"configuration": whole | {"password": {"open-sesame-5": "open-sesame-5"}}},
              {"configuration": whole | {"password": ["open-sesame-5"]}},
              {"configuration": whole | {"key": "open-sesame-5"}}, {"configuration": whole | {"tunnel": "open-sesame-5"}},
              {"configuration": whole | {"tunnel": {"url": 5, "token": "open-sesame-5"}}}, {"configuration": whole | {"host": 5}},
              {"configuration": whole | {"password": "ope"}}, {"configuration": "open-sesame-5"}]
    for body in bodies:
        for answer in (suite.patch(path, body), suite.put(path, {"name": "x"} | body),
                       suite.post("/sources", {"name": "x", "workspaceId": suite.workspace,
                                               "definitionId": planted.declarative} | body)):
            assert answer.status in (400, 422), (body, answer)
            check(body, answer.body.decode())
    for body in ({"name": "x", "workspaceId": suite.workspace, "definitionId": str(uuid.UUID(int=7)), "configuration": PLANTED},
                 {"name": "x", "workspaceId": suite.workspace, "configuration": PLANTED | {"sourceType": "nothing"}}):
        answer = suite.post("/sources", body)
        assert answer.status in (400, 404), answer
        check(body, answer.body.decode())
    broken = json.dumps({"configuration": PLANTED})[:-1]
    check("broken", suite.request("PATCH", V1 + path, broken, headers={"Content-Type": "application/json"}).body.decode())


def test_T57_another_connector_does_not_get_the_secrets_by_a_mask(suite, planted):
    answer = suite.post("/sources", {"name": "copy", "workspaceId": suite.workspace, "definitionId": planted.declarative,
                                     "configuration": {"host": "evil", "password": MASK}})
    assert answer.status == 422 and answer.json["data"]["errors"][0]["field"] == "/password", answer
    for change in ({"host": "evil"}, {"tunnel": {"url": "http://evil", "token": MASK}}):
        for body in ({"connectionConfiguration": change}, {"connectionConfiguration": {"host": "here", "password": MASK} | change}):
            answer = suite.request("POST", "/api/v1/sources/check_connection_for_update",
                                   body | {"sourceId": planted.ids["sourceId"], "name": "x"})
            assert answer.status == 422, (body, answer)
    same = {"connectionConfiguration": {"host": "here", "password": MASK}, "sourceId": planted.ids["sourceId"], "name": "x"}
    assert suite.request("POST", "/api/v1/sources/check_connection_for_update", same).status == 200


def test_T57_taking_the_mark_from_a_field_does_not_show_what_was_sealed(suite, planted):
    path = f"/workspaces/{suite.workspace}/definitions/declarative_sources/{planted.declarative}"
    bare = json.loads(json.dumps(SPEC).replace('"airbyte_secret": true', '"airbyte_secret": false'))
    assert suite.put(path, {"manifest": bare}).status == 200
    try:
        for _ in range(2):
            answer = suite.get(f"/sources/{planted.ids['sourceId']}")
            assert answer.status == 200 and check("unmarked", answer.body.decode()), answer
            # Nor does it after another write, which is checked by the new specification.
            suite.patch(f"/sources/{planted.ids['sourceId']}", {"name": "unmarked"})
    finally:
        assert suite.put(path, {"manifest": SPEC}).status == 200


def test_T57_logs_and_database_have_no_secret(suite, planted):
    """After all of the above: as bytes, wherever the suite writes."""
    seen = b""
    for path in suite.directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            assert b"open-sesame" not in data, path
            seen += data
    assert CONTROL.encode() in seen
