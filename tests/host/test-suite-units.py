#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""A running sync is units that the administrator's tools show and stop; a stop, a cancel and a deleted connection end the attempt in
order: what was committed stays, the state fits it, and the next sync goes on from there."""

import os
import sqlite3
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

# On a share of a processor more than any machine moves before the sync is stopped, without one some seconds' worth.
USERS = 1_500_000
SLOW = ("systemctl", "set-property", "--runtime", "gantry-jobs.slice")
ROLES = ("destination", "source", "worker")
# The longest that a connector may take to end itself, and on top what ends it otherwise (gantry-launcher).
GRACE = 75
API = suite.Api()


def count(path):
    try:
        return suite.rows(path, "SELECT count(*) FROM users")[0][0]
    except sqlite3.OperationalError:
        return 0  # not there yet


def begin(name):
    """A sync that moves records: its connection, destination and job."""
    name = f"{name}-{os.getpid()}"
    suite.out(*SLOW, "CPUQuota=6%")
    path = suite.FILES / f"{name}.db"
    source = API.source(name, sourceType="faker", count=USERS, seed=5, always_updated=False)
    destination = API.destination(name, destinationType="sqlite", path=str(path))
    stream = {"name": "users", "syncMode": "incremental_append", "selectedFields": [{"fieldPath": [f]} for f in ("id", "updated_at", "email")]}
    connection = API.connect(name, source, destination, configurations={"streams": [stream]})
    job = API.start(connection)
    suite.until(lambda: count(path) > 0, "the first records at the destination")
    assert API.job(job)["status"] == "running"
    return connection, path, job


def check_cancelled(connection, path, job, since, words):
    """The job was cancelled in time, says why, and left a state that its destination bears out, with all that it committed."""
    API.wait(job, "cancelled")
    took = time.monotonic() - since
    (attempt,) = API.story_of(job)["attempts"]
    assert attempt["status"] == "failed", attempt
    reasons = attempt["failure"]["failures"]
    assert reasons[0]["failureType"] == "manual_cancellation", reasons
    assert any(word in str(reasons) for word in words), reasons
    suite.until(lambda: not suite.job_units(job) and not suite.attempt_slices(job), f"the end of the units of job {job}")
    there, done = count(path), API.states(connection).get("users", {}).get("loop_offset", 0)
    within = suite.rows(path, "SELECT count(DISTINCT id) FROM users WHERE id <= ?", done)[0][0]
    assert within == done, f"the state says {done}, {within} of them are there"
    assert done <= attempt["recordsCommitted"] <= there < USERS, (attempt, there)
    print(f"   {took:.1f} s from the word to the end; {there} records there, {attempt['recordsCommitted']} told, state {done}: "
          f"{[r['externalMessage'] for r in reasons]}", flush=True)
    assert 0 < done == attempt["recordsCommitted"], "what was committed is not in the state"
    if took > GRACE:
        print(f"   that is longer than the grace time of {GRACE} s, on this machine", flush=True)
    return there


def check_goes_on(connection, path, there):
    """The next sync brings the rest, and only that."""
    suite.out(*SLOW, "CPUQuota=")
    assert 0 < API.wait(API.start(connection), "succeeded")["rowsSynced"] <= USERS
    assert suite.rows(path, "SELECT count(DISTINCT id) FROM users") == [(USERS,)]
    assert count(path) >= USERS > there
    path.unlink()


def test_a_running_sync_is_seen():
    connection, path, job = begin("seen")
    slice_ = f"gantry-jobs-j{job}a0.slice"
    assert suite.attempt_slices(job) == [slice_]
    units = suite.job_units(job)
    assert sorted(u.rpartition("-")[2].removesuffix(".service") for u in units) == sorted(ROLES), units
    groups, status = suite.out("systemd-cgls", "--no-pager", "--full", "/gantry.slice"), suite.out("systemctl", "status", "gantry-jobs.slice")
    for text in (groups, status):
        assert slice_ in text and "destination-sqlite" in text and "source-faker" in text and "gantry-worker" in text, text
    for unit in units:
        assert unit in groups and unit in status, unit
        assert suite.show(unit, "Slice") == slice_ and suite.show(unit, "ActiveState") == "active", unit
        shown = suite.out("systemctl", "status", "--full", unit)
        print("   " + shown.splitlines()[0], flush=True)
        assert f"of job {job}, attempt 0" in shown.splitlines()[0], shown
    worker = next(u for u in units if u.endswith("-worker.service"))
    suite.until(lambda: "committed" in suite.show(worker, "StatusText"), "a line on what the worker does")
    print("   " + suite.show(worker, "StatusText"), flush=True)
    # How far it is can be asked for, and grows long before the first state is stored.
    seen = suite.until(lambda: API.job(job)["rowsSynced"], "records in the job while it runs")
    suite.until(lambda: API.job(job)["rowsSynced"] > seen, "more of them")
    assert "users" not in suite.show(worker, "Environment")
    API.ask("DELETE", f"/jobs/{job}")
    check_goes_on(connection, path, check_cancelled(connection, path, job, time.monotonic(), ["Cancelled"]))


def stop(name, unit_of):
    connection, path, job = begin(name)
    since = time.monotonic()
    suite.out("systemctl", "stop", unit_of(job))
    check_goes_on(connection, path, check_cancelled(connection, path, job, since, ["slice", "stopped", "systemd"]))


def test_stopping_the_slice_of_an_attempt_cancels_it():
    stop("stop-attempt", lambda job: f"gantry-jobs-j{job}a0.slice")


def test_stopping_the_slice_of_all_jobs_cancels_them():
    stop("stop-jobs", lambda job: "gantry-jobs.slice")


def test_a_cancel_by_the_api():
    connection, path, job = begin("cancel")
    since = time.monotonic()
    API.ask("DELETE", f"/jobs/{job}")
    there = check_cancelled(connection, path, job, since, ["Cancelled"])
    API.ask("DELETE", f"/jobs/{job}", status=409)
    check_goes_on(connection, path, there)


def test_a_connection_deleted_while_it_runs():
    connection, path, job = begin("delete")
    API.ask("DELETE", f"/connections/{connection}")
    API.wait(job, "cancelled")
    suite.until(lambda: not suite.job_units(job) and not suite.attempt_slices(job), f"the end of the units of job {job}")
    assert 0 < count(path) < USERS, "what it has written stays"
    assert connection not in str(API.ask("GET", "/connections"))
    assert API.ask("GET", f"/connections/{connection}", status=(200, 404)).get("status", 404) in ("deprecated", 404)
    API.ask("DELETE", f"/connections/{connection}", status=(204, 404))
    API.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"}, status=(404, 409))


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
