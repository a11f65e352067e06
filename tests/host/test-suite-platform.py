#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What Airbyte's own acceptance tests ask of a platform (P01 to P07, P11, P12), on the installed suite with real connectors. P08 is in
test-suite-faults.py."""

import hashlib
import json
import subprocess
import sys
import uuid

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

API = suite.Api()


def files(name, text, **more):
    """A source of one CSV file."""
    path = suite.FILES / f"{name}.csv"
    path.write_text(text)
    return API.source(name, sourceType="files", path=str(path), stream_name=name, **more), path


def check(source):
    return API.ask("POST", "/api/v1/sources/check_connection", {"sourceId": source})


def try_out(source, configuration):
    """The check of a configuration that is not stored; the exit code of gantryctl."""
    return subprocess.run(["gantryctl", "source", "check", source, "--config=-"], input=json.dumps(configuration), text=True,
                          capture_output=True, check=False).returncode


def test_P01_unknown_ids_are_404():
    unknown = str(uuid.uuid4())
    for kind in ("workspaces", "sources", "destinations", "connections", "applications"):
        for method in ("GET", "DELETE"):
            API.ask(method, f"/{kind}/{unknown}", status=404)
    for job in ("999999", "9223372036854775807"):
        for method in ("GET", "DELETE"):
            API.ask(method, f"/jobs/{job}", status=404)
    API.ask("POST", "/jobs", {"connectionId": unknown, "jobType": "sync"}, status=404)
    for path, key in (("sources/get", "sourceId"), ("destinations/get", "destinationId"), ("connections/get", "connectionId"),
                      ("sources/check_connection", "sourceId"), ("sources/discover_schema", "sourceId"), ("state/get", "connectionId")):
        API.ask("POST", f"/api/v1/{path}", {key: unknown}, status=404)


def test_P02_a_check_passes_and_fails_with_the_connectors_words():
    source, path = files("checked", "id\n1\n")
    assert check(source)["status"] == "succeeded"
    path.unlink()
    failed = check(source)
    assert failed["status"] == "failed" and "checked.csv" in failed["message"], failed


def test_P03_an_update_is_taken_and_one_that_fails_is_not():
    source, path = files("updated", "id\n1\n")

    def stored():
        return API.ask("GET", f"/sources/{source}")["configuration"]

    API.ask("PATCH", f"/sources/{source}", {"configuration": {"format": "csv"}})
    assert (stored()["format"], stored()["path"]) == ("csv", str(path))
    before = stored()
    configuration = {k: v for k, v in before.items() if k != "sourceType"}
    assert try_out(source, configuration) == 0
    assert try_out(source, configuration | {"path": "/srv/gantry/nowhere.csv"}) == 1 and stored() == before
    API.ask("PATCH", f"/sources/{source}", {"configuration": {"format": "parchment"}}, status=422)
    API.ask("PATCH", f"/sources/{source}", {"configuration": {"path": "/etc/passwd"}}, status=422)
    assert stored() == before and check(source)["status"] == "succeeded"


def test_P04_a_discovery_gives_a_catalog_or_an_error():
    source, path = files("discovered", "id,at\n1,2026-01-01T00:00:00Z\n")
    destination = API.destination("discovered", destinationType="dev-null")
    (stream,) = API.ask("POST", "/api/v1/sources/discover_schema", {"sourceId": source})["catalog"]["streams"]
    assert stream["stream"]["name"] == "discovered" and set(stream["stream"]["jsonSchema"]["properties"]) > {"id", "at"}, stream
    assert "incremental" in stream["stream"]["supportedSyncModes"], stream
    path.unlink()
    other = API.source("undiscovered", sourceType="files", path=str(path), stream_name="discovered")
    refused = API.ask("POST", "/connections", {"name": "none", "sourceId": other, "destinationId": destination}, status=422)
    assert "discovered.csv" in refused["detail"], refused
    assert "none" not in [c["name"] for c in API.ask("GET", "/connections")["data"]]


def test_P05_a_sync_succeeds_or_fails_with_a_reason():
    destination = API.destination("synced", destinationType="jsonl", path=str(suite.FILES / "synced"))
    good, _ = files("good", "id\n1\n2\n", bad_rows="fail")
    assert API.wait(API.start(API.connect("good", good, destination)), "succeeded")["rowsSynced"] == 2
    bad, path = files("bad", "id\n1\n", bad_rows="fail")
    connection = API.connect("bad", bad, destination)
    path.write_text("id\n1\n2,3,4\n")
    job = API.start(connection)
    suite.until(lambda: any("failure" in a for a in API.story_of(job)["attempts"]), "a failed attempt")
    reasons = API.story_of(job)["attempts"][0]["failure"]["failures"]
    assert "bad.csv" in str(reasons) and reasons[0]["failureOrigin"] == "source", reasons
    if API.job(job)["status"] not in suite.ENDED[:3]:
        # It would be tried again, later.
        API.ask("DELETE", f"/jobs/{job}", status=(200, 409))
    assert API.wait(job)["status"] in ("failed", "cancelled")
    assert API.ask("GET", f"/connections/{connection}")["status"] == "active"


def test_P06_fields_are_selected_and_mapped():
    source, _ = files("mapped", "id,name,email,country\n1,Ä,a@example.com,NL\n2,b,b@example.com,DE\n3,c,,NL\n")
    place = suite.FILES / "mapped-out"
    mappers = [{"type": "row-filtering", "mapperConfiguration": {"conditions": {
                   "type": "EQUAL", "fieldName": "country", "comparisonValue": "NL"}}},
               {"type": "hashing", "mapperConfiguration": {"targetField": "email", "method": "SHA-256", "fieldNameSuffix": "_hashed"}},
               {"type": "field-renaming", "mapperConfiguration": {"originalFieldName": "name", "newFieldName": "label"}}]
    stream = {"name": "mapped", "syncMode": "full_refresh_append", "mappers": mappers,
              "selectedFields": [{"fieldPath": [f]} for f in ("id", "name", "email", "country")]}
    destination = API.destination("mapped", destinationType="jsonl", path=str(place))
    connection = API.connect("mapped", source, destination, configurations={"streams": [stream]})
    told = API.ask("GET", f"/connections/{connection}")["configurations"]["streams"][0]
    assert [m["type"] for m in told["mappers"]] == [m["type"] for m in mappers], told
    API.wait(API.start(connection), "succeeded")
    found = [{k: v for k, v in r.items() if not k.startswith("_a")} for r in suite.jsonl(place / "mapped.jsonl")]
    digest = hashlib.sha256(b"a@example.com").hexdigest()
    assert [(r["id"], r["label"], r.get("email_hashed"), r["country"]) for r in found] == [(1, "Ä", digest, "NL"), (3, "c", None, "NL")], found
    assert all(set(r) <= {"id", "label", "email_hashed", "country"} for r in found), found


def test_P07_a_deletion_twice():
    source, _ = files("gone", "id\n1\n")
    connection = API.connect("gone", source, API.destination("gone", destinationType="dev-null"))
    API.ask("DELETE", f"/sources/{source}", status=(204, 409))
    for _ in range(2):
        API.ask("DELETE", f"/connections/{connection}", status=(204, 404))
        found = API.ask("POST", "/api/v1/connections/get", {"connectionId": connection}, status=(200, 404))
        assert found.get("status", 404) in ("deprecated", 404), found
    API.ask("DELETE", f"/sources/{source}", status=(204, 404))
    API.ask("GET", f"/sources/{source}", status=404)


def test_P11_definitions_go_round():
    base = f"/workspaces/{API.workspace}/definitions"
    for kind in ("sources", "destinations"):
        known = API.ask("GET", f"/connector_definitions?type={kind.removesuffix('s')}&workspaceId={API.workspace}")["data"]
        assert {"Faker", "SQLite"} & {d["name"] for d in known}, known
        made = API.ask("POST", f"{base}/{kind}", {"name": "Mine", "dockerRepository": "me/mine", "dockerImageTag": "1.0"})
        path = f"{base}/{kind}/{made['id']}"
        assert API.ask("GET", path) == made
        assert API.ask("PUT", path, {"name": "Mine", "dockerImageTag": "2.0"})["dockerImageTag"] == "2.0"
        assert API.ask("DELETE", path)["id"] == made["id"]
        API.ask("GET", path, status=404)
    manifest = {"version": "6.0.0", "type": "DeclarativeSource", "spec": {"connection_specification": {"type": "object"}}}
    made = API.ask("POST", f"{base}/declarative_sources", {"name": "Low", "manifest": manifest})
    path = f"{base}/declarative_sources/{made['id']}"
    assert API.ask("GET", path)["manifest"] == manifest
    assert API.ask("PUT", path, {"manifest": manifest})["version"] == made["version"] + 1
    API.ask("DELETE", path)
    API.ask("GET", path, status=404)


def test_P12_notifications_of_a_workspace():
    path = f"/workspaces/{API.workspace}"
    default = API.ask("GET", path)["notifications"]
    assert default and not any(e[way]["enabled"] for e in default.values() for way in ("email", "webhook")), default
    wanted = {"failure": {"webhook": {"enabled": True, "url": "https://example.com/failed"}, "email": {"enabled": False}}}
    stored = API.ask("PATCH", path, {"notifications": wanted})["notifications"]
    assert stored["failure"]["webhook"] == wanted["failure"]["webhook"], stored
    for bad, word in (({"failure": {"webhook": {"enabled": True, "url": "ftp://x"}}}, "failure"),
                      ({"success": {"webhook": {"url": "javascript:alert(1)"}}}, "success"), ({"success": {"email": {"enabled": 3}}}, "enabled")):
        assert word in API.ask("PATCH", path, {"notifications": bad}, status=400)["detail"], bad
    assert API.ask("GET", path)["notifications"] == stored


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
