# SPDX-License-Identifier: LGPL-2.1-or-later
"""Custom definitions by the config API, and which version runs when a definition moves on (P11, T43, T79)."""

import sqlite3
import uuid

import pytest
from conftest import V1

KINDS = ("source", "destination")
UNKNOWN = str(uuid.UUID(int=7))


def call(suite, path, body, status=200, **kwargs):
    answer = suite.request("POST", f"/api/v1/{path}", body, **kwargs)
    assert answer.status == status, (path, answer)
    return answer.json if answer.body else None


def rows(suite, query, *values):
    with sqlite3.connect(f"file:{suite.database}?mode=ro", uri=True) as db:
        return db.execute(query, values).fetchall()


def image(kind, **more):
    return {"name": "Mine", "dockerRepository": f"me/{kind}-{uuid.uuid4()}", "dockerImageTag": "1.0",
            "documentationUrl": "https://example.com"} | more


def create(suite, kind, workspace=None, **more):
    body = image(kind, **more)
    made = call(suite, f"{kind}_definitions/create_custom", {"workspaceId": workspace or suite.workspace, f"{kind}Definition": body})
    assert made.items() >= {k: v for k, v in body.items() if k in image(kind)}.items() and made["custom"] is True, made
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_P11_custom_definitions_go_round_by_the_config_api(suite, kind):
    base, key = f"{kind}_definitions", f"{kind}DefinitionId"
    made = create(suite, kind)
    named = {key: made[key]}
    assert call(suite, f"{base}/get", named) == made
    assert call(suite, f"{base}/get_for_workspace", named | {"workspaceId": suite.workspace}) == made
    for path in ("list_for_workspace", "list"):
        assert made in call(suite, f"{base}/{path}", {"workspaceId": suite.workspace})[f"{kind}Definitions"]
    assert made not in call(suite, f"{base}/list", {})[f"{kind}Definitions"], "a workspace's own, shown to all"
    changed = call(suite, f"{base}/update", named | {"dockerImageTag": "1.1"})
    assert changed == made | {"dockerImageTag": "1.1"}
    changed = call(suite, f"{base}/update_custom", {"workspaceId": suite.workspace,
                                                    f"{kind}Definition": named | {"name": "Other", "dockerImageTag": "1.2"}})
    assert changed == made | {"dockerImageTag": "1.2", "name": "Other"}
    # The public API speaks of the same one.
    public = suite.get(f"/workspaces/{suite.workspace}/definitions/{kind}s/{made[key]}").json
    assert (public["id"], public["name"], public["dockerImageTag"]) == (made[key], "Other", "1.2")
    call(suite, f"{base}/delete", named, 204)
    for path in ("get", "update", "delete", "delete_custom"):
        call(suite, f"{base}/{path}", named, 404)
    again = create(suite, kind)
    call(suite, f"{base}/delete_custom", {key: again[key], "workspaceId": suite.workspace}, 204)
    call(suite, f"{base}/get", {key: again[key]}, 404)


@pytest.mark.parametrize("kind", KINDS)
def test_P11_what_is_wrong_is_refused_and_changes_nothing(suite, kind):
    base, key, other = f"{kind}_definitions", f"{kind}DefinitionId", "destination" if kind == "source" else "source"
    made, foreign = create(suite, kind), suite.post("/workspaces", {"name": f"other {uuid.uuid4()}"}).json["workspaceId"]
    shipped = next(d for d in call(suite, f"{base}/list", {})[f"{kind}Definitions"] if not d["custom"])
    before = rows(suite, "SELECT * FROM definition ORDER BY id")
    one = {key: made[key]}
    for path, body, status in (
            ("update", one | {"dockerImageTag": "$(id)"}, 422), ("update", one | {"dockerImageTag": ""}, 422),
            ("update", one | {"name": ""}, 400), ("update", one | {"name": 7}, 400), ("update", {key: 7}, 400), ("update", {}, 400),
            ("update", {key: UNKNOWN, "dockerImageTag": "2"}, 404), ("update", {key: "no-uuid", "dockerImageTag": "2"}, (400, 404)),
            ("update", {key: shipped[key], "dockerImageTag": "2"}, 400), ("delete", {key: shipped[key]}, 400),
            ("delete", {key: UNKNOWN}, 404), ("delete", {}, 400), ("delete_custom", one | {"workspaceId": foreign}, 404),
            ("delete_custom", one | {"workspaceId": UNKNOWN}, 404), ("get_for_workspace", one | {"workspaceId": foreign}, 404),
            ("get_for_workspace", one, 400), ("update", one | {"workspaceId": foreign, "dockerImageTag": "2"}, 404),
            ("update_custom", {f"{kind}Definition": one | {"dockerImageTag": "2"}, "workspaceId": foreign}, 404),
            ("update_custom", one, 400), ("update_custom", {f"{kind}Definition": [one]}, 400),
            ("create_custom", {f"{kind}Definition": image(kind)}, 400), ("create_custom", {"workspaceId": suite.workspace}, 400),
            ("create_custom", {"workspaceId": UNKNOWN, f"{kind}Definition": image(kind)}, 404),
            ("create_custom", {"workspaceId": suite.workspace, f"{kind}Definition": image(kind, dockerRepository="a;b")}, 422),
            ("create_custom", {"workspaceId": suite.workspace, f"{kind}Definition": image(kind, dockerImageTag=None)}, 422)):
        answer = suite.request("POST", f"/api/v1/{base}/{path}", body)
        assert answer.status in (status if isinstance(status, tuple) else (status,)), (path, body, answer)
    # By the other kind's calls it is not there.
    for path in ("get", "update", "delete"):
        call(suite, f"{other}_definitions/{path}", {f"{other}DefinitionId": made[key], "dockerImageTag": "2"}, 404)
    assert rows(suite, "SELECT * FROM definition ORDER BY id") == before


DIGEST = "sha256:" + "0123456789abcdef" * 4
FORMS = {"1.0": True, "_": True, "v" * 128: True, "latest": True, DIGEST: True, f"1.0@{DIGEST}": True, f"1-x.y_Z@{DIGEST}": True,
         "": False, None: False, ".1": False, "-1": False, "v" * 129: False, "a b": False, "a/b": False, "a:b": False, "ü": False,
         "@": False, f"@{DIGEST}": False, "1@": False, "1@2": False, f"1@{DIGEST}0": False, f"1@{DIGEST[:-1]}": False, "sha256:": False,
         DIGEST.upper(): False, f"{DIGEST}@{DIGEST}": False, "sha512:" + "0" * 128: False, f"1@{DIGEST}@{DIGEST}": False, "1\n": False,
         "--help": False, f"1@sha256:{'g' * 64}": False}
REPOSITORIES = {"airbyte/source-x": True, "x": True, "localhost/x": True, "localhost:5000/a/b": True, "ghcr.io/a__b/c--d.e": True,
                "Host.example/x": True, "me/x:1": False, f"me/x@{DIGEST}": False, "me//x": False, "/x": False, "x/": False, "me/X": False,
                "-x": False, "me/x-": False, "a..b": False, "host:port/x": False, ":5/x": False, "x" * 300: False, "../x": False}


@pytest.mark.parametrize("kind", KINDS)
def test_each_form_of_an_images_version_is_one_or_is_refused_by_name(suite, kind):
    """When the definition is made or changed, by either API; whether the image is there is podman's to say, later."""
    made, base = create(suite, kind), f"/workspaces/{suite.workspace}/definitions/{kind}s"
    for field, forms in (("dockerImageTag", FORMS), ("dockerRepository", REPOSITORIES)):
        for value, right in forms.items():
            before = rows(suite, "SELECT * FROM definition ORDER BY id")
            body = image(kind, **{field: value})
            answers = [suite.post(base, body), suite.request("POST", f"/api/v1/{kind}_definitions/create_custom",
                                                             {"workspaceId": suite.workspace, f"{kind}Definition": body})]
            if field == "dockerImageTag" and value is not None:
                answers.append(suite.request("PUT", f"{V1}{base}/{made[f'{kind}DefinitionId']}", body))
            for answer in answers:
                assert answer.status in ((200, 201) if right else (422,)), (value, answer)
                if right:
                    assert answer.json[field] == value, (value, answer)
                else:
                    assert f"'{field}'" in answer.body.decode(), (value, answer)
            assert right or rows(suite, "SELECT * FROM definition ORDER BY id") == before, value
    references = {r for (r,) in rows(suite, "SELECT reference FROM definition")}
    assert any(r.endswith(f"@{DIGEST}") and ":1.0" not in r for r in references) and any(r.endswith(f":1.0@{DIGEST}") for r in references)


@pytest.mark.parametrize("kind", KINDS)
def test_T43_the_config_api_sets_nothing_else_of_a_definition(suite, kind):
    """Its sandbox, workspace and kind are not the caller's to say."""
    foreign = {"executor": "lite", "network": "none", "limits": {"memoryMax": 1}, "reference": "exec:/bin/sh", "custom": False,
               "allowedHosts": ["*"], "tombstone": True, "spec": {"connectionSpecification": {}}, "manifest": {}, "role": "destination",
               "resourceRequirements": {"default": {"memory_limit": "1"}}, "id": UNKNOWN, "connector_type": "faker", "supportsRefreshes": True}
    body = image(kind)
    made = [call(suite, f"{kind}_definitions/create_custom", {"workspaceId": suite.workspace, f"{kind}Definition": b})
            for b in (body, foreign | body)]
    ids = [m[f"{kind}DefinitionId"] for m in made]
    call(suite, f"{kind}_definitions/update", foreign | {f"{kind}DefinitionId": ids[1], "dockerImageTag": body["dockerImageTag"]})
    columns = [c[1] for c in rows(suite, "PRAGMA table_info(definition)")]
    plain, other = (dict(zip(columns, rows(suite, "SELECT * FROM definition WHERE id = ?", i)[0])) for i in ids)
    differ = {c for c in columns if plain[c] != other[c]}
    assert differ - {"created_at", "updated_at"} == {"id"}, differ


@pytest.mark.parametrize("kind", KINDS)
def test_T41_readers_read_and_admins_define(suite, kind):
    made, key = create(suite, kind), f"{kind}DefinitionId"
    application = suite.post("/applications", {"name": f"reader {uuid.uuid4()}"}).json
    permission = next(p for p in suite.get("/permissions").json["data"] if p["userId"] == application["id"])
    assert suite.delete(f"/permissions/{permission['permissionId']}").status == 204
    assert suite.post("/permissions", {"userId": application["id"], "workspaceId": suite.workspace,
                                       "permissionType": "workspace_editor"}).status == 200
    token = suite.post("/applications/token", {"client_id": application["clientId"], "client_secret": application["clientSecret"]},
                       token=None).json["access_token"]
    assert call(suite, f"{kind}_definitions/get", {key: made[key]}, token=token) == made
    for path, body in (("update", {key: made[key], "dockerImageTag": "2"}), ("delete", {key: made[key]}),
                       ("create_custom", {"workspaceId": suite.workspace, f"{kind}Definition": image(kind)})):
        call(suite, f"{kind}_definitions/{path}", body, 403, token=token)
    assert call(suite, f"{kind}_definitions/get", {key: made[key]}) == made


def test_P11_who_edits_what_was_changed_meanwhile_is_told(suite):
    made = create(suite, "source")
    named = {"sourceDefinitionId": made["sourceDefinitionId"]}
    tag = suite.request("POST", "/api/v1/source_definitions/get", named).headers["ETag"]
    call(suite, "source_definitions/update", named | {"dockerImageTag": "2"}, headers={"If-Match": tag})
    call(suite, "source_definitions/update", named | {"dockerImageTag": "3"}, 409, headers={"If-Match": tag})
    call(suite, "source_definitions/delete", named, 409, headers={"If-Match": tag})
    assert call(suite, "source_definitions/get", named)["dockerImageTag"] == "2"


@pytest.mark.parametrize("kind", KINDS)
def test_T79_a_new_tag_is_for_new_ones_and_for_who_upgrades(suite, kind):
    """What is made of an image's definition stays with its tag, and with what that one wants of its configuration."""
    made, key, actor_key = create(suite, kind), f"{kind}DefinitionId", f"{kind}Id"
    new = suite.new_source if kind == "source" else suite.new_destination

    def behind(actor):
        return call(suite, f"{kind}s/get", {actor_key: actor})["isVersionOverrideApplied"]

    def pin(actor):
        return rows(suite, "SELECT version_pin FROM actor WHERE id = ?", actor)[0][0]
    old = new(definitionId=made[key], configuration={"password": "first"})[actor_key]
    assert pin(old) == "1.0" and behind(old) is False
    call(suite, f"{kind}_definitions/update", {key: made[key], "dockerImageTag": "2.0"})
    assert rows(suite, "SELECT spec FROM definition WHERE id = ?", made[key]) == [(None,)], "the other tag may want another configuration"
    assert pin(old) == "1.0"
    # It can still be changed, and shown, by what its own version said.
    assert call(suite, f"{kind}s/update", {actor_key: old, "name": "still", "connectionConfiguration": {"password": "second"}})["name"] == "still"
    assert call(suite, f"{kind}s/get", {actor_key: old})["connectionConfiguration"] == {"password": "**********"}
    newer = new(definitionId=made[key], configuration={"password": "third"})[actor_key]
    assert (pin(old), pin(newer)) == ("1.0", "2.0") and (behind(old), behind(newer)) == (True, False)
    call(suite, f"{kind}_definitions/delete", {key: made[key]}, 409)
    call(suite, f"{kind}s/upgrade_version", {actor_key: old}, 204)
    assert pin(old) == "2.0" and behind(old) is False
    call(suite, f"{kind}s/upgrade_version", {actor_key: old}, 204)
    call(suite, f"{kind}s/upgrade_version", {actor_key: UNKNOWN}, 404)
    call(suite, f"{kind}s/upgrade_version", {}, 400)
