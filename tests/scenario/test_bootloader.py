# SPDX-License-Identifier: LGPL-2.1-or-later
"""`gantry-bootloader`: a database from nothing, again and again, with a newer schema, without a key, killed in between."""

import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import time
import uuid

import pytest

from conftest import BUILD, ROOT, run

PROGRAM = BUILD / "gantry-bootloader"


class Host:
    """What a host has: a place for the database, the shared files of the package, a sealing key."""

    def __init__(self, directory):
        self.database = directory / "state" / "gantry.db"
        self.data = directory / "data"
        self.key = directory / "key"
        (self.data / "specs").mkdir(parents=True)
        shutil.copytree(ROOT / "data/definitions.d", self.data / "definitions.d")
        for spec in ROOT.glob("src/connectors/*/*-spec.json"):
            shutil.copy(spec, self.data / "specs")
        self.key.write_bytes(os.urandom(32))
        self.env = {"GANTRY_KEY_FILE": str(self.key)}
        self.argv = [PROGRAM, f"--database={self.database}", f"--data={self.data}"]

    def boot(self, *options):
        return run([*self.argv, *options], env=self.env)

    def rows(self, sql, *values):
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return database.execute(sql, values).fetchall()

    def write(self, sql):
        with sqlite3.connect(self.database) as database:
            database.executescript(sql)

    def dump(self):
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as database:
            return list(database.iterdump())


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_first_start_makes_everything(host):
    result = host.boot()
    assert result.code == 0, repr(result)
    assert result.stderr.count(b"\n") == 1
    for word in (b"made with schema", b"default workspace", b"first application", b"local dataplane"):
        assert word in result.stderr, repr(result)
    assert [r[0] for r in host.rows("SELECT name FROM workspace")] == ["Default Workspace"]
    (deployment,), = host.rows("SELECT value FROM metadata WHERE name = 'deployment_id'")
    assert uuid.UUID(deployment).version == 7
    assert host.rows("SELECT role, workspace_id FROM permission") == [("admin", None)]
    (dataplane,), = host.rows("SELECT id FROM dataplane WHERE name = 'local'")
    assert host.rows("SELECT value FROM metadata WHERE name = 'local_dataplane_id'") == [(dataplane,)]
    assert stat.S_IMODE(host.database.stat().st_mode) == 0o600


def test_the_database_alone_does_not_tell_the_client_secret(host):
    assert host.boot().code == 0
    (secret_hash, sealed), = host.rows("SELECT secret_hash, sealed_secret FROM application")
    assert len(secret_hash) == 32
    # A token of 43 characters, and what sealing adds.
    assert len(sealed) == 43 + 48
    assert host.key.read_bytes() not in host.database.read_bytes()


def test_doing_it_again_changes_nothing(host):
    assert host.boot().code == 0
    before = host.dump()
    result = host.boot()
    assert result.code == 0
    assert b"0 of them new or changed" in result.stderr
    assert host.dump() == before


def test_every_native_connector_is_defined_with_its_specification(host):
    assert host.boot().code == 0
    stored = {reference: (spec, version) for reference, spec, version in
              host.rows("SELECT reference, spec, docker_image_tag FROM definition")}
    for path in ROOT.glob("src/connectors/*/*-spec.json"):
        spec, version = stored[f"native:{path.parent.name}"]
        assert json.loads(spec) == json.loads(path.read_text())
        assert version


def test_ids_are_airbytes_or_made_of_the_reference():
    """Contract: Airbyte's id where the connector takes Airbyte's configurations, else UUIDv5 of the reference."""
    airbytes = {"dfd88b22-b603-4c3d-aad7-3701784586b1", "778daa7c-feaf-4db6-96f3-70fd645acc77",
                "64a2f99c-542f-4af8-9a6f-355f1217b436", "a7bcc9d8-13b3-4e49-b80d-d020b90045e3"}
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, "org.gantry")
    seen, types = set(), set()
    for path in (ROOT / "data/definitions.d").glob("*.json"):
        definition = json.loads(path.read_text())
        own = str(uuid.uuid5(namespace, definition["reference"]))
        assert definition["definitionId"] in airbytes | {own}, path
        kind = ("source", definition["sourceType"]) if "sourceType" in definition else \
            ("destination", definition["destinationType"])
        assert definition["definitionId"] not in seen and kind not in types, path
        seen.add(definition["definitionId"])
        types.add(kind)


def test_a_changed_definition_is_taken_over(host):
    assert host.boot().code == 0
    path = host.data / "definitions.d/source-faker.json"
    definition = json.loads(path.read_text())
    definition["name"] = "Faker, renamed"
    path.write_text(json.dumps(definition))
    result = host.boot()
    assert b"1 of them new or changed" in result.stderr
    assert host.rows("SELECT name FROM definition WHERE id = ?", definition["definitionId"]) == [("Faker, renamed",)]


@pytest.mark.parametrize("text, what", [
    ("{", b"byte"),
    ("[]", b"no JSON object"),
    ("{}", b"definitionId"),
    ('{"definitionId":"x","name":"n","reference":"r","sourceType":"t"}', b"no UUID"),
    ('{"definitionId":"%s","name":"n","reference":"r"}' % uuid.UUID(int=1), b"sourceType"),
    ('{"definitionId":"%s","name":"n","reference":"r","sourceType":"t","network":"all"}' % uuid.UUID(int=1), b"network"),
    ('{"definitionId":"%s","name":"n","reference":"r","sourceType":"t","specFile":"../x"}' % uuid.UUID(int=1), b"path"),
    ('{"definitionId":"%s","name":"n","reference":"r","sourceType":"t","specFile":"none.json"}' % uuid.UUID(int=1),
     b"none.json"),
    ('{"definitionId":"%s","name":7,"reference":"r","sourceType":"t"}' % uuid.UUID(int=1), b"name"),
])
def test_a_broken_definition_is_named_and_none_is_seeded(host, text, what):
    (host.data / "definitions.d/broken.json").write_text(text)
    result = host.boot()
    assert result.code != 0
    assert b"broken.json" in result.stderr and what in result.stderr, repr(result)
    assert host.rows("SELECT count(*) FROM definition") == [(0,)]


def test_a_newer_schema_is_refused_and_left_alone(host):
    assert host.boot().code == 0
    host.write("INSERT INTO schema_migration VALUES (99, 'future', 1)")
    before = host.dump()
    for options in ((), ("--check",)):
        result = host.boot(*options)
        assert result.code == 78, repr(result)
        assert b"schema 99" in result.stderr and b"1" in result.stderr
    assert host.dump() == before


def test_check_only_compares(host):
    result = host.boot("--check")
    assert result.code == 1 and b"There is no database" in result.stderr
    assert not host.database.exists()
    assert host.boot().code == 0
    assert host.boot("--check").code == 0


def test_without_a_key_nothing_is_made(host):
    host.env = {"GANTRY_KEY_FILE": "/nonexistent"}
    result = host.boot()
    assert result.code == 78 and b"sealing key" in result.stderr
    assert not host.database.exists()


def test_t74_another_machines_key_is_told(host):
    assert host.boot().code == 0
    host.key.write_bytes(os.urandom(32))
    result = host.boot()
    assert result.code == 0
    assert b"another key" in result.stderr


def test_two_at_once_do_not_disturb_each_other(host):
    host.database.parent.mkdir()
    processes = [subprocess.Popen([str(a) for a in host.argv], env=dict(os.environ, **host.env), stderr=subprocess.PIPE)
                 for _ in range(4)]
    codes = [(p.communicate()[1], p.returncode)[1] for p in processes]
    assert 0 in codes and set(codes) <= {0, 75}
    assert host.boot().code == 0
    assert host.rows("SELECT count(*) FROM workspace") == [(1,)]
    assert host.rows("SELECT count(*) FROM application") == [(1,)]


def test_killed_at_any_moment_the_next_one_completes(host):
    rounds = random.Random(1)
    for _ in range(40):
        for path in host.database.parent.glob("*"):
            path.unlink()
        process = subprocess.Popen([str(a) for a in host.argv], env=dict(os.environ, **host.env), stderr=subprocess.DEVNULL)
        # What matters is where the kill falls, not that it falls there: any delay will do.
        time.sleep(rounds.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.wait()
        result = host.boot()
        assert result.code == 0, repr(result)
        assert host.rows("PRAGMA integrity_check") == [("ok",)]
        assert host.rows("SELECT count(*) FROM workspace") == [(1,)]
        assert host.rows("SELECT count(*) FROM application") == [(1,)]


def test_usage(host):
    assert host.boot("--no-such-option").code == 2
    assert host.boot("argument").code == 2
    assert run([PROGRAM, "--help"]).code == 0
    assert run([PROGRAM, "--version"]).stdout.startswith(b"gantry-bootloader ")
