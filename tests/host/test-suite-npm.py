#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: node timeout=3000
"""Connectors from npm, installed by the suite on a host without a way out (a registry on its own loopback) and run by it: one made with
Faros's CDK, whose records are compared with what it prints alone, and packages that are made here. Custom definitions by the config API
(P11), versions that stay (T79), what packages try (T05, T24), and the journal's messages with their catalog."""

import json
import os
import pathlib
import re
import stat
import subprocess
import sys

sys.path.insert(0, "/mnt/tests/host")
import heldsync  # noqa: E402
import suite  # noqa: E402
import wheels  # noqa: E402

NUMS = "airbyte-source-nums"
CATALOG = pathlib.Path("/usr/lib/systemd/catalog/gantry.catalog")


def versions(name):
    place = wheels.STORE / "npm" / name.replace("/", "+")
    return sorted(p.name for p in place.glob("*")) if place.is_dir() else []


def nothing_half():
    suite.until(lambda: not wheels.STAGING.is_dir() or not os.listdir(wheels.STAGING), "the end of what was begun")


def check_installed(name, version):
    """Root's, for everybody to read, by nobody to write; node by its name, and no script of a package has run."""
    place = wheels.STORE / "npm" / name.replace("/", "+") / version
    marker = json.loads((place / "gantry-installed.json").read_text())
    assert marker["reference"] == f"npm:{name}@{version}" and marker["installer"] == "npm", marker
    assert marker["command"][0].startswith("/usr/") and marker["command"][1].startswith(f"{place}/node_modules/{name}/"), marker
    assert marker["allow_write_exec"] is True, marker
    for path in (place, *place.rglob("*")):
        status = path.lstat()
        assert status.st_uid == status.st_gid == 0, path
        assert stat.S_ISLNK(status.st_mode) or not status.st_mode & 0o7022, (path, oct(status.st_mode))
    suite.out("sh", "-c", f"cd {place} && sha256sum --check --quiet --strict gantry-files.sha256")
    assert not list(place.rglob("ran-a-script"))
    nothing_half()


def journal(subject, reference):
    """What the journal has of that subject, with the catalog's text."""
    suite.out("journalctl", "--sync")
    message_id = re.search(rf"^-- (\w+)\nSubject: {subject}$", CATALOG.read_text(), re.M).group(1)
    return suite.out("journalctl", "--no-pager", "--catalog", "--boot", f"MESSAGE_ID={message_id}", f"GANTRY_CONNECTOR={reference}", check=False)


def config_api(api, path, body, status=(200, 204)):
    return api.ask("POST", f"/api/v1/{path}", body, status)


def test_a_first_one_without_a_version_is_the_newest():
    said = wheels.install("npm:@tiny/source-node")
    assert "version 0.4.0, is installed" in said, said
    check_installed("@tiny/source-node", "0.4.0")
    suite.out("gantryctl", "connector", "remove", "npm:@tiny/source-node@0.4.0")
    assert versions("@tiny/source-node") == []
    assert suite.code("gantryctl", "connector", "remove", "npm:@tiny/source-node@0.4.0") == 4


def test_a_package_is_installed_by_gantryctl():
    said = wheels.install("npm:@tiny/source-node@0.3.1")
    assert "npm:@tiny/source-node, version 0.3.1, is installed" in said and "source" in said, said
    check_installed("@tiny/source-node", "0.3.1")
    assert (wheels.STORE / "npm/@tiny+source-node/0.3.1/node_modules/tiny-words/package.json").exists(), "without what it needs"
    assert "connectionSpecification" in json.loads(suite.out("gantryctl", "connector", "show", "npm:@tiny/source-node"))
    before = (wheels.STORE / "npm/@tiny+source-node/0.3.1").stat().st_ino
    assert "is installed" in wheels.install("npm:@tiny/source-node@0.3.1")
    assert (wheels.STORE / "npm/@tiny+source-node/0.3.1").stat().st_ino == before
    # Without a version: the newest, whichever there is already.
    assert "version 0.4.0, is installed" in wheels.install("npm:@tiny/source-node")
    assert versions("@tiny/source-node") == ["0.3.1", "0.4.0"]
    suite.out("gantryctl", "connector", "remove", "npm:@tiny/source-node@0.4.0")
    # Its beginning, and its end with the catalog's text.
    for subject in ("A connector is being installed", "A connector is installed"):
        told = journal(subject, "npm:@tiny/source-node@0.3.1")
        assert f"Subject: {subject}" in told and "gantry" in told, told


def test_a_sync_with_a_source_of_faros_cdk():
    """A definition by the config API, which installs it; source, connection and sync by the public one; each record compared."""
    api = suite.Api()
    made = config_api(api, "source_definitions/create_custom", {"workspaceId": api.workspace, "sourceDefinition": {
        "name": "Nums", "dockerRepository": f"npm:{NUMS}", "dockerImageTag": "1.0.0", "documentationUrl": "https://example.com"}})
    check_installed(NUMS, "1.0.0")
    assert (made["dockerRepository"], made["dockerImageTag"], made["custom"]) == (f"npm:{NUMS}", "1.0.0", True), made
    spec = config_api(api, "source_definition_specifications/get", {"sourceDefinitionId": made["sourceDefinitionId"]})
    assert spec["connectionSpecification"]["required"] == ["count"], spec
    config = {"count": 1000}
    wanted = wheels.alone(f"npm:{NUMS}@1.0.0", config)
    assert {s: len(r) for s, r in wanted.items()} == {"nums": 1000}
    for executor in ("service", "lite"):
        suite.out("sqlite3", "-cmd", ".timeout 300000", suite.DATABASE,
                  f"UPDATE definition SET executor = '{executor}' WHERE id = '{made['sourceDefinitionId']}' OR reference = 'native:destination-sqlite'")
        source = api.ask("POST", "/sources", {"name": f"nums {executor}", "workspaceId": api.workspace, "definitionId": made["sourceDefinitionId"],
                                              "configuration": config})["sourceId"]
        assert config_api(api, "sources/check_connection", {"sourceId": source})["status"] == "succeeded"
        path = suite.FILES / f"nums-{executor}.db"
        connection = api.connect(f"nums {executor}", source, api.destination(f"nums {executor}", destinationType="sqlite", path=str(path)),
                                 mode="incremental_deduped_history", streams=["nums"])
        job = api.wait(api.start(connection), "succeeded", patience=900)
        assert job["rowsSynced"] == 1000, job
        wheels.check_moved(path, wanted)
        # It goes on from its state: nothing is new.
        assert api.wait(api.start(connection), "succeeded", patience=900)["rowsSynced"] == 0
        assert suite.rows(suite.DATABASE, "SELECT version_pin FROM actor WHERE id = ?", source) == [("1.0.0",)]


def test_only_a_unit_of_node_may_compile_to_memory():
    """Its own and that of the native destination, while both are at work."""
    api = suite.Api()
    definition = next(d["sourceDefinitionId"] for d in config_api(api, "source_definitions/list", {"workspaceId": api.workspace})["sourceDefinitions"]
                      if d["name"] == "Nums")
    suite.out("sqlite3", "-cmd", ".timeout 300000", suite.DATABASE, "UPDATE definition SET executor = 'service' "
              f"WHERE id = '{definition}' OR reference = 'native:destination-sqlite'")
    source = api.ask("POST", "/sources", {"name": "nums seen", "workspaceId": api.workspace, "definitionId": definition,
                                          "configuration": {"count": heldsync.ENDLESS}})["sourceId"]
    destination = api.destination("nums seen", destinationType="sqlite", path=str(suite.FILES / "nums-seen.db"))
    job = api.start(api.connect("nums seen", source, destination, mode="full_refresh_overwrite", streams=["nums"]))
    node = heldsync.hold(f"gantry-jobs-j{job}a0.slice", lambda: api.job(job)["status"] in suite.ENDED[:3], word="node")
    assert node, api.story(job)
    suite.until(lambda: heldsync.connector_of(f"gantry-jobs-j{job}a0.slice", "destination"), "the destination")
    for role, program, denied in (("source", "/airbyte-source-nums/main.js", "no"), ("destination", "connectors/destination-sqlite", "yes")):
        unit = heldsync.unit_of(job, role)
        assert program in suite.out("systemctl", "status", "--no-pager", "--full", unit), role
        shown = suite.out("systemctl", "show", unit)
        assert f"MemoryDenyWriteExecute={denied}" in shown and "NoNewPrivileges=yes" in shown, shown
    heldsync.go_on(node)
    api.ask("DELETE", f"/jobs/{job}")
    api.wait(job, "cancelled")
    heldsync.check_nothing_left(job)


def test_T79_a_version_moves_when_somebody_moves_it():
    """The definition goes on to a newer version; the source that is there does when it is upgraded, and not before."""
    api = suite.Api()
    definition = config_api(api, "source_definitions/create_custom", {"workspaceId": api.workspace, "sourceDefinition": {
        "name": "Tiny", "dockerRepository": "npm:@tiny/source-node", "dockerImageTag": "0.3.1"}})["sourceDefinitionId"]
    source = api.ask("POST", "/sources", {"name": "tiny", "workspaceId": api.workspace, "definitionId": definition,
                                          "configuration": {"n": 4}})["sourceId"]
    path = suite.FILES / "tiny-node.db"
    connection = api.connect("tiny node", source, api.destination("tiny node", destinationType="sqlite", path=str(path)),
                             mode="full_refresh_overwrite", streams=["s"])

    def moved():
        api.wait(api.start(connection), "succeeded")
        return suite.rows(path, "SELECT id, name FROM s ORDER BY id")
    assert moved() == [(n, "words 0.3.1") for n in range(4)]
    changed = config_api(api, "source_definitions/update", {"sourceDefinitionId": definition, "dockerImageTag": "0.4.0"})
    assert changed["dockerImageTag"] == "0.4.0"
    check_installed("@tiny/source-node", "0.4.0")
    assert moved() == [(n, "words 0.3.1") for n in range(4)]
    code, said = subprocess.getstatusoutput("gantryctl connector remove npm:@tiny/source-node@0.3.1")
    assert code != 0 and "source 'tiny'" in said, said
    config_api(api, "sources/upgrade_version", {"sourceId": source})
    assert moved() == [(n, "words 0.4.0") for n in range(4)]
    suite.out("gantryctl", "connector", "remove", "npm:@tiny/source-node@0.3.1")
    config_api(api, "source_definitions/delete", {"sourceDefinitionId": definition}, 409)
    api.ask("DELETE", f"/connections/{connection}")
    api.ask("DELETE", f"/sources/{source}")
    config_api(api, "source_definitions/delete_custom", {"sourceDefinitionId": definition, "workspaceId": api.workspace})
    config_api(api, "source_definitions/get", {"sourceDefinitionId": definition}, 404)


def test_P11_what_is_wrong_leaves_no_definition():
    api = suite.Api()
    other = api.ask("POST", "/workspaces", {"name": "other"})["workspaceId"]
    listed = config_api(api, "source_definitions/list", {"workspaceId": api.workspace})
    nums = next(d["sourceDefinitionId"] for d in listed["sourceDefinitions"] if d["name"] == "Nums")

    def definition(repository, tag):
        return {"workspaceId": api.workspace, "sourceDefinition": {"name": "Bad", "dockerRepository": repository, "dockerImageTag": tag}}
    for path, body, status, words in (
            ("create_custom", definition("npm:airbyte-source-nowhere", "1.0.0"), (422,), "no such package"),
            ("create_custom", definition(f"npm:{NUMS}", "9.9.9"), (422,), "9.9.9"),
            ("create_custom", definition("npm:no-program", "1.0.0"), (422,), "no program"),
            ("create_custom", definition("npm:outside", "1.0.0"), (422,), "outside of its package"),
            ("create_custom", definition("npm:../../etc", "1.0.0"), (400,), ""),
            ("create_custom", definition("npm:--registry=http://evil", "1.0.0"), (400,), ""),
            ("create_custom", definition(f"npm:{NUMS}", "../../x"), (400,), "dockerImageTag"),
            ("create_custom", definition(f"npm:{NUMS}", "latest"), (400,), "exact version"),
            ("create_custom", definition(f"npm:{NUMS}", "1"), (400,), "exact version"),
            ("update", {"sourceDefinitionId": nums, "dockerImageTag": "latest"}, (400,), "exact version"),
            ("get_for_workspace", {"sourceDefinitionId": nums, "workspaceId": other}, (404,), ""),
            ("update", {"sourceDefinitionId": nums, "dockerImageTag": "9.9.9"}, (422,), "9.9.9"),
            ("delete_custom", {"sourceDefinitionId": nums, "workspaceId": other}, (404,), "")):
        assert words in json.dumps(config_api(api, f"source_definitions/{path}", body, status)), (path, body)
    assert config_api(api, "source_definitions/list", {"workspaceId": api.workspace}) == listed
    config_api(api, "destination_definitions/get", {"destinationDefinitionId": nums}, 404)
    assert versions("no-program") == versions("outside") == versions("airbyte-source-nowhere") == []
    nothing_half()
    told = journal("A connector could not be installed", "npm:airbyte-source-nowhere@1.0.0")
    assert "no such package" in told and "Subject: A connector could not be installed" in told and "config_error" in told, told


def test_a_registry_that_is_away_is_said():
    suite.out("systemctl", "stop", "npm-registry.service")
    try:
        code, said = wheels.install("npm:@tiny/source-node@0.3.1", check=False)
        assert code != 0 and "can't be reached" in said, said
    finally:
        wheels.serve_npm()
    nothing_half()
    # T24: nobody on the way may change what is installed.
    wheels.configure("NpmRegistryUrl=http://mirror.example/")
    code, said = wheels.install("npm:@tiny/source-node@0.3.1", check=False)
    assert code != 0 and "https://" in said, said
    wheels.configure(f"NpmRegistryUrl={wheels.NPM_URL}")
    # What the registry says of a package is held to.
    wheels.spoil_npm("@tiny/source-node", "0.3.1")
    code, said = wheels.install("npm:@tiny/source-node@0.3.1", check=False)
    assert code != 0 and versions("@tiny/source-node") == ["0.4.0"], said


if __name__ == "__main__":
    wheels.set_up_npm()
    sys.exit(suite.main(globals()))
