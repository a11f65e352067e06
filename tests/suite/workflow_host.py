# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of gantry-workflow run: it and gantry-workload as processes, on a bus and a database of their own. The
launcher and its runners are the test: it claims over the socket and answers as its script says."""

import json
import os
import subprocess
import time

import dbus
from workload_host import BUILD, PATIENCE, Host, Runner, sealed

MANAGER = "org.gantry.Workflow1.Manager"
CATALOG = {"streams": [{"name": "users", "json_schema": {"type": "object", "properties": {"id": {"type": "integer"},
                                                                                          "name": {"type": "string"}}},
                        "supported_sync_modes": ["full_refresh", "incremental"], "default_cursor_field": ["id"],
                        "source_defined_primary_key": [["id"]]}]}
SPEC = {"connectionSpecification": {"type": "object", "properties": {"password": {"type": "string", "airbyte_secret": True}}}}


def stats(n, complete=True):
    return [{"name": "users", "recordsEmitted": n, "bytesEmitted": 10 * n, "recordsCommitted": n, "bytesCommitted": 9 * n,
             "recordsFiltered": 0, "recordsRejected": 0, "status": "COMPLETE" if complete else "INCOMPLETE", "complete": complete}]


def completed(n=5):
    return {"status": "completed", "streams": stats(n), "failures": []}


def failed(n=0, kind="system_error"):
    return {"status": "failed", "streams": stats(n, complete=False),
            "failures": [{"failureOrigin": "source", "failureType": kind, "externalMessage": "it broke"}]}


def well(workload_type, _attempt):
    """A script: what a runner of that type answers, when all goes well."""
    return {"check": {"status": "succeeded", "message": "fine"}, "discover": {"catalog": CATALOG}, "spec": {"spec": SPEC},
            "sync": completed()}[workload_type]


class Suite(Host):
    def __init__(self, directory):
        super().__init__(directory)
        self.workflow_process = None
        self.peer("Launcher1")
        self.make_connection()

    def start_workflow(self):
        self.workflow_process = subprocess.Popen([BUILD / "gantry-workflow"], env=self.environment,
                                                 stderr=(self.directory / "workflow.stderr").open("ab"))
        while not self.owns("Workflow1"):
            assert self.workflow_process.poll() is None, self.said()
            time.sleep(0.01)

    def start_all(self):
        self.start()
        self.start_workflow()

    def said(self):
        """What the daemon wrote, for assertions."""
        path = self.directory / "workflow.stderr"
        return path.read_text() if path.exists() else ""

    def kill_workflow(self):
        self.workflow_process.kill()
        self.workflow_process.wait()

    def stop(self):
        if self.workflow_process and self.workflow_process.poll() is None:
            self.workflow_process.terminate()
            assert self.workflow_process.wait(PATIENCE) == 0
        super().stop()

    def workflow(self, member, *arguments):
        with self.connected() as bus:
            manager = dbus.Interface(bus.get_object("org.gantry.Workflow1", "/org/gantry/Workflow1", introspect=False), MANAGER)
            return manager.get_dbus_method(member)(*arguments, timeout=PATIENCE)

    def start_job(self, kind="sync", options="", connection_id=None):
        return int(self.workflow("StartJob", connection_id or self.connection_id, kind, options))

    def job(self, job_id):
        (row,) = self.sql("SELECT status, attempts, failure FROM job WHERE id = ?", (job_id,))
        return row

    def attempts(self, job_id):
        return [row[0] for row in self.sql("SELECT status FROM attempt WHERE job_id = ? ORDER BY number", (job_id,))]

    def workloads(self):
        return self.sql("SELECT id, type, status FROM workload ORDER BY created_at, id")

    # -- the launcher and its runners --

    def poll(self):
        """Workloads to claim, whether or not they were polled before: the test may have lost them."""
        return [row[0] for row in self.sql("SELECT id FROM workload WHERE status = 'pending' ORDER BY created_at, id")]

    def take(self, kind=None):
        """Waits for a workload (of that type), and runs it up to `running`."""
        while True:
            for workload_id in self.poll():
                if kind is None or workload_id.endswith(f"_{kind}"):
                    return self.runner(workload_id)
            self.alive()
            time.sleep(0.02)

    def alive(self):
        for process in (self.process, self.workflow_process):
            assert process is None or process.poll() in (None, -9), f"{process.args} left with {process.poll()}: {self.said()}"

    def answer(self, runner, script=well):
        kind = runner.id.rsplit("_", 1)[1]
        attempt = int(runner.id.rsplit("_", 2)[1])
        output = script(kind, attempt)
        if output is None:
            return self.request("PUT", "workload/failure", dict(runner.lease, source="launch-error", reason="no such program"),
                                self.as_launcher()["token"])
        return runner.put("success", output=output)

    def stop_told(self):
        """What the launcher does of what was told to end: it stops the units, and says so."""
        for id_, epoch in self.sql("SELECT id, lease_epoch FROM workload WHERE cancel_at IS NOT NULL AND ended_at IS NULL"):
            body = {"workloadId": id_, "leaseEpoch": epoch, "source": "launcher", "reason": "It was stopped"}
            answer = self.request("PUT", "workload/failure", body, self.as_launcher()["token"])
            assert answer.status == 204, answer

    def serve(self, until, script=well):
        """Answers all workloads until `until()`."""
        end = time.monotonic() + 5 * PATIENCE
        while not until():
            for workload_id in self.poll():
                answer = self.answer(self.runner(workload_id), script)
                assert answer.status == 204, answer
            self.stop_told()
            self.alive()
            assert time.monotonic() < end, (self.workloads(), self.said())
            time.sleep(0.02)

    def ended(self, job_id):
        return lambda: self.job(job_id)[0] in ("succeeded", "failed", "cancelled")

    def run_job(self, kind="sync", options="", script=well):
        job_id = self.start_job(kind, options)
        self.serve(self.ended(job_id), script)
        return job_id


__all__ = ["CATALOG", "PATIENCE", "SPEC", "Runner", "Suite", "completed", "failed", "json", "os", "sealed", "stats", "well"]
