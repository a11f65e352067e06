#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""A running sync is units that the administrator's tools show and stop; a stop, a cancel and a deleted connection end the attempt in
order: what was committed stays, the state fits it, and the next sync goes on from there."""

import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
from heldsync import ENDLESS, HeldSync, check_gone, count, distinct  # noqa: E402

ROLES = ("destination", "source", "worker")
# The longest that a connector may take to end itself, and on top what ends it otherwise (gantry-launcher).
GRACE = 75
API = suite.Api()


def check_cancelled(sync, since, words):
    """The job was cancelled in time, says why, and left a state that its destination bears out, with all that it committed."""
    API.wait(sync.job, "cancelled")
    took = time.monotonic() - since
    (attempt,) = API.story_of(sync.job)["attempts"]
    assert attempt["status"] == "failed", attempt
    reasons = attempt["failure"]["failures"]
    assert reasons[0]["failureType"] == "manual_cancellation", reasons
    assert any(word in str(reasons) for word in words), reasons
    check_gone(sync.job)
    there, done = count(sync.path), sync.state()
    within = distinct(sync.path, done)
    assert within == done, f"the state says {done}, {within} of them are there"
    assert done <= attempt["recordsCommitted"] <= there, (attempt, there)
    print(f"   {took:.1f} s from the word to the end; {there} records there, {attempt['recordsCommitted']} told, state {done}: "
          f"{[r['externalMessage'] for r in reasons]}", flush=True)
    assert 0 < done == attempt["recordsCommitted"], "what was committed is not in the state"
    if took > GRACE:
        print(f"   that is longer than the grace time of {GRACE} s, on this machine", flush=True)
    return there, done


def check_goes_on(sync, there, done):
    """The next sync brings the rest, and only that."""
    sync.end_at(there + 10_000)
    moved = API.wait(API.start(sync.connection), "succeeded")["rowsSynced"]
    assert moved == sync.users - done, (moved, sync.users, done)
    assert distinct(sync.path) == sync.users and count(sync.path) == there + moved
    sync.path.unlink()


def test_a_running_sync_is_seen():
    sync = HeldSync(API, "seen", ENDLESS)
    slice_ = f"gantry-jobs-j{sync.job}a0.slice"
    assert suite.attempt_slices(sync.job) == [slice_]
    units = sync.units()
    assert sorted(u.rpartition("-")[2].removesuffix(".service") for u in units) == sorted(ROLES), units
    groups, status = suite.out("systemd-cgls", "--no-pager", "--full", "/gantry.slice"), suite.out("systemctl", "status", "gantry-jobs.slice")
    for text in (groups, status):
        assert slice_ in text and "destination-sqlite" in text and "source-faker" in text and "gantry-worker" in text, text
    for unit in units:
        assert unit in groups and unit in status, unit
        assert suite.show(unit, "Slice") == slice_ and suite.show(unit, "ActiveState") == "active", unit
        shown = suite.out("systemctl", "status", "--full", unit)
        print("   " + shown.splitlines()[0], flush=True)
        assert f"of job {sync.job}, attempt 0" in shown.splitlines()[0], shown
    worker = sync.unit("worker")
    suite.until(lambda: "committed" in suite.show(worker, "StatusText"), "a line on what the worker does", pause=0.2)
    print("   " + suite.show(worker, "StatusText"), flush=True)
    # How far it is can be asked for, and grows while it runs.
    seen = suite.until(lambda: API.job(sync.job)["rowsSynced"], "records in the job while it runs", pause=0.2)
    sync.feed()
    suite.until(lambda: API.job(sync.job)["rowsSynced"] > seen, "more of them", pause=0.2)
    assert "users" not in suite.show(worker, "Environment")
    cancel_and_go_on(sync)


def cancel_and_go_on(sync):
    since = time.monotonic()
    sync.go()
    API.ask("DELETE", f"/jobs/{sync.job}")
    rest = check_cancelled(sync, since, ["Cancelled"])
    API.ask("DELETE", f"/jobs/{sync.job}", status=409)
    check_goes_on(sync, *rest)


def stop(name, unit_of):
    sync = HeldSync(API, name, ENDLESS)
    sync.go()
    since = time.monotonic()
    suite.out("systemctl", "stop", unit_of(sync.job))
    check_goes_on(sync, *check_cancelled(sync, since, ["slice", "stopped", "systemd"]))


def test_stopping_the_slice_of_an_attempt_cancels_it():
    stop("stop-attempt", lambda job: f"gantry-jobs-j{job}a0.slice")


def test_stopping_the_slice_of_all_jobs_cancels_them():
    stop("stop-jobs", lambda job: "gantry-jobs.slice")


def test_a_cancel_by_the_api():
    cancel_and_go_on(HeldSync(API, "cancel", ENDLESS))


def test_a_connection_deleted_while_it_runs():
    sync = HeldSync(API, "delete", ENDLESS)
    sync.go()
    API.ask("DELETE", f"/connections/{sync.connection}")
    API.wait(sync.job, "cancelled")
    check_gone(sync.job)
    assert 0 < count(sync.path), "what it has written stays"
    assert sync.connection not in str(API.ask("GET", "/connections"))
    assert API.ask("GET", f"/connections/{sync.connection}", status=(200, 404)).get("status", 404) in ("deprecated", 404)
    API.ask("DELETE", f"/connections/{sync.connection}", status=(204, 404))
    API.ask("POST", "/jobs", {"connectionId": sync.connection, "jobType": "sync"}, status=(404, 409))


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
