# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls of Airbyte's config API that dagster, PyAirbyte and older clients make."""


def call(suite, path, body=None, status=200):
    answer = suite.request("POST", f"/api/v1/{path}", body if body is not None else {})
    assert answer.status == status, (path, answer)
    return answer.json if answer.body else None


def test_workspaces_and_definitions(suite):
    assert suite.workspace in [w["workspaceId"] for w in call(suite, "workspaces/list")["workspaces"]]
    assert call(suite, "workspaces/get", {"workspaceId": suite.workspace})["workspaceId"] == suite.workspace
    for kind in ("source", "destination"):
        listed = call(suite, f"{kind}_definitions/list")[f"{kind}Definitions"]
        key = f"{kind}DefinitionId"
        one = next(d for d in listed if d["dockerImageTag"] and d["name"] in ("Faker", "SQLite"))
        assert call(suite, f"{kind}_definitions/get", {key: one[key]}) == one
        spec = call(suite, f"{kind}_definition_specifications/get", {key: one[key], "workspaceId": suite.workspace})
        assert spec["connectionSpecification"]["type"] == "object"


def test_sources_and_destinations(suite):
    for kind, new in (("source", suite.new_source), ("destination", suite.new_destination)):
        key = f"{kind}Id"
        made = new()
        read = call(suite, f"{kind}s/get", {key: made[key]})
        made["configuration"].pop("destinationType", None)
        assert read["connectionConfiguration"] == made["configuration"]
        created = call(suite, f"{kind}s/create", {
            "name": "again", "workspaceId": suite.workspace, f"{kind}DefinitionId": made["definitionId"],
            "connectionConfiguration": made["configuration"]})
        assert created[key] in [a[key] for a in call(suite, f"{kind}s/list", {"workspaceId": suite.workspace})[f"{kind}s"]]
        updated = call(suite, f"{kind}s/update", {key: created[key], "name": "changed",
                                                  "connectionConfiguration": made["configuration"]})
        assert updated["name"] == "changed"
        assert call(suite, f"{kind}s/check_connection", {key: created[key]})["status"] == "succeeded"  # P02
        call(suite, f"{kind}s/delete", {key: created[key]}, 204)
        error = call(suite, f"{kind}s/get", {key: created[key]}, 404)
        assert error["message"] and "id" in error and error["exceptionClassName"]


def test_a_source_is_discovered_and_connected(suite):
    source, destination = suite.new_source()["sourceId"], suite.new_destination()["destinationId"]
    found = call(suite, "sources/discover_schema", {"sourceId": source})
    catalog = found["catalog"]
    assert {s["stream"]["name"] for s in catalog["streams"]} == {"users", "products", "purchases"} and found["catalogId"]
    for s in catalog["streams"]:
        s["config"]["selected"] = s["stream"]["name"] == "users"
    made = call(suite, "connections/create", {
        "sourceId": source, "destinationId": destination, "name": "made", "syncCatalog": catalog, "status": "active",
        "namespaceDefinition": "customformat", "namespaceFormat": "x_${SOURCE_NAMESPACE}", "prefix": "p",
        "scheduleType": "basic", "scheduleData": {"basicSchedule": {"units": 2, "timeUnit": "hours"}}})
    assert [s["stream"]["name"] for s in made["syncCatalog"]["streams"] if s["config"]["selected"]] == ["users"]
    assert made["scheduleData"] == {"basicSchedule": {"units": 2, "timeUnit": "hours"}}
    assert made["namespaceDefinition"] == "customformat"
    assert suite.get(f"/connections/{made['connectionId']}").json["schedule"] == {
        "scheduleType": "basic", "basicTiming": "Every 2 HOURS"}
    assert call(suite, "operations/list", {"connectionId": made["connectionId"]}) == {"operations": []}
    got = call(suite, "web_backend/connections/get", {"connectionId": made["connectionId"]})
    for s in got["syncCatalog"]["streams"]:
        s["config"]["selected"] = True
    changed = call(suite, "web_backend/connections/update", {"connectionId": made["connectionId"],
                                                             "syncCatalog": got["syncCatalog"]})
    assert all(s["config"]["selected"] for s in changed["syncCatalog"]["streams"])
    call(suite, "connections/delete", {"connectionId": made["connectionId"]}, 204)


def test_declarative_definitions_are_their_own_builder_projects(suite):
    manifest = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}
    base = f"/workspaces/{suite.workspace}/definitions"
    made = suite.post(f"{base}/declarative_sources", {"name": "Low", "manifest": manifest}).json
    image = suite.post(f"{base}/sources", {"name": "d", "dockerRepository": "a/b", "dockerImageTag": "1"}).json["id"]
    found = call(suite, "connector_builder_projects/get_for_definition_id", {"workspaceId": suite.workspace, "actorDefinitionId": made["id"]})
    assert found["workspaceId"] == suite.workspace
    project = call(suite, "connector_builder_projects/get_with_manifest", found | {"builderProjectId": found["builderProjectId"]})
    assert project["builderProject"] == {"builderProjectId": found["builderProjectId"], "name": "Low", "sourceDefinitionId": made["id"],
                                         "activeDeclarativeManifestVersion": made["version"], "hasDraft": False}
    assert project["declarativeManifest"] == {"manifest": manifest, "version": made["version"], "isDraft": False}
    for definition in (image, "x"):
        call(suite, "connector_builder_projects/get_for_definition_id", {"workspaceId": suite.workspace, "actorDefinitionId": definition}, 404)
    call(suite, "connector_builder_projects/get_for_definition_id", {"workspaceId": suite.workspace}, 400)
    for path in ("connector_builder_projects/update_testing_values", "operations/create", "operations/get", "operations/update",
                 "operations/delete"):
        assert call(suite, path, {}, 501)["message"], path


def test_jobs(suite):
    connection = suite.new_connection()["connectionId"]
    started = call(suite, "connections/sync", {"connectionId": connection})
    job = started["job"]["id"]
    assert started["job"]["configType"] == "sync" and started["job"]["configId"] == connection
    call(suite, "connections/sync", {"connectionId": connection}, 409)
    assert call(suite, "jobs/get", {"id": job})["attempts"] == []
    listed = call(suite, "jobs/list", {"configTypes": ["sync"], "configId": connection, "pagination": {"pageSize": 1}})
    assert [j["job"]["id"] for j in listed["jobs"]] == [job]
    assert call(suite, "jobs/list", {"configTypes": ["get_spec"], "configId": connection})["jobs"] == []
    assert call(suite, "jobs/cancel", {"id": job})["job"]["status"] == "cancelled"
    call(suite, "jobs/get", {"id": 999999}, 404)
    call(suite, "jobs/get", {"id": "x"}, 400)


def test_states(suite):
    connection = suite.new_connection()["connectionId"]
    assert call(suite, "state/get", {"connectionId": connection})["stateType"] == "not_set"
    state = {"stateType": "stream", "connectionId": connection, "streamState": [
        {"streamDescriptor": {"name": "users"}, "streamState": {"cursor": 5}}]}
    assert call(suite, "state/create_or_update_safe", {"connectionId": connection, "connectionState": state})["streamState"][0][
        "streamState"] == {"cursor": 5}
    assert call(suite, "state/get", {"connectionId": connection})["streamState"][0]["streamDescriptor"]["name"] == "users"
    state = {"stateType": "global", "connectionId": connection, "globalState": {
        "sharedState": {"lsn": 1}, "streamStates": [{"streamDescriptor": {"name": "users"}, "streamState": {"a": 1}}]}}
    assert call(suite, "state/create_or_update_safe", {"connectionId": connection, "connectionState": state})["stateType"] == "global"
    call(suite, "state/create_or_update_safe", {"connectionId": connection, "connectionState": {"stateType": "odd"}}, 400)
