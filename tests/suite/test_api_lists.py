# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists at their edges, on both faces: pages that are too small, too large, past the end; what was deleted; whom a list is for."""

import json
import uuid

import dbus
import pytest
from api_world import NAME, World, config_operations, own_suite  # noqa: F401
from conftest import V1
from test_server_bus import NAME as BUS_NAME
from test_server_bus import ROOT, fails

DEFINITIONS = ["sources", "destinations", "declarative_sources"]
UNKNOWN = str(uuid.UUID(int=7))


@pytest.fixture(scope="module")
def world(suite):
    """Seven of each kind, so that pages of three have an odd last one."""
    world = World(suite)
    base = f"/workspaces/{world.workspace}/definitions"
    for i in range(6):
        suite.new_source(name=f"s{i}")
        suite.new_destination(name=f"d{i}")
        suite.post("/workspaces", {"name": f"w{i}"})
        connection = suite.post("/connections", {"sourceId": world.ids["sourceId"], "name": f"c{i}",
                                                 "destinationId": world.ids["destinationId"]}).json["connectionId"]
        assert suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).status == 200
        for kind in DEFINITIONS[:2]:
            suite.post(f"{base}/{kind}", {"name": f"x{i}", "dockerRepository": f"me/{kind}{i}", "dockerImageTag": "1"})
        suite.post(f"{base}/declarative_sources", {"name": f"y{i}", "manifest": {"version": "6.0.0", "spec": {}}})
    return world


def lists(world):
    """Every list that has pages, and the name of its items' id."""
    base = f"/workspaces/{world.workspace}/definitions"
    return [("/sources", "sourceId"), ("/destinations", "destinationId"), ("/connections", "connectionId"), ("/jobs", "jobId"),
            ("/workspaces", "workspaceId"), *((f"{base}/{kind}", "id") for kind in DEFINITIONS)]


def test_pages_of_any_size_hold_each_item_once_in_the_same_order(suite, world):
    for path, key in lists(world):
        whole = [item[key] for item in suite.get(path, query={"limit": 100}).json["data"]]
        assert len(whole) == len(set(whole)) >= 7, path
        for limit in (1, 3, len(whole), len(whole) + 1, 100):
            walked, answer = [], suite.get(path, query={"limit": limit})
            while True:
                page = answer.json
                assert set(page) == {"data", "previous", "next"} and len(page["data"]) <= limit, (path, answer)
                walked += [item[key] for item in page["data"]]
                assert len(walked) <= len(whole), (path, limit)
                if not page["next"]:
                    break
                answer = suite.request("GET", page["next"].split("://localhost", 1)[1])
            assert walked == whole, (path, limit)


def test_the_way_back_is_the_way(suite, world):
    for path, key in lists(world):
        first = suite.get(path, query={"limit": 3}).json
        assert first["previous"] == "", path
        second = suite.request("GET", first["next"].split("://localhost", 1)[1]).json
        back = suite.request("GET", second["previous"].split("://localhost", 1)[1]).json
        assert [item[key] for item in back["data"]] == [item[key] for item in first["data"]], path


def test_past_the_end_there_is_nothing_and_no_next(suite, world):
    for path, _ in lists(world):
        for offset in (10**6, 2**31, 2**63 - 1):
            answer = suite.get(path, query={"offset": offset})
            assert (answer.status, answer.json["data"], answer.json["next"]) == (200, [], ""), (path, offset, answer)


def test_pages_that_cannot_be_are_400_on_every_list(suite, world):
    for path, _ in lists(world):
        for query in ({"limit": 0}, {"limit": -1}, {"limit": 101}, {"limit": 2**64}, {"limit": "ten"}, {"limit": "1.0"}, {"limit": " 1"},
                      {"limit": ""}, {"offset": -1}, {"offset": 2**63}, {"offset": 2**64}, {"offset": "x"}, {"offset": ""}):
            answer = suite.get(path, query=query)
            assert answer.status == 400 and next(iter(query)) in answer.json["detail"], (path, query, answer)
        assert len(suite.get(path).json["data"]) <= 20  # Airbyte's page


def test_what_was_deleted_is_listed_when_asked_for_and_nowhere_else(suite):
    made = suite.new_connection()
    workspace = suite.post("/workspaces", {"name": "gone"}).json["workspaceId"]
    gone = [("/connections", "connectionId", made["connectionId"]), ("/sources", "sourceId", made["sourceId"]),
            ("/destinations", "destinationId", made["destinationId"]), ("/workspaces", "workspaceId", workspace)]

    def listed(path, key, **query):
        return [item[key] for item in pages(suite, path, query)]
    for path, key, identifier in gone:
        assert identifier in listed(path, key)
        assert suite.delete(f"{path}/{identifier}").status == 204
        assert identifier not in listed(path, key) and identifier not in listed(path, key, includeDeleted="false")
        assert identifier in listed(path, key, includeDeleted="true"), path
        assert suite.get(f"{path}/{identifier}").status == 404
        assert suite.get(path, query={"includeDeleted": "perhaps"}).status == 400


def pages(suite, path, query):
    found, page = [], suite.get(path, query=query | {"limit": 100}).json
    while True:
        found += page["data"]
        if not page["next"]:
            return found
        page = suite.request("GET", page["next"].split("://localhost", 1)[1]).json


def test_a_deleted_actor_in_a_list_has_no_secret_and_no_mask_to_reuse(suite):
    manifest = {"version": "6.0.0", "spec": {"connection_specification": {"properties": {"p": {"type": "string", "airbyte_secret": True}}}}}
    definition = suite.post(f"/workspaces/{suite.workspace}/definitions/declarative_sources", {"name": "g", "manifest": manifest}).json["id"]
    source = suite.new_source(definitionId=definition, configuration={"p": "open sesame"})["sourceId"]
    assert suite.delete(f"/sources/{source}").status == 204
    assert suite.patch(f"/sources/{source}", {"name": "back"}).status == 404
    (left,) = [s for s in pages(suite, "/sources", {"includeDeleted": "true"}) if s["sourceId"] == source]
    assert "open sesame" not in json.dumps(left)


def test_filters_that_fit_nothing_give_an_empty_page(suite, world):
    for path, query in (("/jobs", {"status": "failed"}), ("/jobs", {"jobType": "reset"}), ("/connections", {"tagIds": UNKNOWN}),
                        ("/jobs", {"createdAtStart": "2100-01-01T00:00:00Z"})):
        assert suite.get(path, query=query).json == {"data": [], "previous": "", "next": ""}, (path, query)
    # One of another's, and one that does not exist, for somebody who can see one workspace only.
    own = suite.post("/workspaces", {"name": "own"}).json["workspaceId"]
    token = suite.limited_token("reader", own)
    for path, _ in lists(world)[:5]:
        answers = [suite.get(path, query={"workspaceIds": w}, token=token) for w in (world.workspace, UNKNOWN, "x", "' OR 1=1")]
        assert {a.status for a in answers} == {404} and len({a.body for a in answers}) == 1, (path, answers)
        mine = suite.get(path, query={"workspaceIds": own}, token=token)
        assert mine.status == 200 and NAME not in mine.body.decode(), (path, mine)


IDS = [UNKNOWN, "x", "", "0", "' OR 1=1 --", "\u0000", "a" * 5000, "../" * 5, 0, -1, 1.5, True, None, [], {}, [UNKNOWN], {"id": UNKNOWN}]


def test_P01_ids_of_the_config_api_that_are_none(suite, world):
    """Malformed, unknown and of the wrong type: 400, 404 or 422, in the form of this API, and nothing is changed."""
    before = world.rows()
    keys = [k for k in world.ids if k != "jobId"] + ["id", "configId"]
    for _, path in config_operations():
        for value in IDS:
            body = world.body(path) | dict.fromkeys(keys, value)
            answer = suite.request("POST", path, body)
            # Calls that need no id are as good as before; none may be taken for another object's.
            assert answer.status in (200, 400, 404, 409, 422), (path, value, answer)
            if answer.status >= 400:
                assert answer.json["message"], (path, value, answer)
    assert world.rows() == before


LISTS = ("ListWorkspaces", "ListSources", "ListDestinations", "ListConnections")


def test_lists_of_the_bus_at_their_edges(suite, world):
    bus = dbus.bus.BusConnection(suite.bus)
    try:
        manager = dbus.Interface(bus.get_object(BUS_NAME, ROOT), f"{BUS_NAME}.Manager")
        calls = [lambda o, n, m=member: manager.get_dbus_method(m)("", dbus.UInt64(o), dbus.UInt32(n)) for member in LISTS]
        calls += [lambda o, n: manager.ListJobs("", dbus.UInt64(o), dbus.UInt32(n)),
                  lambda o, n: manager.ListDefinitions("", "", dbus.UInt64(o), dbus.UInt32(n))]
        for call in calls:
            whole = call(0, 0)
            assert len(whole) >= 7 and call(0, 2**32 - 1) == whole
            assert [call(i, 1)[0] for i in range(len(whole))] == list(whole) and call(2, 3) == whole[2:5]
            assert len(call(len(whole), 1)) == len(call(2**63 - 1, 0)) == 0
            for offset in (2**63, 2**64 - 1):
                assert "offset" in fails("InvalidArgument", call, offset, 0)
        fails("InvalidArgument", manager.ListJobs, "{", 0, 0)
        fails("InvalidArgument", manager.ListJobs, '{"status":"odd"}', 0, 0)
        fails("InvalidArgument", manager.ListDefinitions, "odd", "", 0, 0)
        fails("InvalidArgument", manager.ListChanges, dbus.UInt64(2**64 - 1), 0)
        assert manager.ListSources(UNKNOWN, 0, 0) == [] and manager.ListJobs(json.dumps({"workspaceId": UNKNOWN}), 0, 0) == []
    finally:
        bus.close()


def test_lists_without_pages_are_whole(suite, world):
    """Airbyte's have no limit there; one that is given changes nothing."""
    for path, key in (("/tags", "data"), ("/permissions", "data"), ("/users", "data"), ("/organizations", "data"),
                      ("/applications", "applications")):
        whole = suite.get(path).json[key]
        assert whole and suite.get(path, query={"limit": 1, "offset": 5}).json[key] == whole, path
    assert suite.request("GET", f"{V1}/connector_definitions?type=source&workspaceId={world.workspace}").json["data"]
