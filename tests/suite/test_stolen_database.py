# SPDX-License-Identifier: LGPL-2.1-or-later
"""A database in other hands (T73-T75): a real one, whose secrets were stored by gantry-server, is copied to another host or changed, and
gantry-workload, which is the one that opens secrets, is asked for them."""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess

import pytest
from api_world import own_suite  # noqa: F401
from conftest import BUILD
from workload_host import Host

ONE, OTHER, FIRST = "open-sesame-one-of-the-first", "open-sesame-of-the-other", "open-sesame-before"


def new_source(suite, name, secret):
    return suite.new_source(name=name, configuration={"sourceType": "files", "path": "https://example.com/a.csv", "stream_name": "a",
                                                      "http_headers": [{"name": "X-Key", "value": secret}]})["sourceId"]


@pytest.fixture(scope="module")
def stored(suite, tmp_path_factory):
    """The database with two sources, each with a secret, and what they are called; also the value that one had before."""
    one, other = new_source(suite, "one", FIRST), new_source(suite, "other", OTHER)
    with contextlib.closing(sqlite3.connect(suite.database)) as db:
        before = db.execute("SELECT sealed FROM secret WHERE owner_id = ?", (one,)).fetchone()[0]
    answer = suite.patch(f"/sources/{one}", {"configuration": {"http_headers": [{"name": "X-Key", "value": ONE}]}})
    assert answer.status == 200, answer
    copy = tmp_path_factory.mktemp("stolen") / "gantry.db"
    with contextlib.closing(sqlite3.connect(suite.database)) as db, contextlib.closing(sqlite3.connect(copy)) as target:
        db.backup(target)
    return copy, one, other, before


class Thief(Host):
    """gantry-workload over a copy of that database."""

    def __init__(self, directory, database, key=bytes(range(32))):
        super().__init__(directory)
        for path in self.database.parent.glob("gantry.db*"):
            path.unlink()
        shutil.copy(database, self.database)
        (self.directory / "key").write_bytes(key)
        for name in ("Workflow1", "Launcher1"):
            self.peer(name)

    def secret_of(self, source):
        """The header's value as a connector would get it, or why it gets none."""
        (configuration,), = self.sql("SELECT configuration FROM actor WHERE id = ?", (source,))
        assert "open-sesame" not in configuration
        id_ = self.create(input={"actor": {"id": source, "role": "source", "configuration": json.loads(configuration)}})
        claim = self.claim(id_)
        if not claim["claimed"]:
            return self.get(id_)["failure"]["reason"]
        return claim["input"]["actor"]["configuration"]["http_headers"][0]["value"]


@pytest.fixture
def open_host(tmp_path):
    opened = []

    def start(database, change=None, **options):
        place = tmp_path / str(len(opened))
        place.mkdir()
        host = Thief(place, database, **options)
        if change:
            change(host)
        opened.append(host)
        host.start()
        return host

    yield start
    for host in opened:
        host.stop()


def test_T73_the_file_alone_tells_no_secret(suite, stored):
    database, one, other, _ = stored
    found = b"".join(p.read_bytes() for p in (*suite.directory.glob("gantry.db*"), database))
    for secret in (ONE, OTHER, FIRST, suite.credentials[1], suite.token):
        assert secret.encode() not in found
    # The control: what is no secret is there.
    assert b"https://example.com/a.csv" in found and one.encode() in found and other.encode() in found


def test_T74_on_another_host_secrets_are_of_no_use_and_that_is_said(stored, open_host, tmp_path):
    database, one, _, _ = stored
    assert open_host(database).secret_of(one) == ONE
    said = open_host(database, key=os.urandom(32)).secret_of(one)
    assert "another key" in said and "open-sesame" not in said, said
    # The bootloader says it at the start, and all else can be seen and mended.
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(database, moved / "gantry.db")
    (moved / "key").write_bytes(os.urandom(32))
    (moved / "data/definitions.d").mkdir(parents=True)
    done = subprocess.run([BUILD / "gantry-bootloader", f"--database={moved}/gantry.db", f"--data={moved}/data"], capture_output=True,
                          text=True, check=False, env=dict(os.environ, GANTRY_KEY_FILE=str(moved / "key")))
    assert done.returncode == 0 and "another key" in done.stderr, done


def damage(sql):
    return lambda host: host.sql(sql)


CHANGES = {
    "swapped between two sources": "WITH now AS MATERIALIZED (SELECT id, sealed FROM secret) UPDATE secret SET sealed = "
                                   "(SELECT now.sealed FROM now WHERE now.id != secret.id)",
    "the other's row, named in its place": "UPDATE actor SET configuration = replace(configuration, (SELECT id FROM secret WHERE owner_id = '{one}'), "
                                           "(SELECT id FROM secret WHERE owner_id = '{other}')) WHERE id = '{one}'",
    "given to the other": "UPDATE secret SET owner_id = CASE owner_id WHEN '{one}' THEN '{other}' ELSE '{one}' END",
    "cut by a byte": "UPDATE secret SET sealed = substr(sealed, 1, length(sealed) - 1)",
    "cut to its head": "UPDATE secret SET sealed = substr(sealed, 1, 8)",
    "empty": "UPDATE secret SET sealed = x''",
    "a byte more": "UPDATE secret SET sealed = CAST(sealed || x'00' AS BLOB)",
    "in clear": "UPDATE secret SET sealed = CAST('open-sesame-forged' AS BLOB)",
    "gone": "DELETE FROM secret",
}


@pytest.mark.parametrize("what", CHANGES)
def test_T75_a_secret_in_another_place_or_shape_does_not_open(stored, open_host, what):
    database, one, other, _ = stored
    said = open_host(database, damage(CHANGES[what].format(one=one, other=other))).secret_of(one)
    assert "open-sesame" not in said and len(said) > 20, said


def test_T75_a_flipped_bit_anywhere_is_noticed(stored, open_host):
    database, one, _, _ = stored
    host = open_host(database)
    assert host.secret_of(one) == ONE
    (id_, sealed), = host.sql("SELECT id, sealed FROM secret WHERE owner_id = ?", (one,))
    for at in sorted({0, 4, 8, 12, 31, 32, len(sealed) // 2, len(sealed) - 17, len(sealed) - 1}):
        flipped = bytearray(sealed)
        flipped[at] ^= 1 << at % 8
        host.sql("UPDATE secret SET sealed = ? WHERE id = ?", (bytes(flipped), id_))
        assert "open-sesame" not in host.secret_of(one), at
    host.sql("UPDATE secret SET sealed = ? WHERE id = ?", (sealed, id_))
    assert host.secret_of(one) == ONE


def test_T75_the_value_before_does_not_open_in_the_place_of_the_new_one(stored, open_host):
    """Each value has a row of its own, to which it is bound: an old blob put back is one in another place."""
    database, one, _, before = stored
    host = open_host(database)
    host.sql("UPDATE secret SET sealed = ? WHERE owner_id = ?", (before, one))
    assert "open-sesame" not in host.secret_of(one)
