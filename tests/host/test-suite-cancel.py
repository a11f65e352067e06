#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""A cancelled sync hands over what it has committed: its state, its numbers and what lies in the destination are the same to the
record, and the next sync delivers nothing twice. Whoever is killed, down or late meanwhile; and where a worker can't hand over any
more, the state is behind, never ahead (D03)."""

import concurrent.futures
import itertools
import json
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import heldsync  # noqa: E402
import suite  # noqa: E402
from heldsync import check_gone, check_nothing_left  # noqa: E402

API = suite.Api()
PROGRAM = pathlib.Path("/usr/lib/drip/drip")
# One record and its state in one write: whatever is cut off behind it, a record that arrives has its state with it.
DRIP = '''#!/usr/bin/python3
import json, os, sys, time
argument = dict(zip(sys.argv[2::2], sys.argv[3::2]))
load = lambda name: json.load(open(argument[name]))
def say(*messages):
    os.write(1, "".join(json.dumps(m) + "\\n" for m in messages).encode())
stream = {"name": "drops", "json_schema": {"type": "object", "properties": {"id": {"type": "integer"}}},
          "supported_sync_modes": ["full_refresh", "incremental"], "source_defined_cursor": True, "default_cursor_field": ["id"]}
if sys.argv[1] == "check":
    say({"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}})
elif sys.argv[1] == "discover":
    say({"type": "CATALOG", "catalog": {"streams": [stream]}})
elif sys.argv[1] == "read":
    config, states = load("--config"), load("--state") if "--state" in argument else []
    said = lambda status: say({"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": time.time() * 1000,
                               "stream_status": {"stream_descriptor": {"name": "drops"}, "status": status}}})
    n = states[0]["stream"]["stream_state"]["n"] if states else 0
    said("STARTED")
    while n < config["count"]:
        n += 1
        say({"type": "RECORD", "record": {"stream": "drops", "data": {"id": n}, "emitted_at": int(time.time() * 1000)}},
            {"type": "STATE", "state": {"type": "STREAM", "stream": {"stream_descriptor": {"name": "drops"}, "stream_state": {"n": n}}}})
        # One that drips never comes to its last: somebody ends it.
        while config["pause"] and n == config["count"] - 1:
            time.sleep(1)
        time.sleep(config["pause"])
    said("COMPLETE")
'''
COUNT = 5000


def set_up():
    PROGRAM.parent.mkdir(exist_ok=True)
    PROGRAM.write_text(DRIP)
    PROGRAM.chmod(0o755)
    pathlib.Path("/usr/share/gantry/definitions.d/drip.json").write_text(json.dumps({
        "definitionId": "00000000-0000-4000-8000-0000000000dd", "name": "Drip", "sourceType": "drip", "reference": f"exec:{PROGRAM}",
        "executor": "lite", "network": "none", "limits": {},
        "spec": {"connectionSpecification": {"type": "object", "properties": {}, "additionalProperties": True}}}))
    suite.until(lambda: suite.code("systemctl", "stop", "gantry-schema.service") == 0, "the stop of the suite")


class Drip:
    """A sync that drips records into a file and never ends by itself."""

    numbers = itertools.count()
    asker = concurrent.futures.ThreadPoolExecutor(1)

    def __init__(self, name, begin=True):
        self.answer = None
        self.name = f"{name}-{next(self.numbers)}"
        self.path = suite.FILES / f"{self.name}.db"
        self.source = API.source(self.name, sourceType="drip", count=COUNT, pause=0.05)
        destination = API.destination(self.name, destinationType="sqlite", path=str(self.path))
        self.connection = API.connect(self.name, self.source, destination, mode="incremental_append", streams=["drops"])
        self.job = API.start(self.connection)
        if begin:
            suite.until(lambda: len(self.there()) >= 20, "the first records at the destination")

    def there(self):
        try:
            return [row[0] for row in suite.rows(self.path, "SELECT id FROM drops ORDER BY id")]
        except suite.sqlite3.OperationalError:
            return []  # not there yet

    def stored(self):
        """What is stored of the state. Its workload's kin tell it, so that it can be asked for while daemons are down."""
        rows = suite.rows(suite.DATABASE, "SELECT state FROM state WHERE connection_id = ?", self.connection)
        return json.loads(rows[0][0])["n"] if rows else 0

    def unit(self, role):
        return heldsync.unit_of(self.job, role)

    def stand_behind(self):
        """Its worker stands still, with more at the destination than what is stored of the state, which is told: states are stored every
        10 s, which may be just now."""
        self.worker = suite.main_pid(self.unit("worker"))
        while True:
            assert heldsync.stand_still(self.worker), API.story(self.job)
            before = self.stored()
            if len(self.there()) > before:
                return before
            heldsync.go_on(self.worker)
            suite.until(lambda: len(self.there()) > before, "more records")  # noqa: B023

    def go(self):
        heldsync.go_on(self.worker)

    def wish(self, path):
        """Asks for the end of it. The wish is stored when this returns, though the answer waits for the end."""
        self.answer = self.asker.submit(API.ask, "DELETE", path)
        suite.until(lambda: self.answer.done() or suite.rows(
            suite.DATABASE, "SELECT 1 FROM workflow_event WHERE workflow_id = ? AND type = 'signal-received'", f"job-{self.job}"),
            "the wish in the history")

    def cancel(self, go=True):
        """Cancelled before anything of the last seconds was stored; what is stored of the state then. Without `go`, its worker stands still."""
        before = self.stand_behind()
        self.wish(f"/jobs/{self.job}")
        if go:
            self.go()
        return before

    def check_handed_over(self, before):
        """To the record: the destination, the state, the job's and the attempt's numbers."""
        job = API.wait(self.job, "cancelled")
        if self.answer:
            answer = self.answer.result(suite.PATIENCE)
            assert answer is None or answer["status"] in ("running", "cancelled"), answer
        check_gone(self.job)
        there, (attempt,) = self.there(), API.story_of(self.job)["attempts"]
        told = (self.stored(), job["rowsSynced"], attempt["recordsCommitted"])
        print(f"   {before} in the state when it was cancelled, then {told}; {len(there)} there", flush=True)
        assert there == list(range(1, len(there) + 1)), "records are missing or there twice"
        assert told == (len(there),) * 3, f"{told}, {len(there)} there\n{API.story(self.job)}"
        assert before < len(there) < COUNT, "nothing had to be handed over: this test shows nothing"
        assert attempt["failure"]["failures"][0]["failureType"] == "manual_cancellation", attempt

    def pour(self):
        """A sync without pauses; how many records it brought."""
        configuration = {"sourceType": "drip", "count": COUNT, "pause": 0}
        API.ask("PATCH", f"/sources/{self.source}", {"configuration": configuration})
        return API.wait(API.start(self.connection), "succeeded")["rowsSynced"]

    def check_next(self):
        """The next sync brings the rest and nothing twice."""
        n = len(self.there())
        assert self.pour() == COUNT - n
        assert self.there() == list(range(1, COUNT + 1))
        check_nothing_left(self.job)
        self.path.unlink()


def units(*names):
    return [f"gantry-{name}.service" for name in names]


def test_a_cancelled_sync_has_handed_over_to_the_record():
    drip = Drip("plain")
    before = drip.cancel(go=False)
    API.ask("POST", "/jobs", {"connectionId": drip.connection, "jobType": "sync"}, status=409)
    drip.go()
    API.ask("DELETE", f"/jobs/{drip.job}", status=(200, 409))  # twice
    drip.check_handed_over(before)
    API.ask("DELETE", f"/jobs/{drip.job}", status=409)
    assert suite.code("gantryctl", "job", "wait", drip.job) == 6
    drip.check_next()


def test_the_answer_is_the_end_and_the_next_sync_may_begin():
    """As Airbyte's server holds it: what began at once after a cancel was Busy for the moment of the hand-over."""
    drip, quick = Drip("again", begin=False), 0
    for way in ("http", "config", "gantryctl") * 4:
        n = len(drip.there())
        suite.until(lambda: len(drip.there()) > n, "a record of this sync")  # noqa: B023
        begin = time.monotonic()
        if way == "http":
            status = API.ask("DELETE", f"/jobs/{drip.job}")["status"]
        elif way == "config":
            status = API.ask("POST", "/api/v1/jobs/cancel", {"id": drip.job})["job"]["status"]
        else:
            told = suite.out("gantryctl", "job", "cancel", drip.job)
            status = "cancelled" if f"Job {drip.job} cancelled: " in told else told
        took = time.monotonic() - begin
        assert status == "cancelled" or took >= 10, (way, status, took)
        if status != "cancelled":
            API.wait(drip.job, "cancelled")
        quick += took < 10
        drip.job = API.start(drip.connection)  # 409 where the one before has it still
    print(f"   {quick} of 12 before the bound", flush=True)
    n = len(drip.there())
    suite.until(lambda: len(drip.there()) > n, "a record of the last one")
    before = drip.cancel()
    API.wait(drip.job, "cancelled")
    assert drip.stored() >= before
    drip.check_next()


def test_O03_whoever_is_killed_when_a_cancel_is_stored():
    """kill -9, in each order that two of the three can have."""
    for names in itertools.permutations(("workflow", "workload", "launcher"), 2):
        drip = Drip("-".join(names))
        before = drip.cancel(go=False)
        for unit in units(*names):
            if suite.main_pid(unit) > 0:
                suite.kill(unit)
        drip.go()
        print(f"   killed: {' '.join(names)}", flush=True)
        drip.check_handed_over(before)
        drip.check_next()


def test_a_launcher_that_is_not_there():
    """The worker hears from the API that it is to end; what is left of its units is the next launcher's to stop."""
    drip = Drip("launcher-away")
    suite.out("systemctl", "mask", "--runtime", "--now", *units("launcher"))
    before = drip.cancel()
    API.wait(drip.job, "cancelled")
    assert drip.stored() > before
    suite.out("systemctl", "unmask", "--runtime", *units("launcher"))
    suite.out("systemctl", "start", *units("launcher"))
    drip.check_handed_over(before)
    drip.check_next()


def test_a_launcher_adopts_what_was_cancelled_while_it_was_away():
    """Its worker stands still and hears nothing: the launcher finds in the API's list what is to end, and stops it in order."""
    drip = Drip("adopted")
    suite.out("systemctl", "mask", "--runtime", "--now", *units("launcher"))
    before = drip.cancel(go=False)
    suite.until(lambda: suite.rows(suite.DATABASE, "SELECT cancel_at FROM workload WHERE job_id = ? AND type = 'sync'", drip.job)[0][0],
                "the word that it is to end")
    assert API.job(drip.job)["status"] == "running"
    suite.out("systemctl", "unmask", "--runtime", *units("launcher"))
    suite.out("systemctl", "start", *units("launcher"))
    drip.check_handed_over(before)
    drip.check_next()


def test_D03_a_worker_that_is_killed_hands_over_nothing_and_nothing_is_ahead():
    drip = Drip("worker-killed")
    drip.cancel(go=False)  # so that it is killed before it has handed over
    os.kill(drip.worker, signal.SIGKILL)
    job = API.wait(drip.job, "cancelled")
    check_gone(drip.job)
    there = drip.there()
    assert there == list(range(1, len(there) + 1)), there
    assert drip.stored() <= job["rowsSynced"] <= len(there) < COUNT, (drip.stored(), job, len(there))
    drip.pour()
    assert sorted(set(drip.there())) == list(range(1, COUNT + 1)), "records are lost"
    check_nothing_left(drip.job)


def test_a_stop_of_the_slice_beside_a_cancel():
    drip = Drip("both")
    before = drip.cancel()
    suite.out("systemctl", "stop", f"gantry-jobs-j{drip.job}a0.slice")
    drip.check_handed_over(before)
    drip.check_next()


def test_a_cancel_at_any_moment_of_the_launch():
    for tenths in range(8):
        drip = Drip("launching", begin=False)
        time.sleep(tenths / 10)  # any moment will do
        drip.wish(f"/jobs/{drip.job}")
        job = API.wait(drip.job, "cancelled")
        check_gone(drip.job)
        there = drip.there()
        assert drip.stored() == job["rowsSynced"] == len(there), (drip.stored(), job, there)
        drip.check_next()


def test_P07_a_connection_deleted_in_mid_sync_hands_over_too():
    drip = Drip("deleted")
    before = drip.stand_behind()
    drip.wish(f"/connections/{drip.connection}")
    drip.go()
    drip.check_handed_over(before)
    check_nothing_left(drip.job)


def test_a_clear_begins_when_the_sync_has_ended():
    drip = Drip("cleared")
    clear = API.ask("POST", "/jobs", {"connectionId": drip.connection, "jobType": "clear"})["jobId"]
    assert API.job(drip.job)["status"] == "cancelled" and not suite.attempt_slices(drip.job)
    API.wait(clear, "succeeded")
    assert drip.there() == [] and drip.stored() == 0
    assert drip.pour() == COUNT


if __name__ == "__main__":
    set_up()
    sys.exit(suite.main(globals()))
