# SPDX-License-Identifier: LGPL-2.1-or-later
"""Airbyte's acceptance tests of its API that need jobs or checks which end in both ways: against server, workflow and workload
as processes, the launcher being the test (test_whole.py)."""

import http.client
import json

import pytest
from api_world import own_suite  # noqa: F401
from test_whole import Whole, configure, whole  # noqa: F401
from workflow_host import PATIENCE


def ask(whole, method, path, body=None):
    """A call of the config API; status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", whole.port, timeout=PATIENCE)
    connection.request(method, f"/api/v1{path}", json.dumps(body), {"Content-Type": "application/json",
                                                                    "Authorization": f"Bearer {whole.token}"})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, json.loads(text) if text else None


def while_served(whole, call, script):
    """A call during which the test's launcher answers workloads as the script says."""
    from test_workflow_jobs import serve_call
    return serve_call(whole, call, script)


def failing_check(whole):
    words = {"status": "failed", "message": "the password is wrong"}
    return lambda kind, attempt: words if kind == "check" else whole.script(kind, attempt)


def new_actor(whole, role):
    workspace = whole.ask("GET", "/workspaces")["data"][0]["workspaceId"]
    configuration = ({"sourceType": "faker", "count": 10} if role == "source" else
                     {"destinationType": "jsonl", "path": str(whole.directory / "files")})
    return whole.ask("POST", f"/{role}s", {"name": "it", "workspaceId": workspace, "configuration": configuration})


@pytest.mark.parametrize("role", ["source", "destination"])
def test_P02_checks_pass_and_fail_with_the_connectors_words(whole, role):  # noqa: F811
    body = {f"{role}Id": new_actor(whole, role)[f"{role}Id"]}
    good = while_served(whole, lambda: ask(whole, "POST", f"/{role}s/check_connection", body), whole.script)
    assert good[0] == 200 and good[1]["status"] == "succeeded", good
    bad = while_served(whole, lambda: ask(whole, "POST", f"/{role}s/check_connection", body), failing_check(whole))
    assert bad[0] == 200 and (bad[1]["status"], bad[1]["message"]) == ("failed", "the password is wrong"), bad
    # One that could not even be run is a failure with a reason, too, and not an error of the server.
    lost = while_served(whole, lambda: ask(whole, "POST", f"/{role}s/check_connection", body), lambda *_: None)
    assert lost[0] == 200 and lost[1]["status"] == "failed" and lost[1]["message"], lost


@pytest.mark.parametrize("role", ["source", "destination"])
def test_P03_an_update_is_tried_before_it_is_made(whole, role):  # noqa: F811
    made = new_actor(whole, role)
    path = f"/{role}s/{made[f'{role}Id']}"
    other = {"count": 20} if role == "source" else {"path": str(whole.directory / "files/below")}
    body = {f"{role}Id": made[f"{role}Id"], "name": "changed", "connectionConfiguration": other}
    tried = []

    def script(kind, attempt):
        tried.append(kind)
        return failing_check(whole)(kind, attempt)
    bad = while_served(whole, lambda: ask(whole, "POST", f"/{role}s/check_connection_for_update", body), script)
    assert bad[0] == 200 and bad[1]["status"] == "failed" and tried == ["check"], bad
    assert whole.ask("GET", path) == made  # the old value
    good = while_served(whole, lambda: ask(whole, "POST", f"/{role}s/check_connection_for_update", body), whole.script)
    assert good[1]["status"] == "succeeded" and whole.ask("GET", path) == made, good
    assert ask(whole, "POST", f"/{role}s/update", body)[0] == 200
    assert whole.ask("GET", path)["configuration"].items() >= other.items() and whole.ask("GET", path)["name"] == "changed"
    # What the specification refuses is not even tried.
    wrong = {"count": "many"} if role == "source" else {"path": "/etc"}
    status, answer = ask(whole, "POST", f"/{role}s/check_connection_for_update", body | {"connectionConfiguration": wrong})
    assert status == 422 and [e["field"] for e in answer["validationErrors"]] == [f"/{next(iter(wrong))}"], answer


def test_P04_a_discover_brings_a_catalog_or_leaves_none(whole):  # noqa: F811
    source = new_actor(whole, "source")["sourceId"]

    def stored():
        return whole.sql("SELECT count(*) FROM catalog_fetch WHERE actor_id = ?", (source,))[0][0]
    bad = while_served(whole, lambda: whole.ask("GET", f"/streams?sourceId={source}", status=422), lambda *_: None)
    assert "discovered" in bad["detail"] and "no such program" in bad["detail"] and stored() == 0, bad
    partial = while_served(whole, lambda: whole.ask("GET", f"/streams?sourceId={source}", status=422),
                           lambda *_: {"catalog": {"streams": [{"name": 5}]}})
    assert partial["detail"] and stored() == 0, partial
    good = while_served(whole, lambda: whole.ask("GET", f"/streams?sourceId={source}"), whole.script)
    assert {s["streamName"] for s in good} == {"users", "products", "purchases"} and stored() == 1
    assert next(s for s in good if s["streamName"] == "users")["defaultCursorField"] == ["updated_at"]


def test_P07_a_connection_deleted_while_it_runs_stops_and_stays_deleted(whole):  # noqa: F811
    connection = configure(whole)["connectionId"]
    job = whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"})["jobId"]
    while True:  # checks, then the sync
        runner = whole.take()
        if runner.id.endswith("_sync"):
            break
        whole.answer(runner, whole.script)
    whole.ask("DELETE", f"/connections/{connection}", status=204)
    whole.serve(whole.ended(job), whole.script)
    assert whole.ask("GET", f"/jobs/{job}")["status"] == "cancelled"
    assert runner.put("heartbeat").status == 410  # its runner is told to stop
    whole.ask("DELETE", f"/connections/{connection}", status=204)
    whole.ask("GET", f"/connections/{connection}", status=404)
    assert whole.sql("SELECT status FROM connection WHERE id = ?", (connection,)) == [("deprecated",)]
    whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"}, status=404)
    assert connection not in json.dumps(whole.ask("GET", "/connections"))
    assert connection in json.dumps(whole.ask("GET", "/connections?includeDeleted=true"))


def running_sync(whole, connection):
    """A sync whose runner is at work: its job and its runner."""
    job = whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"})["jobId"]
    while True:
        runner = whole.take()
        if runner.id.endswith("_sync"):
            return job, runner
        whole.answer(runner, whole.script)


def test_W02_the_api_as_airbytes_while_a_sync_runs(whole):  # noqa: F811
    """Sync: 409. Reset, clear and refresh: what runs is cancelled, and the answer is the new job."""
    connection = configure(whole)["connectionId"]
    job, runner = running_sync(whole, connection)
    again = whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"}, status=409)
    assert again["title"] == "try-again-later" and runner.put("heartbeat").status == 204, again
    status, answer = ask(whole, "POST", "/connections/sync", {"connectionId": connection})
    assert status == 409 and answer["message"], answer
    for kind, call in (("reset", lambda: whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "reset"})["jobId"]),
                       ("clear", lambda: ask(whole, "POST", "/connections/clear", {"connectionId": connection})[1]["job"]["id"])):
        new = while_served(whole, call, whole.script)
        assert new > job and whole.ask("GET", f"/jobs/{job}")["status"] == "cancelled", kind
        assert whole.ask("GET", f"/jobs/{new}")["jobType"] == kind
        whole.serve(whole.ended(new), whole.script)
        assert whole.ask("GET", f"/jobs/{new}")["status"] == "succeeded"
        job, runner = running_sync(whole, connection)
    # One that is turned off can still be emptied, but doesn't run.
    whole.ask("PATCH", f"/connections/{connection}", {"status": "inactive"})
    new = while_served(whole, lambda: whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "reset"})["jobId"], whole.script)
    whole.serve(whole.ended(new), whole.script)
    whole.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"}, status=409)


EVENTS = ["failure", "success", "connectionUpdate", "connectionUpdateActionRequired", "syncDisabled", "syncDisabledWarning"]


def test_P12_notifications_of_workspaces(suite):
    made = suite.post("/workspaces", {"name": "P12"}).json
    path = f"/workspaces/{made['workspaceId']}"
    # Default: nothing is sent.
    assert set(made["notifications"]) == set(EVENTS)
    assert not any(e[way]["enabled"] for e in made["notifications"].values() for way in ("email", "webhook"))
    wanted = {event: {"webhook": {"enabled": True, "url": f"https://example.com/{event}"},
                      "email": {"enabled": True}} for event in EVENTS}
    assert suite.patch(path, {"notifications": wanted}).json["notifications"] == wanted
    assert suite.get(path).json["notifications"] == wanted
    for event, bad, word in (
            ("failure", {"webhook": {"enabled": True, "url": "ftp://x"}}, "failure"),
            ("success", {"webhook": {"url": "javascript:alert(1)"}}, "success"),
            ("success", {"webhook": {"url": "file:///etc/passwd"}}, "url"), ("success", {"webhook": {"url": 5}}, "url"),
            ("syncDisabled", {"email": {"enabled": "yes"}}, "enabled"), ("syncDisabled", {"webhook": []}, "webhook"),
            ("failure", [], "failure"), ("failure", "on", "failure")):
        answer = suite.patch(path, {"notifications": {event: bad}})
        assert answer.status == 400 and word in answer.json["detail"], (bad, answer)
        assert suite.post("/workspaces", {"name": "bad", "notifications": {event: bad}}).status == 400
    for bad in ([], "all", 5):
        answer = suite.patch(path, {"notifications": bad})
        assert answer.status == 400 and "notifications" in answer.json["detail"], answer
    assert suite.get(path).json["notifications"] == wanted


def test_P11_a_definition_in_use_is_not_taken_away_from_under_its_source(suite):
    base = f"/workspaces/{suite.workspace}/definitions/sources"
    made = suite.post(base, {"name": "Used", "dockerRepository": "me/source-used", "dockerImageTag": "1"}).json
    source = suite.new_source(definitionId=made["id"], configuration={"password": "x" * 8})
    answer = suite.delete(f"{base}/{made['id']}")
    assert answer.status in (200, 409), answer
    assert suite.get(f"/sources/{source['sourceId']}").json == source
    assert suite.patch(f"/sources/{source['sourceId']}", {"name": "still"}).status in (200, 404, 409)
    assert suite.delete(f"/sources/{source['sourceId']}").status == 204
