# SPDX-License-Identifier: LGPL-2.1-or-later
"""T41: which role each operation takes. Every operation that the document or the server's own tables have is in one of the sets
below, or the test fails; each is asked by a caller of every role on the workspace, and by one of none."""

import pytest
from api_world import World, config_operations, operations, own_suite  # noqa: F401
from conftest import V1

ROLES = ["reader", "runner", "editor", "admin"]
CLEARING = "with a job that clears"  # beside POST /jobs with one that does not

# (method, path) by what they take; paths of the public API without their base.
PUBLIC = {
    "nothing": {"GET /organizations", "GET /permissions", "GET /workspaces", "GET /sources", "GET /destinations", "GET /connections",
                "GET /jobs", "GET /tags", "GET /connector_definitions"},
    "reader": {"GET /sources/{sourceId}", "GET /destinations/{destinationId}", "GET /connections/{connectionId}", "GET /jobs/{jobId}",
               "GET /tags/{tagId}", "GET /workspaces/{workspaceId}",
               *(f"GET /workspaces/{{workspaceId}}/definitions/{kind}{one}" for kind in ("sources", "destinations", "declarative_sources")
                 for one in ("", "/{definitionId}"))},
    "runner": {"POST /jobs", "DELETE /jobs/{jobId}", "GET /streams"},
    "editor": {"POST /sources", "PATCH /sources/{sourceId}", "PUT /sources/{sourceId}", "DELETE /sources/{sourceId}",
               "POST /destinations", "PATCH /destinations/{destinationId}", "PUT /destinations/{destinationId}",
               "DELETE /destinations/{destinationId}", "POST /connections", "PATCH /connections/{connectionId}",
               "DELETE /connections/{connectionId}", "POST /tags", "PATCH /tags/{tagId}", "DELETE /tags/{tagId}", f"POST /jobs {CLEARING}"},
    "admin": {"PATCH /workspaces/{workspaceId}", "DELETE /workspaces/{workspaceId}", "POST /permissions",
              *(f"{verb} /workspaces/{{workspaceId}}/definitions/{kind}{one}" for kind in ("sources", "destinations", "declarative_sources")
                for verb, one in (("POST", ""), ("PUT", "/{definitionId}"), ("DELETE", "/{definitionId}")))},
    # An administrator of the whole instance.
    "instance": {"GET /applications", "POST /applications", "GET /applications/{applicationId}", "DELETE /applications/{applicationId}",
                 "GET /permissions/{permissionId}", "PATCH /permissions/{permissionId}", "DELETE /permissions/{permissionId}",
                 "GET /users", "POST /workspaces"}}

CONFIG = {
    "nothing": {"workspaces/list", "workspaces/list_by_organization_id", "workspaces/get_organization_info",
                "organizations/get_organization_info"},
    "reader": {"workspaces/get", "jobs/list", "jobs/get", "jobs/get_light", "jobs/get_without_logs", "jobs/get_debug_info", "state/get",
               "connections/get", "connections/list", "connections/events/list", "operations/list", "web_backend/connections/get", "web_backend/connections/list",
               "connector_builder_projects/get_for_definition_id", "connector_builder_projects/get_with_manifest",
               *(f"{kind}{rest}" for kind in ("source", "destination") for rest in (
                   "s/list", "s/get", "_definitions/list", "_definitions/list_latest", "_definitions/list_for_workspace",
                   "_definitions/get", "_definitions/get_for_workspace", "_definition_specifications/get"))},
    "runner": {"connections/sync", "jobs/cancel", "sources/check_connection", "destinations/check_connection", "sources/discover_schema"},
    "editor": {"connections/reset", "connections/clear", "connections/refresh", "connections/reset/stream",
               "connections/clear/stream", "connections/create", "connections/update", "connections/delete",
               "web_backend/connections/create", "web_backend/connections/update", "state/create_or_update", "state/create_or_update_safe",
               *(f"{kind}s/{verb}" for kind in ("source", "destination")
                 for verb in ("create", "update", "delete", "upgrade_version", "check_connection_for_update"))},
    "admin": {f"{kind}_definitions/{verb}" for kind in ("source", "destination")
              for verb in ("create_custom", "update", "update_custom", "delete", "delete_custom")}}


@pytest.fixture(scope="module")
def world(suite):
    return World(suite)


@pytest.fixture(scope="module")
def callers(suite, world):
    elsewhere = suite.post("/workspaces", {"name": "elsewhere"}).json["workspaceId"]
    return {role: suite.limited_token(role, world.workspace) for role in ROLES} | {"none": suite.limited_token("admin", elsewhere)}


def test_T41_every_operation_has_a_row(suite):
    public = {f"{method} {path.removeprefix(V1)}" for method, path in operations(suite)}
    rows = [row for rows in PUBLIC.values() for row in rows if CLEARING not in row]
    assert len(rows) == len(set(rows)) and set(rows) == public, set(rows) ^ public
    config = {path.removeprefix("/api/v1/") for _, path in config_operations()}
    rows = [row for rows in CONFIG.values() for row in rows]
    assert len(rows) == len(set(rows)) and set(rows) == config, set(rows) ^ config


def may(caller, need):
    if need == "nothing":
        return True
    return caller in ROLES and need in ROLES and ROLES.index(caller) >= ROLES.index(need)


def ask(world, row, token):
    """The call with this world's ids, in a way in which it changes nothing even where it is allowed to."""
    method, path = row.replace(f" {CLEARING}", "").split(" ") if " " in row else ("POST", f"/api/v1/{row}")
    path = path if path.startswith("/api") else V1 + path
    body = world.body(path) if method in ("POST", "PUT", "PATCH") else None
    if body and "jobType" in body:
        body["jobType"] = "clear" if CLEARING in row else "sync"
    for kind in ("source", "destination"):
        if path.startswith(f"/api/v1/{kind}_definitions/"):
            body |= {f"{kind}Definition": {f"{kind}DefinitionId": world.ids[f"{kind}DefinitionId"], "name": "d", "dockerRepository": "a/b",
                                           "dockerImageTag": "1", "documentationUrl": ""}}
    query = None
    if method == "GET" and path.endswith(("/streams", "/connector_definitions")):
        query = {"sourceId": world.ids["sourceId"], "type": "source", "workspaceId": world.workspace}
    return world.suite.request(method, world.url(path), body, token=token, query=query, headers={"If-Match": '"0"'})


REFUSED = (403, 404)


@pytest.mark.parametrize("need,row", [(need, row) for table in (PUBLIC, CONFIG) for need, rows in table.items() for row in sorted(rows)])
def test_T41_who_may(suite, world, callers, need, row):
    before = world.rows()
    for caller, token in callers.items():
        if may(caller, need):
            continue
        answer = ask(world, row, token)
        # What may not even be seen is 404, what may be seen and not done is 403.
        seen = caller in ROLES and need != "instance"
        assert answer.status == 403 if seen else answer.status in REFUSED, (caller, answer)
    assert world.rows() == before, "a call that was refused has changed something"
    # And those who may are not refused: a body that does not do, a conflict, or done.
    for caller in [*ROLES, "none"]:
        if may(caller, need) and "/delete" not in row:  # those of the config API do it whatever was seen
            answer = ask(world, row, callers[caller])
            assert answer.status not in (401, 403) and (answer.status != 404 or caller == "none"), (caller, answer)
