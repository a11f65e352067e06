# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole control plane, with real connectors behind it: source-sqlite and destination-sqlite run as programs, what they say
is what the workloads end with. Only the launcher and the worker's unit are the test."""

import json
import sqlite3
import subprocess

from test_whole import V1, Whole
from workflow_host import PATIENCE
from workload_host import BUILD, UnixConnection

DAY = 24 * 3600 * 1_000_000


def camel(stats):
    """A stream's statistics as the worker reports them."""
    return {"name": stats["name"], "namespace": stats.get("namespace"), "recordsEmitted": stats["records_emitted"],
            "bytesEmitted": stats["bytes_emitted"], "recordsCommitted": stats["records_committed"],
            "bytesCommitted": stats["bytes_committed"], "recordsFiltered": 0, "recordsRejected": 0,
            "status": "COMPLETE" if stats["complete"] else "INCOMPLETE", "complete": stats["complete"]}


class Real(Whole):
    """Of the source a database with one table, users(id, at, name)."""

    def begin(self):
        super().begin()
        self.files = self.directory / "files"
        self.source_file = self.files / "source.db"
        self.change("CREATE TABLE users (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT)",
                    "INSERT INTO users VALUES (1, 10, 'Ada'), (2, 20, 'Grace')")

    def change(self, *statements):
        with sqlite3.connect(self.source_file, timeout=PATIENCE) as db:
            for statement in statements:
                db.execute(statement)

    def arrived(self, destination, sql):
        with sqlite3.connect(self.files / f"{destination}.db", timeout=PATIENCE) as db:
            return db.execute(sql).fetchall()

    # -- connectors --

    def write(self, name, value):
        path = self.directory / name
        path.write_text(json.dumps(value))
        return path

    @staticmethod
    def connector(actor):
        assert actor["reference"].startswith("native:"), actor
        return BUILD / "connectors" / actor["reference"].removeprefix("native:")

    def say(self, actor, verb, kind):
        """The one message that a check or discover is for."""
        done = subprocess.run([self.connector(actor), verb, "--config", self.write("config", actor["configuration"])],
                              capture_output=True, check=True, timeout=PATIENCE)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        return next(m for m in messages if m["type"] == kind)

    def move(self, runner, sync):
        """Real records from the source to the destination through the worker's library."""
        self.write("catalog", sync["sourceCatalog"])
        source = ["/bin/true"]  # a clear has none
        if sync["source"]:
            source = [self.connector(sync["source"]), "read", "--config", self.write("source", sync["source"]["configuration"]),
                      "--catalog", self.directory / "catalog"]
            if sync.get("state"):
                source += ["--state", self.write("state", sync["state"])]
        destination = [self.connector(sync["destination"]), "write", "--config",
                       self.write("destination", sync["destination"]["configuration"]),
                       "--catalog", self.write("mapped", sync["destinationCatalog"])]
        done = subprocess.run([BUILD / "tests/tools/replicate", self.directory / "catalog", "--", *source, "--", *destination],
                              capture_output=True, check=True, timeout=PATIENCE)
        result = json.loads(done.stdout)
        if result["states"]:
            assert runner.state(*result["states"]).status == 204
        return {"status": result["status"], "streams": [camel(s) for s in result["streams"]], "failures": result["failures"]}

    def answer(self, runner, script=None):
        kind, given = runner.id.rsplit("_", 1)[1], runner.claim["input"]
        if kind == "sync":
            output = self.move(runner, given)
        elif kind == "check":
            status = self.say(given["actor"], "check", "CONNECTION_STATUS")["connectionStatus"]
            output = {"status": status["status"].lower(), "message": status.get("message")}
        else:
            output = {"catalog": self.say(given["actor"], "discover", "CATALOG")["catalog"]}
        return runner.put("success", output=output)

    # -- the API --

    def ask(self, method, path, body=None, token="own", status=200):
        """Of the public API unless the path says otherwise; past the proxy, which has its own tests."""
        connection = UnixConnection(f"{self.directory}/server.sock")
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.token}"} if token else {})
        connection.request(method, path if path.startswith("/api/") else V1 + path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        assert response.status == status, (response.status, text, self.said())
        return json.loads(text) if text else None

    def config(self, path, body, status=200):
        """A call of the config API."""
        return self.background(lambda: self.ask("POST", f"/api/v1/{path}", body, status=status))

    def make_source(self):
        return self.background(lambda: self.ask("POST", "/sources", {
            "name": "base", "workspaceId": self.workspace_id, "configuration": {"sourceType": "sqlite", "path": str(self.source_file)},
        }))["sourceId"]

    @property
    def workspace_id(self):
        return self.ask("GET", "/workspaces")["data"][0]["workspaceId"]

    def connect(self, source, name, streams, **more):
        """A connection to a database of its own: {name}.db."""
        destination = self.background(lambda: self.ask("POST", "/destinations", {
            "name": name, "workspaceId": self.workspace_id,
            "configuration": {"destinationType": "sqlite", "path": str(self.files / f"{name}.db")}}))["destinationId"]
        return self.background(lambda: self.ask("POST", "/connections", {
            "name": name, "sourceId": source, "destinationId": destination, "configurations": {"streams": streams}, **more,
        }))["connectionId"]

    def sync(self, connection, status="succeeded"):
        job = self.ask("POST", "/jobs", {"connectionId": connection, "jobType": "sync"})["jobId"]
        self.serve(self.ended(job), None)
        job = self.ask("GET", f"/jobs/{job}")
        assert job["status"] == status, (job, self.job(job["jobId"]), self.said())
        return job

    def discovers(self):
        return sum(kind == "discover" for _, kind, _ in self.workloads())

    def a_day_passes(self):
        """What was discovered is old now."""
        self.sql("UPDATE catalog_fetch SET created_at = created_at - ?", (DAY,))

    def timeline(self, connection):
        rows = self.sql("SELECT event_type, summary FROM timeline_event WHERE connection_id = ? ORDER BY created_at, id", (connection,))
        return [(kind, json.loads(summary)) for kind, summary in rows]
