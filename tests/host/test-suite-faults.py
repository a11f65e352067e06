#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=3600
"""What happens to hosts happens in the middle of a sync: the suite is upgraded, systemd is reloaded and executed anew, daemons hang,
the database is locked or its disk is full, damaged or of another version, the package is removed. The sync
ends well, or what ended it is said, and nothing is lost."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import sys
import time

sys.path.insert(0, "/mnt/tests/host")
import suite  # noqa: E402
from heldsync import HeldSync, check_nothing_left  # noqa: E402

STATE = pathlib.Path("/var/lib/gantry")
API = suite.Api()


def apt(*words):
    debs = [str(p) for p in sorted(pathlib.Path("/mnt/deb").glob("gantry*.deb")) if "-dbgsym_" not in p.name]
    return suite.out("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-y", "-qq", *words, *(debs if "install" in words else ()))


def ping(name):
    suite.out("busctl", "--timeout=300", "call", f"org.gantry.{name.capitalize()}1", "/", "org.freedesktop.DBus.Peer", "Ping")


def on_a_small_disk():
    """The database's disk, which can be filled."""
    stop_daemons()
    suite.out("cp", "-a", STATE, "/root/state")
    suite.out("mount", "-t", "tmpfs", "-o", "size=24m,mode=0750", "tmpfs", STATE)
    suite.out("cp", "-a", "/root/state/.", STATE)
    start_sockets()


def stop_daemons():
    """All of them, with the sockets: workers that run would start them again at once. A start that is cancelled is one that the bus
    goes on waiting for, 25 s."""
    suite.until(lambda: "gantry" not in suite.out("systemctl", "list-jobs"), "the end of what is being started")
    suite.out("systemctl", "stop", "gantry.target", "gantry-schema.service", *(f"gantry-{name}.service" for name in suite.DAEMONS))
    suite.out("systemctl", "reset-failed")


def start_sockets():
    suite.out("systemctl", "start", "gantry.target", *(f"gantry-{name}.socket" for name in ("proxy", "server", "workload")))


def journal(unit, since):
    return suite.out("journalctl", "--output=cat", f"--since=@{since:.6f}", "--unit", unit)


def whole():
    """The database holds together."""
    assert suite.rows(suite.DATABASE, "PRAGMA integrity_check") == [("ok",)]
    assert suite.rows(suite.DATABASE, "PRAGMA foreign_key_check") == []


def test_an_upgrade_in_the_middle_of_a_sync():
    sync = HeldSync(API, "upgrade")
    schema, launcher = suite.show("gantry-schema.service", "InvocationID"), suite.main_pid("gantry-launcher.service")
    apt("install", "--reinstall")
    sync.check_untouched()
    assert API.job(sync.job)["status"] == "running"
    assert suite.show("gantry-schema.service", "InvocationID") != schema, "the schema was not looked at anew"
    assert suite.main_pid("gantry-launcher.service") == launcher, "who holds the pipes was not left alone"
    sync.go()
    sync.check_end()


def test_systemd_is_reloaded_and_executed_anew():
    sync = HeldSync(API, "reexec")
    suite.out("systemctl", "daemon-reload")
    suite.out("systemctl", "daemon-reexec")
    sync.check_untouched()
    sync.go()
    sync.check_end()


def test_the_socket_of_the_workload_api_is_made_anew():
    """A worker that runs reaches the new one: it goes on, and nothing comes twice. Longer down than a heartbeat, and the daemon with it."""
    sync = HeldSync(API, "socket")
    suite.out("systemctl", "restart", "gantry-workload.socket")
    sync.check_untouched()
    suite.out("systemctl", "stop", "gantry-workload.socket")
    before = beat(sync.job)
    time.sleep(15)
    suite.out("systemctl", "start", "gantry-workload.socket")
    suite.until(lambda: beat(sync.job) != before, "a heartbeat by the new socket")
    sync.check_untouched()
    sync.go()
    sync.check_end()


def beat(job):
    """When the worker of the job was heard of last."""
    return suite.rows(suite.DATABASE, "SELECT heartbeat_at FROM workload WHERE job_id = ? AND type = 'sync'", job)


def test_who_is_needed_stays():
    """Idle daemons leave after 30 s; not those that a client listens to, nor those that hold a sync or its lease. The engine leaves:
    whatever ends calls it back."""
    sync = HeldSync(API, "stays")
    proxy = suite.Api("proxy")
    proxy.login()
    listener = proxy.connection()
    listener.request("GET", "/api/v1/events", headers={"Authorization": f"Bearer {proxy.token}"})
    events = listener.getresponse()  # closes with its last reference
    assert events.status == 200
    needed = [name for name in suite.DAEMONS if name != "workflow"]
    pids = {name: suite.main_pid(f"gantry-{name}.service") for name in needed}
    time.sleep(40)
    stayed = {name: suite.main_pid(f"gantry-{name}.service") for name in needed}
    assert stayed == pids and 0 not in pids.values(), f"{pids} became {stayed}"
    events.close()
    sync.check_untouched()
    sync.go()
    sync.check_end()


def test_a_daemon_that_hangs_is_started_anew():
    """All at once stand still, as after a stuck disk; systemd's watchdog finds it."""
    for name in suite.DAEMONS:
        assert "\nWatchdogSec=30\n" in suite.out("systemctl", "cat", f"gantry-{name}.service"), name
        drop = pathlib.Path(f"/run/systemd/system/gantry-{name}.service.d")
        drop.mkdir(parents=True, exist_ok=True)
        (drop / "watchdog.conf").write_text("[Service]\nWatchdogSec=10\n")
    stop_daemons()
    suite.out("systemctl", "daemon-reload")
    start_sockets()
    sync = HeldSync(API, "watchdog")
    suite.Api("proxy").raw("GET", f"{suite.V1}/health")
    for name in suite.ON_BUS:
        ping(name)
    pids = {name: suite.main_pid(f"gantry-{name}.service") for name in suite.DAEMONS}
    since = time.time()
    for pid in pids.values():
        os.kill(pid, signal.SIGSTOP)
    for name, pid in pids.items():
        suite.until(lambda: not os.path.exists(f"/proc/{pid}"), f"the end of gantry-{name}")  # noqa: B023
    print(f"   all were ended {time.time() - since:.1f} s after they stood still", flush=True)
    for name in suite.DAEMONS:
        suite.until(lambda: "Watchdog timeout" in journal(f"gantry-{name}.service", since), f"the word on gantry-{name}")  # noqa: B023
        # It may have left again by itself, idle, before somebody looks.
        suite.until(lambda: suite.main_pid(f"gantry-{name}.service") > 0 or suite.show(f"gantry-{name}.service", "NRestarts") != "0",  # noqa: B023
                    f"the return of gantry-{name}")
    sync.check_untouched()
    sync.go()
    sync.check_end()
    for name in suite.DAEMONS:
        shutil.rmtree(f"/run/systemd/system/gantry-{name}.service.d")
    stop_daemons()
    suite.out("systemctl", "daemon-reload")
    start_sockets()


def test_somebody_locks_the_database():
    """A lock that lasts is told as such; nothing that was asked for meanwhile is half done."""
    sync = HeldSync(API, "locked")
    name = f"locked-{os.getpid()}-late"
    with contextlib.closing(sqlite3.connect(suite.DATABASE, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        sync.go()
        status, text = API.raw("POST", f"{suite.V1}/sources", {"name": name, "workspaceId": workspace(),
                                                              "configuration": {"sourceType": "faker", "count": 1}}, API.token)
        print(f"   while it was locked: {status} {json.loads(text).get('detail')}", flush=True)
        assert status in (409, 429, 503), (status, text)
        assert API.raw("GET", f"{suite.V1}/health")[0] == 200
        database.execute("ROLLBACK")
    sync.check_end()
    assert not [s for s in API.ask("GET", "/sources?limit=100")["data"] if s["name"] == name]
    API.source(name, sourceType="faker", count=1)


def workspace():
    return suite.rows(suite.DATABASE, "SELECT id FROM workspace")[0][0]


def test_the_disk_of_the_database_is_full():
    """Nothing that was accepted is lost, and when there is room again the sync ends well."""
    sync, within = HeldSync(API, "full"), workspace()
    # It fills up while they run; a cold start on a full disk is another matter, see below.
    for name in suite.ON_BUS:
        ping(name)
    assert API.job(sync.job)["status"] == "running"
    filler = fill_up()
    status, text = 201, ""
    for number in range(2000):
        status, text = API.raw("POST", f"{suite.V1}/sources", {"name": f"full-{number}", "workspaceId": within,
                                                              "configuration": {"sourceType": "faker", "count": 1}}, API.token)
        if status >= 400:
            break
    print(f"   after {number} more sources: {status} {json.loads(text).get('detail')}", flush=True)
    assert status == 507 and json.loads(text)["type"] == "error:insufficient-storage", (status, text)
    assert API.raw("GET", f"{suite.V1}/health")[0] in (200, 503)
    sync.go()
    time.sleep(3)  # the worker tries to store its states meanwhile
    filler.unlink()
    assert API.raw("POST", f"{suite.V1}/sources", {"name": "room", "workspaceId": within,
                                                  "configuration": {"sourceType": "faker", "count": 1}}, API.token)[0] == 200
    made = {s["name"] for s in all_sources()}
    missing = {f"full-{n}" for n in range(number)} - made
    assert not missing and f"full-{number}" not in made, missing
    sync.check_end()
    whole()


def fill_up():
    """Leaves no byte on the database's disk; what has to be deleted for there to be room again."""
    filler = STATE / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    return filler


def test_a_cold_start_on_a_full_disk():
    """The server can't open the database, and says so; when there is room again everything works, and nobody has started anything."""
    connection = API.connect("cold", API.source("cold", sourceType="faker", count=5), API.destination("cold", destinationType="dev-null"))
    suite.until(lambda: "gantry" not in suite.out("systemctl", "list-jobs"), "the end of what is being started")
    suite.out("systemctl", "stop", *(f"gantry-{name}.service" for name in suite.DAEMONS))
    filler = fill_up()
    for _ in range(3):
        check_full()
        time.sleep(2)
    filler.unlink()
    suite.until(lambda: API.raw("GET", f"{suite.V1}/health")[0] == 200, "an answer with room on the disk")
    API.wait(start_at_last(connection), "succeeded")
    whole()


FULL = r"The disk tmpfs \(mounted on /var/lib/gantry\) of '/var/lib/gantry/gantry\.db' is full"


def check_full():
    """Whoever asks hears that the disk is full, which one, and whose: by each socket, on the bus, of systemd."""
    began = time.monotonic()
    for api in (API, suite.Api("proxy")):
        for path in ("/health", "/sources"):
            status, text = api.raw("GET", suite.V1 + path, token=API.token)
            assert status == 507 and re.search(FULL, json.loads(text)["detail"]), (status, text)
    connection = suite.UnixConnection("/run/gantry/workload/api.sock", suite.PATIENCE)
    connection.request("POST", "/api/v1/dataplanes/initialize", '{"name": "x"}', {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 507 and re.search(FULL, answer.read().decode()), answer.status
    connection.close()
    for command in (("status",), ("workflow", "list")):
        said = suite.out("gantryctl", *command, check=False)
        assert suite.code("gantryctl", *command) != 0 and re.search(FULL, said), said
    for name in ("server", "workflow", "workload"):
        assert re.search(FULL, suite.out("systemctl", "status", "--lines=0", f"gantry-{name}.service", check=False)), name
    print(f"   all of that was said within {time.monotonic() - began:.1f} s", flush=True)


@contextlib.contextmanager
def no_room_for_directories():
    """A disk that is full has no room for the directories either that systemd would make for a unit's own /tmp."""
    suite.out("mount", "-t", "tmpfs", "-o", "nr_inodes=1,mode=1777", "tmpfs", "/var/tmp")
    try:
        assert suite.code("mkdir", "/var/tmp/x") != 0
        yield
    finally:
        suite.out("umount", "/var/tmp")


def test_a_boot_on_a_full_disk():
    """gantry-schema fails, and again; clients are told why instead of waiting; once there is room all goes on by itself, schedules too."""
    connection = API.connect("boot", API.source("boot", sourceType="faker", count=5), API.destination("boot", destinationType="dev-null"),
                             schedule={"scheduleType": "cron", "cronExpression": hourly()})
    suite.until(lambda: timer_within(3600 * 10**6), "the timer of its schedule")
    boot_without_room()
    with no_room_for_directories():
        filler = fill_up()
        start_sockets()
        suite.out("systemctl", "restart", "gantry-schedules.timer")
        for _ in range(2):
            check_full()
            time.sleep(12)  # longer than one that stands in stays for nothing
        assert suite.show("gantry-schema.service", "ActiveState") == "failed"
        assert re.search(FULL, suite.out("systemctl", "status", "--lines=0", "gantry-schema.service", check=False))
        filler.unlink()
        suite.until(lambda: API.raw("GET", f"{suite.V1}/health")[0] == 200, "an answer with room on the disk")
    API.wait(start_at_last(connection), "succeeded")
    suite.until(lambda: timer_within(3600 * 10**6), "the timer of its schedule, which nobody asked for")
    assert suite.show("gantry-schema.service", "ActiveState") == "active"
    API.ask("DELETE", f"/connections/{connection}")
    whole()


def hourly():
    """A schedule whose next run is half an hour away, so that it does not come in the middle of a test."""
    return f"0 {(time.gmtime().tm_min + 30) % 60} * * * ?"


def boot_without_room():
    """What a boot begins with: nothing of the suite has run. Its timers are gone with the boot before."""
    stop_daemons()
    suite.out("systemctl", "stop", "gantry-setup.service", "gantry-schedules.service", "gantry-timer-*.timer")


def test_the_first_boot_on_a_full_disk():
    """There is no database yet, and none can be made."""
    boot_without_room()
    kept = pathlib.Path("/root/kept")
    kept.mkdir()
    suite.out("mv", *STATE.glob("gantry.db*"), kept)
    filler = fill_up()
    try:
        start_sockets()
        check_full()
        filler.unlink()
        suite.until(lambda: API.raw("GET", f"{suite.V1}/health")[0] == 200, "a first database")
        assert suite.rows(suite.DATABASE, "SELECT count(*) FROM workspace") == [(1,)]
    finally:
        boot_without_room()
        for path in STATE.glob("gantry.db*"):
            path.unlink()
        suite.out("mv", *kept.iterdir(), STATE)
        kept.rmdir()
        start_sockets()
    whole()


def all_sources():
    found, offset = [], 0
    while page := API.ask("GET", f"/sources?limit=100&offset={offset}")["data"]:
        found, offset = found + page, offset + 100
    return found


def refused(damage, words):
    """Damages the database; the line of the schema unit that says so, that clients are told it as well, and that nobody works with it.
    Once the good one is back they are answered: nobody starts or resets anything."""
    stop_daemons()
    kept = pathlib.Path("/root/kept")
    suite.out("cp", "-a", STATE, kept)
    since = time.time()
    damage(pathlib.Path(suite.DATABASE))
    start_sockets()
    try:
        for n in (1, 2):  # each start of the daemon is another try
            suite.until(lambda: told(words) and len(refusals(since, words)) >= n, f"refusal {n}: {words}", pause=1)  # noqa: B023
        suite.until(lambda: re.search("status=(1/FAILURE|78/CONFIG)", journal("gantry-schema.service", since)), "its exit in the journal")
        for command in (("status",), ("workflow", "list")):
            assert re.search(words, suite.out("gantryctl", *command, check=False)), command
        assert suite.code("systemctl", "start", "gantry-schema.service") != 0, "a start says nothing of the failure"
        for unit in ("gantry-schema", "gantry-server"):
            suite.until(lambda: re.search(words, suite.out("systemctl", "status", "--lines=0", f"{unit}.service", check=False)),  # noqa: B023
                        f"the reason in the status of {unit}, between two tries")
        put_back(kept)
        suite.until(lambda: API.raw("GET", f"{suite.V1}/health")[0] == 200, "an answer out of the good database")
    finally:
        shutil.rmtree(kept)
    return refusals(since, words)[0]


def told(words):
    """What a client of the socket is told; one that meets a daemon as it leaves waits for the next."""
    status, text = API.raw("GET", f"{suite.V1}/health")
    assert status == 503 and re.search(words, json.loads(text)["detail"]), (status, text)
    return True


def refusals(since, words):
    return [line for line in journal("gantry-schema.service", since).splitlines() if re.search(words, line)]


def put_back(kept):
    """The good database takes the place of the other."""
    with contextlib.closing(sqlite3.connect(kept / "gantry.db")) as database:
        assert database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    suite.out("cp", "-a", kept / "gantry.db", STATE / "gantry.db.good")
    for log in STATE.glob("gantry.db-*"):
        log.unlink()
    (STATE / "gantry.db.good").rename(suite.DATABASE)


def with_sql(*statements):
    def damage(path):
        with contextlib.closing(sqlite3.connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
    return damage


def overwrite(path):
    for log in STATE.glob("gantry.db-*"):
        log.unlink()
    with path.open("r+b") as file:
        file.write(b"this was a database" * 20)


def test_a_database_that_cannot_be_used_is_refused():
    """Newer than the programs, no database at all, damaged inside: each is said, and with the good one all goes on."""
    connection = API.connect("kept", API.source("kept", sourceType="faker", count=5), API.destination("kept", destinationType="dev-null"))
    later = with_sql("INSERT INTO schema_migration (version, name, applied_at) VALUES (9999, 'later', 1)")
    for what, damage, words in (("newer", later, "newer than"), ("garbage", overwrite, "not a database|malformed|corrupt")):
        print(f"   {what}: {refused(damage, words)}", flush=True)
        assert API.wait(start_at_last(connection), "succeeded")["rowsSynced"] > 0
    whole()


def start_at_last(connection):
    """Starts a sync; who has just come back may say that others have not yet."""
    def try_it():
        status, text = API.raw("POST", f"{suite.V1}/jobs", {"connectionId": connection, "jobType": "sync"}, API.token)
        assert status in (200, 503), (status, text)
        return status == 200 and json.loads(text)["jobId"]
    return suite.until(try_it, "an engine that takes jobs", pause=0.5)


def test_the_clock_was_set_back():
    """By a day, as far as the database can tell: the oneshot that systemd starts then puts the next run back in reach."""
    source, destination = API.source("back", sourceType="faker", count=5), API.destination("back", destinationType="dev-null")
    connection = API.connect("back", source, destination, schedule={"scheduleType": "cron", "cronExpression": hourly()})
    API.wait(API.start(connection), "succeeded")
    suite.until(lambda: "gantry" not in suite.out("systemctl", "list-jobs"), "the end of what is being started")
    suite.out("systemctl", "stop", "gantry-workflow.service")
    day, hour = 24 * 3600 * 10**6, 3600 * 10**6
    with_sql(f"UPDATE job SET created_at = created_at + {day} WHERE connection_id = '{connection}'",
             f"UPDATE connection SET next_run = next_run + {day} WHERE id = '{connection}'")(suite.DATABASE)
    assert "OnClockChange=yes" in suite.out("systemctl", "cat", "gantry-schedules.timer")

    def next_run():
        return suite.rows(suite.DATABASE, "SELECT next_run FROM connection WHERE id = ?", connection)[0][0] - time.time() * 10**6
    assert next_run() > hour  # a full hour may have passed meanwhile
    suite.out("systemctl", "start", "gantry-schedules.service")
    suite.until(lambda: next_run() <= hour, "a next run within the hour")
    suite.until(lambda: timer_within(hour), "its timer")
    API.ask("DELETE", f"/connections/{connection}")


def timer_within(length):
    """Whether one of the suite's timers, which call the engine, elapses within that time."""
    listed = json.loads(suite.out("systemctl", "list-timers", "--output=json", "gantry-timer-*"))
    return any(0 < (t["next"] or 0) - time.time() * 10**6 <= length for t in listed)


def test_P08_a_connection_whose_workflow_is_damaged_can_be_deleted():
    sync = HeldSync(API, "damaged")
    suite.out("systemctl", "stop", "gantry-workflow.service")
    with_sql("UPDATE workflow_event SET payload = '{' WHERE type = 'step-recorded'")(suite.DATABASE)
    API.ask("DELETE", f"/connections/{sync.connection}")
    API.ask("DELETE", f"/connections/{sync.connection}", status=(204, 404))
    sync.go()
    suite.until(lambda: API.job(sync.job)["status"] in suite.ENDED[:3], f"the end of job {sync.job}")
    print(f"   the job {API.job(sync.job)['status']}", flush=True)
    check_nothing_left(sync.job)
    assert API.ask("GET", f"/connections/{sync.connection}", status=(200, 404)).get("status", 404) in ("deprecated", 404)
    connection = API.connect("after", API.source("after", sourceType="faker", count=5), API.destination("after", destinationType="dev-null"))
    API.wait(API.start(connection), "succeeded")


def test_the_package_is_removed_and_comes_back():
    sync = HeldSync(API, "removed")
    units = sync.units()
    apt("remove", "gantry")
    alive = [u for u in units if suite.show(u, "ActiveState") not in ("inactive", "failed")]
    assert not alive, alive
    running = suite.out("systemctl", "list-units", "--plain", "--no-legend", "--state=running", "gantry*.service").splitlines()
    assert not [line for line in running if not line.startswith("gantry-test.service")], running
    assert (STATE / "gantry.db").exists()
    apt("install")
    started = time.monotonic()
    job = API.wait(sync.job)
    print(f"   job {sync.job} {job['status']} {time.monotonic() - started:.1f} s after the package came back", flush=True)
    if job["status"] != "succeeded":
        done = API.states(sync.connection).get("users", {}).get("loop_offset", 0)
        moved = API.wait(API.start(sync.connection), "succeeded")["rowsSynced"]
        assert moved == sync.users - done, (moved, done)
    assert suite.rows(sync.path, "SELECT count(DISTINCT id) FROM users") == [(sync.users,)]
    sync.check_next()
    whole()


if __name__ == "__main__":
    on_a_small_disk()
    sys.exit(suite.main(globals()))
