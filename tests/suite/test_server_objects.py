# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each object of the public API: made, read, changed, listed, deleted; and what is refused."""

import json
import uuid

import pytest
from api_world import refused_operations

UNKNOWN = str(uuid.UUID(int=7))


def test_P01_unknown_ids_are_404(suite):
    for path in ("/sources", "/destinations", "/connections", "/workspaces", "/tags", "/permissions", "/applications"):
        answer = suite.get(f"{path}/{UNKNOWN}")
        assert answer.status == 404, (path, answer)
        assert answer.json["type"].endswith("resource-not-found") and answer.headers["Content-Type"] == "application/problem+json"
    assert suite.get("/jobs/999999").status == 404
    assert suite.get("/jobs/abc").status == 400
    assert suite.post("/jobs", {"connectionId": UNKNOWN, "jobType": "sync"}).status == 404


def test_a_source_goes_round(suite):
    made = suite.new_source(name="one")
    path = f"/sources/{made['sourceId']}"
    assert made["sourceType"] == "faker" and made["configuration"]["count"] == 10
    assert "sourceType" not in made["configuration"]
    assert suite.get(path).json == made
    assert suite.patch(path, {"name": "two"}).json["name"] == "two"
    assert suite.patch(path, {"configuration": {"seed": 3}}).json["configuration"] == {"count": 10, "seed": 3}
    assert suite.put(path, {"name": "three", "configuration": {"count": 5}}).json["configuration"] == {"count": 5}
    assert suite.put(path, {"name": "three"}).status == 400
    assert suite.delete(path).status == 204
    assert suite.get(path).status == 404
    assert suite.delete(path).status == 404


def test_a_configuration_that_does_not_fit_is_422_and_says_where(suite):
    answer = suite.post("/sources", {"name": "bad", "workspaceId": suite.workspace,
                                     "configuration": {"sourceType": "faker", "count": "many"}})
    assert answer.status == 422, answer
    assert [e["field"] for e in answer.json["data"]["errors"]] == ["/count"]


@pytest.mark.parametrize("path", ["/etc/passwd", "relative", "/srv/gantry/../../etc", ""])
def test_paths_outside_the_roots_are_422(suite, path):
    answer = suite.post("/destinations", {"name": "bad", "workspaceId": suite.workspace,
                                          "configuration": {"destinationType": "jsonl", "path": path}})
    assert answer.status == 422, answer


@pytest.mark.parametrize("body", [
    {}, {"name": "x"}, {"name": 5}, {"name": "x", "workspaceId": 5}, {"name": "", "workspaceId": "W"},
    {"name": "x", "workspaceId": "W", "configuration": []}, {"name": "x", "workspaceId": "W", "configuration": {}},
    {"name": "x", "workspaceId": "W", "configuration": {"sourceType": "nothing"}},
    {"name": "x" * 600, "workspaceId": "W", "configuration": {"sourceType": "faker"}},
    {"name": "a\nb", "workspaceId": "W", "configuration": {"sourceType": "faker"}},
    {"name": "x", "workspaceId": "W", "definitionId": UNKNOWN, "configuration": {}}])
def test_bodies_that_say_too_little_or_the_wrong_are_400(suite, body):
    if body.get("workspaceId") == "W":
        body = body | {"workspaceId": suite.workspace}
    assert suite.post("/sources", body).status == 400


def test_a_connection_goes_round(suite):
    made = suite.new_connection(name="c", prefix="p_", schedule={"scheduleType": "cron", "cronExpression": "0 0 12 * * ? UTC"})
    path = f"/connections/{made['connectionId']}"
    assert made["status"] == "active" and made["prefix"] == "p_" and made["namespaceDefinition"] == "destination"
    assert made["schedule"] == {"scheduleType": "cron", "cronExpression": "0 0 12 * * ? UTC"}
    assert suite.get(path).json == made
    changed = suite.patch(path, {"name": "d", "status": "inactive", "schedule": {"scheduleType": "manual"},
                                 "nonBreakingSchemaUpdatesBehavior": "disable_connection"}).json
    assert changed["name"] == "d" and changed["status"] == "inactive" and changed["schedule"] == {"scheduleType": "manual"}
    assert changed["nonBreakingSchemaUpdatesBehavior"] == "disable_connection"
    assert suite.post("/jobs", {"connectionId": made["connectionId"], "jobType": "sync"}).status == 409
    assert suite.delete(f"/sources/{made['sourceId']}").status == 409
    assert suite.delete(path).status == 204
    assert suite.delete(path).status == 204  # P07
    assert suite.get(path).status == 404
    assert suite.delete(f"/sources/{made['sourceId']}").status == 204


@pytest.mark.parametrize("stream,kind", [
    ({"name": "nobody"}, "stream-name"),
    ({"name": "users", "syncMode": "sideways"}, "sync-mode"),
    ({"name": "users", "syncMode": "incremental_append", "cursorField": ["nothing"]}, "cursor-field"),
    ({"name": "users", "syncMode": "incremental_deduped_history", "primaryKey": [["nothing"]]}, "primary-key"),
    ({"name": "users", "selectedFields": [{"fieldPath": ["nothing"]}]}, "selected-fields"),
    ({"name": "users", "mappers": [{"type": "hashing", "mapperConfiguration": {"targetField": "nothing", "method": "SHA-256",
                                                                              "fieldNameSuffix": "_h"}}]}, "invalid-mapper")])
def test_streams_that_cannot_be_are_400_and_named(suite, stream, kind):
    answer = suite.post("/connections", {"sourceId": suite.new_source()["sourceId"],
                                         "destinationId": suite.new_destination()["destinationId"],
                                         "configurations": {"streams": [stream]}})
    assert answer.status == 400, answer
    assert answer.json["type"].endswith(kind), answer
    assert stream["name"] in answer.json["detail"]


def test_chosen_streams_keep_what_was_chosen(suite):
    made = suite.new_connection(configurations={"streams": [
        {"name": "users", "syncMode": "full_refresh_append", "selectedFields": [{"fieldPath": ["id"]}, {"fieldPath": ["email"]}]}]})
    stream, = made["configurations"]["streams"]
    assert stream["name"] == "users" and stream["syncMode"] == "full_refresh_append"
    assert stream["selectedFields"] == [{"fieldPath": ["id"]}, {"fieldPath": ["email"]}]
    # What was read can be sent back.
    path = f"/connections/{made['connectionId']}"
    assert suite.patch(path, {"configurations": made["configurations"]}).json["configurations"] == made["configurations"]
    whole = suite.new_connection()
    path = f"/connections/{whole['connectionId']}"
    assert suite.patch(path, {"configurations": whole["configurations"]}).json["configurations"] == whole["configurations"]


@pytest.mark.parametrize("expression", ["* * * * *", "x 0 12 * * ?", "0 0 12 * * ? * *", "* 0 12 * * ?", "0 0 12 * * $", ""])
def test_crons_that_are_none_are_400(suite, expression):
    answer = suite.post("/connections", {"sourceId": suite.new_source()["sourceId"],
                                         "destinationId": suite.new_destination()["destinationId"],
                                         "schedule": {"scheduleType": "cron", "cronExpression": expression}})
    assert answer.status == 400 and "cron-validation" in answer.json["type"], answer


def test_lists_have_pages_with_whole_urls(suite):
    for i in range(3):
        suite.new_source(name=f"page {i}")
    first = suite.get("/sources", query={"limit": 2}).json
    assert len(first["data"]) == 2 and first["previous"] == "" and first["next"].startswith("http://")
    assert "offset=2" in first["next"] and "limit=2" in first["next"]
    second = suite.request("GET", first["next"].split("localhost", 1)[1]).json
    assert second["previous"] and {s["sourceId"] for s in first["data"]}.isdisjoint(s["sourceId"] for s in second["data"])
    empty = suite.get("/sources", query={"offset": 100000}).json
    assert empty["data"] == [] and empty["next"] == ""
    for bad in ({"limit": 0}, {"limit": 101}, {"limit": "x"}, {"offset": -1}):
        assert suite.get("/sources", query=bad).status == 400


def walk(suite, path, key, **query):
    """The keys of all rows, page by page as the links lead."""
    found, page = [], suite.get(path, query=query).json
    while page["data"]:
        found.append([row[key] for row in page["data"]])
        assert page["next"].count("after=") == 1 and page["next"].count("offset=") == 1, page["next"]
        page = suite.request("GET", page["next"].split("localhost", 1)[1]).json
    return found


def test_next_leads_behind_the_last_row(suite):
    # A workspace of its own: what other tests left in theirs can't be deleted, as connections use it.
    here = suite.post("/workspaces", {"name": "pages"}).json["workspaceId"]
    made = [suite.new_source(name=f"row {i}", workspaceId=here)["sourceId"] for i in range(5)]
    pages = walk(suite, "/sources", "sourceId", limit=2, workspaceIds=here)
    assert all(len(page) <= 2 for page in pages) and set(made) <= {row for page in pages for row in page}
    assert sum(pages, []) == [row["sourceId"] for row in suite.get("/sources", query={"limit": 100, "workspaceIds": here}).json["data"]]
    # Rows that go meanwhile move nobody off his page: by the offset alone two would be missed.
    first = suite.get("/sources", query={"limit": 2, "workspaceIds": here}).json
    for row in first["data"]:
        suite.delete(f"/sources/{row['sourceId']}")
    second = suite.request("GET", first["next"].split("localhost", 1)[1]).json
    assert [row["sourceId"] for row in second["data"]] == pages[1]
    by_offset = suite.get("/sources", query={"limit": 2, "offset": 2, "workspaceIds": here}).json["data"]
    assert [row["sourceId"] for row in by_offset] == sum(pages, [])[4:6]
    connection = suite.new_connection()["connectionId"]
    jobs = [suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).json["jobId"]]
    for _ in range(2):
        suite.delete(f"/jobs/{jobs[-1]}")
        jobs.append(suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).json["jobId"])
    suite.delete(f"/jobs/{jobs[-1]}")
    assert sum(walk(suite, "/jobs", "jobId", limit=2, connectionId=connection), []) == jobs[::-1]
    assert sum(walk(suite, "/jobs", "jobId", limit=1, connectionId=connection, orderBy="createdAt|ASC"), []) == jobs
    # In an order that is not that of the keys there is the offset alone.
    updated = suite.get("/jobs", query={"connectionId": connection, "orderBy": "updatedAt|DESC", "limit": 1}).json["next"]
    assert "offset=1" in updated and "after=" not in updated
    for bad in ("x", "0", "-1"):
        assert suite.get("/jobs", query={"after": bad}).status == 400


def test_jobs_are_filtered_and_ordered(suite):
    ids = []
    connection = suite.new_connection()["connectionId"]
    for _ in range(3):
        job = suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).json["jobId"]
        suite.delete(f"/jobs/{job}")
        ids.append(job)
    listed = [j["jobId"] for j in suite.get("/jobs", query={"connectionId": connection, "orderBy": "createdAt|ASC"}).json["data"]]
    assert listed == ids
    listed = [j["jobId"] for j in suite.get("/jobs", query={"connectionId": connection, "orderBy": "updatedAt|DESC"}).json["data"]]
    assert listed == ids[::-1]
    assert suite.get("/jobs", query={"connectionId": connection, "status": "succeeded"}).json["data"] == []
    assert suite.get("/jobs", query={"connectionId": connection, "createdAtStart": "2100-01-01T00:00:00Z"}).json["data"] == []
    for bad in ({"orderBy": "name|ASC"}, {"status": "odd"}, {"jobType": "odd"}, {"createdAtStart": "yesterday"}):
        assert suite.get("/jobs", query=bad).status == 400


def test_a_refresh_is_422_as_airbyte_has_it(suite):
    connection = suite.new_connection()["connectionId"]
    assert suite.post("/jobs", {"connectionId": connection, "jobType": "refresh"}).status == 422
    assert suite.post("/jobs", {"connectionId": connection, "jobType": "odd"}).status == 400


def test_a_workspace_goes_round(suite):
    made = suite.post("/workspaces", {"name": "other"}).json
    path = f"/workspaces/{made['workspaceId']}"
    assert suite.get(path).json == made
    assert suite.patch(path, {"name": "renamed"}).json["name"] == "renamed"
    url = {"notifications": {"failure": {"webhook": {"enabled": True, "url": "https://example.com/x"}}}}
    assert suite.patch(path, url).json["notifications"] == url["notifications"]
    nothing = suite.patch(path, {"notifications": {"failure": {"webhook": {"enabled": True, "url": None}}}})
    assert nothing.json["notifications"] == {"failure": {"webhook": {"enabled": True}}}
    answer = suite.patch(path, {"notifications": {"failure": {"webhook": {"enabled": True, "url": "ftp://x"}}}})
    assert answer.status == 400 and "failure" in answer.json["detail"]  # P12
    assert suite.delete(path).status == 204
    assert suite.get(path).status == 404


def test_tags_go_round_and_onto_connections(suite):
    tag = suite.post("/tags", {"name": "red", "color": "FF0000", "workspaceId": suite.workspace}).json
    assert suite.post("/tags", {"name": "red", "color": "FF0000", "workspaceId": suite.workspace}).status == 409
    assert suite.post("/tags", {"name": "bad", "color": "red", "workspaceId": suite.workspace}).status == 400
    connection = suite.new_connection(tags=[{"tagId": tag["tagId"]}])
    assert [t["tagId"] for t in connection["tags"]] == [tag["tagId"]]
    listed = suite.get("/connections", query={"tagIds": tag["tagId"]}).json["data"]
    assert [c["connectionId"] for c in listed] == [connection["connectionId"]]
    assert suite.patch(f"/tags/{tag['tagId']}", {"name": "blue"}).json["name"] == "blue"
    assert suite.delete(f"/tags/{tag['tagId']}").status == 204
    assert suite.get(f"/connections/{connection['connectionId']}").json["tags"] == []


def test_P11_definitions_go_round(suite):
    base = f"/workspaces/{suite.workspace}/definitions"
    for kind in ("sources", "destinations"):
        body = {"name": "Mine", "dockerRepository": f"me/{kind}-mine", "dockerImageTag": "1.0", "documentationUrl": "https://x"}
        made = suite.post(f"{base}/{kind}", body).json
        path = f"{base}/{kind}/{made['id']}"
        assert made["dockerRepository"] == body["dockerRepository"] and suite.get(path).json == made
        assert suite.put(path, {"name": "Mine", "dockerImageTag": "2.0"}).json["dockerImageTag"] == "2.0"
        assert made["id"] in [d["id"] for d in suite.get(f"{base}/{kind}?limit=100").json["data"]]  # others have made some, too
        assert suite.delete(path).json["id"] == made["id"]
        assert suite.get(path).status == 404
        assert suite.post(f"{base}/{kind}", body | {"dockerImageTag": "$(x)"}).status == 422
    manifest = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}
    made = suite.post(f"{base}/declarative_sources", {"name": "Low", "manifest": manifest}).json
    path = f"{base}/declarative_sources/{made['id']}"
    assert made["manifest"] == manifest and made["version"] == 1
    assert suite.put(path, {"manifest": manifest}).json["version"] == 2
    assert suite.delete(path).status == 200


def test_a_specification_that_is_unknown_is_asked_for(suite):
    base = f"/workspaces/{suite.workspace}/definitions/sources"
    made = suite.post(base, {"name": "Asked", "dockerRepository": "me/source-asked", "dockerImageTag": "1"}).json
    source = suite.new_source(definitionId=made["id"], configuration={"password": "open sesame"})
    assert source["configuration"] == {"password": "**********"}


def test_connector_definitions_are_listed(suite):
    listed = suite.get("/connector_definitions", query={"type": "source", "workspaceId": suite.workspace}).json["data"]
    assert "Faker" in [d["name"] for d in listed]
    assert suite.get("/connector_definitions").status == 400


def test_streams_are_discovered(suite):
    source, destination = suite.new_source()["sourceId"], suite.new_destination()["destinationId"]
    answer = suite.get("/streams", query={"sourceId": source, "destinationId": destination, "ignoreCache": "true"})
    assert answer.status == 200, answer
    users = next(s for s in answer.json if s["streamName"] == "users")
    assert "full_refresh_append" in users["syncModes"] and ["id"] in users["propertyFields"]
    assert suite.get("/streams").status == 400


def test_P04_a_discover_that_fails_is_told(suite):
    source, kept = suite.new_source()["sourceId"], suite.catalog.read_text()
    suite.catalog.unlink()
    try:
        answer = suite.get("/streams", query={"sourceId": source})
    finally:
        suite.catalog.write_text(kept)
    assert answer.status == 422 and "There is no catalog" in answer.json["detail"]


def test_what_gantry_has_not_is_501(suite):
    """All of Airbyte's list that is not served: for those who may ask, and T41 holds for the others."""
    told = {path for _, path in refused_operations()}
    for path in ("/groups", "/groups/7", "/groups/7/members/7", "/groups/7/permissions/7", "/regions/7", "/dataplanes/7", "/oauth/callback",
                 "/sources/initiateOAuth", "/workspaces/7/oauthCredentials", "/organizations/7/oauthCredentials/7/7", "/embedded/organizations"):
        assert f"/api/public/v1{path}" in told, path
    for method, path in refused_operations():
        body = {} if method in ("POST", "PUT", "PATCH") else None
        answer = suite.request(method, path, body)
        assert answer.status == 501, (method, path, answer)
        assert answer.json["message"] if path.startswith("/api/v1/") else answer.json["title"] == "not-implemented-in-oss", (path, answer)
        assert suite.request(method, path, body, token=None).status == 401, (method, path)


def test_the_root_leads_to_the_document(suite):
    for path in ("/api/public/v1", "/api/public/v1/"):
        answer = suite.request("GET", path, token=None)
        assert (answer.status, answer.headers["Location"]) == (302, "/api/public/v1/openapi.json"), (path, answer)
    for path in ("/api/public/v1//", "/api/public/v1/x/", "/"):
        assert suite.request("GET", path, token=None).status in (401, 404), path


def test_users_are_listed_once_and_by_id(suite):
    application, _ = suite.new_token()
    other = suite.post("/workspaces", {"name": "of a user"}).json["workspaceId"]
    made = [suite.post("/permissions", {"permissionType": "workspace_reader", "userId": "uid:1234", "workspaceId": w}).json["permissionId"]
            for w in (suite.workspace, other)]
    everybody = [u["id"] for u in suite.get("/users").json["data"]]
    assert everybody.count("1234") + everybody.count("uid:1234") == 1 and len(everybody) == len(set(everybody)), everybody
    for query, expected in (({"ids": application}, [application]), ({"ids": [application, "x"]}, [application]), ({"ids": "x"}, []),
                            ({"emails": "a@example.com"}, [])):
        assert [u["id"] for u in suite.get("/users", query=query).json["data"]] == expected, query
    for permission in made:
        assert suite.delete(f"/permissions/{permission}").status == 204


def test_users_organizations_permissions_and_applications(suite):
    assert [o["organizationName"] for o in suite.get("/organizations").json["data"]] == ["Default Organization"]
    application, _ = suite.new_token()
    assert application in [u["id"] for u in suite.get("/users").json["data"]]
    assert suite.get(f"/applications/{application}").json["clientSecret"] == "**********"
    made = suite.post("/permissions", {"permissionType": "workspace_reader", "userId": "uid:1000",
                                       "workspaceId": suite.workspace})
    assert made.status == 200, made
    path = f"/permissions/{made.json['permissionId']}"
    assert suite.patch(path, {"permissionType": "workspace_editor"}).json["permissionType"] == "workspace_editor"
    assert suite.delete(path).status == 204
    assert suite.delete(f"/applications/{application}").status == 200


def test_a_patch_against_stored_members_only_T43(suite):
    made = suite.new_connection()
    path = f"/connections/{made['connectionId']}"
    changed = suite.patch(path, {"connectionId": UNKNOWN, "sourceId": UNKNOWN, "workspaceId": UNKNOWN, "createdAt": 1}).json
    assert {k: changed[k] for k in ("connectionId", "sourceId", "workspaceId", "createdAt")} == {
        k: made[k] for k in ("connectionId", "sourceId", "workspaceId", "createdAt")}
    for status in ("deprecated", "locked", "odd"):
        assert suite.patch(path, {"status": status}).status == 400
    assert json.dumps(suite.get(path).json["configurations"]) == json.dumps(made["configurations"])
