#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=3600
"""A host where nothing moves has no Gantry process; from there an answer comes at once. Prints what a cold answer takes, and from a
trigger to the first record at the destination, and where that time goes. Nothing fails for slowness."""

import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402

HEALTH = f"{suite.V1}/health"
# Idle daemons leave after 30 s; the goal is a host without them after 60 s.
IDLE_GOAL = 60
# With room for the slowest machine.
PATIENCE = 600
TIMES = 10
API = suite.Api()


def processes():
    """All processes of programs of the suite."""
    found = []
    for exe in pathlib.Path("/proc").glob("[0-9]*/exe"):
        try:
            target = os.readlink(exe)
        except OSError:
            continue
        if target.startswith(("/usr/lib/gantry/", "/usr/bin/gantry")):
            found.append(f"{exe.parent.name} {target}")
    return found


def until_idle():
    return suite.until(lambda: not processes(), "a host without Gantry processes", patience=PATIENCE, pause=0.2)


def test_a_host_where_nothing_moves_has_no_process():
    connection = API.connect("idle", API.source("idle", sourceType="faker", count=10),
                             API.destination("idle", destinationType="dev-null"))
    API.wait(API.start(connection), "succeeded")
    suite.Api("proxy").raw("GET", HEALTH)
    assert processes(), "nothing runs, so nothing can leave"
    start = time.monotonic()
    until_idle()
    took = time.monotonic() - start
    print(f"   the last process left {took:.1f} s after the last answer (goal {IDLE_GOAL})", flush=True)
    for name in suite.DAEMONS:
        assert suite.show(f"gantry-{name}.service", "Result") == "success", name
        assert suite.show(f"gantry-{name}.service", "NRestarts") == "0", name
    left = suite.out("systemctl", "list-units", "--plain", "--no-legend", "gantry-run-*", "gantry-jobs-*")
    assert not left, left


def test_who_listens_keeps_the_server():
    """A subscriber that does nothing; the others leave meanwhile, and the server leaves after it."""
    code = ("import sys, dbus; bus = dbus.SystemBus(); "
            "bus.get_object('org.gantry.Server1', '/org/gantry/Server1', introspect=False).Subscribe("
            "dbus_interface='org.gantry.Server1.Manager'); print('listens', flush=True); sys.stdin.read()")
    with subprocess.Popen(["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout.readline() == "listens\n"
        server = suite.main_pid("gantry-server.service")
        end = time.monotonic() + IDLE_GOAL
        while time.monotonic() < end:  # twice as long as it would stay by itself
            assert any(p.startswith(f"{server} ") for p in processes()), "the server left"
            time.sleep(1)
        suite.until(lambda: [p.split()[0] for p in processes()] == [str(server)], "the end of the others", pause=0.5)
        listener.stdin.close()
    until_idle()


def stop_daemons(schema=False):
    """All of them. Whoever had still something to say to another may have called it back meanwhile."""
    def stopped():
        suite.code("systemctl", "stop", *(f"gantry-{name}.service" for name in suite.DAEMONS), *(["gantry-schema.service"] if schema else []))
        return not processes()
    suite.until(stopped, "a host without Gantry processes")
    suite.out("systemctl", "reset-failed")


def measure(what, call, goal, schema=False):
    times = []
    for _ in range(TIMES):
        stop_daemons(schema)
        start = time.monotonic()
        call()
        times.append(1000 * (time.monotonic() - start))
    print(f"   {what}: median {statistics.median(times):.0f} ms, {min(times):.0f} to {max(times):.0f} of {TIMES}"
          f"{f' (goal {goal})' if goal else ''}", flush=True)


def health(way):
    status, text = suite.Api(way).raw("GET", HEALTH)
    assert status == 200, text


def listing():
    status, text = API.raw("GET", f"{suite.V1}/connections", token=API.token)
    assert status == 200 and json.loads(text)["data"], text


def test_the_first_answer_from_cold():
    # Stops and starts in a row would meet the start limits of units, which aren't what is measured.
    for name in (*(f"{name}.service" for name in suite.DAEMONS), "schema.service", "server.socket", "proxy.socket", "workload.socket"):
        drop = pathlib.Path(f"/run/systemd/system/gantry-{name if '.' in name else name}.d")
        drop.mkdir(parents=True, exist_ok=True)
        (drop / "limit.conf").write_text("[Unit]\nStartLimitIntervalSec=0\n" +
                                         ("[Socket]\nTriggerLimitIntervalSec=0\n" if name.endswith(".socket") else ""))
    # A reload sets this off, and a daemon that is stopped while the bus waits for it is refused for 25 s.
    suite.out("systemctl", "stop", "gantry-schedules.timer", "gantry-schedules.service")
    suite.out("systemctl", "daemon-reload")
    API.login()
    measure("by the unix socket, health", lambda: health("unix"), 200)
    measure("by the unix socket, connections with a token", listing, 200)
    measure("through the proxy, health", lambda: health("proxy"), 350)
    measure("by the unix socket, the first after boot (schema checked anew)", lambda: health("unix"), None, schema=True)
    measure("by the bus, one property", lambda: suite.out("busctl", "get-property", *suite.BUS, "Version"), None)


def as_service():
    """Definitions of the same native connectors that run under systemd's own sandbox."""
    for role, name in (("source", "source-faker"), ("destination", "destination-sqlite")):
        path = pathlib.Path("/usr/share/gantry/definitions.d")
        told = json.loads((path / f"{name}.json").read_text())
        told |= {"definitionId": f"00000000-0000-4000-8000-0000000000{len(role):02}", "name": f"{told['name']} as service",
                 f"{role}Type": f"{told[f'{role}Type']}-service", "executor": "service"}
        told.pop("dockerRepository", None)
        (path / f"{name}-service.json").write_text(json.dumps(told))
    stop_daemons(schema=True)


class Arrival:
    """Waits for the first row of a table, by looking whenever its files change: who looks all the time has a share in what he
    measures."""

    def __init__(self, path):
        self.path = path

    def files(self):
        found = []
        for suffix in ("", "-wal"):
            try:
                status = os.stat(f"{self.path}{suffix}")
                found.append((status.st_size, status.st_mtime_ns))
            except OSError:
                pass
        return found

    def wait(self):
        end = time.monotonic() + suite.PATIENCE
        before = None
        while time.monotonic() < end:
            select.select([], [], [], 0.001)
            # Their times are no finer than the kernel's ticks: what has changed may change once more under the same.
            now = [*self.files(), int(250 * time.monotonic())] if self.files() else None
            if now is None or now == before:
                continue
            before = now
            try:
                if found := suite.rows(self.path, "SELECT _airbyte_extracted_at FROM users LIMIT 1"):
                    return time.time(), found[0][0]
            except suite.sqlite3.OperationalError:
                pass
        raise AssertionError("no record came")


class BusWatch:
    """What goes over the bus meanwhile: when who called what, by the bus's own clock."""

    CALLS = ("StartJob", "Create", "Wake", "StartTransientUnit")

    def __init__(self):
        rules = [f"--match=type='method_call',member='{call}'" for call in self.CALLS]
        rules.append("--match=type='signal',sender='org.freedesktop.systemd1',member='JobRemoved'")
        # pylint: disable-next=consider-using-with
        self.process = subprocess.Popen(["busctl", "monitor", "--json=short", *rules], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        time.sleep(0.3)

    def end(self):
        """The calls: (seconds, what)."""
        time.sleep(0.3)
        self.process.terminate()
        for line in self.process.communicate()[0].splitlines():
            message = json.loads(line)
            data = message.get("payload", {}).get("data", [])
            when, what = message["timestamp-realtime"] / 1e6, message["member"]
            if what == "StartTransientUnit":
                yield when, f"{role_of(data[0])} unit asked for"
            elif what == "JobRemoved" and role_of(data[2]):
                yield when, f"{role_of(data[2])} unit job {data[3]}"
            elif what in self.CALLS:
                yield when, what


def role_of(unit):
    return unit.rpartition("-")[2].removesuffix(".service") if unit.startswith("gantry-run-") else None


def stages(job, start, watch):
    """When each thing of a job's first attempt happened, from the database, the journal and the bus, in seconds."""
    created, started = sql(f"SELECT created_at, started_at FROM job WHERE id = {job}")[0]
    attempt = sql(f"SELECT created_at FROM attempt WHERE job_id = {job}")[0][0]
    workload, auto_id = sql(f"SELECT created_at, auto_id FROM workload WHERE job_id = {job}")[0]
    times = {"job stored": created, "job started": started, "attempt stored": attempt, "workload stored": workload}
    lines = suite.out("journalctl", "--output=json", "--output-fields=UNIT,MESSAGE,JOB_TYPE,JOB_RESULT", "_PID=1", f"--grep={auto_id}")
    for line in lines.splitlines():
        entry = json.loads(line) if line.startswith("{") else {}
        role = role_of(entry.get("UNIT", ""))
        # Stops are logged under the same names, later.
        if role and entry.get("JOB_TYPE") == "start":
            times[f"{role} unit {'started' if 'JOB_RESULT' in entry else 'starting'}"] = int(entry["__REALTIME_TIMESTAMP"])
    found = {name: when / 1e6 for name, when in times.items() if when}
    for when, what in watch.end():
        if when >= start:
            found.setdefault(what, when)
    return found


def sql(query):
    return [tuple(row.values()) for row in json.loads(suite.out("sqlite3", "-readonly", "-json", suite.DATABASE, query, user="gantry"))]


def prepare(kind):
    """A connection of connectors that run in this way, and its destination; checked, and run once."""
    suffix = "-service" if kind == "service" else ""
    path = suite.FILES / f"{kind}.db"
    connection = API.connect(kind, API.source(kind, sourceType=f"faker{suffix}", count=1, always_updated=True),
                             API.destination(kind, destinationType=f"sqlite{suffix}", path=str(path)),
                             streams=["users"], mode="full_refresh_append")
    API.wait(API.start(connection), "succeeded")
    return connection, path


def trigger(connection, path, cold, show):
    """From the trigger's first byte to the first row that a reader of the destination sees; in milliseconds."""
    path.unlink()
    if cold:
        stop_daemons()
    watch = BusWatch() if show else None
    start = time.time()
    job = API.start(connection)
    answered = time.time()
    there, extracted = Arrival(path).wait()
    API.wait(job, "succeeded")
    if show:
        parts = stages(job, start, watch) | {"trigger answered": answered, "source made the record": extracted_at(extracted), "row there": there}
        print("   " + ", ".join(f"{n} +{1000 * (t - start):.0f}" for n, t in sorted(parts.items(), key=lambda p: p[1])) + " ms", flush=True)
    return 1000 * (there - start)


def extracted_at(text):
    import datetime
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def test_from_the_trigger_to_the_first_record():
    as_service()
    for kind, goal in (("lite", 100), ("service", 300)):
        connection, path = prepare(kind)
        # Those that are looked at closely are slower, and don't count.
        for _ in range(2):
            trigger(connection, path, cold=False, show=True)
        warm = [trigger(connection, path, cold=False, show=False) for i in range(TIMES)]
        cold = [trigger(connection, path, cold=True, show=i == 0) for i in range(3)]
        print(f"   {kind}, daemons warm: median {statistics.median(warm):.0f} ms, {min(warm):.0f} to {max(warm):.0f} of {TIMES} (goal {goal}); "
              f"cold: {statistics.median(cold):.0f} ms", flush=True)


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
