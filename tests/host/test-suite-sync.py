#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is installed moves data: faker to SQLite and files to JSON lines, by HTTP API (socket and proxy), D-Bus and gantryctl; every
record is where it belongs, and job, attempt, statistics and state say so."""

import contextlib
import json
import pathlib
import sqlite3
import subprocess
import sys
import threading
import time

sys.path.insert(0, "/mnt/tests/host")
import heldsync  # noqa: E402
import suite  # noqa: E402

USERS, PRODUCTS, SEED = 250, 100, 11


class ByApi:
    def __init__(self, way):
        self.name, self.api = way, suite.Api(way)

    def source(self, name, definition, configuration):
        return self.api.source(name, sourceType=definition, **configuration)

    def destination(self, name, definition, configuration):
        return self.api.destination(name, destinationType=definition, **configuration)

    def connection(self, name, source, destination, streams):
        more = {"configurations": {"streams": streams}} if streams else {}
        return self.api.connect(name, source, destination, **more)

    def sync(self, connection):
        job = self.api.start(connection)
        self.api.wait(job, "succeeded")
        return job


class ByBus:
    name = "bus"

    def source(self, name, definition, configuration):
        return suite.bus_create("Source", {"name": name, "configuration": {"sourceType": definition} | configuration})[1]

    def destination(self, name, definition, configuration):
        return suite.bus_create("Destination", {"name": name, "configuration": {"destinationType": definition} | configuration})[1]

    def connection(self, name, source, destination, streams):
        body = {"name": name, "sourceId": source, "destinationId": destination}
        return suite.bus_create("Connection", body | ({"configurations": {"streams": streams}} if streams else {}))[1]

    def sync(self, connection):
        job = suite.bus("Sync", "ss", connection, "")[0]
        path = f"/org/gantry/Server1/job/{job}"

        def status():
            return suite.out("busctl", "--json=short", "get-property", suite.BUS[0], path, "org.gantry.Server1.Job", "Status")

        suite.until(lambda: json.loads(status())["data"] in suite.ENDED[:3], f"the end of job {job}")
        assert json.loads(status())["data"] == "succeeded", suite.Api().story(job)
        return job


class ByCommand:
    name = "gantryctl"

    def __init__(self):
        self.names = {}

    def add(self, kind, name, *arguments, body=None):
        done = subprocess.run(["gantryctl", "--json=short", kind, "add", name, "--config=-", *arguments], input=json.dumps(body or {}),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert done.returncode == 0, f"gantryctl {kind} add: exit {done.returncode}\n{done.stdout}"
        return name

    def source(self, name, definition, configuration):
        return self.add("source", name, f"--connector={definition}", body=configuration)

    def destination(self, name, definition, configuration):
        return self.add("destination", name, f"--connector={definition}", body=configuration)

    def connection(self, name, source, destination, streams):
        self.add("connection", name, f"--source={source}", f"--destination={destination}",
                 body={"configurations": {"streams": streams}} if streams else {})
        listed = json.loads(suite.out("gantryctl", "--json=short", "connection", "list"))
        self.names |= {c["connectionId"]: c["name"] for c in listed}
        return next(c["connectionId"] for c in listed if c["name"] == name)

    def sync(self, connection):
        said = suite.out("gantryctl", "sync", "start", self.names[connection], "--wait")
        job = json.loads(suite.out("gantryctl", "--json=short", "job", "list", self.names[connection]))[0]
        assert job["status"] == "succeeded", said
        assert f"{job['rowsSynced']}" in suite.out("gantryctl", "job", "show", job["jobId"])
        return job["jobId"]


def check_told(job, connection, wanted):
    """Job, attempt and statistics say what was moved: wanted is records by stream."""
    api = suite.Api()
    total = sum(wanted.values())
    shown = api.job(job)
    assert (shown["status"], shown["rowsSynced"], shown["connectionId"]) == ("succeeded", total, connection), shown
    (attempt,) = [a["attempt"] for a in api.attempts(job)]
    assert attempt["status"] == "succeeded" and attempt["recordsSynced"] == total, attempt
    assert attempt["totalStats"]["recordsCommitted"] == attempt["totalStats"]["recordsEmitted"] == total, attempt
    (told,) = api.story_of(job)["attempts"]
    streams = {s["streamName"]: (s["status"], s["recordsEmitted"], s["recordsCommitted"], s["recordsRejected"]) for s in told["streams"]}
    assert streams == {name: ("COMPLETE", n, n, 0) for name, n in wanted.items()}, streams
    heldsync.check_gone(job)


def expected_from_faker(configuration):
    """What the connector emits by itself, without the suite; its words are the same, its times are not."""
    where = pathlib.Path("/run/expected")
    where.mkdir(exist_ok=True)
    (where / "config").write_text(json.dumps(configuration))
    spoken = [json.loads(line) for line in suite.out("gantry", "discover", "native:source-faker", "--config", where / "config").splitlines()]
    catalog = next(m["catalog"] for m in spoken if m["type"] == "CATALOG")
    configured = [{"stream": s, "sync_mode": "full_refresh", "destination_sync_mode": "append"} for s in catalog["streams"]]
    (where / "catalog").write_text(json.dumps({"streams": configured}))
    done = subprocess.run(["gantry", "read", "native:source-faker", "--config", where / "config", "--catalog", where / "catalog"],
                          stdout=subprocess.PIPE, check=True)
    found = {s["name"]: {} for s in catalog["streams"]}
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            found[message["record"]["stream"]][message["record"]["data"]["id"]] = message["record"]["data"]
    return found


def check_faker(way):
    configuration = {"count": USERS, "seed": SEED}
    wanted = expected_from_faker(configuration)
    path = suite.FILES / f"{way.name}.db"
    source = way.source(f"people-{way.name}", "faker", configuration)
    destination = way.destination(f"base-{way.name}", "sqlite", {"path": str(path)})
    connection = way.connection(f"people-{way.name}", source, destination, None)
    for _ in range(2):
        job = way.sync(connection)
        check_told(job, connection, {name: len(records) for name, records in wanted.items()})
        for table, columns in (("users", ("id", "name", "email", "age", "height")), ("products", ("id", "make", "model", "price")),
                               ("purchases", ("id", "user_id", "product_id", "returned_at"))):
            found = suite.rows(path, f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")
            assert found == [tuple(wanted[table][key].get(c) for c in columns) for key in sorted(wanted[table])], f"{table}: {found[:3]}"
        assert suite.rows(path, "SELECT count(DISTINCT _airbyte_raw_id) FROM users") == [(USERS,)]
    states = suite.Api().states(connection)
    assert set(states) == {"users", "products", "purchases"} and states["users"]["loop_offset"] == USERS, states


def check_files(way):
    where, target = suite.FILES / f"in-{way.name}", suite.FILES / f"out-{way.name}"
    where.mkdir()

    def write(name, ids):
        (where / name).write_text("id,name,amount\n" + "".join(f'{n},"Ä ""{n}"", x",{n}.5\n' for n in ids))

    def moved():
        return sorted((r["id"], r["name"], r["amount"]) for r in suite.jsonl(target / "orders.jsonl"))

    def rows_of(ids):
        return [(n, f'Ä "{n}", x', n + 0.5) for n in ids]

    write("a.csv", range(1, 301))
    source = way.source(f"orders-{way.name}", "files", {"path": f"{where}/*.csv", "stream_name": "orders"})
    destination = way.destination(f"lines-{way.name}", "jsonl", {"path": str(target)})
    connection = way.connection(f"orders-{way.name}", source, destination, [{"name": "orders", "syncMode": "incremental_append"}])
    check_told(way.sync(connection), connection, {"orders": 300})
    assert moved() == rows_of(range(1, 301))
    first = suite.Api().states(connection)["orders"]
    assert list(first["history"]) == [f"{where}/a.csv"], first
    write("b.csv", range(301, 341))
    check_told(way.sync(connection), connection, {"orders": 40})
    assert moved() == rows_of(range(1, 341)), "the second sync brought something else than the new file"
    second = suite.Api().states(connection)["orders"]
    assert sorted(second["history"]) == [f"{where}/a.csv", f"{where}/b.csv"], second
    assert second["_ab_source_file_last_modified"] > first["_ab_source_file_last_modified"]
    check_told(way.sync(connection), connection, {"orders": 0})
    assert moved() == rows_of(range(1, 341)) and suite.Api().states(connection)["orders"] == second


def both(way):
    for check in (check_faker, check_files):
        start = time.monotonic()
        check(way)
        installed = time.time() - pathlib.Path("/var/lib/dpkg/info/gantry.list").stat().st_mtime
        print(f"   {check.__name__} by {way.name}: {time.monotonic() - start:.1f} s, {installed:.1f} s after the installation", flush=True)


def test_by_the_api_on_its_socket():
    both(ByApi("unix"))


def test_by_the_api_through_the_proxy():
    both(ByApi("proxy"))


def test_by_the_bus():
    assert "Sync" in suite.out("busctl", "introspect", *suite.BUS)
    both(ByBus())


def test_by_gantryctl():
    both(ByCommand())


def test_P09_P10_a_schema_that_changes_is_followed_as_each_connection_wants():
    """By the API and with units: a new column is propagated and comes with new rows only; a cursor that goes turns off the connection
    that needs it, and no other of the same source."""
    api, path = suite.Api(), suite.FILES / "changing.db"

    def change(*statements):
        with contextlib.closing(sqlite3.connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    def discover():
        """Whoever asks for it: the next syncs see what was found."""
        return api.ask("POST", "/api/v1/sources/discover_schema", {"sourceId": source, "connectionId": dedup, "disable_cache": True})

    def sync(connection, status="succeeded"):
        job = api.start(connection)
        moved = api.wait(job, status)["rowsSynced"]
        heldsync.check_gone(job)
        return moved

    def arrived(name, query):
        return suite.rows(suite.FILES / f"changed-{name}.db", query)

    change("CREATE TABLE people (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, name TEXT)", "INSERT INTO people VALUES (1, 10, 'Ada')",
           "INSERT INTO people VALUES (2, 20, 'Grace')")
    path.chmod(0o644)
    source = api.source("changing", sourceType="sqlite", path=str(path))
    ends = [api.destination(f"changed-{n}", destinationType="sqlite", path=str(suite.FILES / f"changed-{n}.db")) for n in "ab"]
    streams = [{"name": "people", "syncMode": "incremental_deduped_history", "cursorField": ["at"], "primaryKey": [["id"]]}]
    dedup = api.connect("changing-a", source, ends[0], configurations={"streams": streams},
                        nonBreakingSchemaUpdatesBehavior="propagate_fully")
    whole = api.connect("changing-b", source, ends[1], "full_refresh_overwrite", ["people"],
                        nonBreakingSchemaUpdatesBehavior="propagate_columns")
    assert sync(dedup) == sync(whole) == 2
    change("ALTER TABLE people ADD COLUMN city TEXT DEFAULT 'Paris'", "INSERT INTO people VALUES (3, 30, 'Edsger', 'Oslo')")
    assert [t["transformType"] for t in discover()["catalogDiff"]["transforms"]] == ["update_stream"]
    sync(dedup)
    # The source looks again at the rows of the newest cursor: 2 comes with what it has now.
    assert arrived("a", "SELECT id, city FROM people ORDER BY id") == [(1, None), (2, "Paris"), (3, "Oslo")]
    change("ALTER TABLE people DROP COLUMN at")
    assert discover()["breakingChange"] is True
    sync(dedup, "cancelled")
    shown = api.ask("GET", f"/connections/{dedup}")
    assert (shown["status"], shown["statusReason"]) == ("inactive", "SCHEMA_CHANGES_ARE_BREAKING"), shown
    suite.out("journalctl", "--sync")
    told = suite.out("journalctl", "--no-pager", "--boot", f"GANTRY_CONNECTION_ID={dedup}", "MESSAGE_ID=42231390657949f6893750e854befb3d")
    assert "has lost its field 'at'" in told, told
    assert sync(whole) == 3 and api.ask("GET", f"/connections/{whole}")["status"] == "active"
    assert arrived("b", "SELECT id, city FROM people ORDER BY id") == [(1, "Paris"), (2, "Paris"), (3, "Oslo")]


class Watcher:
    """An event stream through the proxy, read until it is closed; what it says of progress."""

    def __init__(self, api):
        self.connection, self.heard = api.connection(), []
        self.connection.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {api.token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.status
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        event = None
        for line in self.answer:
            key, _, value = line.decode().rstrip("\n").partition(": ")
            if key == "event":
                event = value
            elif key == "data" and event == "progress":
                self.heard.append(json.loads(value))
            elif not key:
                event = None

    def of(self, job):
        """(records read, committed) of each event of that job."""
        return [(sum(s["recordsEmitted"] for s in e["streams"]), sum(s["recordsCommitted"] for s in e["streams"]))
                for e in self.heard if e["jobId"] == job]


def test_who_watches_a_sync_sees_it_move():
    """By event stream, HTTP API, property and gantryctl; the numbers that all show are those of the destination."""
    api = suite.Api("proxy")
    api.login()
    watcher = Watcher(api)
    sync = heldsync.HeldSync(api, "watched")
    try:
        path = f"/org/gantry/Server1/job/{'_3' + str(sync.job)[0] + str(sync.job)[1:]}"

        def property_of(name):
            return json.loads(suite.out("busctl", "--json=short", "get-property", suite.BUS[0], path, "org.gantry.Server1.Job", name))["data"]

        suite.until(lambda: watcher.of(sync.job), "the first event of progress")
        committed = suite.until(lambda: api.job(sync.job)["rowsSynced"], "a live number of the API")
        assert api.job(sync.job)["status"] == "running" and committed <= heldsync.count(sync.path)
        suite.until(lambda: property_of("RecordsCommitted") == api.job(sync.job)["rowsSynced"], "the same number as a property")
        (attempt,) = api.attempts(sync.job)
        assert attempt["attempt"]["totalStats"]["recordsEmitted"] >= committed and attempt["attempt"]["streamStats"], attempt
        shown = suite.out("gantryctl", "job", "show", str(sync.job))
        assert "users" in shown and str(api.job(sync.job)["rowsSynced"]) in shown, shown
        follower = subprocess.Popen(["gantryctl", "job", "show", str(sync.job), "--follow", "--progress=json"], stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True)
        sync.check_untouched()
        # It moves a step at a time, so that there is something to see.
        sync.feed()
        lines = [json.loads(follower.stderr.readline())]
        sync.feed()
        while lines[-1]["records_emitted"] == lines[0]["records_emitted"]:
            lines.append(json.loads(follower.stderr.readline()))
        while len(watcher.of(sync.job)) < 3:
            known = len(watcher.of(sync.job))
            sync.feed()
            suite.until(lambda: len(watcher.of(sync.job)) > known, "another event", pause=0.1)  # noqa: B023
    finally:
        sync.go()
    assert lines[0]["records_emitted"] < lines[-1]["records_emitted"] and lines[0]["job"] == sync.job, lines
    follower.stderr.read()
    assert follower.wait() == 0
    sync.check_end()
    heard = watcher.of(sync.job)
    watcher.connection.close()
    assert len(heard) >= 3 and heard == sorted(set(heard)), heard
    assert heard[-1][0] <= sync.users, heard


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
