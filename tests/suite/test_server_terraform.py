# SPDX-License-Identifier: LGPL-2.1-or-later
"""The calls of Airbyte's Terraform provider, resource by resource, in its order and with its bodies: create, read, plan, change, read,
plan, delete, read. A plan is empty when what is read says what was written; what the provider does not know stays as it is."""

import urllib.parse

import pytest
from conftest import V1

AGENT = {"User-Agent": "speakeasy-sdk/terraform"}


class Provider:
    """What the provider holds: a token, got by a form as OAuth 2 has it, and its state."""

    def __init__(self, suite):
        self.suite = suite
        client_id, secret = suite.credentials
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret})
        answer = suite.request("POST", f"{V1}/applications/token", form.encode(), token=None,
                               headers={"Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 200 and answer.json["token_type"] == "Bearer" and answer.json["expires_in"] > 60, answer
        self.token = answer.json["access_token"]

    def ask(self, method, path, body=None, status=200, query=None):
        accept = {"Accept": "*/*" if method == "DELETE" and "/definitions/" not in path else "application/json"}
        answer = self.suite.request(method, V1 + path, body, token=self.token, headers=AGENT | accept, query=query)
        assert answer.status == status, (method, path, answer)
        if status == 200:
            assert answer.headers["Content-Type"] == "application/json", answer.headers
        return answer.json if answer.body else None

    def gone(self, path):
        """The provider takes a 404 for "somebody has deleted it", both when it reads and when it deletes."""
        self.ask("GET", path, status=404)
        assert self.suite.request("DELETE", V1 + path, None, token=self.token, headers=AGENT).status in (200, 204, 404)


@pytest.fixture(name="provider", scope="module")
def make_provider(suite):
    return Provider(suite)


@pytest.mark.parametrize("kind", ("source", "destination"))
def test_sources_and_destinations(suite, provider, kind):
    connector = suite.new_source if kind == "source" else suite.new_destination
    made = connector()
    configuration = provider.ask("GET", f"/{kind}s/{made[f'{kind}Id']}")["configuration"]
    # By its type within the configuration, by its definition beside it; optional members are sent as they are or not at all.
    for extra, inner in (({}, {f"{kind}Type": made[f"{kind}Type"]}), ({"definitionId": made["definitionId"]}, {})):
        first = provider.ask("POST", f"/{kind}s", {"name": "tf", "workspaceId": suite.workspace, "configuration": configuration | inner} | extra)
        path = f"/{kind}s/{first[f'{kind}Id']}"
        assert first.keys() >= {f"{kind}Id", "name", f"{kind}Type", "definitionId", "workspaceId", "configuration", "createdAt"}
        assert isinstance(first["createdAt"], int) and provider.ask("GET", path) == first
        # The same written again, as the provider does on any change: it reads like before, whichever way the type was said.
        for again in (configuration, configuration | {f"{kind}Type": made[f"{kind}Type"]}):
            second = provider.ask("PUT", path, {"name": "tf", "configuration": again})
            assert second == first == provider.ask("GET", path)
        needs = {"default": {"cpu_limit": "1", "memory_limit": "512Mi"}}
        changed = provider.ask("PUT", path, {"name": "tf 2", "configuration": configuration, "resourceAllocation": needs})
        assert changed["resourceAllocation"] == needs and provider.ask("GET", path) == changed and changed["name"] == "tf 2"
        provider.ask("DELETE", path, status=204)
        provider.gone(path)


def streams_of(suite, source):
    return suite.get("/streams", query={"sourceId": source}).json


def test_connections(suite, provider):
    source, destination = suite.new_source(name="tf source"), suite.new_destination(name="tf destination")
    first, *_ = streams_of(suite, source["sourceId"])
    name = first["streamName"]
    defaults = {"namespaceDefinition": "destination", "namespaceFormat": None, "prefix": "", "nonBreakingSchemaUpdatesBehavior": "ignore"}
    body = defaults | {"name": "tf connection", "status": "active", "tags": [], "schedule": {"scheduleType": "cron", "cronExpression": "0 0 4 * * ?"},
                       "configurations": {"streams": [{"name": name, "syncMode": "full_refresh_overwrite", "mappers": [], "selectedFields": []}]}}
    made = provider.ask("POST", "/connections", body | {"sourceId": source["sourceId"], "destinationId": destination["destinationId"]})
    path = f"/connections/{made['connectionId']}"
    assert provider.ask("GET", path) == made
    assert [s["name"] for s in made["configurations"]["streams"]] == [name], "a stream that was not asked for would be a diff for ever"
    assert made["configurations"]["streams"][0]["syncMode"] == "full_refresh_overwrite"
    assert (made["prefix"], made["namespaceDefinition"], made["tags"]) == ("", "destination", []) and "namespaceFormat" not in made
    # What was read, written back: nothing changes, neither here nor in what is read next.
    back = {k: made[k] for k in body if k in made} | {"namespaceFormat": None}
    assert provider.ask("PATCH", path, back) == made == provider.ask("GET", path)
    changed = provider.ask("PATCH", path, back | {"name": "tf 2", "schedule": {"scheduleType": "manual"}, "status": "inactive", "prefix": "p_",
                                                  "namespaceDefinition": "custom_format", "namespaceFormat": "x_${SOURCE_NAMESPACE}"})
    assert provider.ask("GET", path) == changed
    assert changed | {"name": "tf 2", "schedule": {"scheduleType": "manual"}, "status": "inactive", "prefix": "p_",
                      "namespaceDefinition": "custom_format", "namespaceFormat": "x_${SOURCE_NAMESPACE}"} == changed
    # Of all that may be left out, nothing.
    bare = provider.ask("POST", "/connections", defaults | {"sourceId": source["sourceId"], "destinationId": destination["destinationId"]})
    assert len(bare["configurations"]["streams"]) == len(streams_of(suite, source["sourceId"])) and bare["schedule"]["scheduleType"] == "manual"
    # The data source of connections: pages, filters that may be empty.
    query = {"workspaceIds": suite.workspace, "includeDeleted": "false", "limit": 100, "offset": 0}
    listed = provider.ask("GET", "/connections", query=query)
    assert {c["connectionId"] for c in listed["data"]} >= {made["connectionId"], bare["connectionId"]}
    assert next(c for c in listed["data"] if c["connectionId"] == made["connectionId"]) == changed
    for connection in (made, bare):
        provider.ask("DELETE", f"/connections/{connection['connectionId']}", status=204)
        provider.gone(f"/connections/{connection['connectionId']}")
    # In the order of their dependencies; the other way round the reason is told.
    provider.ask("DELETE", f"/sources/{source['sourceId']}", status=204)


def test_what_is_used_is_named(suite, provider):
    source, destination = suite.new_source(), suite.new_destination()
    made = provider.ask("POST", "/connections", {"name": "the one", "sourceId": source["sourceId"], "destinationId": destination["destinationId"]})
    for kind, id_ in (("sources", source["sourceId"]), ("destinations", destination["destinationId"])):
        answer = suite.request("DELETE", f"{V1}/{kind}/{id_}", None, token=provider.token)
        assert answer.status == 409 and answer.json["detail"] == "The connection 'the one' uses it", answer
    provider.ask("DELETE", f"/connections/{made['connectionId']}", status=204)
    provider.ask("DELETE", f"/sources/{source['sourceId']}", status=204)
    provider.ask("DELETE", f"/destinations/{destination['destinationId']}", status=204)


@pytest.mark.parametrize("kind", ("sources", "destinations"))
def test_definitions(suite, provider, kind):
    base = f"/workspaces/{suite.workspace}/definitions/{kind}"
    made = provider.ask("POST", base, {"name": "tf", "dockerRepository": f"tf/{kind}", "dockerImageTag": "1.0.0", "documentationUrl": "https://docs.example/"})
    assert made.keys() == {"id", "name", "dockerRepository", "dockerImageTag", "documentationUrl"}
    path = f"{base}/{made['id']}"
    assert provider.ask("GET", path) == made
    changed = provider.ask("PUT", path, {"name": "tf 2", "dockerImageTag": "1.0.1"})
    assert changed == made | {"name": "tf 2", "dockerImageTag": "1.0.1"} == provider.ask("GET", path)
    # The answer of a DELETE is the definition, and not 204.
    assert provider.ask("DELETE", path) == changed
    provider.gone(path)


def test_declarative_definitions(suite, provider):
    base = f"/workspaces/{suite.workspace}/definitions/declarative_sources"
    manifest = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}
    made = provider.ask("POST", base, {"name": "tf", "manifest": manifest})
    path = f"{base}/{made['id']}"
    assert (made["manifest"], made["version"]) == (manifest, 1) and provider.ask("GET", path) == made
    changed = provider.ask("PUT", path, {"manifest": manifest | {"version": "6.0.1"}})
    assert changed["manifest"]["version"] == "6.0.1" and changed["version"] == 2 and provider.ask("GET", path) == changed
    assert provider.ask("DELETE", path) == changed
    provider.gone(path)


def test_permissions(suite, provider):
    user = provider.ask("GET", "/users", query={"organizationId": provider.ask("GET", "/organizations")["data"][0]["organizationId"]})["data"][0]["id"]
    made = provider.ask("POST", "/permissions", {"permissionType": "workspace_reader", "userId": user, "workspaceId": suite.workspace})
    path = f"/permissions/{made['permissionId']}"
    assert made["workspaceId"] == suite.workspace and made["userId"] == user and provider.ask("GET", path) == made
    changed = provider.ask("PATCH", path, {"permissionType": "workspace_editor"})
    assert changed == made | {"permissionType": "workspace_editor"} == provider.ask("GET", path)
    listed = provider.ask("GET", "/permissions", query={"userId": user})["data"]
    assert next(p for p in listed if p["permissionId"] == made["permissionId"])["scope"] == "workspace"
    provider.ask("DELETE", path, status=204)
    provider.gone(path)


def test_workspaces(provider):
    off = {"email": {"enabled": False}, "webhook": {"enabled": True, "url": "https://hooks.example/x"}}
    made = provider.ask("POST", "/workspaces", {"name": "tf", "notifications": {"failure": off}})
    path = f"/workspaces/{made['workspaceId']}"
    assert made["notifications"]["failure"] == off and provider.ask("GET", path) == made and "dataResidency" in made
    # No PUT: what is changed is patched.
    changed = provider.ask("PATCH", path, {"name": "tf 2", "notifications": {"failure": off}})
    assert changed == made | {"name": "tf 2"} == provider.ask("GET", path)
    provider.ask("DELETE", path, status=204)
    provider.gone(path)


def test_a_path_that_is_not_there_is_named(suite, provider):
    # A server_url that lacks a part is the most usual mistake of all.
    answer = suite.request("GET", "/v1/workspaces", None, token=provider.token, query={"limit": 20})
    assert answer.status == 404 and answer.json["detail"] == "There is nothing at '/v1/workspaces'", answer
