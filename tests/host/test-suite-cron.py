#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# host: timeout=1800
"""The duties of gantry-cron on a host: their timers, each run once by systemctl and what it does, a full disk, a damaged database,
the rotation of the secrets' key in the middle of a sync and killed; journal messages with their catalog; the interface files."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path[:0] = ["/mnt/tests/host", "/mnt/tests/suite"]
import heldsync  # noqa: E402
import introspection  # noqa: E402
import suite  # noqa: E402

API = suite.Api()
DUTIES = ("backup", "check", "definitions", "prune", "vacuum")
BACKUPS, LOGS, CREDENTIALS = pathlib.Path("/var/lib/gantry/backups"), pathlib.Path("/var/lib/gantry/logs"), pathlib.Path("/etc/credstore.encrypted")
CATALOG = pathlib.Path("/usr/lib/systemd/catalog/gantry.catalog")
KEY = "000102030405060708090a0b0c0d0e0f"
DAY = 86400 * 10**6


def message_id(subject):
    return re.search(rf"^-- (\w+)\nSubject: {subject}$", CATALOG.read_text(), re.M).group(1)


def journal(subject, *matches):
    """Messages of that subject with the catalog's text."""
    suite.out("journalctl", "--sync")
    return suite.out("journalctl", "--no-pager", "--catalog", "--boot", f"MESSAGE_ID={message_id(subject)}", *matches, check=False)


def sql(statement, *values):
    with contextlib.closing(sqlite3.connect(suite.DATABASE, timeout=suite.PATIENCE)) as database:
        database.execute("PRAGMA foreign_keys = ON")
        found = database.execute(statement, values).fetchall()
        database.commit()
        return found


def run(unit):
    """Starts a oneshot; its exit code."""
    suite.code("systemctl", "reset-failed", unit)
    suite.code("systemctl", "start", unit)
    return int(suite.show(unit, "ExecMainStatus"))


def connection_with_key(name):
    """People whose addresses are encrypted on the way."""
    path = suite.FILES / f"{name}.db"
    mapper = {"type": "encryption", "mapperConfiguration": {"algorithm": "AES", "targetField": "email", "fieldNameSuffix": "_x", "key": KEY,
                                                            "mode": "ECB", "padding": "PKCS5Padding"}}
    connection = API.ask("POST", "/connections", {
        "name": name, "sourceId": API.source(name, sourceType="faker", count=20, always_updated=True),
        "destinationId": API.destination(name, destinationType="sqlite", path=str(path)),
        "configurations": {"streams": [{"name": "users", "syncMode": "full_refresh_overwrite", "mappers": [mapper]}]}})["connectionId"]
    return connection, path


def decrypted(path):
    """The first address, in clear."""
    sealed = suite.rows(path, "SELECT email_x FROM users WHERE email_x IS NOT NULL LIMIT 1")[0][0]
    return subprocess.run(["openssl", "enc", "-d", "-aes-128-ecb", "-K", KEY], input=bytes.fromhex(sealed), capture_output=True,
                          check=True).stdout.decode()


def sync(connection):
    job = API.start(connection)
    API.wait(job, "succeeded")
    return int(job)


def test_the_timers_wait_and_nothing_runs():
    for duty in DUTIES:
        timer = f"gantry-cron-{duty}.timer"
        assert suite.out("systemctl", "is-active", timer) == "active", timer
        assert suite.show(timer, "NextElapseUSecRealtime"), timer
    assert not [p for p in pathlib.Path("/proc").glob("[0-9]*/exe") if "gantry-cron" in os.path.realpath(p)]
    # Whatever the time is: from now on the duties are done when the tests do them.
    suite.out("systemctl", "stop", *(f"gantry-cron-{duty}.timer" for duty in DUTIES))


def test_each_duty_says_nothing_where_nothing_is_to_do():
    suite.out("systemctl", "start", "gantry-schema.service")
    for duty in ("check", "definitions", "prune", "vacuum"):
        assert run(f"gantry-cron@{duty}.service") == 0, duty
        said = suite.out("journalctl", "--boot", "--no-pager", "--output=cat", f"_SYSTEMD_UNIT=gantry-cron@{duty}.service")
        assert said in ("", "-- No entries --"), said


def test_jobs_speak_to_the_journal_with_their_catalog():
    connection = API.connect("told", API.source("told", sourceType="faker", count=5), API.destination("told", destinationType="dev-null"))
    job = sync(connection)
    for subject in ("A job has started", "A job has succeeded"):
        said = journal(subject, f"GANTRY_JOB_ID={job}", f"GANTRY_CONNECTION_ID={connection}")
        assert f"Subject: {subject}" in said and f"Job {job}" in said and connection in said, said
    away = suite.FILES / "away.db"
    with contextlib.closing(sqlite3.connect(away)) as database:
        database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        database.commit()
    away.chmod(0o644)
    missing = API.connect("missing", API.source("missing", sourceType="sqlite", path=str(away)),
                          API.destination("missing", destinationType="dev-null"))
    away.unlink()
    lost = API.start(missing)
    API.wait(lost, "failed")
    assert "Subject: An attempt of a job has failed" in journal("An attempt of a job has failed", f"GANTRY_JOB_ID={lost}")
    assert "Subject: A job has failed" in journal("A job has failed", f"GANTRY_JOB_ID={lost}")


def package(version, definition):
    """A Debian package that brings a definition; what dpkg says of it."""
    tree = pathlib.Path(f"/run/gantry-connector-brought-{version}")
    for path, text in (("DEBIAN/control", f"Package: gantry-connector-brought\nVersion: {version}\nArchitecture: all\nMaintainer: X <x@example.com>\n"
                                          "Description: a connector\n"), ("usr/share/gantry/definitions.d/brought.json", definition)):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    suite.out("dpkg-deb", "--build", "--root-owner-group", tree, f"{tree}.deb")
    return suite.out("dpkg", "--install", f"{tree}.deb")


def brought(version, required):
    return json.dumps({"definitionId": "6f2f4d7a-0b0e-4a58-9c43-5b1c1d2e3f40", "name": "Brought", "sourceType": "brought", "network": "hosts",
                       "reference": "pypi:airbyte-source-brought", "dockerImageTag": version, "allowedHosts": ["${host}"],
                       "spec": {"connectionSpecification": {"type": "object", "required": [required],
                                                            "properties": {required: {"type": "string"}}}}})


def test_T79_a_package_brings_a_definition_and_versions_stay():
    """dpkg's trigger has it taken over, whatever runs; who was made of the version before keeps that, and what it wants."""
    def made(name, status=200, **configuration):
        return API.ask("POST", "/sources", {"name": name, "workspaceId": API.workspace, "configuration": {"sourceType": "brought"} | configuration},
                       status)

    def pins():
        return dict(sql("SELECT name, version_pin FROM actor WHERE name IN ('first', 'second')"))
    package("1.0", brought("1.0", "host"))
    first = made("first", host="a.example.com")["sourceId"]
    told = journal("Connector definitions have changed")
    assert "Brought 1.0 (new)" in told and "Subject: Connector definitions have changed" in told, told
    package("1.1", brought("1.1", "url"))
    assert "Brought 1.0 -> 1.1" in journal("Connector definitions have changed")
    made("second", 422, host="a.example.com")
    made("second", url="https://b.example.com")
    assert pins() == {"first": "1.0", "second": "1.1"}
    # By what its own version wants, and by nothing else.
    API.ask("PATCH", f"/sources/{first}", {"configuration": {"host": "c.example.com"}})
    API.ask("PUT", f"/sources/{first}", {"name": "first", "configuration": {"url": "https://c.example.com"}}, 422)
    # Broken ones change nothing; dpkg goes on, and the unit says what is wrong.
    before = sql("SELECT * FROM definition ORDER BY id")
    package("1.2", "{")
    assert sql("SELECT * FROM definition ORDER BY id") == before
    assert suite.show("gantry-cron@definitions.service", "ActiveState") == "failed"
    told = journal("Connector definitions could not be taken over")
    assert "brought.json" in told and "Subject: Connector definitions could not be taken over" in told, told
    suite.out("dpkg", "--purge", "gantry-connector-brought")
    assert suite.show("gantry-cron@definitions.service", "ActiveState") == "inactive"
    assert sql("SELECT * FROM definition ORDER BY id") == before, "sources are made of it"


def test_prune_takes_what_is_old_and_leaves_what_a_sync_needs():
    connection = API.connect("pruned", API.source("pruned", sourceType="faker", count=5), API.destination("pruned", destinationType="dev-null"))
    jobs = [sync(connection) for _ in range(3)]
    states = API.states(connection)
    assert all((LOGS / str(job)).is_dir() for job in jobs)
    old = int(time.time() * 10**6) - 400 * DAY
    for job in jobs:
        sql("UPDATE job SET updated_at = ?, ended_at = ?, created_at = ? WHERE id = ?", old, old, old, job)
    suite.out("install", "-d", "-o", "gantry", "-g", "gantry", LOGS / "999999", LOGS / "999999/0")
    assert run("gantry-cron@prune.service") == 0
    left = [row[0] for row in sql("SELECT id FROM job WHERE connection_id = ? ORDER BY id", connection)]
    assert left == jobs[2:], left
    assert not (LOGS / str(jobs[0])).exists() and (LOGS / str(jobs[2])).is_dir() and not (LOGS / "999999").exists()
    assert "Deleted 2 jobs" in suite.out("journalctl", "--boot", "--no-pager", "_SYSTEMD_UNIT=gantry-cron@prune.service")
    assert API.states(connection) == states
    sync(connection)


def test_backup_is_whole_and_vacuum_gives_back():
    assert run("gantry-cron@backup.service") == 0
    (backup,) = BACKUPS.iterdir()
    assert suite.rows(backup, "PRAGMA integrity_check") == [("ok",)] and suite.rows(backup, "SELECT count(*) FROM connection")[0][0] > 0
    assert backup.stat().st_mode & 0o77 == 0
    said = journal("The database was backed up")
    assert str(backup) in said and "Defined-By: Gantry" in said, said
    sql("CREATE TABLE filler AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT zeroblob(4000) FROM n")
    sql("DROP TABLE filler")
    before = sql("PRAGMA page_count")[0][0]
    assert run("gantry-cron@vacuum.service") == 0
    assert sql("PRAGMA page_count")[0][0] < before - 1000
    assert run("gantry-cron@check.service") == 0


def test_a_full_disk_costs_no_backup():
    (good,) = BACKUPS.iterdir()
    suite.out("mount", "-t", "tmpfs", "-o", "size=256k,mode=0700,uid=gantry", "tmpfs", BACKUPS)
    try:
        assert run("gantry-cron@backup.service") == 75
        assert suite.show("gantry-cron@backup.service", "Result") == "exit-code"
        assert list(BACKUPS.iterdir()) == []
    finally:
        suite.out("umount", BACKUPS)
    said = journal("No backup of the database was made")
    assert "are free" in said and "BackupsKeep=" in said, said
    assert [good] == list(BACKUPS.iterdir())
    suite.out("systemctl", "reset-failed", "gantry-cron@backup.service")


def sealed():
    return dict(sql("SELECT id, sealed FROM secret"))


def test_T77_the_key_is_rotated_while_a_sync_runs():
    connection, path = connection_with_key("rotated")
    sync(connection)
    assert "@" in decrypted(path)
    before = sealed()
    assert before and KEY.encode() not in pathlib.Path(suite.DATABASE).read_bytes()
    held = heldsync.HeldSync(API, "long")
    assert run("gantry-rotate-key.service") == 0
    assert (CREDENTIALS / "gantry.key.old").exists()
    after = sealed()
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    assert "Subject: Stored secrets are sealed" in journal("Stored secrets are sealed under the new key")
    API.login()
    sync(connection)
    assert "@" in decrypted(path)
    assert API.job(held.job)["status"] == "running", API.story(held.job)
    held.check_untouched()
    held.go()
    held.check_end()


def test_T77_a_rotation_may_be_killed_at_any_moment():
    connection, path = connection_with_key("killed")
    for delay in (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5):
        # With the failures, the starts are forgotten: nobody rotates this often.
        suite.code("systemctl", "reset-failed", "gantry-*")
        suite.out("systemctl", "start", "--no-block", "gantry-rotate-key.service")
        time.sleep(delay)
        suite.code("systemctl", "kill", "--signal=KILL", "gantry-rotate-key.service")
        suite.until(lambda: suite.show("gantry-rotate-key.service", "ActiveState") in ("failed", "inactive"), "its end")
        # What was stored meanwhile is sealed under a key that is there.
        API.login()
        sync(connection)
        assert "@" in decrypted(path)
    assert run("gantry-rotate-key.service") == 0
    API.login()
    sync(connection)
    assert "@" in decrypted(path)
    (CREDENTIALS / "gantry.key.old").unlink()
    # A call that starts a daemon just then cancels the stop.
    suite.until(lambda: suite.code("systemctl", "stop", "gantry-schema.service") == 0, "the end of all that have keys")
    API.login()
    sync(connection)


STEPS = pathlib.Path("/run/test-steps")
# Counts what the rotation calls, and kills it with all that it has begun instead of the one that is wanted.
STEP = """#!/bin/sh
n=$(flock /run/test-steps/count sh -c 'n=$(($(cat "$1") + 1)); echo $n >"$1"; echo $n' - /run/test-steps/count)
[ "$n" -ne "$(cat /run/test-steps/at)" ] || kill -s KILL 0
exec /usr/bin/%s "$@"
"""


def test_T77_a_rotation_may_be_killed_before_each_of_its_steps():
    """Each command that it runs is one, the two resealings among them. Whatever there is then opens with one of the keys there are."""
    connection, path = connection_with_key("steps")
    shutil.rmtree(STEPS, ignore_errors=True)
    STEPS.mkdir()
    for name in ("systemctl", "systemd-creds", "mktemp", "wc", "sync", "mv", "head", "rm", "sleep"):
        (STEPS / name).write_text(STEP % name, encoding="utf-8")
        (STEPS / name).chmod(0o755)
    for at in range(1, 100):
        (STEPS / "count").write_text("0", encoding="utf-8")
        (STEPS / "at").write_text(f"{at}", encoding="utf-8")
        suite.code("systemctl", "reset-failed", "gantry-*")
        rotation = subprocess.run(["/usr/lib/gantry/gantry-setup", "--rotate-key"], env={"PATH": f"{STEPS}:/usr/bin:/bin"}, check=False,
                                  stdin=subprocess.DEVNULL, start_new_session=True)
        API.login()
        sync(connection)
        assert "@" in decrypted(path), at
        if rotation.returncode == 0:
            break
        assert rotation.returncode == -9, (at, rotation)
    # Two resealings, two keys that are read or made, sealed, looked at, written and named.
    print(f"   killed before each of {at - 1} steps", flush=True)
    assert at > 15
    left = sorted(p.name for p in CREDENTIALS.iterdir() if p.name.startswith("gantry.key"))
    assert left == ["gantry.key", "gantry.key.old"], left
    (CREDENTIALS / "gantry.key.old").unlink()
    suite.until(lambda: suite.code("systemctl", "stop", "gantry-schema.service") == 0, "the end of all that have keys")
    API.login()
    sync(connection)


def test_the_interface_files_say_what_the_daemons_say():
    import dbus
    connection = API.connect("shown", API.source("shown", sourceType="faker", count=5), API.destination("shown", destinationType="dev-null"))
    job = sync(connection)
    got = API.ask("GET", f"/connections/{connection}")
    objects = [("source", got["sourceId"]), ("destination", got["destinationId"]), ("connection", connection), ("job", str(job))]
    for name, kinds in introspection.KINDS.items():
        root = f"/org/gantry/{name}"
        paths = [root] + ([introspection.path(root, *o) for o in objects] if name == "Server1" else [])
        found = {}
        for path in paths:
            peer = dbus.SystemBus().get_object(f"org.gantry.{name}", path, introspect=False)
            found |= introspection.interfaces(peer.get_dbus_method("Introspect", "org.freedesktop.DBus.Introspectable")(timeout=suite.PATIENCE))
        assert len(found) == kinds, sorted(found)
        installed = pathlib.Path(f"/usr/share/dbus-1/interfaces/org.gantry.{name}.xml").read_text()
        assert introspection.document(found) == installed, f"{name}:\n{introspection.document(found)}"


def test_damage_is_found_and_shown():
    suite.out("systemctl", "stop", "gantry.target", "gantry-schema.service", *(f"gantry-{name}.service" for name in suite.DAEMONS))
    sql("PRAGMA wal_checkpoint(TRUNCATE)")
    (root,) = sql("SELECT rootpage FROM sqlite_schema WHERE name = 'job_connection'")[0]
    with open(suite.DATABASE, "r+b") as file:
        file.seek(4096 * (root - 1) + 3)
        file.write(b"\xff" * 64)
    assert run("gantry-cron@check.service") == 1
    assert "gantry-cron@check.service" in suite.out("systemctl", "--failed", "--plain", "--no-legend")
    # The journal takes lines in when it has time.
    suite.until(lambda: "damaged" in suite.out("systemctl", "status", "--no-pager", "gantry-cron@check.service", check=False),
                "the reason in the unit's status")
    said = journal("The database is damaged")
    assert "restore the newest backup" in said and suite.DATABASE in said, said
    (good,) = BACKUPS.iterdir()
    assert run("gantry-cron@backup.service") != 0 and [good] == list(BACKUPS.iterdir())
    # As the manual says.
    suite.out("systemctl", "stop", "gantry.target", "gantry-schema.service")
    suite.out("/usr/lib/gantry/gantry-bootloader", f"--restore={good}")
    made = pathlib.Path(suite.DATABASE)
    assert made.owner() == made.group() == "gantry" and made.stat().st_mode & 0o777 == 0o600
    asked = "SELECT id, name FROM connection ORDER BY id"
    assert sql(asked) == suite.rows(good, asked)
    suite.out("systemctl", "start", "gantry.target")
    assert run("gantry-cron@check.service") == 0
    suite.out("systemctl", "reset-failed")
    assert API.raw("GET", f"{suite.V1}/health")[0] == 200


if __name__ == "__main__":
    sys.exit(suite.main(globals()))
