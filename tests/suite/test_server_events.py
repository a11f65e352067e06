# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is served beside the objects: the OpenAPI document, figures, events."""

import json
import re

from conftest import V1, Unix


def test_the_document_says_what_is_served(suite):
    answer = suite.get("/openapi.json", token=None)
    assert answer.status == 200
    document = answer.json
    text = json.dumps(document)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        assert name in document["components"]["schemas"], name
    # Each operation exists: asked with ids that don't, none is 405 or "nothing at this path".
    for path, item in document["paths"].items():
        for method in item:
            answer = suite.request(method.upper(), V1 + re.sub(r"\{\w+\}", "7", path), {} if method not in ("get", "delete") else None)
            assert answer.status != 405 and "nothing at this path" not in answer.body.decode(), (method, path, answer)
    ids = [o["operationId"] for item in document["paths"].values() for o in item.values()]
    assert {"createSource", "patchConnection", "cancelJob", "listTags"} <= set(ids)


def test_metrics_are_in_prometheus_form(suite):
    connection = suite.new_connection()["connectionId"]
    answer = suite.request("GET", "/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{\w+="[^"]*"\})? -?[0-9.]+', line), line
    assert f'gantry_connection_active{{connection="{connection}"}} 1' in text
    assert suite.request("GET", "/metrics", token=None).status == 401


class Listener:
    def __init__(self, suite, last=None, token=None):
        self.connection = Unix(suite.socket)
        headers = {"Authorization": f"Bearer {token or suite.token}"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self.connection.request("GET", "/api/v1/events", headers=headers)
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200 and self.answer.headers["Content-Type"] == "text/event-stream"
        assert self.answer.readline() == b"retry: 2000\n"
        self.answer.readline()

    def event(self):
        found = {}
        while line := self.answer.readline().decode().rstrip("\n"):
            key, _, value = line.partition(": ")
            found[key] = value
        return found

    def until(self, kind, id):
        while True:
            event = self.event()
            data = json.loads(event.get("data", "{}"))
            if data.get("kind") == kind and data.get("id") == id:
                return int(event["id"])


def test_events_tell_what_changes_and_are_gone_on_with(suite):
    listener = Listener(suite)
    source = suite.new_source()["sourceId"]
    seq = listener.until("actor", source)
    connection = suite.new_connection()["connectionId"]
    job = suite.post("/jobs", {"connectionId": connection, "jobType": "sync"}).json["jobId"]
    listener.connection.close()
    again = Listener(suite, last=seq)
    assert again.until("connection", connection) > seq
    assert again.until("job", str(job)) > seq
    again.connection.close()


def test_T42_events_of_another_workspace_are_not_told(suite):
    mine = suite.post("/workspaces", {"name": "mine"}).json["workspaceId"]
    listener = Listener(suite, token=suite.limited_token("reader", mine))
    theirs, ours = suite.new_source()["sourceId"], suite.new_source(workspaceId=mine)["sourceId"]
    while True:
        event = listener.event()
        heard = json.loads(event.get("data", "{}")).get("id")  # a word that only keeps the connection has none
        assert heard != theirs
        if heard == ours:
            break
    listener.connection.close()
    assert suite.request("GET", "/metrics", token=suite.limited_token("reader", mine)).status == 403


def test_a_last_event_id_that_is_none_is_400(suite):
    assert suite.request("GET", "/api/v1/events", headers={"Last-Event-ID": "x"}).status == 400
    assert suite.request("GET", "/api/v1/events", token=None).status == 401
