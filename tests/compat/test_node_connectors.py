# SPDX-License-Identifier: LGPL-2.1-or-later
"""Node connectors with real code from npm: Faros's CDK and its destination. Their packages bring no program (Faros ships
those in images), so `npm:` says that, and a script of two lines beside them runs as `exec:`."""

import json
import pathlib
import shutil
import sqlite3
import subprocess

import pytest

from conftest import COMPAT, TIMEOUT

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE, VERSION = "airbyte-faros-destination", "0.10.65"


@pytest.fixture(scope="session")
def faros():
    """A directory with the package, its CDK and two programs."""
    if not shutil.which("npm"):
        pytest.skip("npm is not on PATH")
    directory = COMPAT / f"faros-{VERSION}"
    if not (directory / "whole").exists():
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / "package.json").write_text('{"private": true}')
        done = subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", f"{PACKAGE}@{VERSION}"],
                              cwd=directory, capture_output=True, timeout=TIMEOUT, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm's registry is out of reach: {done.stderr.decode(errors='replace').strip().splitlines()[-1:]}")
        (directory / "whole").touch()
    shutil.copy(HERE / "source-nums.js", directory / "source-nums")
    (directory / "destination-faros").write_text(
        f"#!/usr/bin/env node\nrequire('{PACKAGE}').mainCommand().parseAsync(process.argv);\n")
    for name in ("source-nums", "destination-faros"):
        (directory / name).chmod(0o755)
    return directory


def test_a_node_source_goes_on_from_its_compressed_legacy_state(gantry, put, faros, workspace):
    def run(count):
        result = gantry("sync", f"exec:{faros}/source-nums", "sqlite:out.db", "--source-config", put("c.json", {"count": count}),
                        "--name", "nums", "--mode", "incremental_deduped_history", "--json", "--progress", "none", timeout=TIMEOUT)
        assert result.code == 0, result
        return json.loads(result.stdout)["records_committed"]
    assert [run(5), run(1005), run(1005)] == [5, 1000, 0]
    rows = sqlite3.connect("out.db").execute("SELECT id, name FROM nums ORDER BY id").fetchall()
    assert rows == [(i, f"number {i}") for i in range(1, 1006)]


def test_a_node_destination_says_its_spec_and_refuses_a_configuration(gantry, put, faros):
    program = f"exec:{faros}/destination-faros"
    spec = gantry("spec", program, timeout=TIMEOUT)
    assert spec.code == 0, spec
    assert spec.of("SPEC")[0]["spec"]["connectionSpecification"]["required"] == ["edition_configs"]
    config = put("c.json", {"edition_configs": {"edition": "community", "hasura_url": "http://127.0.0.1:1"}})
    check = gantry("check", program, "--config", config, timeout=TIMEOUT)
    assert check.of("CONNECTION_STATUS")[0]["connectionStatus"]["status"] == "FAILED", check


def test_a_package_without_a_program_is_refused_with_a_sentence(gantry, store, faros):
    result = gantry("connector", "install", f"npm:{PACKAGE}@{VERSION}", env=store, timeout=TIMEOUT)
    assert result.code != 0 and b"brings no program" in result.stderr, result
    assert not list((COMPAT / "data/connectors").glob(f"npm/{PACKAGE}/*")), "something stayed behind"
