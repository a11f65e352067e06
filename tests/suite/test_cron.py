# SPDX-License-Identifier: LGPL-2.1-or-later
"""gantry-cron as a process: what it deletes, keeps, copies and finds; killed at any moment, twice at once, on a full disk."""

import contextlib
import fcntl
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import time
import uuid

import pytest
from workload_host import BUILD

CRON = BUILD / "gantry-cron"
DAY = 86400 * 10**6
OK, FAILED, USAGE, TRY_AGAIN, CONFIG = 0, 1, 2, 75, 78


class Box:
    """A database with connections c0, c1, … and what a cron run needs around it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.database = self.directory / "gantry.db"
        self.logs = self.directory / "logs"
        self.backups = self.directory / "backups"
        self.config = self.directory / "gantry.conf"
        self.now = time.time_ns() // 1000
        subprocess.run([BUILD / "tests/tools/make-database", self.database], check=True)

    def connect(self):
        db = sqlite3.connect(self.database, timeout=600)
        db.execute("PRAGMA foreign_keys = ON")
        return contextlib.closing(db)

    def sql(self, statement, parameters=()):
        with self.connect() as db:
            rows = db.execute(statement, parameters).fetchall()
            db.commit()
            return rows

    def settings(self, **values):
        self.config.write_text("[Retention]\n" + "".join(f"{key}={value}\n" for key, value in values.items()))

    def command(self, duty):
        return [CRON, f"--database={self.database}", f"--logs={self.logs}", f"--backups={self.backups}",
                f"--config={self.config}", f"--data={self.directory}/data", duty]

    def run(self, duty, **kwargs):
        return subprocess.run(self.command(duty), capture_output=True, text=True, timeout=600, check=False, **kwargs)

    def fill(self, connections=1):
        with self.connect() as db:
            db.execute("INSERT INTO workspace (id, name, created_at, updated_at) VALUES ('w', 'W', 0, 0) ON CONFLICT DO NOTHING")
            for role in ("source", "destination"):
                db.execute("INSERT INTO definition (id, role, name, reference, connector_type, executor, network, created_at,"
                           " updated_at) VALUES (?, ?, 'x', 'native:x', 'x', 'lite', 'none', 0, 0)", (f"d-{role}", role))
                db.execute("INSERT INTO actor (id, workspace_id, definition_id, role, name, created_at, updated_at,"
                           " configuration) VALUES (?, 'w', ?, ?, 'x', 0, 0, '{}')", (f"a-{role}", f"d-{role}", role))
            for i in range(connections):
                db.execute("INSERT INTO connection (id, workspace_id, source_id, destination_id, name, status, schedule_type,"
                           " namespace_definition, non_breaking_preference, created_at, updated_at)"
                           " VALUES (?, 'w', 'a-source', 'a-destination', 'x', 'active', 'manual', 'source', 'ignore', 0, 0)",
                           (f"c{i}",))
                db.execute("INSERT INTO state (connection_id, stream_namespace, stream_name, kind, updated_at, state)"
                           " VALUES (?, '', 's', 'STREAM', 0, '{}')", (f"c{i}",))
            db.commit()

    def add_jobs(self, jobs):
        """(id, connection, status, age in days) each, with an attempt and statistics."""
        with self.connect() as db:
            for job_id, connection, status, age in jobs:
                at = self.now - int(age * DAY)
                ended = None if status in ("pending", "running") else at
                db.execute("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at,"
                           " ended_at) VALUES (?, ?, 'w', 'sync', ?, '{}', ?, ?, ?)",
                           (job_id, connection, status, at, at, ended))
                db.execute("INSERT INTO attempt (job_id, number, status, created_at, updated_at) VALUES (?, 0, ?, ?, ?)",
                           (job_id, "running" if ended is None else "failed", at, at))
                db.execute("INSERT INTO stream_stats SELECT ?, 0, '', 's', 1, 1, 1, 1, 0, 0, 0, 0, 0, 'COMPLETE', NULL, 0, 0, ?",
                           (job_id, at))
            db.execute("UPDATE counter SET n = (SELECT max(id) FROM job) WHERE name = 'job'")
            db.commit()

    def jobs(self):
        return [row[0] for row in self.sql("SELECT id FROM job ORDER BY id")]

    def add_log(self, place, size=1000):
        path = self.logs / place / "00000001.jsonl.zst"
        path.parent.mkdir(parents=True)
        path.write_bytes(os.urandom(size))
        return path

    def check(self):
        with self.connect() as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


def quiet(result):
    assert (result.returncode, result.stdout, result.stderr) == (OK, "", ""), result
    return result


def said(result, text, code=OK):
    assert result.returncode == code and text in result.stderr, result
    return result


@pytest.mark.parametrize("duty", ["prune", "vacuum", "check", "definitions"])
def test_with_nothing_to_do_nothing_is_said(box, duty):
    quiet(box.run(duty))


@pytest.mark.parametrize("duty", ["prune", "backup", "vacuum", "check", "definitions"])
def test_without_a_database_nothing_happens(box, duty):
    for path in box.directory.iterdir():
        path.unlink()
    quiet(box.run(duty))
    assert list(box.directory.iterdir()) == []


def test_usage_and_settings_are_checked(box):
    assert box.run("dance").returncode == USAGE
    assert "prune" in subprocess.run([CRON, "--help"], capture_output=True, text=True, check=True).stdout
    box.settings(JobsMaxAge="a while")
    said(box.run("prune"), "JobsMaxAge=a while", CONFIG)


def test_O06_old_jobs_go_and_what_a_sync_needs_stays(box):
    box.fill(connections=2)
    box.add_jobs([(1, "c0", "failed", 400), (2, "c0", "succeeded", 300), (3, "c0", "failed", 290), (4, "c0", "failed", 280),
                  (5, "c0", "running", 270), (6, "c1", "succeeded", 400), (7, "c1", "succeeded", 399), (8, "c1", "failed", 1)])
    box.sql("INSERT INTO stream_latest VALUES ('c0', '', 'gone', 3, 0)")
    said(box.run("prune"), "Deleted 3 jobs")
    # 2 and 7 are the last successes, 3 has the newest statistics of a stream, 5 runs, 8 is young.
    assert box.jobs() == [2, 3, 5, 7, 8]
    assert box.sql("SELECT count(*) FROM attempt")[0][0] == 5 and box.sql("SELECT count(*) FROM stream_stats")[0][0] == 5
    assert len(box.sql("SELECT * FROM state")) == 2
    quiet(box.run("prune"))
    box.check()


def test_jobs_are_kept_by_number_too(box):
    box.fill()
    box.add_jobs([(i, "c0", "failed", 1) for i in range(1, 21)])
    box.settings(JobsMaxPerConnection=5)
    said(box.run("prune"), "Deleted 15 jobs")
    assert box.jobs() == list(range(16, 21))


def test_histories_go_by_age(box):
    box.fill()
    old, young = box.now - 1000 * DAY, box.now
    for name, at in (("old", old), ("young", young)):
        box.sql("INSERT INTO timeline_event (id, connection_id, event_type, created_at) VALUES (?, 'c0', 'X', ?)", (name, at))
        box.sql("INSERT INTO workflow (id, type, status, created_at, updated_at, ended_at) VALUES (?, 'sync', 'completed', ?, ?, ?)",
                (name, at, at, at))
        box.sql("INSERT INTO workflow_event (workflow_id, run_seq, seq, type, at) VALUES (?, 1, 1, 'x', ?)", (name, at))
        for notified in (0, 1):
            box.sql("INSERT INTO workload (id, auto_id, type, status, priority, deadline, available_at, notified, created_at,"
                    " updated_at, ended_at) VALUES (?, ?, 'check', 'success', 'default', 0, 0, ?, ?, ?, ?)",
                    (f"{name}{notified}", f"{name}{notified}", notified, at, at, at))
        box.sql("INSERT INTO session VALUES (?, 'session', 'uid', '0', ?, ?)", (name.encode(), at, at + DAY))
    box.sql("INSERT INTO workflow (id, type, status, created_at, updated_at) VALUES ('open', 'sync', 'open', ?, ?)", (old, old))
    said(box.run("prune"), "timeline events")
    assert box.sql("SELECT id FROM timeline_event") == [("young",)]
    assert box.sql("SELECT id FROM workflow ORDER BY id") == [("open",), ("young",)]
    assert box.sql("SELECT workflow_id FROM workflow_event") == [("young",)]
    # The end of old0 has not reached the workflow yet.
    assert box.sql("SELECT id FROM workload ORDER BY id") == [("old0",), ("young0",), ("young1",)]
    assert box.sql("SELECT token_hash FROM session") == [(b"young",)]
    box.check()


def test_logs_go_with_their_jobs_by_age_and_for_want_of_room(box):
    box.fill()
    box.add_jobs([(1, "c0", "failed", 50), (2, "c0", "failed", 40), (3, "c0", "failed", 30), (4, "c0", "running", 200)])
    paths = {i: box.add_log(f"{i}/0", 100_000) for i in (1, 2, 3, 4, 99)}
    other = box.add_log("other/nobody")
    foreign = box.logs / "README"
    foreign.write_text("not ours")
    said(box.run("prune"), "2 jobs' logs")
    assert not paths[99].exists() and not other.exists() and foreign.exists() and all(paths[i].exists() for i in (1, 2, 3, 4))
    box.settings(LogsMaxAge="45d")
    said(box.run("prune"), "1 jobs' logs")
    assert not paths[1].parent.exists() and paths[2].exists()
    # 2 is the oldest that has ended; 4 runs.
    box.settings(LogsMaxUse="250K")
    said(box.run("prune"), "1 jobs' logs")
    assert not paths[2].exists() and paths[3].exists() and paths[4].exists()
    box.settings(LogsMaxUse="0")
    said(box.run("prune"), "1 jobs' logs")
    assert not paths[3].exists() and paths[4].exists()
    assert box.jobs() == [1, 2, 3, 4]


def test_logs_that_can_not_be_removed_stop_no_others(box):
    box.fill()
    stuck, other = box.add_log("7/0"), box.add_log("8/0")
    subprocess.run(["chattr", "+i", stuck], check=False, stderr=subprocess.DEVNULL)
    try:
        if "i" not in subprocess.run(["lsattr", stuck], capture_output=True, text=True, check=False).stdout.split(" ")[0]:
            pytest.skip("no file here can be made immutable")
        assert "can't be removed" in said(box.run("prune"), "7", FAILED).stderr
        assert stuck.exists() and not other.exists()
    finally:
        subprocess.run(["chattr", "-i", stuck], check=False, stderr=subprocess.DEVNULL)
    said(box.run("prune"), "1 jobs' logs")


def test_T78_a_backup_is_checked_and_the_oldest_go(box):
    box.fill()
    box.settings(BackupsKeep=2)
    names = []
    for _ in range(3):
        said(box.run("backup"), "Backed up and checked")
        names.append(max(box.backups.iterdir()))
        while max(box.backups.iterdir()).name == time.strftime("gantry-%Y%m%dT%H%M%SZ.db", time.gmtime()):
            time.sleep(0.05)
    assert sorted(box.backups.iterdir()) == names[1:]
    assert all(path.stat().st_mode & 0o077 == 0 for path in names[1:]) and box.backups.stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(names[2])) as copy:
        assert copy.execute("SELECT id FROM connection").fetchall() == [("c0",)]
    # Put back, it is the database again.
    box.sql("DELETE FROM state")
    subprocess.run([BUILD / "gantry-bootloader", f"--database={box.database}", f"--restore={names[2]}"], check=True)
    subprocess.run([BUILD / "tests/tools/make-database", box.database], check=True)
    assert box.sql("PRAGMA journal_mode") == [("wal",)] and len(box.sql("SELECT * FROM state")) == 1
    box.settings(BackupsKeep=0)
    quiet(box.run("backup"))


def test_a_damaged_database_is_found_and_replaces_no_backup(box):
    box.fill()
    box.add_jobs([(i, "c0", "failed", 1) for i in range(1, 500)])
    box.settings(BackupsKeep=1)
    said(box.run("backup"), "Backed up")
    (good,) = box.backups.iterdir()
    quiet(box.run("check"))
    content = bytearray(box.database.read_bytes())
    (root,) = box.sql("SELECT rootpage FROM sqlite_schema WHERE name = 'job_connection'")[0]
    content[4096 * (root - 1) + 8:4096 * (root - 1) + 400] = b"\xee" * 392
    box.database.write_bytes(content)
    assert "damaged" in said(box.run("check"), "gantry.db", FAILED).stderr
    said(box.run("backup"), "damaged", FAILED)
    assert list(box.backups.iterdir()) == [good]


KEPT = 2000  # jobs that the writer leaves


def write_and_delete(box, ready, stop, committed):
    """One transaction after the other: a job with all that belongs to it comes, and the oldest goes. Says which were committed."""
    with box.connect() as db:
        number = db.execute("SELECT max(id) FROM job").fetchone()[0]
        while not stop.is_set():
            number += 1
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at)"
                       " VALUES (?, 'c0', 'w', 'sync', 'failed', ?, 1, 1, 1)", (number, json.dumps({"filler": "x" * (number * 37 % 9000)})))
            db.execute("INSERT INTO attempt (job_id, number, status, created_at, updated_at) VALUES (?, 0, 'failed', 1, 1)", (number,))
            for stream in "abc":
                db.execute("INSERT INTO stream_stats SELECT ?, 0, '', ?, 1, 1, 1, 1, 0, 0, 0, 0, 0, 'COMPLETE', NULL, 0, 0, 1",
                           (number, stream))
            for table, column in (("stream_stats", "job_id"), ("attempt", "job_id"), ("job", "id")):
                db.execute(f"DELETE FROM {table} WHERE {column} <= ?", (number - KEPT,))
            db.execute("UPDATE counter SET n = ? WHERE name = 'job'", (number,))
            db.commit()
            committed.value = number
            ready.set()


def check_restored(box, backup, least, most):
    """Put in the place of a database, it is whole, of one moment, and that moment was within the backup."""
    place = box.directory / "restored"
    place.mkdir()
    restored = place / "gantry.db"
    subprocess.run([BUILD / "gantry-bootloader", f"--database={restored}", f"--restore={backup}"], check=True, capture_output=True)
    subprocess.run([CRON, f"--database={restored}", f"--config={box.config}", "check"], check=True, capture_output=True)
    with contextlib.closing(sqlite3.connect(restored)) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        (newest,) = copy.execute("SELECT n FROM counter WHERE name = 'job'").fetchone()
        assert least <= newest <= most, f"job {newest}, of {least} to {most}"
        assert copy.execute("SELECT count(*), min(id), max(id) FROM job").fetchone() == (KEPT, newest - KEPT + 1, newest)
        assert copy.execute("SELECT count(*), max(job_id) FROM attempt").fetchone() == (KEPT, newest)
        assert copy.execute("SELECT count(*), max(job_id) FROM stream_stats").fetchone() == (3 * KEPT, newest)
    shutil.rmtree(place)


def test_T78_backups_while_others_write_are_each_of_one_moment(box, capsys):
    """20 of them; 1,000 with GANTRY_TEST_FULL=1."""
    box.fill()
    box.settings(BackupsKeep=2)
    box.add_jobs([(i, "c0", "failed", 0) for i in range(1, KEPT + 1)])
    box.sql("DELETE FROM stream_stats")
    for stream in "abc":
        box.sql(f"INSERT INTO stream_stats SELECT id, 0, '', '{stream}', 1, 1, 1, 1, 0, 0, 0, 0, 0, 'COMPLETE', NULL, 0, 0, 1 FROM job")
    ready, stop, committed = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Value("q", KEPT, lock=False)
    writer = multiprocessing.Process(target=write_and_delete, args=(box, ready, stop, committed))
    writer.start()
    try:
        assert ready.wait(600)
        begun, number, during = committed.value, 1000 if os.environ.get("GANTRY_TEST_FULL") else 20, 0
        for _ in range(number):
            # The time in its name is the backup's name.
            while box.backups.exists() and (box.backups / time.strftime("gantry-%Y%m%dT%H%M%SZ.db", time.gmtime())).exists():
                time.sleep(0.02)
            # A commit that has been made and not told yet may be one more.
            least = committed.value
            said(box.run("backup"), "Backed up and checked")
            most = committed.value + 1
            during += most - 1 > least
            check_restored(box, max(box.backups.iterdir()), least, most)
            assert writer.is_alive()
    finally:
        stop.set()
        writer.join(600)
    assert writer.exitcode == 0 and during > 0, "nobody wrote during the backups"
    box.check()
    with capsys.disabled():
        print(f"\n{number} backups while {committed.value - begun} transactions were made; in {during} of them some were")


def test_a_full_disk_is_said_and_loses_nothing(box):
    """The limit on a file's size stands for the disk's end: write() fails in the middle of the copy, or of the log."""
    box.fill()
    box.add_jobs([(i, "c0", "failed", 300) for i in range(1, 3000)])
    said(box.run("backup"), "Backed up")
    (good,) = box.backups.iterdir()
    size = box.database.stat().st_size
    while max(box.backups.iterdir()).name == time.strftime("gantry-%Y%m%dT%H%M%SZ.db", time.gmtime()):
        time.sleep(0.05)
    limited = ["prlimit", f"--fsize={size // 2}"]
    result = subprocess.run([*limited, *box.command("backup")], capture_output=True, text=True, check=False,
                            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    assert result.returncode in (FAILED, TRY_AGAIN) and "backup of" in result.stderr, result
    assert list(box.backups.iterdir()) == [good]
    result = subprocess.run(["prlimit", "--fsize=16384", *box.command("prune")], capture_output=True, text=True, check=False,
                            preexec_fn=lambda: signal.signal(signal.SIGXFSZ, signal.SIG_IGN))
    assert result.returncode in (FAILED, TRY_AGAIN) and "prune of" in result.stderr, result
    box.check()
    said(box.run("prune"), "jobs")
    assert box.jobs() == [2999]


def test_a_second_one_waits_and_says_so(box):
    box.fill()
    with open(f"{box.database}.cron-lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen(box.command("check"), stderr=subprocess.PIPE, text=True)
        assert "waiting" in second.stderr.readline()
        assert second.poll() is None
    assert second.wait(600) == OK


def test_a_locked_database_is_said(box):
    box.fill()
    box.add_jobs([(1, "c0", "failed", 300), (2, "c0", "failed", 300)])
    with box.connect() as db:
        db.execute("BEGIN IMMEDIATE")
        said(box.run("prune"), "locked", TRY_AGAIN)
    said(box.run("prune"), "Deleted 1 jobs")


@pytest.mark.parametrize("duty", ["prune", "backup", "vacuum", "check"])
def test_killed_at_any_moment_the_next_run_does_the_rest(box, duty):
    box.fill()
    box.add_jobs([(i, "c0", "failed", 300) for i in range(1, 4001)])
    for i in range(200):
        box.add_log(f"{10_000 + i}/0")
    if duty == "vacuum":
        said(box.run("prune"), "jobs")
    finished = 0
    # Kills come later and later, until one comes too late.
    delay = 0.001
    while not finished and delay < 60:
        process = subprocess.Popen(box.command(duty), stderr=subprocess.DEVNULL)
        try:
            process.wait(delay)
            finished = process.returncode == OK
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        box.check()
        delay *= 1.6
    assert finished, delay
    if duty == "prune":
        assert box.jobs() == [4000] and box.sql("SELECT count(*) FROM attempt") == [(1,)]
        assert list(box.logs.iterdir()) == []
    if duty == "backup":
        assert [p for p in box.backups.iterdir() if not p.name.endswith(".db")] == []
        with contextlib.closing(sqlite3.connect(max(box.backups.iterdir()))) as copy:
            assert copy.execute("SELECT count(*) FROM job").fetchone() == (4000,)
    if duty == "vacuum":
        assert box.sql("PRAGMA freelist_count")[0][0] * 4096 <= max(2**20, box.database.stat().st_size / 20)


def test_100000_jobs_are_pruned_while_others_write(box, capsys):
    """Prints how long a batch had the lock, and how long another writer waited at most."""
    box.fill(connections=100)
    with box.connect() as db:
        old = box.now - 300 * DAY
        db.execute("CREATE TEMP TABLE n AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                   " SELECT i FROM n")
        db.execute("INSERT INTO job (id, connection_id, workspace_id, type, status, config, created_at, updated_at, ended_at)"
                   " SELECT i, 'c' || (i % 100), 'w', 'sync', 'succeeded', '{\"filler\":\"' || hex(zeroblob(200)) || '\"}', ?, ?, ?"
                   " FROM n", (old, old, old))
        db.execute("INSERT INTO attempt (job_id, number, status, created_at, updated_at) SELECT i, 0, 'succeeded', ?, ? FROM n",
                   (old, old))
        for stream in "abc":
            db.execute("INSERT INTO stream_stats SELECT i, 0, '', ?, 1, 1, 1, 1, 0, 0, 0, 0, 0, 'COMPLETE', NULL, 0, 0, ? FROM n",
                       (stream, old))
        db.commit()
    process = subprocess.Popen(box.command("prune"), stderr=subprocess.PIPE, text=True)
    waits = []
    with box.connect() as db:
        while process.poll() is None:
            begun = time.monotonic()
            db.execute("UPDATE counter SET n = n + 1 WHERE name = 'change'")
            db.commit()
            waits.append(1000 * (time.monotonic() - begun))
            time.sleep(0.002)
    text = process.stderr.read()
    assert process.returncode == OK, text
    assert len(box.jobs()) == 100
    longest_batch = re.search(r"longest write took (\d+) ms", text).group(1)
    with capsys.disabled():
        print(f"\n100,000 jobs pruned: a batch had the lock for {longest_batch} ms at most; of {len(waits)} writes of another"
              f" process half waited less than {statistics.median(waits):.1f} ms, {sum(w > 50 for w in waits)} more than 50 ms, the longest"
              f" {max(waits):.0f} ms")
    assert "Gave back" in said(box.run("vacuum"), "database").stderr
    box.check()


def define(box, name, **more):
    """A file in definitions.d."""
    path = box.directory / f"data/definitions.d/{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"definitionId": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "name": name, "sourceType": name,
                                "reference": f"pypi:airbyte-source-{name}", "dockerImageTag": "1.0"} | more))
    return path


def definitions(box):
    return box.sql("SELECT name, docker_image_tag, network FROM definition WHERE reference LIKE 'pypi:%' ORDER BY name")


def test_T79_definitions_that_came_are_taken_over_and_pins_stay(box):
    box.fill()
    define(box, "one"), define(box, "two", network="any")
    said(box.run("definitions"), "2 of 2 connector definitions are new or changed: one 1.0 (new), two 1.0 (new)")
    assert definitions(box) == [("one", "1.0", "none"), ("two", "1.0", "any")]
    quiet(box.run("definitions"))
    box.sql("INSERT INTO actor (id, workspace_id, definition_id, role, name, created_at, updated_at, configuration, version_pin)"
            " SELECT 'pinned', 'w', id, 'source', 'x', 0, 0, '{}', '1.0' FROM definition WHERE name = 'one'")
    define(box, "one", dockerImageTag="1.1")
    said(box.run("definitions"), "1 of 2 connector definitions are new or changed: one 1.0 -> 1.1")
    assert definitions(box) == [("one", "1.1", "none"), ("two", "1.0", "any")]
    assert box.sql("SELECT version_pin FROM actor WHERE id = 'pinned'") == [("1.0",)]
    changes = box.sql("SELECT count(*) FROM change WHERE kind = 'definition'")
    quiet(box.run("definitions"))
    assert box.sql("SELECT count(*) FROM change WHERE kind = 'definition'") == changes
    box.check()


def test_T79_a_broken_definition_changes_nothing_and_is_named(box):
    box.fill()
    define(box, "a"), define(box, "z")
    box.run("definitions")
    before = box.sql("SELECT * FROM definition ORDER BY id")
    define(box, "a", dockerImageTag="2.0")
    for text in ("{", "[]", '{"definitionId": "x"}'):
        (box.directory / "data/definitions.d/m.json").write_text(text)
        said(box.run("definitions"), "m.json", CONFIG)
        assert box.sql("SELECT * FROM definition ORDER BY id") == before
    (box.directory / "data/definitions.d/m.json").unlink()
    # A workspace's own is nobody else's to define.
    box.sql("UPDATE definition SET custom = 1, workspace_id = 'w' WHERE name = 'z'")
    assert box.run("definitions").returncode != OK
    assert box.sql("SELECT docker_image_tag FROM definition WHERE name = 'a'") == [("1.0",)]
