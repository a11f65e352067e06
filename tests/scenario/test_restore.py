# SPDX-License-Identifier: LGPL-2.1-or-later
"""T76: `gantry-bootloader --restore`: a sound backup becomes the database; a file that was prepared, damaged or is something else
never does, and costs nothing. Cut off at any call, the database before is still there."""

import contextlib
import os
import random
import shutil
import sqlite3
import stat
import struct
import subprocess

import pytest

from conftest import BUILD, ROOT, run
from test_bootloader import Host
from test_destinations import strace_works

FAILED, TRY_AGAIN, BY_HAND = 1, 75, 78
PAGE = 4096


class Place(Host):
    """A database with things in it, and a backup of an earlier moment."""

    def __init__(self, directory):
        super().__init__(directory)
        assert self.boot().code == 0
        self.backup = directory / "backup.db"
        self.write("INSERT INTO metadata VALUES ('moment', 'of the backup');"
                   "INSERT INTO tag SELECT 't', id, 'a tag', '000000', 1 FROM workspace LIMIT 1")
        (directory / "gantry.conf").write_text("")
        self.make_backup(directory)
        self.write("UPDATE metadata SET value = 'later' WHERE name = 'moment'")
        self.kept = self.database.with_name("gantry.db.before-restore")

    def make_backup(self, directory):
        done = run([BUILD / "gantry-cron", f"--database={self.database}", f"--backups={directory}/backups",
                    f"--config={directory}/gantry.conf", "backup"])
        assert done.code == 0, repr(done)
        (made,) = (directory / "backups").iterdir()
        made.rename(self.backup)

    def restore(self, path=None):
        return run([PROGRAM, f"--database={self.database}", f"--restore={path or self.backup}"], timeout=120)

    # Closed at once: what is open keeps others away.
    def rows(self, sql, *values, path=None):
        with contextlib.closing(sqlite3.connect(f"file:{path or self.database}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    def write(self, sql):
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.executescript(sql)

    def dump(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as database:
            return list(database.iterdump())

    def moment(self, path=None):
        return self.rows("SELECT value FROM metadata WHERE name = 'moment'", path=path)[0][0]

    def prepared(self, sql):
        """The backup with something done to it."""
        path = self.backup.with_name("prepared.db")
        shutil.copy(self.backup, path)
        with sqlite3.connect(path) as database:
            database.executescript(sql)
        database.close()
        return path

    def refused(self, path, *words, code=(FAILED, BY_HAND)):
        before = {p.name: p.read_bytes() for p in self.database.parent.iterdir() if not p.name.endswith("-shm")}
        result = self.restore(path)
        assert result.code in code, repr(result)
        assert all(word in result.stderr for word in words), repr(result)
        assert b"\x1b" not in result.stderr
        after = {p.name: p.read_bytes() for p in self.database.parent.iterdir() if not p.name.endswith("-shm")}
        assert after == before | {"gantry.db.lock": b""}
        assert self.moment() == "later"
        return result


PROGRAM = BUILD / "gantry-bootloader"


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_T76_a_sound_backup_becomes_the_database_and_the_one_before_is_kept(place):
    whole, before = place.dump(), {p.name for p in place.database.parent.iterdir()} - {"gantry.db-wal", "gantry.db-shm"}
    result = place.restore()
    assert result.code == 0, repr(result)
    assert b"with schema 1" in result.stderr and b"before-restore" in result.stderr
    assert {p.name for p in place.database.parent.iterdir()} - {"gantry.db.before-restore-wal"} == before | {"gantry.db.before-restore"}
    assert place.moment() == "of the backup" and place.moment(place.kept) == "later"
    assert stat.S_IMODE(place.database.stat().st_mode) == 0o600 and place.backup.exists()
    # It is used like any other, and the one before can be put back the same way, once it is out of the way.
    assert place.boot().code == 0 and place.rows("PRAGMA journal_mode") == [("wal",)]
    result = place.restore(place.kept)
    assert result.code == BY_HAND and b"rename it first" in result.stderr, repr(result)
    again = place.backup.with_name("again.db")
    place.kept.rename(again)
    log = place.kept.with_name(place.kept.name + "-wal")
    if log.exists():
        log.rename(again.with_name("again.db-wal"))
    assert place.restore(again).code == 0 and place.dump() == whole


def test_T76_where_there_is_no_database_a_backup_is_one(place):
    for path in place.database.parent.iterdir():
        path.unlink()
    assert place.restore().code == 0
    assert place.moment() == "of the backup" and not place.kept.exists()
    assert place.boot().code == 0


def test_T76_a_log_of_the_database_before_is_not_written_into_the_backup(place):
    """As a crash leaves it: what was committed last is in the log alone."""
    database, crash = place.database, place.database.parent.with_name("crash")
    crash.mkdir()
    writer = sqlite3.connect(database)
    writer.execute("UPDATE metadata SET value = 'in the log' WHERE name = 'moment'")
    writer.commit()
    for path in database.parent.iterdir():
        shutil.copy(path, crash)
    writer.close()
    shutil.rmtree(database.parent)
    crash.rename(database.parent)
    assert database.with_name("gantry.db-wal").stat().st_size > 0
    assert place.restore().code == 0
    assert place.moment() == "of the backup" and place.rows("PRAGMA integrity_check") == [("ok",)]
    assert place.moment(place.kept) == "in the log"


def in_wal_mode(path):
    return path.read_bytes()[18:20] == b"\2\2"


def write_in_wal_mode(path):
    content = path.read_bytes()
    path.write_bytes(content[:18] + b"\2\2" + content[20:])
    assert in_wal_mode(path)


class Used:
    """The database while somebody writes, whose log has what was committed last; then a copy of it."""

    def __init__(self, place):
        self.writer = sqlite3.connect(place.database)
        self.writer.execute("PRAGMA wal_autocheckpoint = 0")
        self.writer.execute("UPDATE metadata SET value = 'in the log' WHERE name = 'moment'")
        self.writer.commit()
        self.database, self.copy = place.database, place.backup.with_name("copy.db")
        self.log = self.copy.with_name("copy.db-wal")

    def cp(self, with_log=True):
        shutil.copy(self.database, self.copy)
        if with_log:
            shutil.copy(self.database.with_name("gantry.db-wal"), self.log)

    def by_sqlite(self):
        with contextlib.closing(sqlite3.connect(self.copy)) as target:
            self.writer.backup(target)

    def vacuum(self):
        self.writer.execute("VACUUM INTO ?", (str(self.copy),))

    def end(self):
        self.writer.execute("UPDATE metadata SET value = 'later' WHERE name = 'moment'")
        self.writer.commit()
        self.writer.close()
        return self.copy


def left(place):
    return {p.name for p in place.database.parent.iterdir() if "restoring" in p.name}


@pytest.mark.parametrize("how, wal, warned", [("by_sqlite", True, True), ("cp", True, False), ("vacuum", False, False)])
def test_a_copy_of_a_database_in_use_is_taken_however_it_was_made(place, how, wal, warned):
    used = Used(place)
    getattr(used, how)()
    copy = used.end()
    assert in_wal_mode(copy) == wal
    before = {p: p.read_bytes() for p in copy.parent.glob("copy.db*")}
    result = place.restore(copy)
    assert result.code == 0, repr(result)
    assert (b"no log beside it" in result.stderr) == warned
    assert place.moment() == "in the log" and place.rows("PRAGMA integrity_check") == [("ok",)] and not left(place)
    assert {p: p.read_bytes() for p in copy.parent.glob("copy.db*")} == before
    assert place.boot().code == 0 and place.moment() == "in the log"


def test_a_copy_without_its_log_is_taken_as_it_is_and_that_is_said(place):
    used = Used(place)
    used.cp(with_log=False)
    result = place.restore(used.end())
    assert result.code == 0 and b"lacks what was written last" in result.stderr, repr(result)
    assert place.moment() == "later" and place.rows("PRAGMA integrity_check") == [("ok",)]  # what was there before both


def test_an_empty_log_is_one_and_a_link_leads_to_it(place):
    used = Used(place)
    used.cp()
    copy = used.end()
    link = place.backup.with_name("link.db")
    link.symlink_to(copy)
    assert place.restore(link).code == 0 and place.moment() == "in the log"
    used.log.write_bytes(b"")
    result = place.restore(copy)
    assert result.code == 0 and b"no log" not in result.stderr


def test_T76_what_lies_where_the_log_would_be_is_judged_too(place):
    used = Used(place)
    used.cp()
    copy, log = used.end(), used.log
    good = log.read_bytes()
    for content in (b"text" * 1000, b"7", bytes(len(good))):
        log.write_bytes(content)
        place.refused(copy, b"not a database's log")
    # Cut off or damaged behind its beginning, it holds what came before, as after a crash.
    for content in (good[:32], good[:-7], good[:100] + bytes(8) + good[108:]):
        log.write_bytes(content)
        result = place.restore(copy)
        assert result.code == 0 and place.rows("PRAGMA integrity_check") == [("ok",)] and not left(place), repr(result)
    for make in (os.mkfifo, os.mkdir):
        log.unlink(missing_ok=True)
        make(log)
        assert place.restore(copy).code in (FAILED, BY_HAND)
    log.rmdir()
    log.symlink_to("/etc/shadow")
    assert place.restore(copy).code in (FAILED, BY_HAND) and not left(place)


def test_T76_the_log_of_another_database_makes_no_unsound_one(place):
    used = Used(place)
    used.cp()
    copy = used.end()
    with contextlib.closing(sqlite3.connect(copy.with_name("other.db"))) as other:
        other.executescript("PRAGMA journal_mode = WAL; CREATE TABLE evil (a); INSERT INTO evil VALUES (hex(randomblob(20000)))")
        shutil.copy(copy.with_name("other.db-wal"), used.log)
        place.refused(copy)


SCHEMAS = {
    "a trigger": ("CREATE TRIGGER evil AFTER INSERT ON metadata BEGIN UPDATE metadata SET value = 'evil'; END", b"'evil'"),
    "a trigger on a daemon's table": ("CREATE TRIGGER evil AFTER UPDATE ON job BEGIN DELETE FROM secret; END", b"'evil'"),
    "a view": ("CREATE VIEW evil AS SELECT * FROM secret", b"'evil'"),
    "an endless view": ("CREATE VIEW evil AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", b"'evil'"),
    "an endless view in the place of a table": (
        "ALTER TABLE metadata RENAME TO hidden; CREATE VIEW metadata AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT 'moment' AS name, 'evil' AS value FROM n", b"schema"),
    "an endless view in the place of the versions": (
        "ALTER TABLE schema_migration RENAME TO hidden; CREATE VIEW schema_migration AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM n) SELECT i AS version, 'x' AS name, 1 AS applied_at FROM n", b""),
    "a trigger in the place of deleting": (
        "CREATE VIEW evil AS SELECT 1 AS a; CREATE TRIGGER t INSTEAD OF DELETE ON evil BEGIN DELETE FROM job; END", b"schema"),
    "another table": ("CREATE TABLE evil (a)", b"'evil'"),
    "an index of an expression": ("CREATE INDEX evil ON metadata (hex(value))", b"'evil'"),
    "a partial index": ("CREATE INDEX evil ON metadata (value) WHERE name = 'x'", b"'evil'"),
    "a virtual table": ("CREATE VIRTUAL TABLE evil USING fts5(a)", b"'evil"),
    "statistics": ("CREATE INDEX i ON metadata (value); ANALYZE; DROP INDEX i", b"'sqlite_stat"),
    "a table less": ("PRAGMA foreign_keys = OFF; DROP TABLE timeline_event", b"timeline_event"),
    "a column more": ("ALTER TABLE metadata ADD COLUMN evil TEXT DEFAULT 'x'", b"'metadata'"),
    "a computed column": ("ALTER TABLE metadata ADD COLUMN evil TEXT AS (zeroblob(1000000000)) VIRTUAL", b"'metadata'"),
    "a name for the terminal": ('CREATE TABLE "a\x1b]0;evil\x07" (a)', b"a\\x1b]0;evil"),
    "a rule less": ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'job'", b"'job'"),
    "no SQL": ("PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE' WHERE name = 'job'", b""),
    "a root that is another table's": (
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'metadata') "
        "WHERE name = 'secret'", b""),
    "a newer schema": ("INSERT INTO schema_migration VALUES (99, 'future', 1)", b"schema 99"),
    "no version": ("DELETE FROM schema_migration", b"which schema"),
    "another application": ("PRAGMA application_id = 7", b"not one of Gantry's"),
    "no application": ("PRAGMA application_id = 0", b"not one of Gantry's"),
    "a child without its parent": ("PRAGMA foreign_keys = OFF; UPDATE tag SET workspace_id = 'none'", b"damaged"),
}


@pytest.mark.parametrize("wal", [False, True], ids=["one file", "WAL"])
@pytest.mark.parametrize("what", SCHEMAS)
def test_T76_a_prepared_file_is_refused_and_changes_nothing(place, what, wal):
    sql, word = SCHEMAS[what]
    path = place.prepared(sql)
    if wal:
        write_in_wal_mode(path)
    place.refused(path, word)
    # The control: the same file without what was done to it.
    assert place.restore().code == 0 and place.moment() == "of the backup"


def test_T76_the_prepared_trigger_and_view_would_run_elsewhere(place):
    """The control of the table above: what it plants is alive."""
    with sqlite3.connect(place.prepared(SCHEMAS["a trigger"][0])) as database:
        database.execute("INSERT INTO metadata VALUES ('x', 'y')")
        assert database.execute("SELECT DISTINCT value FROM metadata").fetchall() == [("evil",)]
    with sqlite3.connect(place.prepared(SCHEMAS["an endless view"][0])) as database:
        database.set_progress_handler(lambda: 1, 10_000_000)
        with pytest.raises(sqlite3.OperationalError, match="interrupted"):
            database.execute("SELECT count(*) FROM evil").fetchone()


def endless_schema(path):
    """A file whose schema's tree has pages that lead to the same next page, 400 times each, ten pages deep: 400^10 rows, of which all
    but the first say the same, as SQLite lets them."""
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as database:
        database.executescript("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = 1195462228; CREATE TABLE t (a TEXT PRIMARY KEY)")
    database.close()
    content = bytearray(path.read_bytes())
    first = content[:PAGE]
    count = struct.unpack(">H", first[103:105])[0]
    assert first[100] == 13 and count == 2
    cells = [struct.unpack(">H", first[108 + 2 * i:110 + 2 * i])[0] for i in range(count)]
    ends = {cells[0]: PAGE, cells[1]: cells[0]}
    bodies = [bytes(first[cell:ends[cell]]) for cell in cells]

    def leaf(body):
        return struct.pack(">BHHHB", 13, 0, 1, PAGE - len(body), 0) + struct.pack(">H", PAGE - len(body)) + bytes(PAGE - 10 - len(body)) + body

    def interior(children, right, start=0):
        bodies = b"".join(struct.pack(">IB", child, key + 1) if key < 127 else struct.pack(">IBB", child, 0x80 | (key + 1) >> 7, (key + 1) & 127)
                          for key, child in enumerate(children))
        at, pointers = PAGE - len(bodies), b""
        for key in range(len(children)):
            pointers += struct.pack(">H", at)
            at += 5 if key < 127 else 6
        head = struct.pack(">BHHHBI", 5, 0, len(children), PAGE - len(bodies), 0, right) + pointers
        return head + bytes(PAGE - start - len(head) - len(bodies)) + bodies

    # Pages: 1 root, 2 the pointer map, 3 the index, 4 the table; then ours.
    pages = len(content) // PAGE
    table, depth = pages + 1, 10
    extra = leaf(bodies[0])
    for i in range(depth):
        extra += interior([pages + 3 + i] * 400, pages + 3 + i)
    extra += leaf(bodies[1])
    root = interior([table], pages + 2, 100)
    content[100:PAGE] = root
    content += extra
    content[28:32] = struct.pack(">I", len(content) // PAGE)
    path.write_bytes(content)
    return path


def test_T76_a_schema_without_an_end_is_given_up(place, tmp_path):
    path = endless_schema(tmp_path / "endless.db")
    place.refused(path, b"no end")
    content = path.read_bytes()
    write_in_wal_mode(path)
    place.refused(path, b"no end")
    path.write_bytes(content)
    # The control: it isn't damage that is found.
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    database.set_progress_handler(lambda: 1, 100_000_000)
    with pytest.raises(sqlite3.OperationalError) as error:
        database.execute("SELECT * FROM t").fetchone()
    assert error.value.sqlite_errorname == "SQLITE_INTERRUPT", error.value
    database.close()


def test_T76_what_is_no_database_is_refused(place, tmp_path):
    good = place.backup.read_bytes()
    contents = {"empty": b"", "text": b"SELECT 1;\n" * 1000, "cut in the header": good[:50], "cut behind the header": good[:100],
                "cut in a page": good[:PAGE + 7], "half": good[:len(good) // 2 // PAGE * PAGE], "a page less": good[:-PAGE],
                "zeros": bytes(len(good)), "the header alone": good[:100] + bytes(len(good) - 100)}
    for versions in ((0, 0), (3, 3), (1, 2), (2, 1)):
        contents[f"versions {versions}"] = good[:18] + bytes(versions) + good[20:]
    for name, content in contents.items():
        path = tmp_path / "file"
        path.write_bytes(content)
        place.refused(path, name.encode()[:0])
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (fifo, tmp_path, "/dev/zero", "/dev/null"):
        place.refused(path, b"not a file")
    place.refused(tmp_path / "none", b"No such file")
    link = tmp_path / "link"
    link.symlink_to(place.backup)
    assert place.restore(link).code == 0


def test_T76_damaged_pages_are_found(place, tmp_path):
    """Every page in turn: nothing, all ones, another page. Then single bytes, of which many can't be told from data: whatever comes,
    what is restored is sound."""
    good = place.backup.read_bytes()
    path = tmp_path / "damaged.db"
    pages = len(good) // PAGE
    try:
        used = [page - 1 for page, in place.rows("SELECT DISTINCT pageno FROM dbstat WHERE ncell > 0 AND pageno > 1", path=place.backup)]
    except sqlite3.OperationalError:  # built without that table
        pytest.skip("this SQLite doesn't say which pages it uses")
    assert len(used) > 20
    for number in used:
        for page in (bytes(PAGE), b"\xff" * PAGE, good[:PAGE]):
            path.write_bytes(good[:number * PAGE] + page + good[(number + 1) * PAGE:])
            place.refused(path)
    chance, taken = random.Random(76), 0
    for _ in range(int(os.environ.get("GANTRY_TEST_MUTATIONS", "5000" if os.environ.get("GANTRY_TEST_FULL") else "150"))):
        content = bytearray(good)
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            number = chance.choice(used)
            # Most of them where a page says how it is made.
            at = chance.choice((chance.randrange(12), chance.randrange(200), chance.randrange(PAGE)))
            content[number * PAGE + at] = chance.randrange(256)
        path.write_bytes(content)
        result = place.restore(path)
        assert result.code in (0, FAILED, BY_HAND), repr(result)
        if result.code == 0:
            taken += 1
            assert place.rows("PRAGMA integrity_check") == [("ok",)]
    assert taken > 0


def test_T76_a_database_that_is_in_use_is_not_replaced(place):
    # In a process of its own: a lock ends with whatever this one closes of the file.
    program = "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('SELECT * FROM metadata').fetchall(); print(flush=True); input()"
    with subprocess.Popen(["/usr/bin/python3", "-c", program, place.database], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        user.stdout.readline()
        place.refused(place.backup, b"Somebody has", b"open", code=(TRY_AGAIN,))
        user.communicate(b"\n")
    assert place.restore().code == 0


def test_T76_a_full_disk_costs_nothing(place):
    limited = ["prlimit", f"--fsize={PAGE * 10}", "sh", "-c", 'trap "" XFSZ; exec "$@"', "sh"]
    before = place.database.read_bytes()
    result = run([*limited, PROGRAM, f"--database={place.database}", f"--restore={place.backup}"])
    assert result.code in (FAILED, TRY_AGAIN) and b"Can't copy" in result.stderr, repr(result)
    assert place.database.read_bytes() == before and not place.database.with_name("gantry.db.restoring").exists()
    assert place.restore().code == 0


def test_T76_root_reads_the_file_as_the_owner_of_the_database(place):
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    owner = 54321
    for path in (place.database.parent, *place.database.parent.iterdir()):
        os.chown(path, owner, owner)
    for path in list(place.database.parents)[1:4]:
        path.chmod(path.stat().st_mode | 0o011)
    # Readable for root alone: it is opened before.
    os.chmod(place.backup, 0o600)
    assert place.restore().code == 0
    assert {(p.stat().st_uid, p.stat().st_gid) for p in place.database.parent.iterdir()} == {(owner, owner)}
    traced = subprocess.run(["strace", "-qq", "-e", "trace=setresuid,setgroups", PROGRAM, f"--database={place.database}",
                             f"--restore={place.backup}"], capture_output=True, check=False) if strace_works() else None
    if traced:
        assert b"setgroups(0, NULL)" in traced.stderr and b"setresuid(54321, 54321, 54321)" in traced.stderr


@pytest.mark.sandbox
@pytest.mark.parametrize("copied_by", ["gantry-cron", "cp"])
def test_T76_cut_off_at_any_call_one_of_the_two_databases_is_whole(place, copied_by):
    """SIGKILL at each call that changes a file or directory, in turn."""
    if not strace_works():
        pytest.skip("strace can't inject signals here")
    if copied_by == "cp":
        # The backup's moment stands in the log alone.
        with contextlib.closing(sqlite3.connect(place.backup)) as database:
            database.executescript("PRAGMA journal_mode = WAL; UPDATE metadata SET value = 'before' WHERE name = 'moment';"
                                   "PRAGMA wal_checkpoint(TRUNCATE); UPDATE metadata SET value = 'of the backup' WHERE name = 'moment'")
            for path in place.backup.parent.glob("backup.db*"):
                if not path.name.endswith("-shm"):
                    shutil.copy(path, path.with_name(path.name.replace("backup", "pair")))
        place.backup = place.backup.with_name("pair.db")
        assert place.backup.with_name("pair.db-wal").stat().st_size > 0
    origin = place.database.parent.with_name("origin")
    writer = sqlite3.connect(place.database)
    writer.execute("UPDATE metadata SET value = 'in the log' WHERE name = 'moment'")
    writer.commit()
    shutil.copytree(place.database.parent, origin)
    writer.close()
    cut = {}
    for call in ("link", "unlink", "rename", "fsync", "fdatasync", "ftruncate", "openat", "pwrite64", "write"):
        for number in range(1, 200):
            shutil.rmtree(place.database.parent)
            shutil.copytree(origin, place.database.parent)
            argv = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}",
                    PROGRAM, f"--database={place.database}", f"--restore={place.backup}"]
            code = subprocess.run(argv, stderr=subprocess.DEVNULL, check=False).returncode
            if code == 0:
                break
            cut[call] = number
            found = {place.moment(path) for path in (place.database, place.kept) if path.exists()}
            assert "in the log" in found or place.moment() == "in the log", (call, number, found)
            # Whatever was left, it can be done again, and the one before, unless it was done, is kept whole.
            done = place.moment() == "of the backup"
            assert place.restore().code == 0, (call, number)
            assert place.moment() == "of the backup" and (done or place.moment(place.kept) == "in the log"), (call, number)
    assert cut.get("link") == 2 and cut.get("rename") == 1 and cut.get("fsync", 0) >= 3, cut
