# SPDX-License-Identifier: LGPL-2.1-or-later
"""The thinnest path: a token, a source, a destination, a connection, a job."""

from conftest import V1, basic


def test_health_is_open_and_plain(suite):
    answer = suite.get("/health", token=None)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")


def test_a_token_is_given_for_json_and_form_at_all_addresses(suite):
    client_id, secret = suite.credentials
    body = {"client_id": client_id, "client_secret": secret, "grant-type": "client_credentials"}
    form = f"client_id={client_id}&client_secret={secret}&grant_type=client_credentials"
    for path in (f"{V1}/applications/token", f"{V1}/v1/applications/token", "/api/v1/applications/token"):
        for answer in (suite.request("POST", path, body, token=None),
                       suite.request("POST", path, form, token=None,
                                     headers={"Content-Type": "application/x-www-form-urlencoded"})):
            assert answer.status == 200, answer
            assert answer.json["token_type"] == "Bearer" and answer.json["expires_in"] == 900


def test_a_sync_is_configured_and_started(suite):
    source, destination = suite.new_source(), suite.new_destination()
    answer = suite.post("/connections", {"sourceId": source["sourceId"], "destinationId": destination["destinationId"],
                                         "name": "first"})
    assert answer.status == 200, answer
    connection = answer.json
    assert {s["name"] for s in connection["configurations"]["streams"]} == {"users", "products", "purchases"}
    job = suite.post("/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"})
    assert job.status == 200, job
    assert job.json["status"] == "pending" and job.json["jobType"] == "sync"
    again = suite.post("/jobs", {"connectionId": connection["connectionId"], "jobType": "sync"})
    assert again.status == 409 and again.json["type"].endswith("try-again-later"), again
    assert suite.get(f"/jobs/{job.json['jobId']}").json["jobId"] == job.json["jobId"]
    cancelled = suite.delete(f"/jobs/{job.json['jobId']}")
    assert cancelled.status == 200 and cancelled.json["status"] == "cancelled", cancelled
    assert suite.delete(f"/jobs/{job.json['jobId']}").status == 409


def test_basic_credentials_do(suite):
    answer = suite.get("/workspaces", token=None, headers={"Authorization": basic(*suite.credentials)})
    assert answer.status == 200 and answer.json["data"]
