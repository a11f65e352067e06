# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an administrator does to many things at once with gantryctl: overviews, names, tags, own definitions. As test_gantryctl.py."""

import json
import subprocess
import time

import pytest
from test_gantryctl import Control
from workflow_host import completed, failed, well
from workload_host import PATIENCE

MANY = 1200  # more than a page of the bus


@pytest.fixture
def control(tmp_path):
    control = Control(tmp_path)
    yield control
    control.stop()


def columns(table):
    """Rows of a table by its heads, which stand where their cells begin."""
    head, *rows = table.splitlines()
    names = head.split()
    starts = [head.index(name) for name in names] + [None]
    return [{n: row[a:b].strip() for n, a, b in zip(names, starts, starts[1:])} for row in rows if row and not row.endswith("listed.")]


def multiply(control, n):
    """`n` more connections like the first, of which each second has had two jobs; every tenth is deleted."""
    ((workspace, source, destination, catalog),) = control.sql("SELECT workspace_id, source_id, destination_id, catalog_hash "
                                                               "FROM connection")
    control.sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO connection (id, workspace_id, "
                "source_id, destination_id, name, status, schedule_type, namespace_definition, catalog_hash, non_breaking_preference, "
                "created_at, updated_at) SELECT printf('%08x-0000-7000-8000-000000000000', i), ?, ?, ?, 'many ' || i, iif(i % 10 = 0, "
                "'deprecated', 'active'), 'manual', 'destination', ?, 'ignore', 1, 1 FROM n", (n, workspace, source, destination, catalog))
    control.sql("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at) "
                "SELECT 10000 * k.k + c.rowid, c.id, c.workspace_id, 'sync', iif(k.k = 2, 'failed', 'succeeded'), '{}', k.k * 1000000, 1, 1 "
                "FROM connection AS c, (SELECT 1 AS k UNION SELECT 2 AS k) AS k WHERE c.name LIKE 'many %' AND c.rowid % 2 = 0")


def test_the_list_says_when_each_runs_next_and_how_its_last_job_ended(control):
    def row():
        (row,) = control.json("connection", "list")
        return row
    assert "nextRun" not in row() and "lastJob" not in row()
    (cells,) = columns(control.ctl("connection", "list").stdout)
    assert list(cells) == ["NAME", "STATE", "SCHEDULE", "NEXT", "LAST", "STATUS", "ID"]
    assert (cells["STATE"], cells["NEXT"], cells["LAST"], cells["STATUS"]) == ("active", "-", "-", "-")
    with control.serving(well):  # the server asks connectors for what it doesn't know yet
        control.ctl("connection", "update", "test", "--schedule=0 0 3 * * ?")
    while "nextRun" not in row():
        time.sleep(0.02)
    assert row()["nextRun"].endswith("T03:00:00Z")
    assert columns(control.ctl("connection", "list", env=control.environment | {"TZ": "ABC-5"}).stdout)[0]["NEXT"].endswith("08:00:00 ABC")
    job = control.json("sync", "start", "test")["jobId"]
    runner = control.take_sync()
    assert row()["lastJob"] == {"jobId": job, "jobType": "sync", "status": "running", "startTime": row()["lastJob"]["startTime"]}
    assert runner.put("success", output=completed()).status == 204
    control.ctl("job", "wait", str(job))
    with control.serving(lambda kind, attempt: failed(0, "config_error") if kind == "sync" else well(kind, attempt)):
        control.ctl("sync", "start", "test", "--wait", code=1)
    assert (row()["lastJob"]["jobId"], row()["lastJob"]["status"]) == (job + 1, "failed")
    shown = control.json("connection", "show", "test")
    assert shown["lastJob"] == row()["lastJob"] and shown["nextRun"] == row()["nextRun"] and "configurations" in shown
    text = control.ctl("connection", "show", "test").stdout
    assert "Next run: " in text and "Status: failed" in text and f"Last job: {job + 1}\n" in text
    # What is off runs at no time.
    control.ctl("connection", "disable", "test")
    (cells,) = columns(control.ctl("connection", "list").stdout)
    assert (cells["STATE"], cells["NEXT"], cells["STATUS"]) == ("inactive", "-", "failed") and "nextRun" not in row()


def test_a_long_list_is_a_call_for_each_page_and_each_row_has_its_own_job(control):
    multiply(control, MANY)
    monitor = subprocess.Popen(["busctl", f"--address={control.bus.address}", "monitor", "--json=short", "org.gantry.Server1"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "Monitoring" in monitor.stderr.readline()
    listed = control.json("connection", "list")
    assert control.json("connection", "show", listed[-1]["connectionId"])["name"] == listed[-1]["name"]
    calls = []
    while "Get" not in calls:
        message = json.loads(monitor.stdout.readline())
        if message["type"] == "method_call" and message.get("interface", "").startswith("org.gantry."):
            calls.append(message["member"])
    monitor.terminate()
    monitor.wait(PATIENCE)
    assert calls == ["ListConnections", "ListConnections", "Get"], calls
    assert len(listed) == 1 + MANY - MANY // 10 and len({c["connectionId"] for c in listed}) == len(listed)
    for connection in listed:
        wanted = control.sql("SELECT max(id) FROM job WHERE connection_id = ?", (connection["connectionId"],))[0][0]
        assert connection.get("lastJob", {}).get("jobId") == wanted, connection
    assert sum(1 for c in listed if "lastJob" in c) > MANY // 3
    # Of one workspace the same, of another nothing.
    control.ctl("workspace", "add", "other")
    assert control.json("connection", "list", "--workspace=test") == listed
    assert control.json("connection", "list", "--workspace=other") == []


def test_what_cannot_be_removed_says_why_and_what_to_do(control):
    for reference, code, word in (("native:source-faker", 1, "gantry-connectors"),
                                  ("image:airbyte/source-x:1.2", 1, "remove its definition"),
                                  ("exec:/bin/true", 78, "pypi:NAME==VERSION"), ("source-x", 78, "pypi:NAME==VERSION"),
                                  ("pypy:x", 78, "did you mean 'pypi:'?"), ("pypi:airbyte-source-nowhere==1", 4, "is not installed")):
        said = control.ctl("connector", "remove", reference, code=code).stderr
        assert word in said and reference in said, said
    for kind in ("source", "destination"):
        in_use = control.ctl(kind, "remove", kind, code=1).stderr
        assert "'test'" in in_use, in_use
